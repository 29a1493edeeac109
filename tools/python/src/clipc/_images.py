# SPDX-License-Identifier: MIT
"""Pictures of every kind Python has, read by the library's decoders.

A picture is a path, the bytes of a picture file, an http(s) or data: URL, a PIL
image, or an array of uint8 of shape [height, width, 3].
"""

from __future__ import annotations

import ctypes
import io
import os
import threading
from typing import TYPE_CHECKING, Any, Callable, Union

import numpy as np
import numpy.typing as npt

from . import _ahead, _native
from ._errors import ClipcError, argument

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

ImageInput = Union[
    str, "os.PathLike[str]", bytes, bytearray, memoryview, "npt.NDArray[np.uint8]", "PilImage"
]

# Memory of a reader for a picture that cannot be decoded by rows. One that needs
# more is read alone: the bound on memory does not grow with the readers.
SMALL_DECODE_BYTES = 128 << 20
MAX_URL_BYTES = 32 << 20


def is_pil(item: object) -> bool:
    """Whether it is a PIL image; does not import PIL."""
    return hasattr(item, "convert") and hasattr(item, "getbands")


def is_animated(item: Any) -> bool:
    """Whether it is a PIL image that can become its next frame."""
    return is_pil(item) and bool(getattr(item, "is_animated", False))


def is_array(item: object) -> bool:
    """Whether NumPy can take it as an array: NumPy's own, torch's, ..."""
    return hasattr(item, "__array__") and not isinstance(item, (np.str_, np.bytes_))


def is_url(name: str) -> bool:
    return name[:8].lower().startswith(("http://", "https://", "data:"))


def describe(item: object) -> str:
    """A short name of an input for messages."""
    if isinstance(item, (str, os.PathLike)):
        text = os.fspath(item)
        return text if len(text) <= 200 else text[:200] + "..."
    if isinstance(item, (bytes, bytearray, memoryview)):
        return f"{len(item)} bytes"
    return type(item).__name__


# Stops a transfer that nobody waits for any more.
_stop_when_ended = _native.ProgressFunction(lambda *_: _ahead.ended())


class ImageReader:
    """Reads pictures for one model, from any number of threads at once."""

    def __init__(
        self,
        call: Callable[..., None],
        *,
        auto_orient: bool,
        alpha: str,
        decode: str,
        private_hosts: str,
    ) -> None:
        self._call = call
        self.auto_orient = auto_orient
        self.alpha = alpha
        self.private_hosts = private_hosts
        self._params = _native.lib.clipc_image_params_default()
        self._params.auto_orient = auto_orient
        self._params.alpha = _native.ALPHA[alpha]
        self._params.decode = _native.DECODE[decode]
        self._params.private_hosts = _native.PRIVATE_HOSTS[private_hosts]
        self._large = threading.Lock()

    def read(self, item: Any, fit: _native.Handle) -> _native.Handle:
        """The picture as a clipc_image; fit: the model whose pixels are kept."""
        if isinstance(item, str) and is_url(item):
            return self._read_url(item, fit)
        if isinstance(item, (str, os.PathLike)):
            return self._read_file(item, fit)
        if isinstance(item, (bytes, bytearray, memoryview)):
            return self._read_memory(bytes(item), fit)
        if is_pil(item):
            return self._from_rgb(pixels_of_pil(item, self.auto_orient, self.alpha), fit)
        if is_array(item):
            return self._from_rgb(np.asarray(item), fit)
        raise argument(
            f"a picture of type {type(item).__name__}: it must be a path, the bytes of a "
            "picture file, a URL, a PIL image or an array of uint8 [height, width, 3]"
        )

    def _read_file(self, item: Union[str, os.PathLike[str]], fit: _native.Handle) -> _native.Handle:
        try:
            path = os.fsencode(item)
        except UnicodeEncodeError:
            raise ClipcError("utf8", f"{describe(item)!r}: not the name of a file") from None
        if b"\0" in path:
            raise argument(f"{describe(item)!r}: a path must not have a NUL byte")
        try:
            return self._decode("clipc_image_read_file", fit, path)
        except ClipcError as error:
            if error.status != "unsupported" or os.path.isdir(path):
                raise
            with open(path, "rb") as file:
                if not _is_avif_for_pillow(file.read(12)):
                    raise
                file.seek(0)
                return self._avif(file, error, fit)

    def _read_memory(self, data: bytes, fit: _native.Handle) -> _native.Handle:
        try:
            return self._decode("clipc_image_read_memory", fit, data, len(data))
        except ClipcError as error:
            if error.status != "unsupported" or not _is_avif_for_pillow(data[:12]):
                raise
            return self._avif(io.BytesIO(data), error, fit)

    def _avif(self, file: Any, error: ClipcError, fit: _native.Handle) -> _native.Handle:
        """By Pillow, the reference, where the library was built without AVIF."""
        try:
            from PIL import Image
        except ImportError:
            raise ClipcError(
                error.status, f"{error.message}; Pillow reads it: pip install 'clipc[images]'"
            ) from None
        try:
            image = Image.open(file)
        except Exception as reason:
            raise of_pillow(reason, "an AVIF") from reason
        return self._from_rgb(pixels_of_pil(image, self.auto_orient, self.alpha), fit)

    def _read_url(self, url: str, fit: _native.Handle) -> _native.Handle:
        try:
            data = url.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise ClipcError("url", f"{describe(url)!r}: not UTF-8") from None
        if b"\0" in data:
            raise ClipcError("url", "a URL must not have a NUL byte")
        if url[:5].lower() == "data:" or _native.build_info()["libcurl"]:
            return self._decode("clipc_image_read_url", fit, data)
        from ._fetch import fetch

        return self._read_memory(fetch(url, self.private_hosts, MAX_URL_BYTES), fit)

    def _from_rgb(self, pixels: npt.NDArray[Any], fit: _native.Handle) -> _native.Handle:
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            raise argument(
                f"an array of {pixels.dtype} {list(pixels.shape)}: the pixels of a picture "
                "are uint8 [height, width, 3], RGB"
            )
        rgb = np.ascontiguousarray(pixels)
        height, width = rgb.shape[:2]
        return self._create(
            "clipc_image_from_rgb",
            ctypes.c_void_p(rgb.ctypes.data),
            width,
            height,
            3 * width,
            ctypes.byref(self._copy(fit)),
        )

    def _decode(self, function: str, fit: _native.Handle, *source: Any) -> _native.Handle:
        params = self._copy(fit)
        params.max_decode_bytes = SMALL_DECODE_BYTES
        try:
            return self._create(function, *source, ctypes.byref(params))
        except ClipcError as error:
            if error.status != "limit":
                raise
        params.max_decode_bytes = 0
        with self._large:
            return self._create(function, *source, ctypes.byref(params))

    def _copy(self, fit: _native.Handle) -> Any:
        params = _native.ImageParams.from_buffer_copy(self._params)
        params.fit = fit.pointer
        # Of a URL. Not on the caller's own thread: Ctrl-C would be raised in the
        # callback, and ctypes would drop it there.
        if _ahead.is_reader():
            params.progress = _stop_when_ended
        return params

    def _create(self, function: str, *arguments: Any) -> _native.Handle:
        return _native.create(function, "clipc_image_free", *arguments, by=self._call)


def _is_avif_for_pillow(head: bytes) -> bool:
    is_avif = head[4:8] == b"ftyp" and head[8:12] in (b"avif", b"avis", b"mif1", b"msf1")
    return is_avif and not _native.build_info()["libavif"]


def _on_white(image: Any) -> npt.NDArray[Any]:
    """[height, width, 3] uint8, the picture laid on white as the library lays it."""
    rgba = np.asarray(image.convert("RGBA"))
    out = np.empty((*rgba.shape[:2], 3), np.uint8)
    for to, row in zip(out, rgba):  # in little memory
        alpha = row[:, 3:].astype(np.uint16)
        laid = row[:, :3] * alpha + 255 * (255 - alpha) + 128
        to[:] = (laid + (laid >> 8)) >> 8
    return out


def pixels_of_pil(image: Any, auto_orient: bool, alpha: str) -> npt.NDArray[Any]:
    """[height, width, 3] uint8 of a PIL image, as its convert("RGB") has them;
    alpha "white": what is transparent is laid on white."""
    try:
        if auto_orient:
            from PIL import ImageOps

            image = ImageOps.exif_transpose(image)
        if alpha == "white" and (
            image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info
        ):
            return _on_white(image)
        return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
    except Exception as error:
        raise of_pillow(error, getattr(image, "filename", None) or "a PIL image") from error


def of_pillow(error: Exception, name: str) -> ClipcError:
    """What Pillow raises depends on its plugin."""
    status = {"DecompressionBombError": "limit", "UnidentifiedImageError": "unsupported"}.get(
        type(error).__name__, "format"
    )
    return ClipcError(status, f"{name}: Pillow cannot read it: {error}")
