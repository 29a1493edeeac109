# SPDX-License-Identifier: MIT
"""libclipc through ctypes: the library found, its structs, its functions.

Structs and numbers repeat include/clipc.h. tests/test_abi.py compares every
size, offset and number with what a C compiler says of the header.

A foreign function of ctypes releases the GIL while it runs.
"""

from __future__ import annotations

import ctypes
import os
from ctypes import (
    POINTER,
    Structure,
    byref,
    c_char,
    c_char_p,
    c_double,
    c_float,
    c_int,
    c_int64,
    c_size_t,
    c_uint,
    c_uint64,
    c_void_p,
    sizeof,
)
from typing import Any, Callable, ClassVar, Optional

from ._errors import STATUS_NAMES, ClipcError

# The version of the header that this file repeats. A library of another minor
# version may have other structs.
HEADER_VERSION = (0, 2)

FOLDER = os.path.dirname(os.path.abspath(__file__))

# ---- numbers ------------------------------------------------------------------

PRECISIONS = {"auto": 0, "f32": 1, "bf16": 2, "int8": 3}

PACKING_AUTO = 0
PACKING_ALWAYS = 2

ALPHA = {"drop": 0, "white": 1}
DECODE = {"exact": 0, "fast": 1}
PRIVATE_HOSTS = {"deny": 0, "first-hop": 1, "allow": 2}

TOWERS = {"both": 0, "image": 1, "text": 2}

TEXT_TRUNCATE = 1
TEXT_SPECIALS_PLAIN = 2
EMBED_RAW = 4
SIMILARITY_LOGITS = 8
TEXT_LOWERCASE = 16

SCORING_SOFTMAX = 0
SCORING_SIGMOID = 1

ProgressFunction = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p)
NoticeFunction = ctypes.CFUNCTYPE(None, c_void_p, c_char_p)

# ---- structs ------------------------------------------------------------------


class Error(Structure):
    _fields_: ClassVar[Any] = [
        ("struct_size", c_size_t),
        ("code", c_int),
        ("offset", c_int64),
        ("message", c_char * 256),
    ]


class Text(Structure):
    _fields_: ClassVar[Any] = [("data", c_char_p), ("len", c_size_t)]


class Progress(Structure):
    _fields_: ClassVar[Any] = [("what", c_char_p), ("done", c_uint64), ("total", c_uint64)]


class Result(Structure):
    _fields_: ClassVar[Any] = [
        ("index", ctypes.c_uint32),
        ("cosine", c_float),
        ("logit", c_float),
        ("probability", c_float),
    ]


class ModelParams(Structure):
    _fields_: ClassVar[Any] = [
        ("struct_size", c_size_t),
        ("load", c_int),
        ("data_dir", c_char_p),
        ("max_header_bytes", c_size_t),
        ("image_size", c_size_t),
        ("hub", c_void_p),
        ("adapter", c_char_p),
        ("progress", ProgressFunction),
        ("progress_user", c_void_p),
    ]


class CtxParams(Structure):
    _fields_: ClassVar[Any] = [
        ("struct_size", c_size_t),
        ("threads", c_uint),
        ("gemm", c_int),
        ("cpu", c_int),
        ("keep_blas_threads", c_int),
        ("progress", ProgressFunction),
        ("progress_user", c_void_p),
        ("context_length", c_size_t),
        ("precision", c_int),
        ("packing", c_int),
        ("max_scratch_bytes", c_size_t),
        ("max_macs", c_uint64),
    ]


class LabelsParams(Structure):
    _fields_: ClassVar[Any] = [
        ("struct_size", c_size_t),
        ("templates", POINTER(Text)),
        ("n_templates", c_size_t),
        ("cache_dir", c_char_p),
        ("text_flags", c_uint),
    ]


class ImageParams(Structure):
    _fields_: ClassVar[Any] = [
        ("struct_size", c_size_t),
        ("fit", c_void_p),
        ("max_bytes", c_size_t),
        ("max_pixels", c_size_t),
        ("max_decode_bytes", c_size_t),
        ("max_scans", c_uint),
        ("timeout_ms", c_uint),
        ("connect_timeout_ms", c_uint),
        ("max_redirects", c_uint),
        ("private_hosts", c_int),
        ("ca_file", c_char_p),
        ("progress", ProgressFunction),
        ("progress_user", c_void_p),
        ("auto_orient", c_int),
        ("alpha", c_int),
        ("fit_published", c_int),
        ("ca_dir", c_char_p),
        ("user_agent", c_char_p),
        ("decode", c_int),
        ("times", c_void_p),
        ("proxy", c_char_p),
    ]


class TowerInfo(Structure):
    _fields_: ClassVar[Any] = [
        ("width", c_size_t),
        ("n_layers", c_size_t),
        ("n_heads", c_size_t),
        ("mlp_width", c_size_t),
        ("activation", c_char_p),
    ]


class ModelInfo(Structure):
    _fields_: ClassVar[Any] = [
        ("struct_size", c_size_t),
        ("dim", c_size_t),
        ("image_size", c_size_t),
        ("patch_size", c_size_t),
        ("context_length", c_size_t),
        ("vocab_size", c_size_t),
        ("vision", TowerInfo),
        ("text", TowerInfo),
        ("mean", c_float * 3),
        ("std", c_float * 3),
        ("logit_scale", c_double),
        ("n_parameters", c_size_t),
        ("n_tensors", c_size_t),
        ("dtype", c_char_p),
        ("source", c_char_p),
        ("tokenizer", c_char_p),
        ("preprocessing", c_char_p),
        ("has_vision", c_int),
        ("has_text", c_int),
        ("trained_image_size", c_size_t),
        ("layout", c_char_p),
        ("labels", c_char_p),
        ("family", c_char_p),
        ("scoring", c_int),
        ("logit_bias", c_double),
        ("adapter", c_char_p),
    ]


class ImageInfo(Structure):
    _fields_: ClassVar[Any] = [
        ("struct_size", c_size_t),
        ("width", c_size_t),
        ("height", c_size_t),
        ("format", c_char_p),
        ("orientation", c_int),
        ("n_warnings", c_uint),
        ("fitted", c_int),
        ("pixels", c_void_p),
        ("pixels_width", c_size_t),
        ("pixels_height", c_size_t),
        ("scale", c_uint),
    ]


class LabelsInfo(Structure):
    _fields_: ClassVar[Any] = [
        ("struct_size", c_size_t),
        ("n", c_size_t),
        ("dim", c_size_t),
        ("n_encoded", c_size_t),
        ("embeddings", c_void_p),
    ]


class PackParams(Structure):
    _fields_: ClassVar[Any] = [
        ("struct_size", c_size_t),
        ("progress", ProgressFunction),
        ("progress_user", c_void_p),
        ("source", c_char_p),
        ("revision", c_char_p),
        ("towers", c_uint),
    ]


class HubParams(Structure):
    _fields_: ClassVar[Any] = [
        ("struct_size", c_size_t),
        ("cache_dir", c_char_p),
        ("allow_network", c_int),
        ("update", c_int),
        ("endpoint", c_char_p),
        ("token", c_char_p),
        ("ca_file", c_char_p),
        ("proxy", c_char_p),
        ("no_proxy", c_char_p),
        ("connect_timeout_ms", c_uint),
        ("timeout_ms", c_uint),
        ("max_retries", c_uint),
        ("retry_wait_ms", c_uint),
        ("lock_timeout_ms", c_uint),
        ("max_file_bytes", c_uint64),
        ("progress", ProgressFunction),
        ("progress_user", c_void_p),
        ("notice", NoticeFunction),
        ("notice_user", c_void_p),
        ("ca_dir", c_char_p),
        ("head_timeout_ms", c_uint),
    ]


class BuildInfo(Structure):
    _fields_: ClassVar[Any] = [
        ("struct_size", c_size_t),
        ("features", c_char_p),
        ("isa", c_char_p),
        ("gemm", c_char_p),
        ("openblas", c_char_p),
        ("openblas_core", c_char_p),
        ("openblas_core_better", c_char_p),
        ("n_cpus", c_uint),
        ("libjpeg", c_char_p),
        ("libpng", c_char_p),
        ("libcurl", c_char_p),
        ("libwebp", c_char_p),
        ("kernel_f32", c_char_p),
        ("kernel_bf16", c_char_p),
        ("kernel_int8", c_char_p),
        ("libavif", c_char_p),
        ("reads_gif", c_int),
    ]


# ---- functions ----------------------------------------------------------------

_ERROR = POINTER(Error)

# Functions that return a clipc_status and take a clipc_error last.
_FALLIBLE: dict[str, list[Any]] = {
    "clipc_model_open": [POINTER(c_void_p), c_char_p, POINTER(ModelParams)],
    "clipc_ctx_create": [POINTER(c_void_p), c_void_p, POINTER(CtxParams)],
    "clipc_labels_create": [
        POINTER(c_void_p),
        c_void_p,
        POINTER(Text),
        c_size_t,
        POINTER(LabelsParams),
    ],
    "clipc_labels_from_embeddings": [
        POINTER(c_void_p),
        c_void_p,
        POINTER(Text),
        c_void_p,
        c_size_t,
        c_size_t,
    ],
    "clipc_image_read_file": [POINTER(c_void_p), c_char_p, POINTER(ImageParams)],
    "clipc_image_read_memory": [
        POINTER(c_void_p),
        c_void_p,
        c_size_t,
        POINTER(ImageParams),
    ],
    "clipc_image_read_url": [POINTER(c_void_p), c_char_p, POINTER(ImageParams)],
    "clipc_image_from_rgb": [
        POINTER(c_void_p),
        c_void_p,
        c_size_t,
        c_size_t,
        c_size_t,
        POINTER(ImageParams),
    ],
    "clipc_classify": [
        c_void_p,
        c_void_p,
        POINTER(c_void_p),
        c_size_t,
        c_size_t,
        c_void_p,
    ],
    "clipc_encode_images": [c_void_p, POINTER(c_void_p), c_size_t, c_void_p, c_uint],
    "clipc_encode_pixels": [c_void_p, c_void_p, c_size_t, c_void_p, c_uint],
    "clipc_encode_texts": [c_void_p, POINTER(Text), c_size_t, c_void_p, c_uint],
    "clipc_preprocess": [c_void_p, POINTER(c_void_p), c_size_t, c_void_p],
    "clipc_preprocess_u8": [c_void_p, POINTER(c_void_p), c_size_t, c_void_p],
    "clipc_tokenize": [c_void_p, Text, c_void_p, c_size_t, POINTER(c_size_t), c_uint],
    "clipc_similarity_topk_stored": [
        c_void_p,
        c_void_p,
        c_size_t,
        c_void_p,
        c_int,
        c_size_t,
        c_size_t,
        c_size_t,
        c_void_p,
    ],
    "clipc_similarity": [
        c_void_p,
        c_void_p,
        c_size_t,
        c_void_p,
        c_size_t,
        c_size_t,
        c_void_p,
        c_uint,
    ],
    "clipc_model_get_info": [c_void_p, POINTER(ModelInfo)],
    "clipc_image_get_info": [c_void_p, POINTER(ImageInfo)],
    "clipc_labels_get_info": [c_void_p, POINTER(LabelsInfo)],
    "clipc_model_pack": [c_void_p, c_char_p, c_int, POINTER(PackParams)],
    "clipc_hub_download": [POINTER(c_void_p), c_char_p, POINTER(HubParams)],
    "clipc_get_build_info": [POINTER(BuildInfo)],
}

_OTHER: dict[str, tuple[Any, list[Any]]] = {
    "clipc_version": (c_char_p, []),
    "clipc_model_free": (None, [c_void_p]),
    "clipc_ctx_free": (None, [c_void_p]),
    "clipc_labels_free": (None, [c_void_p]),
    "clipc_image_free": (None, [c_void_p]),
    "clipc_labels_name": (Text, [c_void_p, c_size_t]),
    "clipc_model_params_default": (ModelParams, []),
    "clipc_ctx_params_default": (CtxParams, []),
    "clipc_labels_params_default": (LabelsParams, []),
    "clipc_image_params_default": (ImageParams, []),
    "clipc_pack_params_default": (PackParams, []),
    "clipc_hub_params_default": (HubParams, []),
}


def _candidates() -> list[str]:
    """Where the library may be: what CLIPC_LIBRARY names and nothing else; or
    beside this file, as in the wheel; or where the system's loader looks."""
    named = os.environ.get("CLIPC_LIBRARY")
    if named:
        return [named]
    return [os.path.join(FOLDER, "libclipc.so.0"), "libclipc.so.0"]


def _load() -> ctypes.CDLL:
    reasons = []
    for name in _candidates():
        if os.path.isabs(name) and not os.path.exists(name):
            reasons.append(f"{name}: no such file")
            continue
        try:
            return ctypes.CDLL(name)
        except OSError as error:
            reasons.append(str(error))
    raise ImportError(
        "clipc: cannot load libclipc (" + "; ".join(reasons) + "); install the "
        "wheel, or name the library with the environment variable CLIPC_LIBRARY"
    )


def _declare(library: ctypes.CDLL) -> None:
    for name, arguments in _FALLIBLE.items():
        function = getattr(library, name)
        function.restype = c_int
        function.argtypes = [*arguments, _ERROR]
    for name, (result, arguments) in _OTHER.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments


def _checked(library: ctypes.CDLL) -> ctypes.CDLL:
    library.clipc_version.restype = c_char_p
    version = library.clipc_version().decode()
    found = tuple(int(part) for part in version.split(".")[:2])
    if found != HEADER_VERSION:
        wanted = ".".join(map(str, HEADER_VERSION))
        raise ImportError(f"clipc: the library has version {version}, this package needs {wanted}")
    _declare(library)
    return library


lib = _checked(_load())


def version() -> str:
    """Version of the library, "0.2.0"."""
    return str(lib.clipc_version().decode())


# ---- calls --------------------------------------------------------------------


def call(name: str, *arguments: Any) -> None:
    """Calls a fallible function; raises ClipcError when it fails."""
    error = Error()
    error.struct_size = sizeof(Error)
    error.offset = -1
    status = getattr(lib, name)(*arguments, byref(error))
    if status:
        message = error.message.decode("utf-8", "replace")
        offset = error.offset if error.offset >= 0 else None
        raise ClipcError(STATUS_NAMES.get(status, "unknown"), message, offset=offset)


class Handle:
    """An object of the library, freed when the last reference to it is gone. A
    foreign function takes it as its pointer.

    in_child: whether a forked child frees its copy too; a context's threads do
    not exist there.
    """

    __slots__ = ("_free", "_in_child", "_pid", "pointer")

    def __init__(self, pointer: int, free: Any, in_child: bool = True) -> None:
        self.pointer = pointer
        self._free = free
        self._in_child = in_child
        self._pid = os.getpid()

    @property
    def _as_parameter_(self) -> int:
        return self.pointer

    def forget(self) -> None:
        """Leaves the object as it is, for ever."""
        self.pointer = 0

    def __del__(self, getpid: Any = os.getpid) -> None:
        if self.pointer and (self._in_child or getpid() == self._pid):
            self._free(self.pointer)

    def __reduce__(self) -> Any:
        raise TypeError("an object of libclipc cannot be pickled: pickle the Model")


def create(
    name: str,
    free: str,
    *arguments: Any,
    in_child: bool = True,
    by: Callable[..., None] = call,
) -> Handle:
    """Calls a function that makes an object, through `by`; the object."""
    pointer = c_void_p()
    by(name, byref(pointer), *arguments)
    return Handle(pointer.value or 0, getattr(lib, free), in_child)


def texts_of(items: list[bytes]) -> Any:
    """A clipc_text[n] of UTF-8 strings, which it keeps alive."""
    array = (Text * max(len(items), 1))()
    for i, data in enumerate(items):
        array[i].data = data
        array[i].len = len(data)
    return array


def pointers_of(handles: list[Handle]) -> Any:
    """A void *[n] of the handles' objects; keep the handles alive."""
    return (c_void_p * max(len(handles), 1))(*[h.pointer for h in handles])


def text_or_none(value: Optional[bytes]) -> Optional[str]:
    """A C string that may be NULL."""
    return None if value is None else value.decode("utf-8", "surrogateescape")


def build_info() -> dict[str, object]:
    """What computes: features of the CPU, kernels, versions of the codecs, as
    clipc_build_info has them. A codec that is not built in is None."""
    info = BuildInfo()
    info.struct_size = sizeof(BuildInfo)
    call("clipc_get_build_info", byref(info))
    found: dict[str, object] = {"version": version()}
    for field, kind in BuildInfo._fields_[1:]:
        value = getattr(info, field)
        found[field] = text_or_none(value) if kind is c_char_p else int(value)
    return found
