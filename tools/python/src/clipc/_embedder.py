# SPDX-License-Identifier: MIT
"""The part of a Model that makes embeddings, pixels and token ids."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any, Callable, Literal, Optional, Union, overload

import numpy as np
import numpy.typing as npt

from . import _ahead, _native
from ._engine import Engine
from ._errors import ClipcError, argument, light
from ._images import ImageInput, ImageReader, is_animated, is_array, is_pil
from ._inputs import choice, listed, of_one_input, single, utf8, whole

Array = npt.NDArray[np.float32]
OnError = Literal["raise", "null", "return"]

# Pictures encoded together unless the caller says otherwise: the batch of
# clipc-embed. The numbers do not depend on it.
IMAGE_BATCH = 8
# Texts of one call: a signal is heard between two of them.
TEXT_BATCH = 64

_Progress = Callable[[int], None]


class Embedder:
    """What Model inherits: its calls with pictures and texts as input.

    Attributes:
        dim: numbers in an embedding.
        image_size: S; pixels are [3, S, S].
        context_length: most tokens in a text, both ends included.
    """

    dim: int
    image_size: int
    context_length: int
    _engine: Engine
    _reader: ImageReader

    # ---- embeddings ----

    @overload
    def encode(
        self,
        inputs: Any,
        batch_size: Optional[int] = ...,
        *,
        normalize_embeddings: bool = ...,
        convert_to_numpy: Literal[True] = ...,
        convert_to_tensor: Literal[False] = ...,
        show_progress_bar: Optional[bool] = ...,
        truncate: bool = ...,
        on_error: OnError = ...,
    ) -> Array: ...
    @overload
    def encode(
        self,
        inputs: Any,
        batch_size: Optional[int] = ...,
        *,
        normalize_embeddings: bool = ...,
        convert_to_numpy: bool = ...,
        convert_to_tensor: bool = ...,
        show_progress_bar: Optional[bool] = ...,
        truncate: bool = ...,
        on_error: OnError = ...,
    ) -> Any: ...
    def encode(
        self,
        inputs: Any,
        batch_size: Optional[int] = None,
        *,
        normalize_embeddings: bool = True,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        show_progress_bar: Optional[bool] = None,
        truncate: bool = False,
        on_error: OnError = "raise",
    ) -> Any:
        """Embeddings of texts and pictures, in any mixture.

        Args:
            inputs: one input or a list. A str is a text. A Path, bytes (of a
                picture file), a PIL image and an array of uint8
                [height, width, 3] are pictures; an array [n, height, width, 3]
                is n pictures.
            batch_size: pictures or texts encoded together; the numbers do not
                depend on it. None: 8 pictures, 64 texts.
            normalize_embeddings: True (the default): vectors of unit length.
                False: as the projection makes them.
            convert_to_numpy: one array. False: a list of arrays [dim].
            convert_to_tensor: a torch tensor; needs torch.
            show_progress_bar: a bar of tqdm, where tqdm is installed.
            truncate: cut texts that are too long, rather than fail.
            on_error: "raise"; or "null": a row of NaN (None in a list) for an
                input that cannot be encoded; or "return", in a list only: the
                ClipcError in its place.

        Returns:
            float32 [dim] for one input, [n, dim] for a list.

        Raises:
            ClipcError: the first input that cannot be encoded; `index` is its
                place.
        """
        as_list = not convert_to_numpy and not convert_to_tensor
        self._check(batch_size, on_error, as_list)
        is_one = single(inputs)
        items = [inputs] if is_one else listed(inputs)
        rows: list[Any] = [None] * len(items)
        with _bar(show_progress_bar, len(items)) as step:
            texts = [i for i, item in enumerate(items) if isinstance(item, str)]
            found = self._texts(
                [items[i] for i in texts], batch_size, normalize_embeddings, truncate, step
            )
            self._place(rows, texts, found, on_error, is_one)
            pictures = [i for i, item in enumerate(items) if not isinstance(item, str)]
            found = self._pictures(
                [items[i] for i in pictures], batch_size, normalize_embeddings, step
            )
            self._place(rows, pictures, found, on_error, is_one)
        if as_list:
            return rows[0] if is_one else rows
        return self._stacked(rows, is_one, convert_to_tensor)

    def encode_image(
        self,
        images: Any,
        normalize: bool = True,
        *,
        batch_size: Optional[int] = None,
        on_error: Literal["raise", "null"] = "raise",
    ) -> Array:
        """Embeddings of pictures alone: here a str is a path or a URL.

        Args:
            images: one picture or a list, as for encode(); or float pixels that
                preprocess() made, [3, S, S] or [n, 3, S, S].
            normalize: True (the default): unit length; open_clip's default is
                False.
            batch_size, on_error: as for encode().

        Returns:
            float32 [dim] for one picture, [n, dim] for several.
        """
        self._check(batch_size, on_error, False)
        if is_array(images) and np.asarray(images).dtype.kind == "f":
            return self._pixels(np.asarray(images), normalize)
        is_one = single(images)
        items = [images] if is_one else listed(images)
        rows: list[Any] = [None] * len(items)
        found = self._pictures(items, batch_size, normalize, None)
        self._place(rows, range(len(items)), found, on_error, is_one)
        result: Array = self._stacked(rows, is_one, False)
        return result

    def encode_text(
        self,
        texts: Union[str, Sequence[str], npt.NDArray[np.str_]],
        normalize: bool = True,
        *,
        truncate: bool = False,
        batch_size: Optional[int] = None,
        on_error: Literal["raise", "null"] = "raise",
    ) -> Array:
        """Embeddings of texts: float32 [dim] for one str, [n, dim] for a list.

        normalize: True (the default): unit length; open_clip's default is False.
        truncate, batch_size, on_error: as for encode().
        """
        self._check(batch_size, on_error, False)
        is_one = isinstance(texts, str)
        items: list[Any] = [texts] if is_one else listed(texts)
        rows: list[Any] = [None] * len(items)
        found = self._texts(items, batch_size, normalize, truncate, None)
        self._place(rows, range(len(items)), found, on_error, is_one)
        result: Array = self._stacked(rows, is_one, False)
        return result

    def embed_images(
        self,
        images: Iterable[ImageInput],
        batch_size: Optional[int] = None,
        *,
        normalize: bool = True,
        on_error: OnError = "raise",
        readers: Optional[int] = None,
    ) -> Iterator[Any]:
        """One embedding after the other, of any number of pictures, in their
        order: a generator in bounded memory.

        Threads read and decode ahead of the network: at most
        3 * batch_size + readers pictures are taken from `images` before their
        turn. `images` may be a generator; it is advanced on the caller's thread.
        It must not change an array that it has yielded; an animated PIL image may
        go on to its next frame, as ImageSequence.Iterator does.

        Args:
            images: pictures, as for encode_image(): a str is a path or a URL.
            batch_size: pictures encoded together; None: 8.
            normalize: True: vectors of unit length.
            on_error: "raise" ends the generator at the first failure; "null"
                yields None, "return" the ClipcError, in the picture's place.
            readers: threads that read; None: as many as compute; 0: none.

        Yields:
            float32 [dim], or as on_error says.
        """
        self._check(batch_size, on_error, True)
        whole("readers", readers, 0, 64)
        if isinstance(images, (str, bytes, os.PathLike)) or is_pil(images):
            raise argument("embed_images() takes many pictures: give a list or a generator")
        return self._embed(images, batch_size, normalize, on_error, readers)

    def _embed(
        self,
        images: Iterable[Any],
        batch_size: Optional[int],
        normalize: bool,
        on_error: OnError,
        readers: Optional[int],
    ) -> Iterator[Any]:
        found = self._pictures(images, batch_size, normalize, None, readers)
        with closing(found):
            for index, answer in enumerate(found):
                if not isinstance(answer, ClipcError):
                    yield answer
                    continue
                answer.index = index
                if on_error == "raise":
                    raise answer
                yield answer if on_error == "return" else None

    def _check(self, batch_size: Optional[int], on_error: str, may_return: bool) -> None:
        whole("batch_size", batch_size, 1, 1 << 20)
        choice("on_error", on_error, ("raise", "null", "return"))
        if on_error == "return" and not may_return:
            raise argument("on_error='return': an array has no room for an error")

    @staticmethod
    def _place(
        rows: list[Any],
        places: Iterable[int],
        found: Generator[Any, None, None],
        on_error: str,
        is_one: bool,
    ) -> None:
        """Puts each answer at its place."""
        with closing(found):
            for place, answer in zip(places, found):
                if not isinstance(answer, ClipcError):
                    rows[place] = answer
                    continue
                if not is_one:
                    answer.index = place
                if on_error == "raise":
                    raise answer
                rows[place] = answer if on_error == "return" else None

    def _stacked(self, rows: list[Any], is_one: bool, tensor: bool) -> Any:
        array = np.empty((len(rows), self.dim), np.float32)
        for i, row in enumerate(rows):
            array[i] = np.nan if row is None else row
        result = array[0] if is_one else array
        if tensor:
            import torch

            return torch.from_numpy(result)
        return result

    # ---- pictures ----

    def _read(self, item: Any) -> Union[_native.Handle, ClipcError]:
        try:
            return self._reader.read(item, self._engine.model())
        except ClipcError as error:
            return light(error)

    def _pictures(
        self,
        items: Iterable[Any],
        batch_size: Optional[int],
        normalize: bool,
        step: Optional[_Progress],
        readers: Optional[int] = None,
    ) -> Generator[Union[Array, ClipcError], None, None]:
        """An embedding or an error for each picture, in their order."""
        flags = 0 if normalize else _native.EMBED_RAW
        with closing(self._batches(items, batch_size, readers)) as read:
            for batch in read:
                good = [h for h in batch if isinstance(h, _native.Handle)]
                encoded = iter(self._encode_handles(good, flags))
                if step:
                    step(len(batch))
                for answer in batch:
                    yield answer if isinstance(answer, ClipcError) else next(encoded)

    def _batches(
        self, items: Iterable[Any], batch_size: Optional[int], readers: Optional[int] = None
    ) -> Generator[list[Union[_native.Handle, ClipcError]], None, None]:
        """The pictures, read ahead, in batches."""
        if readers is None:
            readers = 0 if isinstance(items, list) and len(items) < 2 else self._engine.n_threads
        if readers == 0:
            return _ahead.alone(items, self._read)
        return _ahead.batches(
            items, self._read, batch_size or IMAGE_BATCH, readers, is_pil, is_animated
        )

    def _rows(
        self, items: list[Any], encode: Callable[[list[Any], int], None]
    ) -> list[Union[Array, ClipcError]]:
        """What `encode` writes at an address, a row an item. An item that cannot be
        encoded has its error, and does not take the others with it."""
        rows = np.empty((len(items), self.dim), np.float32)
        try:
            encode(items, rows.ctypes.data)
        except ClipcError as error:
            if len(items) == 1:
                return [light(of_one_input(error))]
            return [row for item in items for row in self._rows([item], encode)]
        return list(rows)

    def _encode_handles(
        self, handles: list[_native.Handle], flags: int
    ) -> list[Union[Array, ClipcError]]:
        def encode(items: list[_native.Handle], to: int) -> None:
            self._engine.call(
                "clipc_encode_images",
                self._engine.context(),
                _native.pointers_of(items),
                len(items),
                to,
                flags,
            )

        return self._rows(handles, encode) if handles else []

    def _pixels(self, pixels: npt.NDArray[Any], normalize: bool) -> Array:
        size = self.image_size
        if pixels.ndim not in (3, 4) or pixels.shape[-3:] != (3, size, size):
            raise argument(
                f"pixels of shape {list(pixels.shape)}: this model reads "
                f"[3, {size}, {size}] or [n, 3, {size}, {size}]"
            )
        planes = np.ascontiguousarray(pixels, np.float32).reshape(-1, 3, size, size)
        rows = np.empty((len(planes), self.dim), np.float32)
        flags = 0 if normalize else _native.EMBED_RAW
        for i in range(0, len(planes), IMAGE_BATCH):
            part = planes[i : i + IMAGE_BATCH]
            self._engine.call(
                "clipc_encode_pixels",
                self._engine.context(),
                part.ctypes.data,
                len(part),
                rows[i : i + IMAGE_BATCH].ctypes.data,
                flags,
            )
        return rows[0] if pixels.ndim == 3 else rows

    # ---- texts ----

    def _texts(
        self,
        items: list[Any],
        batch_size: Optional[int],
        normalize: bool,
        truncate: bool,
        step: Optional[_Progress],
    ) -> Generator[Union[Array, ClipcError], None, None]:
        flags = (0 if normalize else _native.EMBED_RAW) | (_native.TEXT_TRUNCATE if truncate else 0)
        n = batch_size or TEXT_BATCH
        for i in range(0, len(items), n):
            rows = self._encode_texts(items[i : i + n], flags)
            if step:
                step(len(rows))
            yield from rows

    def _encode_texts(self, items: list[Any], flags: int) -> list[Union[Array, ClipcError]]:
        def encode(texts: list[Any], to: int) -> None:
            data = [utf8(text) for text in texts]
            self._engine.call(
                "clipc_encode_texts",
                self._engine.context(),
                _native.texts_of(data),
                len(data),
                to,
                flags,
            )

        return self._rows(items, encode)

    def tokenize(
        self, texts: Union[str, Sequence[str]], *, truncate: bool = False
    ) -> Union[npt.NDArray[np.int32], list[npt.NDArray[np.int32]]]:
        """Token ids with start and end token: int32 [n_ids] for one str, a list
        of such arrays for several. truncate: cut what is too long to read."""
        if isinstance(texts, str):
            return self._ids(texts, truncate)
        return [self._ids(text, truncate) for text in listed(texts)]

    def _ids(self, text: Any, truncate: bool) -> npt.NDArray[np.int32]:
        flags = _native.TEXT_TRUNCATE if truncate else 0
        data = utf8(text)
        capacity = self.context_length
        while True:
            ids: npt.NDArray[np.int32] = np.empty(capacity, np.int32)
            n = ctypes.c_size_t()
            self._engine.call(
                "clipc_tokenize",
                self._engine.model(),
                _native.Text(data, len(data)),
                ids.ctypes.data,
                capacity,
                ctypes.byref(n),
                flags,
            )
            if n.value <= capacity:
                found: npt.NDArray[np.int32] = ids[: n.value].copy()
                return found
            capacity = n.value

    # ---- pixels ----

    @overload
    def preprocess(self, images: Any, *, as_uint8: Literal[False] = ...) -> Array: ...
    @overload
    def preprocess(self, images: Any, *, as_uint8: Literal[True]) -> npt.NDArray[np.uint8]: ...
    def preprocess(self, images: Any, *, as_uint8: bool = False) -> npt.NDArray[Any]:
        """What the network sees: resized, cropped, scaled and normalised.

        Args:
            images: one picture or a list, as for encode_image().
            as_uint8: before scaling and normalising.

        Returns:
            float32 (or uint8) [3, S, S] for one picture, [n, 3, S, S] for
            several, S = image_size; equal bit for bit to transformers'
            CLIPImageProcessorPil.
        """
        is_one = single(images)
        items = [images] if is_one else listed(images)
        kind = np.uint8 if as_uint8 else np.float32
        function = "clipc_preprocess_u8" if as_uint8 else "clipc_preprocess"
        pixels = np.empty((len(items), 3, self.image_size, self.image_size), kind)
        for i, item in enumerate(items):
            answer = self._read(item)
            if isinstance(answer, ClipcError):
                answer.index = None if is_one else i
                raise answer
            self._engine.call(
                function,
                self._engine.model(),
                _native.pointers_of([answer]),
                1,
                pixels[i].ctypes.data,
            )
        return pixels[0] if is_one else pixels


class _bar:
    """A bar of tqdm, where one is wanted and tqdm is installed."""

    def __init__(self, wanted: Optional[bool], total: int) -> None:
        self._bar: Any = None
        if wanted:
            try:
                from tqdm.auto import tqdm
            except ImportError:
                return
            self._bar = tqdm(total=total, unit="input", desc="clipc")

    def __enter__(self) -> Optional[_Progress]:
        return self._bar.update if self._bar is not None else None

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
