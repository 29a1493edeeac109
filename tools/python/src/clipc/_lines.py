# SPDX-License-Identifier: MIT
"""Files of one name or label a line, as clipc's programs read them: of the file a
byte order mark at its start is left out, of a line the LF and one CR before it.
Other characters that Python's splitlines() takes for ends are text."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import IO

from ._errors import ClipcError

_MARK = b"\xef\xbb\xbf"
_CHUNK = 1 << 20
# Of a list of labels.
MAX_BYTES = 16 << 20
MAX_LINE_BYTES = 64 << 10
MAX_LABELS = 1_000_000
# Of a line of another list: a picture may be a data: URL.
MAX_NAME_BYTES = 16 << 20
# Unicode's White_Space. str.isspace() has four control characters more.
_WHITE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)


def lines(file: IO[bytes], at: int = 0, separator: bytes = b"\n") -> Iterator[tuple[int, bytes]]:
    """The lines from byte `at` on, where the file stands, each with the byte where
    its text begins. separator b"\\0": names of `find -print0`, whose CR is their own."""
    rest, last = b"", False
    while not last:
        chunk = file.read(_CHUNK)
        last = not chunk
        *found, rest = (rest + chunk).split(separator)
        if last and rest:
            found.append(rest)
        if max(map(len, (*found, rest))) > MAX_NAME_BYTES:
            raise ClipcError("limit", f"a line has more than the limit of {MAX_NAME_BYTES} bytes")
        for line in found:
            begin, at = at, at + len(line) + 1
            if begin == 0 and line.startswith(_MARK):
                begin, line = len(_MARK), line[len(_MARK) :]
            if separator == b"\n" and line.endswith(b"\r"):
                line = line[:-1]
            yield begin, line


def label_lines(path: str) -> list[str]:
    """The labels of a file; lines of nothing but spaces and tabs are none."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ClipcError("not_found", f"{path}: no such file") from None
    except OSError as error:
        raise ClipcError("io", f"{path}: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise ClipcError("limit", f"{path}: larger than the limit of {MAX_BYTES} bytes")
    found: list[str] = []
    for number, (at, line) in enumerate(lines(io.BytesIO(data)), 1):
        if not line.strip(b" \t"):
            continue
        where = f"{path}: line {number}"
        if len(line) > MAX_LINE_BYTES:
            raise ClipcError("limit", f"{where} has more than the limit of {MAX_LINE_BYTES} bytes")
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ClipcError("utf8", f"{where} is not UTF-8", offset=at + error.start) from None
        if not text.strip(_WHITE):
            raise ClipcError("format", f"{where} is nothing but white space", offset=at)
        if len(found) == MAX_LABELS:
            raise ClipcError("limit", f"{path}: more than the limit of {MAX_LABELS} lines")
        found.append(text)
    if not found:
        raise ClipcError("format", f"{path}: the file has no text")
    return found
