# SPDX-License-Identifier: MIT
"""The files of one shard of the output: written beside their names, flushed to the
disk, renamed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from typing import Any, Union

import numpy as np
import numpy.typing as npt

from ._errors import ClipcError
from ._pictures import Picture

# Rows that are written together.
_ROWS = 1024


def name_of(kind: str, number: int) -> str:
    ending = {"img_emb": "npy", "stats": "json"}.get(kind, "parquet")
    return f"{kind}/{kind}_{number:06d}.{ending}"


def read_json(path: str) -> Any:
    """None: it is not there, or not whole."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def publish(out: str, temporary: str, name: str) -> None:
    """Flushes a temporary file to the disk and gives it its name."""
    target = os.path.join(out, name)
    for path, rename in ((temporary, True), (os.path.dirname(target), False)):
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        except OSError:  # of a folder: some file systems cannot, and need not
            if rename:
                raise
        finally:
            os.close(fd)
        if rename:
            os.replace(temporary, target)


def write_json(out: str, name: str, value: Any) -> None:
    os.makedirs(os.path.join(out, "_tmp"), exist_ok=True)
    temporary = os.path.join(out, "_tmp", f"{os.path.basename(name)}.{uuid.uuid4().hex}")
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)
        file.write("\n")
    publish(out, temporary, name)


def sha256_of(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


class Piece:
    """The files of one shard, while they are written."""

    def __init__(
        self, out: str, number: int, dim: int, dtype: str, parquet: bool, keep: tuple[str, ...]
    ) -> None:
        import pyarrow as pa

        self._out, self._dim, self._keep = out, dim, keep
        self._descr = "<f2" if dtype == "float16" else "<f4"
        self._pa = pa
        self.ok = self.failed = 0
        folder, attempt = os.path.join(out, "_tmp"), uuid.uuid4().hex
        kinds = ["img_emb", "metadata", "errors"] + ["embeddings"] * parquet
        self._names = {kind: name_of(kind, number) for kind in kinds}
        self._temporaries = {
            kind: os.path.join(folder, f"{os.path.basename(name)}.{attempt}")
            for kind, name in self._names.items()
        }
        self._rows: list[tuple[Picture, Any]] = []
        self._errors: list[tuple[Picture, ClipcError]] = []
        named = [("image_path", pa.string()), ("key", pa.string())]
        vector = pa.list_(pa.field("element", pa.float32(), nullable=False), dim)
        self._schemas = {
            "metadata": None,  # known with the first row, for kept columns
            "embeddings": pa.schema([*named, ("embedding", vector)]),
            "errors": pa.schema([*named, ("status", pa.string()), ("message", pa.string())]),
        }
        self._named = named
        self._writers: dict[str, Any] = {}
        self._array = open(self._temporaries["img_emb"], "w+b")  # noqa: SIM115
        self._array.write(bytes(128))

    def keep(self, types: list[Any]) -> None:
        """The types of the columns that are kept."""
        self._schemas["metadata"] = self._pa.schema([*self._named, *zip(self._keep, types)])

    def add(self, picture: Picture, answer: Union[npt.NDArray[np.float32], ClipcError]) -> None:
        if isinstance(answer, ClipcError):
            self.failed += 1
            self._errors.append((picture, answer))
        else:
            self.ok += 1
            self._rows.append((picture, answer))
        if len(self._rows) + len(self._errors) >= _ROWS:
            self._flush()

    def _table(self, kind: str, columns: list[Any]) -> None:
        import pyarrow.parquet as pq

        schema = self._schemas[kind]
        writer = self._writers.get(kind)
        if writer is None:
            writer = self._writers[kind] = pq.ParquetWriter(
                self._temporaries[kind],
                schema,
                compression="NONE" if kind == "embeddings" else "zstd",
                use_dictionary=["status"] if kind == "errors" else False,
            )
        arrays = [
            column
            if isinstance(column, self._pa.Array)
            else self._pa.array(column, type=field.type)
            for column, field in zip(columns, schema)
        ]
        writer.write_table(self._pa.Table.from_arrays(arrays, schema=schema))

    def _flush(self, last: bool = False) -> None:
        pictures = [picture for picture, _ in self._rows]
        names = [[p.name for p in pictures], [p.key for p in pictures]]
        if self._rows or last:
            rows = np.array([row for _, row in self._rows], np.float32).reshape(-1, self._dim)
            self._array.write(rows.astype(self._descr).tobytes())
            kept = [
                [p.kept[i] if p.kept else None for p in pictures] for i in range(len(self._keep))
            ]
            self._table("metadata", [*names, *kept])
            if "embeddings" in self._names:
                vectors = self._pa.FixedSizeListArray.from_arrays(
                    self._pa.array(rows.reshape(-1), self._pa.float32()),
                    type=self._schemas["embeddings"].field("embedding").type,
                )
                self._table("embeddings", [*names, vectors])
        if self._errors or last:
            wrong = self._errors
            self._table(
                "errors",
                [
                    [p.name for p, _ in wrong],
                    [p.key for p, _ in wrong],
                    [e.status for _, e in wrong],
                    [e.message for _, e in wrong],
                ],
            )
        self._rows, self._errors = [], []

    def close(self) -> None:
        """Completes the files."""
        self._flush(last=True)
        for writer in self._writers.values():
            writer.close()
        shape = f"({self.ok}, {self._dim})"
        header = f"{{'descr': '{self._descr}', 'fortran_order': False, 'shape': {shape}, }}"
        self._array.seek(0)
        self._array.write(b"\x93NUMPY\x01\x00\x76\x00" + header.ljust(117).encode() + b"\n")
        self._array.close()

    def publish(self) -> dict[str, Any]:
        """Gives all files their names; their sizes and sums."""
        files = {}
        for kind, temporary in self._temporaries.items():
            files[self._names[kind]] = {
                "bytes": os.path.getsize(temporary),
                "sha256": sha256_of(temporary),
            }
            publish(self._out, temporary, self._names[kind])
        return files

    def drop(self) -> None:
        """Removes what has no name yet."""
        self._array.close()
        for temporary in self._temporaries.values():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
