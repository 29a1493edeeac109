# SPDX-License-Identifier: MIT
"""Shards without an engine: what embed_shard() writes, and when it writes again."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any, Optional

import numpy as np
import pytest
from conftest import ROOT, program

import clipc

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from clipc import _pictures, shards  # noqa: E402
from clipc.shards import Options  # noqa: E402

GOLDEN = ROOT / "tests/data/golden"
TINY = str(ROOT / "tests/data/tiny")
GOOD = [GOLDEN / "jpg.jpg", GOLDEN / "png-alpha.png", GOLDEN / "jpg-grey.jpg"]


def make_tar(
    path: Path, members: list[tuple[str, bytes]], form: int = tarfile.USTAR_FORMAT
) -> Path:
    with tarfile.open(path, "w", format=form) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def samples() -> list[tuple[str, bytes]]:
    found = []
    for i, path in enumerate(GOOD):
        found += [(f"{i:03d}.cls{path.suffix}", path.read_bytes()), (f"{i:03d}.json", b"{}")]
    return [*found, ("003.jpg", b""), ("004.jpg", GOOD[0].read_bytes()[:300]), ("._x.jpg", b"x")]


def embed(
    inputs: list[str], out: Path, options: Optional[Options] = None, **more: Any
) -> list[shards.Stats]:
    options = options or Options(model=TINY)
    planned = shards.plan(inputs, str(out), **more)
    found = [shards.embed_shard(shard, str(out), options) for shard in planned]
    shards.finish(str(out), planned, [shards.check_shard(s.number, str(out)) for s in planned])
    return found


def rows_of(prefix: Path, *arguments: str) -> tuple[bytes, list[dict[str, Any]]]:
    """clipc-embed's array and records."""
    subprocess.run(
        [program("clipc-embed"), "--model", TINY, "--quiet", "-o", str(prefix), *arguments],
        check=False,
        capture_output=True,
    )
    with open(f"{prefix}-00000.jsonl", encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    return Path(f"{prefix}-00000.npy").read_bytes(), records


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_a_tar_gives_the_bytes_of_clipc_embed(tmp_path: Path, form: int) -> None:
    tar = make_tar(tmp_path / "a.tar", samples(), form)
    out = tmp_path / "out"
    [stats] = embed([str(tar)], out)
    assert (stats["inputs"], stats["ok"], stats["failed"]) == (5, 3, 2)
    assert stats["errors"] == {"truncated": 2}
    array, records = rows_of(tmp_path / "one", str(tar))
    assert (out / "img_emb/img_emb_000000.npy").read_bytes() == array
    metadata = pq.read_table(out / "metadata/metadata_000000.parquet").to_pydict()
    good = [record for record in records if record["row"] is not None]
    assert metadata["image_path"] == [record["image"] for record in good]
    assert metadata["key"] == [record["key"] for record in good] == ["000", "001", "002"]
    errors = pq.read_table(out / "errors/errors_000000.parquet").to_pydict()
    assert errors["key"] == ["003", "004"]
    assert errors["status"] == ["truncated", "truncated"]
    vectors = pq.read_table(out / "embeddings/embeddings_000000.parquet")["embedding"].to_pylist()
    assert np.array_equal(
        np.array(vectors, np.float32), np.load(out / "img_emb/img_emb_000000.npy")
    )
    assert os.listdir(out / "_tmp") == []
    assert json.loads((out / "_SUCCESS").read_text())["inputs"] == 5


@pytest.mark.parametrize("size", [0, 100, 512, 700, 5000, 9000])
def test_a_cut_tar_keeps_what_stands_before(tmp_path: Path, size: int) -> None:
    whole = make_tar(tmp_path / "whole.tar", samples()).read_bytes()
    tar = tmp_path / "a.tar"
    tar.write_bytes(whole[:size])
    [stats] = embed([str(tar)], tmp_path / "out")
    array, records = rows_of(tmp_path / "one", str(tar))
    assert stats["failed"] >= 1
    assert stats["ok"] == sum(record["row"] is not None for record in records)
    if stats["ok"]:
        assert (tmp_path / "out/img_emb/img_emb_000000.npy").read_bytes() == array


def test_tars_as_clipc_embed_reads_them(tmp_path: Path) -> None:
    one, two = tmp_path / "one.tar", tmp_path / "two.tar"
    with tarfile.open(one, "w") as tar:
        for name, data in samples():
            info = tarfile.TarInfo(f"./d.e/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for kind, name in (
            (tarfile.SYMTYPE, "soft.jpg"),
            (tarfile.LNKTYPE, "hard.png"),
            (tarfile.DIRTYPE, "folder.jpg"),
            (tarfile.SYMTYPE, "link"),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "000.jpg"
            tar.addfile(info)
        for name in ("__MACOSX/a.jpg", "a/@eaDir/b.jpg", "Thumbs.db", "picture-without-ending"):
            info = tarfile.TarInfo(name)
            info.size = GOOD[1].stat().st_size
            tar.addfile(info, io.BytesIO(GOOD[1].read_bytes()))
    # Another one behind the first, and one with a damaged header.
    two.write_bytes(one.read_bytes() + one.read_bytes())
    damaged = bytearray(one.read_bytes())
    at = damaged.index(b"./d.e/002.cls.jpg")
    damaged[at : at + 1] = b"x"
    three = tmp_path / "three.tar"
    three.write_bytes(damaged)
    for i, tar_path in enumerate((one, two, three)):
        out = tmp_path / f"out{i}"
        [stats] = embed([str(tar_path)], out)
        array, records = rows_of(tmp_path / f"embed{i}", str(tar_path))
        assert (out / "img_emb/img_emb_000000.npy").read_bytes() == array
        assert stats["inputs"] == len(records)
        errors = pq.read_table(out / "errors/errors_000000.parquet").to_pydict()
        wrong = [record for record in records if record["row"] is None]
        assert errors["image_path"] == [record["image"] for record in wrong]
        assert errors["status"] == [record["status"] for record in wrong]


def test_parquet_and_lists(tmp_path: Path) -> None:
    data = [path.read_bytes() for path in GOOD]
    structs = pa.table(
        {
            "image": [{"bytes": d, "path": f"{i}.jpg"} for i, d in enumerate(data)] + [None],
            "caption": ["a", "b", None, "d"],
        }
    )
    pq.write_table(structs, tmp_path / "a.parquet", row_group_size=2)
    plain = pa.table({"key": [7, 8, 9], "content": data})
    pq.write_table(plain, tmp_path / "b.parquet")
    (tmp_path / "c.txt").write_text(
        "".join(f"{p}\r\n" for p in GOOD) + "\nmissing.jpg\nhttps://example.org/a.jpg"
    )
    want, _ = rows_of(tmp_path / "one", *map(str, GOOD))
    out = tmp_path / "out"
    stats = embed([str(tmp_path / "a.parquet")], out, Options(model=TINY, keep=("caption",)))
    assert (out / "img_emb/img_emb_000000.npy").read_bytes() == want
    metadata = pq.read_table(out / "metadata/metadata_000000.parquet").to_pydict()
    assert metadata["caption"] == ["a", "b", None]
    assert metadata["key"] == [
        "0.jpg",
        "1.jpg",
        "2.jpg",
    ]
    assert stats[0]["errors"] == {"argument": 1}
    # What has no columns has none to keep.
    make_tar(tmp_path / "d.tar", samples())
    out = tmp_path / "out3"
    mixed = [str(tmp_path / name) for name in ("a.parquet", "c.txt", "d.tar")]
    stats = embed(mixed, out, Options(model=TINY, keep=("caption",)))
    assert [s["ok"] for s in stats] == [3, 3, 3]
    kept = pq.read_table(out / "metadata/metadata_000002.parquet")["caption"].to_pylist()
    assert kept == [None] * 3
    out = tmp_path / "out2"
    stats = embed([str(tmp_path / "b.parquet"), str(tmp_path / "c.txt")], out, list_rows=2)
    assert [s["inputs"] for s in stats] == [3, 2, 2, 1]
    assert [s["ok"] for s in stats] == [3, 2, 1, 0]
    assert stats[2]["errors"] == {"not_found": 1}
    assert stats[3]["errors"] == {"unsupported": 1}
    assert (out / "img_emb/img_emb_000000.npy").read_bytes() == want
    assert pq.read_table(out / "metadata/metadata_000000.parquet")["key"].to_pylist() == [
        "7",
        "8",
        "9",
    ]
    with pytest.raises(clipc.ClipcError, match="no column caption"):
        embed([str(tmp_path / "b.parquet")], tmp_path / "o", Options(model=TINY, keep=("caption",)))
    with pytest.raises(clipc.ClipcError, match="no column picture"):
        embed([str(tmp_path / "b.parquet")], tmp_path / "o", Options(model=TINY, image="picture"))


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"\xef\xbb\xbfa.jpg\r\nb.jpg", ["a.jpg", "b.jpg"]),
        (b"\r\n\na\r\r\n\rb\rc\r", ["a\r", "\rb\rc"]),
        ("a\x85b\u2028c\vd\n e \n".encode(), ["a\x85b\u2028c\vd", " e "]),
        (b"a\r\0\0b\nc\0d", ["a\r", "b\nc", "d"]),
        (b"\xef\xbb\xbfa\0b\0", ["a", "b"]),
    ],
)
def test_lists_are_those_of_clipc_embed(tmp_path: Path, data: bytes, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_bytes(GOOD[0].read_bytes())
    path = tmp_path / "list.txt"
    path.write_bytes(data)
    here = os.getcwd()
    os.chdir(tmp_path)
    try:
        _, records = rows_of(tmp_path / "one", "--files-from", str(path))
        stats = embed([str(path)], tmp_path / "out", list_rows=1)
    finally:
        os.chdir(here)
    assert [record["image"] for record in records] == names
    assert [s["ok"] for s in stats] == [1] * len(names)
    pieces = sorted((tmp_path / "out/metadata").iterdir())
    found = [pq.read_table(piece)["image_path"].to_pylist() for piece in pieces]
    assert found == [[name] for name in names]


def test_a_list_without_lines_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(b"a\n" + b"b" * (17 << 20))
    with pytest.raises(clipc.ClipcError, match="limit of 16777216 bytes"):
        list(_pictures.list_lines(str(path)))


def test_what_is_done_again(tmp_path: Path) -> None:
    tar = make_tar(tmp_path / "a.tar", samples())
    out, inputs = tmp_path / "out", [str(tar)]
    embed(inputs, out)
    assert embed(inputs, out)[0]["skipped"]
    assert embed(inputs, out, Options(model=TINY, threads=2))[0]["skipped"]
    before = (out / "img_emb/img_emb_000000.npy").read_bytes()
    # Another time, model, option; a file that is gone or short.
    os.utime(tar)
    assert "skipped" not in embed(inputs, out)[0]
    for options in (
        Options(model=TINY, precision="int8"),
        Options(model=TINY, alpha="white"),
        Options(model="demo"),
        Options(model=TINY),
    ):
        assert "skipped" not in embed(inputs, out, options)[0]
    for kind in "img_emb", "metadata", "embeddings", "errors":
        for spoil in (lambda p: p.unlink(), lambda p: os.truncate(p, 4)):
            [path] = (out / kind).iterdir()
            spoil(path)
            assert "skipped" not in embed(inputs, out)[0]
    (out / "stats/stats_000000.json").write_text("{")
    assert "skipped" not in embed(inputs, out)[0]
    assert (out / "img_emb/img_emb_000000.npy").read_bytes() == before


def test_an_attempt_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: Any) -> None:
    tar = make_tar(tmp_path / "a.tar", samples())
    out = tmp_path / "out"
    [shard] = shards.plan([str(tar)], str(out))
    real = _pictures.loaded

    def touching(data: Any) -> Any:
        os.utime(tar)
        return real(data)

    monkeypatch.setattr(shards, "loaded", touching)
    with pytest.raises(OSError, match="changed while it was read"):
        shards.embed_shard(shard, str(out), Options(model=TINY))
    assert [list((out / kind).iterdir()) for kind in (*shards.FOLDERS, "_tmp")] == [[]] * 6
    with pytest.raises(clipc.ClipcError, match="no stats"):
        shards.check_shard(0, str(out))


def test_two_attempts_at_once_leave_equal_bytes(tmp_path: Path) -> None:
    tar = make_tar(tmp_path / "a.tar", samples() * 20)
    out = tmp_path / "out"
    shards.plan([str(tar)], str(out))
    code = (
        "import sys; from clipc.shards import *\n"
        f"[shard] = plan([{str(tar)!r}], {str(out)!r})\n"
        f"embed_shard(shard, {str(out)!r}, Options(model={TINY!r}))\n"
    )
    both = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [job.wait() for job in both] == [0, 0]
    assert shards.check_shard(0, str(out))["ok"] == 60
    array, _ = rows_of(tmp_path / "one", str(tar))
    assert (out / "img_emb/img_emb_000000.npy").read_bytes() == array


def test_numbers_stay(tmp_path: Path) -> None:
    tars = [make_tar(tmp_path / f"{name}.tar", samples()) for name in "bd"]
    out = str(tmp_path / "out")
    assert [s.path for s in shards.plan(map(str, tars), out)] == list(map(str, tars))
    tars.insert(0, make_tar(tmp_path / "a.tar", samples()))
    paths = [s.path for s in shards.plan([str(tmp_path)], out)]
    assert paths == [str(tars[1]), str(tars[2]), str(tars[0])]
    with pytest.raises(clipc.ClipcError, match="no input now"):
        shards.plan([str(tars[0])], out)
    for wrong in (["a.jpg"], ["missing.tar"], ["s3://bucket/a.tar"], [str(tmp_path / "out/stats")]):
        with pytest.raises(clipc.ClipcError) as error:
            shards.plan(wrong, str(tmp_path / "other"))
        assert error.value.status == "argument"


def test_what_was_written_is_no_input(tmp_path: Path) -> None:
    make_tar(tmp_path / "a.tar", samples())
    for _ in range(2):
        stats = embed([str(tmp_path)], tmp_path / "emb")
        assert [s["inputs"] for s in stats] == [5]


def test_a_lost_or_wrong_piece_is_found(tmp_path: Path) -> None:
    tars = [make_tar(tmp_path / f"{name}.tar", samples()) for name in "ab"]
    out = str(tmp_path / "out")
    embed(list(map(str, tars)), tmp_path / "out")
    planned = shards.plan(map(str, tars), out)
    stats = shards.check_shard(0, out)
    with pytest.raises(clipc.ClipcError, match="1 of 2 shards"):
        shards.finish(out, planned, [stats])
    with pytest.raises(clipc.ClipcError, match="of 2 shards"):
        shards.finish(out, planned, [stats, stats])
    table = pq.read_table(f"{out}/metadata/metadata_000001.parquet")
    pq.write_table(table.slice(1), f"{out}/metadata/metadata_000001.parquet")
    with pytest.raises(clipc.ClipcError, match="has rows"):
        shards.check_shard(1, out)


def test_float16_and_no_parquet(tmp_path: Path) -> None:
    tar = make_tar(tmp_path / "a.tar", samples())
    out = tmp_path / "out"
    embed([str(tar)], out, Options(model=TINY, dtype="float16", parquet=False))
    array, _ = rows_of(tmp_path / "one", "--output-dtype", "float16", str(tar))
    assert (out / "img_emb/img_emb_000000.npy").read_bytes() == array
    assert list((out / "embeddings").iterdir()) == []


def test_another_model_of_the_same_name_is_refused() -> None:
    _, found = shards.open_model(Options(model=TINY))
    assert len(found) == 64
    with pytest.raises(clipc.ClipcError, match="not the model") as error:
        shards.open_model(Options(model=TINY, model_sha256="0" * 64))
    assert error.value.status == "config"


def test_answers_of_threads_are_those_of_one(tmp_path: Path) -> None:
    model, _ = shards.open_model(Options(model=TINY))
    items: list[Any] = [path.read_bytes() for path in GOOD] * 7 + [b"", str(GOOD[0]), "missing.jpg"]
    one = list(shards.answers(model, items, 1))
    two = list(shards.answers(model, items, 3))
    assert [e.status for e in one if isinstance(e, clipc.ClipcError)] == ["truncated", "not_found"]
    for a, b in zip(one, two):
        if isinstance(a, clipc.ClipcError):
            assert isinstance(b, clipc.ClipcError)
            assert a.message == b.message
        else:
            assert np.array_equal(a, b)
