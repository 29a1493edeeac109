# SPDX-License-Identifier: MIT
"""Embeds a data set shard by shard, with no engine: each input file becomes one
numbered piece of the output, in the layout that clip-retrieval writes and
autofaiss and embedding_reader read. clipc.spark runs these functions on a
cluster.

    OUT/img_emb/img_emb_000000.npy              [ok, dim]
    OUT/metadata/metadata_000000.parquet        image_path, key, ...: row n of it
                                                is row n of the array
    OUT/embeddings/embeddings_000000.parquet    image_path, key, embedding
    OUT/errors/errors_000000.parquet            image_path, key, status, message
    OUT/stats/stats_000000.json                 written last: the piece is whole
    OUT/plan.json                               the numbers of the inputs
    OUT/manifest.parquet, OUT/_SUCCESS          written at the end

OUT is a folder that every worker sees: a local disk, NFS, Lustre, a mounted
bucket. Files are written beside their names in OUT/_tmp, flushed to the disk and
renamed. The same input gives the same bytes, so that a repeated or speculative
attempt replaces equal by equal.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import time
import uuid
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Optional, Union

import numpy as np
import numpy.typing as npt

from . import _ahead, _native
from ._embedder import IMAGE_BATCH
from ._errors import ClipcError
from ._model import Model
from ._pictures import Picture, Shard, list_lines, loaded, pictures
from ._piece import Piece, name_of, publish, read_json, sha256_of, write_json

__all__ = [
    "Options",
    "Shard",
    "answers",
    "check_shard",
    "embed_shard",
    "finish",
    "open_model",
    "plan",
    "sweep",
]

Stats = dict[str, Any]
STAGES = ("read", "decode", "encode", "write")
FOLDERS = ("img_emb", "metadata", "embeddings", "errors", "stats")


@dataclass(frozen=True)
class Options:
    """What is computed, and how.

    model, precision, threads, image_size, adapter, auto_orient, alpha, decode: as
    for Model. dtype: of the .npy files, "float32" or "float16". parquet: write
    embeddings/ too. image: the column of Parquet files that has the pictures (None:
    "image", "bytes", "jpg", "png", "webp" or "content"); key: the column that
    names them (None: "key", where there is one); keep: columns that are copied to
    metadata/. model_sha256: refuse another model (None: any).
    """

    model: str
    precision: str = "auto"
    threads: int = 1
    dtype: str = "float32"
    parquet: bool = True
    image: Optional[str] = None
    key: Optional[str] = None
    keep: tuple[str, ...] = ()
    image_size: Optional[int] = None
    adapter: Optional[str] = None
    auto_orient: bool = False
    alpha: str = "drop"
    decode: str = "exact"
    model_sha256: Optional[str] = None


# ---- the model --------------------------------------------------------------

# One a process: a Python worker of Spark runs many tasks.
_models: dict[Options, tuple[Model, str]] = {}


def open_model(options: Options) -> tuple[Model, str]:
    """The model, kept for the next shard, and its SHA-256: of its file, or of the
    names and sums of a folder's files.

    Raises:
        ClipcError: the model cannot be opened; "config": it is another one than
            options.model_sha256 says.
    """
    found = _models.get(options)
    if found is None:
        model = Model(
            options.model,
            precision=options.precision,  # type: ignore[arg-type]
            threads=options.threads,
            image_size=options.image_size,
            adapter=options.adapter,
            auto_orient=options.auto_orient,
            alpha=options.alpha,  # type: ignore[arg-type]
            decode=options.decode,  # type: ignore[arg-type]
        )
        found = model, _sum_of(model.source)
        _models.clear()
        _models[options] = found
    if options.model_sha256 not in (None, found[1]):
        raise ClipcError(
            "config",
            f"{options.model}: not the model that the job began with: another file has that "
            "name on this machine",
        )
    return found


def _sum_of(path: str) -> str:
    if os.path.isfile(path):
        return sha256_of(path)
    names = sorted(
        name
        for name in os.listdir(path)
        if name.endswith((".json", ".txt", ".safetensors", ".bin", ".model"))
    )
    sums = "".join(f"{sha256_of(os.path.join(path, name))}  {name}\n" for name in names)
    return hashlib.sha256(sums.encode()).hexdigest()


# ---- numbers of the inputs --------------------------------------------------


def plan(inputs: Iterable[str], out: str, list_rows: int = 10_000) -> list[Shard]:
    """The shards of inputs: *.tar, *.parquet, *.txt (lists of paths, list_rows
    lines a shard), and folders, which stand for all such files below them. An
    input keeps its number in OUT/plan.json; new inputs get the next ones.

    Raises:
        ClipcError: "argument": an input is none of these, or OUT has shards of
            inputs that are not named now; "limit": a line of a list is too long.
        OSError: an input cannot be read, or OUT not written.
    """
    wanted: list[tuple[str, str, int, Optional[int]]] = []
    for kind, path in sorted(set(_files(inputs, out)), key=lambda found: found[1]):
        if kind != "list":
            wanted.append((kind, path, 0, None))
            continue
        for first, _ in islice(list_lines(path), 0, None, list_rows):
            wanted.append((kind, path, first, list_rows))
    if not wanted:
        raise ClipcError("argument", "no *.tar, *.parquet or *.txt among the inputs")
    known = read_json(os.path.join(out, "plan.json")) or []
    shards = [Shard(**shard) for shard in known]
    numbers = {(s.kind, s.path, s.first, s.count): s for s in shards}
    gone = numbers.keys() - set(wanted)
    if gone:
        raise ClipcError(
            "argument",
            f"{out} has shards of {sorted(gone)[0][1]}, which is no input now: name all inputs, "
            "or another output",
        )
    for place in wanted:
        if place not in numbers:
            numbers[place] = Shard(len(numbers), *place)
    shards = sorted(numbers.values(), key=lambda shard: shard.number)
    for folder in (*FOLDERS, "_tmp"):
        os.makedirs(os.path.join(out, folder), exist_ok=True)
    write_json(out, "plan.json", [asdict(shard) for shard in shards])
    return shards


def _files(inputs: Iterable[str], out: str) -> Iterator[tuple[str, str]]:
    """Kind and path of each input; what a run has written below `out` is none."""
    out = os.path.realpath(out)
    kinds = {".tar": "tar", ".parquet": "parquet", ".txt": "list"}
    for name in inputs:
        if "://" in name:
            raise ClipcError("argument", f"{name}: not a path; mount what it names")
        path = os.path.abspath(name)
        if os.path.isdir(path):
            for folder, folders, files in os.walk(path):
                if os.path.realpath(folder) == out:
                    folders.clear()
                    continue
                folders.sort()
                for file in sorted(files):
                    kind = kinds.get(os.path.splitext(file)[1].lower())
                    if kind and not file.startswith((".", "_")):
                        yield kind, os.path.join(folder, file)
            continue
        kind = kinds.get(os.path.splitext(path)[1].lower())
        if kind is None or not os.path.exists(path):
            why = "no such file" if kind else "not *.tar, *.parquet, *.txt or a folder"
            raise ClipcError("argument", f"{name}: {why}")
        yield kind, path


# ---- one shard --------------------------------------------------------------


def _identity(shard: Shard) -> dict[str, Any]:
    """The input as it is now."""
    found = os.stat(shard.path)
    return {
        "kind": shard.kind,
        "path": shard.path,
        "first": shard.first,
        "count": shard.count,
        "bytes": found.st_size,
        "mtime_ns": found.st_mtime_ns,
    }


def _fingerprint(identity: dict[str, Any], options: Options, model_sha256: str) -> str:
    from . import __version__

    what = asdict(options)
    what.update(model=model_sha256, model_sha256=None, threads=None, version=__version__)
    text = json.dumps([identity, what], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _is_whole(out: str, stats: Stats) -> bool:
    """Whether the files are there with their sizes."""
    with contextlib.suppress(OSError):
        return all(
            os.path.getsize(os.path.join(out, name)) == file["bytes"]
            for name, file in stats["files"].items()
        )
    return False


class _Clock:
    """Seconds of the stages, wall and CPU; of several threads they add up."""

    def __init__(self) -> None:
        self.wall: dict[str, float] = defaultdict(float)
        self.cpu: dict[str, float] = defaultdict(float)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start, cpu = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            self.wall[name] += time.perf_counter() - start
            self.cpu[name] += time.thread_time() - cpu


def answers(
    model: Model,
    found: Iterable[Union[bytes, str, ClipcError]],
    threads: int,
    clock: Optional[_Clock] = None,
) -> Iterator[Union[npt.NDArray[np.float32], ClipcError]]:
    """The embedding, or what is wrong, of each picture's bytes or path, in their
    order. threads 1: all on the caller's thread, since a task has one core."""
    watch = clock or _Clock()

    def decode(data: Any) -> Any:
        with watch.stage("decode"):
            return data if isinstance(data, ClipcError) else model._read(data)

    def never(_: Any) -> bool:
        return False

    if threads > 1:
        batches = _ahead.batches(found, decode, IMAGE_BATCH, threads, never, never)
    else:
        batches = _chunks(map(decode, found))
    with contextlib.closing(batches):
        for batch in batches:
            with watch.stage("encode"):
                good = [answer for answer in batch if not isinstance(answer, ClipcError)]
                rows = iter(model._encode_handles(good, 0))
            for answer in batch:
                yield answer if isinstance(answer, ClipcError) else next(rows)


def _embed(
    model: Model, found: Iterator[Picture], piece: Piece, threads: int, clock: _Clock
) -> Counter[str]:
    """Fills the piece; the failures by their status."""
    waiting: deque[Picture] = deque()
    errors: Counter[str] = Counter()

    def read() -> Iterator[Any]:
        while True:
            with clock.stage("read"):
                picture = next(found, None)
                if picture is None:
                    return
                data = loaded(picture.data)
            waiting.append(picture._replace(data=b""))
            yield data

    for answer in answers(model, read(), threads, clock):
        if isinstance(answer, ClipcError):
            errors[answer.status] += 1
        with clock.stage("write"):
            piece.add(waiting.popleft(), answer)
    return errors


def _chunks(items: Iterator[Any]) -> Any:
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == IMAGE_BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _kept_types(shard: Shard, options: Options) -> list[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if shard.kind != "parquet":
        return [pa.null()] * len(options.keep)
    schema = pq.read_schema(shard.path)
    return [schema.field(name).type if name in schema.names else pa.null() for name in options.keep]


def embed_shard(shard: Shard, out: str, options: Options) -> Stats:
    """Embeds one shard, unless OUT has it already: from the same input, model,
    precision, version and options.

    Returns:
        the stats, as OUT/stats has them: inputs, ok, failed, errors by status,
        wall seconds (read_duration, ...) and CPU seconds (read_cpu, ...) of
        reading, decoding, encoding and writing, files with their sums; "skipped":
        True where nothing was done.

    Raises:
        ClipcError: the model, or a column that is not there.
        OSError: the input cannot be read, or the output not written; the input
            has changed meanwhile.
    """
    start = time.time()
    model, model_sha256 = open_model(options)
    identity = _identity(shard)
    fingerprint = _fingerprint(identity, options, model_sha256)
    stats_name = name_of("stats", shard.number)
    known: Optional[Stats] = read_json(os.path.join(out, stats_name))
    if known and known.get("fingerprint") == fingerprint and _is_whole(out, known):
        return {**known, "skipped": True}
    clock = _Clock()
    piece = Piece(out, shard.number, model.dim, options.dtype, options.parquet, options.keep)
    try:
        piece.keep(_kept_types(shard, options))
        found = pictures(shard, options.image, options.key, options.keep)
        errors = _embed(model, found, piece, options.threads, clock)
        if _identity(shard) != identity:
            raise OSError(f"{shard.path}: changed while it was read")
        with clock.stage("write"):
            piece.close()
            # Stats of another input or model must not outlive its files. Those of an
            # attempt that was as good as this one stay.
            found_now: Optional[Stats] = read_json(os.path.join(out, stats_name))
            if found_now and found_now.get("fingerprint") != fingerprint:
                os.unlink(os.path.join(out, stats_name))
            files = piece.publish()
    finally:
        piece.drop()
    stats: Stats = {
        "number": shard.number,
        "input": identity,
        "fingerprint": fingerprint,
        "inputs": piece.ok + piece.failed,
        "ok": piece.ok,
        "failed": piece.failed,
        "errors": dict(sorted(errors.items())),
        "files": files,
        "model_sha256": model_sha256,
        "precision": options.precision,
        "kernel": _native.build_info()["isa"],
        "host": socket.gethostname(),
        "start_time": start,
        "end_time": time.time(),
        "total_duration": time.time() - start,
        "sample_count": piece.ok,
        **{f"{name}_duration": clock.wall[name] for name in STAGES},
        **{f"{name}_cpu": clock.cpu[name] for name in STAGES},
    }
    write_json(out, stats_name, stats)
    return stats


# ---- the whole --------------------------------------------------------------


def check_shard(number: int, out: str) -> Stats:
    """The stats of a finished shard, whose files have what the stats say.

    Raises:
        ClipcError: "format": they have not.
    """
    import pyarrow.parquet as pq

    stats: Optional[Stats] = read_json(os.path.join(out, name_of("stats", number)))
    if stats is None:
        raise ClipcError("not_found", f"{out}: shard {number} has no stats")
    rows = {}
    for name in stats["files"]:
        path = os.path.join(out, name)
        if name.endswith(".npy"):
            rows[name] = len(np.load(path, mmap_mode="r")) if stats["ok"] else 0
        else:
            rows[name] = pq.read_metadata(path).num_rows
    wanted = {name: stats["failed" if "errors" in name else "ok"] for name in stats["files"]}
    if (
        rows != wanted
        or stats["inputs"] != stats["ok"] + stats["failed"]
        or not _is_whole(out, stats)
    ):
        raise ClipcError("format", f"{out}: shard {number} has rows {rows}, not {wanted}")
    return stats


def finish(out: str, shards: list[Shard], checked: Iterable[Stats]) -> Stats:
    """Writes OUT/manifest.parquet, a row a shard, and last OUT/_SUCCESS. checked:
    what check_shard() has returned of each.

    Returns:
        the sums: shards, inputs, ok, failed, errors by status, wall and CPU
        seconds of the stages.

    Raises:
        ClipcError: a shard is missing, or there twice.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = sorted(checked, key=lambda stats: int(stats["number"]))
    if [stats["number"] for stats in found] != [shard.number for shard in shards]:
        raise ClipcError("format", f"{out}: {len(found)} of {len(shards)} shards are whole")
    table = pa.table(
        {
            "number": pa.array([s["number"] for s in found], pa.int32()),
            "path": [s["input"]["path"] for s in found],
            "first": pa.array([s["input"]["first"] for s in found], pa.int64()),
            **{
                name: pa.array([s[name] for s in found], pa.int64())
                for name in ("inputs", "ok", "failed")
            },
            "fingerprint": [s["fingerprint"] for s in found],
            "img_emb_sha256": [
                s["files"][name_of("img_emb", s["number"])]["sha256"] for s in found
            ],
        }
    )
    temporary = os.path.join(out, "_tmp", f"manifest.{uuid.uuid4().hex}")
    pq.write_table(table, temporary)
    publish(out, temporary, "manifest.parquet")
    errors: Counter[str] = Counter()
    for stats in found:
        errors.update(stats["errors"])
    sums: Stats = {"shards": len(found), "errors": dict(sorted(errors.items()))}
    times = [f"{name}_{kind}" for name in STAGES for kind in ("duration", "cpu")]
    for name in ("inputs", "ok", "failed", *times, "total_duration"):
        sums[name] = sum(stats[name] for stats in found)
    if sums["inputs"] != sums["ok"] + sums["failed"]:
        raise ClipcError("internal", f"{out}: {sums}")
    write_json(out, "_SUCCESS", sums)
    return sums


def sweep(out: str) -> None:
    """Removes what attempts that were killed have left in OUT/_tmp."""
    folder = os.path.join(out, "_tmp")
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(folder, name))
