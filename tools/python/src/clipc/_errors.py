# SPDX-License-Identifier: MIT
"""The package's one exception type."""

from __future__ import annotations

from typing import Any, Optional

# clipc_status: the numbers are pinned.
STATUS_NAMES = {
    0: "ok",
    1: "argument",
    2: "nomem",
    3: "io",
    4: "not_found",
    5: "format",
    6: "truncated",
    7: "unsupported",
    8: "limit",
    9: "config",
    10: "utf8",
    11: "too_long",
    12: "numeric",
    13: "url",
    14: "url_blocked",
    15: "network",
    16: "http",
    17: "timeout",
    18: "cancelled",
    19: "internal",
}
_CODES = {name: code for code, name in STATUS_NAMES.items()}


class ClipcError(Exception):
    """Something clipc cannot do.

    Attributes:
        status: name of the library's status: "not_found", "format",
            "truncated", "unsupported", "limit", "too_long", ...
        code: its number, a clipc_status.
        message: one line that names the file, the field or the limit.
        offset: byte offset in the input, or None.
        index: place in the list of inputs, or None.
    """

    status: str
    code: int
    message: str
    offset: Optional[int]
    index: Optional[int]

    def __init__(
        self,
        status: str,
        message: str,
        *,
        offset: Optional[int] = None,
        index: Optional[int] = None,
    ) -> None:
        super().__init__(status, message)
        self.status = status
        self.code = _CODES.get(status, -1)
        self.message = message
        self.offset = offset
        self.index = index

    def __str__(self) -> str:
        return f"{self.message} [{self.status}]"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restore, (self.status, self.message, self.offset, self.index))


def _restore(status: str, message: str, offset: Optional[int], index: Optional[int]) -> ClipcError:
    return ClipcError(status, message, offset=offset, index=index)


def light(error: ClipcError) -> ClipcError:
    """The error without what its traceback keeps alive: a picture's bytes, say."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def argument(message: str, index: Optional[int] = None) -> ClipcError:
    """The caller's mistake."""
    return ClipcError("argument", message, index=index)
