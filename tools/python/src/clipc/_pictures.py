# SPDX-License-Identifier: MIT
"""The pictures of one shard: the members of a tar, the rows of a Parquet file, or
some lines of a list of paths. Which members of a tar are pictures is decided as
clipc-embed decides it, so that both give the same rows."""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any, NamedTuple, Optional, Union

from ._errors import ClipcError
from ._lines import lines

ENDINGS = ("jpg", "jpeg", "jpe", "jfif", "png", "webp", "avif", "gif", "bmp")
_LITTER = {
    "@eadir",
    "#recycle",
    "@recycle",
    "#snapshot",
    "@recently-snapshot",
    "$recycle.bin",
    "recycler",
    "system volume information",
    "lost+found",
    "__macosx",
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
}
_BLOCK = 512
_HEAD = 64
# The library's limit: a larger file is left to it to refuse.
MAX_BYTES = 64 << 20
# Columns that data sets have their pictures in, and rows read together.
IMAGE_COLUMNS = ("image", "bytes", "jpg", "png", "webp", "content")
PARQUET_ROWS = 64


@dataclass(frozen=True)
class Shard:
    """One input, which becomes one numbered piece of the output.

    kind: "tar", "parquet", or "list": a text file with one path a line, of which
    `count` lines are meant, empty ones not counted, from byte `first` on.
    """

    number: int
    kind: str
    path: str
    first: int = 0
    count: Optional[int] = None


class Picture(NamedTuple):
    """An input. data: bytes of a picture file, a path, or what is wrong."""

    name: str
    key: str
    data: Union[bytes, str, ClipcError]
    kept: tuple[Any, ...] = ()


def text(name: str) -> str:
    """A name as UTF-8, with U+FFFD where it is not."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def key_of(member: str) -> str:
    """WebDataset's key: the name up to the first dot after the last slash."""
    slash = member.rfind("/") + 1
    return member[:slash] + member[slash:].partition(".")[0]


# ---- tars -------------------------------------------------------------------


def _ends_as_image(name: str) -> bool:
    return "." in name and name.rpartition(".")[2].lower() in ENDINGS


def _is_litter(name: str) -> bool:
    parts = [part for part in name.split("/") if part not in ("", ".", "..")]
    return any(part.startswith(".") or part.lower() in _LITTER for part in parts)


def begins_as_image(head: bytes) -> bool:
    """By the first 64 bytes of a file."""
    if head[4:11] == b"ftypavi":
        return head[11:12] in (b"f", b"s")
    if head[4:12] in (b"ftypmif1", b"ftypmsf1"):
        brands = head[16 : min(head[3], len(head))]
        return any(brands[i : i + 4] in (b"avif", b"avis") for i in range(0, len(brands), 4))
    return (
        head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a"))
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
        or (
            len(head) >= 26
            and head[:2] == b"BM"
            and head[6:10] == bytes(4)
            and head[14] >= 12
            and head[15:18] == bytes(3)
        )
    )


def _member(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Union[bytes, ClipcError, None]:
    """A picture's bytes, or why there are none; None: it is no picture."""
    named = _ends_as_image(member.name)
    if member.isdir() or _is_litter(member.name):
        return None
    if member.issym() or member.islnk():
        what = "a link in a tar is not followed"
    elif member.issparse():
        what = "a sparse file in a tar is not read"
    elif not member.isreg():
        what = "not a file that lies in one piece in the tar"
    else:
        file = tar.extractfile(member)
        if file is None:
            return None
        if not named and not begins_as_image(file.read(_HEAD)):
            return None
        if member.size > MAX_BYTES:
            return ClipcError("limit", f"{member.size} bytes, over the limit of {MAX_BYTES}")
        file.seek(0)
        return file.read()
    return ClipcError("unsupported", what) if named else None


def _after_zeros(file: IO[bytes], at: int) -> tuple[int, bytes]:
    """The first block behind zeros at `at`, and where it is; at the end of the
    file less than a block."""
    file.seek(at)
    while len(block := file.read(_BLOCK)) == _BLOCK and not block.strip(b"\0"):
        at += _BLOCK
    return at, block


def _tar(shard: Shard) -> Iterator[Picture]:
    def failed(status: str, message: str) -> Picture:
        return Picture(text(shard.path), text(shard.path), ClipcError(status, message))

    size, at, found = os.path.getsize(shard.path), 0, 0
    with open(shard.path, "rb") as file:
        try:
            while True:
                file.seek(at)
                tar = tarfile.open(fileobj=file, mode="r:", errorlevel=2)  # noqa: SIM115
                for member in tar:
                    data = _member(tar, member)
                    tar.members = []  # type: ignore[attr-defined, unused-ignore]
                    if data is not None:
                        found += 1
                        name = text(member.name)
                        yield Picture(f"{text(shard.path)}/{name}", key_of(name), data)
                # tarfile ends silently at a block that is no header.
                at, block = _after_zeros(file, tar.offset)
                if at == tar.offset and len(block) == _BLOCK:
                    yield failed("format", f"not the header of a member, at byte {at}")
                    return
                if at == tar.offset:
                    message = "the tar ends too early" if block else "the tar has no end mark"
                    yield failed("truncated", f"{message} ({size} bytes)")
                    return
                if len(block) < _BLOCK:
                    break
        except tarfile.TarError as error:
            cut = "end of data" in str(error) or "truncated" in str(error) or size == 0
            yield failed("truncated" if cut else "format", f"not a whole tar: {error}")
            return
    if found == 0:
        yield failed("not_found", "no pictures in this tar")


# ---- Parquet ----------------------------------------------------------------


def image_column(names: list[str], wanted: Optional[str]) -> str:
    """The column with the pictures."""
    for name in [wanted] if wanted else IMAGE_COLUMNS:
        if name in names:
            return name
    raise ClipcError(
        "argument",
        f"no column {wanted or ', '.join(IMAGE_COLUMNS)} among {', '.join(names)}; "
        "name the one with the pictures",
    )


def picture_of(value: Any) -> tuple[Union[bytes, str, ClipcError], Optional[str]]:
    """A cell's picture and path: bytes, a path, or a struct of both, as Hugging
    Face's data sets have them."""
    if isinstance(value, dict):
        data, path = value.get("bytes"), value.get("path")
        return (data if data is not None else picture_of(path)[0]), path
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value), None
    if isinstance(value, str):
        return value, value
    return ClipcError("argument", "no picture: the cell is empty"), None


def _parquet(
    shard: Shard, image: Optional[str], key: Optional[str], keep: tuple[str, ...]
) -> Iterator[Picture]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(shard.path, pre_buffer=False, buffer_size=1 << 20) as file:
        names = list(file.schema_arrow.names)
        column = image_column(names, image)
        for name in (*([key] if key else []), *keep):
            if name not in names:
                raise ClipcError("argument", f"{shard.path}: no column {name}")
        if key is None and "key" in names:
            key = "key"
        wanted = list(dict.fromkeys([column, *([key] if key else []), *keep]))
        row = 0
        for batch in file.iter_batches(PARQUET_ROWS, columns=wanted):
            columns = {name: batch.column(name) for name in wanted}
            for i in range(batch.num_rows):
                data, path = picture_of(columns[column][i].as_py())
                own = columns[key][i].as_py() if key else None
                label = str(own) if own is not None else path if path else str(row)
                kept = tuple(columns[name][i].as_py() for name in keep)
                yield Picture(text(path or f"{shard.path}/{label}"), text(label), data, kept)
                row += 1


# ---- lists ------------------------------------------------------------------


def list_lines(path: str, at: int = 0) -> Iterator[tuple[int, str]]:
    """The names in a list from byte `at` on, each with the byte where its line
    begins: one a line, or separated by NUL."""
    with open(path, "rb") as file:
        separator = b"\0" if b"\0" in file.read(65536) else b"\n"
        file.seek(at)
        for begin, line in lines(file, at, separator):
            if line:
                yield begin, os.fsdecode(line)


def _list(shard: Shard) -> Iterator[Picture]:
    for _, name in islice(list_lines(shard.path, shard.first), shard.count):
        yield Picture(text(name), text(name), name)


def loaded(data: Union[bytes, str, ClipcError]) -> Union[bytes, str, ClipcError]:
    """Of a path, the file's bytes; or the path, where the library is to say what
    is wrong with the file."""
    if not isinstance(data, str):
        return data
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://", data):
        return ClipcError("unsupported", f"{data}: a URL is not fetched here; download it first")
    try:
        if os.path.isfile(data) and os.stat(data).st_size <= MAX_BYTES:
            with open(data, "rb") as file:
                return file.read()
    except OSError:
        pass
    return data


def pictures(
    shard: Shard, image: Optional[str], key: Optional[str], keep: tuple[str, ...]
) -> Iterator[Picture]:
    """All pictures of a shard, in their order."""
    if shard.kind == "tar":
        return _tar(shard)
    if shard.kind == "parquet":
        return _parquet(shard, image, key, keep)
    return _list(shard)
