# SPDX-License-Identifier: MIT
"""Arguments of calls: one input or a list, whole numbers, choices, texts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, Optional

import numpy as np

from ._errors import ClipcError, argument
from ._images import describe, is_array, is_pil


def choice(name: str, value: str, choices: Iterable[str]) -> None:
    if value not in choices:
        raise argument(f"{name}={value!r}: must be one of {', '.join(choices)}")


def whole(name: str, value: Optional[int], least: int, most: int) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise argument(f"{name}={value!r}: must be a whole number")
    if not least <= value <= most:
        raise argument(f"{name}={value}: must be {least} to {most}")


def single(items: Any) -> bool:
    """Whether it is one input, not a list of inputs."""
    if isinstance(items, (str, bytes, bytearray, memoryview, os.PathLike)) or is_pil(items):
        return True
    if not is_array(items):
        return False
    array = np.asarray(items)
    return array.ndim != 4 and array.dtype.kind not in "OUS"


def listed(items: Any) -> list[Any]:
    """The inputs of a list, an array of pictures [n, height, width, 3], an array
    of str, or another iterable."""
    if is_array(items):
        array = np.asarray(items)
        if array.ndim == 0:
            raise argument(f"an array of {array.dtype} without dimensions: give its item()")
        return array.tolist() if array.dtype.kind in "OUS" else list(array)
    if isinstance(items, Iterable) and not isinstance(items, Mapping):
        return list(items)
    raise argument(f"an input of type {type(items).__name__}")


def utf8(item: Any) -> bytes:
    if not isinstance(item, str):
        raise argument(f"a text of type {type(item).__name__} ({describe(item)}): must be str")
    return item.encode("utf-8", "surrogatepass")


def of_one_input(error: ClipcError) -> ClipcError:
    """Without "text 0" or "image 0", which names a place in a list of one."""
    message = error.message
    for kind in ("text", "image"):
        if message.startswith(f"{kind} 0: "):
            message = message[len(f"{kind} 0: ") :]
        elif message.startswith(f"{kind} 0 "):
            message = f"the {kind}" + message[len(f"{kind} 0") :]
    if error.status == "too_long":
        message += "; truncate=True cuts it"
    return ClipcError(error.status, message, offset=error.offset)
