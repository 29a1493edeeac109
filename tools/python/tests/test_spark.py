# SPDX-License-Identifier: MIT
"""clipc.spark's command line on an engine of one process that stands for Spark.
tests/spark has Spark itself."""

from __future__ import annotations

import io
import json
import sys
import tarfile
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any, Callable

import pytest
from conftest import ROOT

pytest.importorskip("pyarrow")

from clipc import shards, spark

TINY = str(ROOT / "tests/data/tiny")
GOOD = (ROOT / "tests/data/golden/jpg.jpg").read_bytes()


class Py4JError(Exception):
    pass


class Rows:
    """An RDD. A task that fails does it as in Spark: its traceback is in the middle
    of the text of Java's exception."""

    def __init__(self, items: list[Any]) -> None:
        self._items = items
        self._work: list[Callable[[Any], Any]] = []

    def map(self, work: Callable[[Any], Any]) -> Rows:
        self._work.append(work)
        return self

    def collect(self) -> list[Any]:
        found = []
        for item in self._items:
            for work in self._work:
                try:
                    item = work(item)
                except Exception:
                    raise Py4JError(
                        "An error occurred while calling z:org.apache.spark.api.python.PythonRDD."
                        "collectAndServe.\n: org.apache.spark.SparkException: Job aborted due to "
                        "stage failure: Task 0 in stage 0.0 failed 4 times, most recent failure: "
                        "Lost task 0.3 in stage 0.0 (TID 3) (here executor 0): org.apache.spark."
                        f"api.python.PythonException: {traceback.format_exc()}\n\tat java.base/a\n"
                    ) from None
            found.append(item)
        return found


class Session:
    """SparkSession, its builder and its context."""

    defaultParallelism = 2
    stopped = 0
    failure: Any = None

    def parallelize(self, items: list[Any], _: int) -> Rows:
        if Session.failure:
            raise Session.failure
        return Rows(items)

    def stop(self) -> None:
        Session.stopped += 1
        if isinstance(Session.failure, Py4JError):
            raise Py4JError("the gateway is gone")

    def appName(self, _: str) -> Session:
        return self

    def getOrCreate(self) -> Session:
        return self


@pytest.fixture(autouse=True)
def _engine(monkeypatch: pytest.MonkeyPatch) -> None:
    session: Any = Session()
    session.builder = session.sparkContext = session
    for name, members in {
        "pyspark": {},
        "pyspark.sql": {"SparkSession": session},
        "pyspark.errors": {"PySparkException": Py4JError},
        "py4j": {},
        "py4j.protocol": {"Py4JError": Py4JError},
    }.items():
        module = ModuleType(name)
        module.__dict__.update(members)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(Session, "stopped", 0)
    monkeypatch.setattr(Session, "failure", None)


@pytest.fixture
def tar(tmp_path: Path) -> str:
    with tarfile.open(tmp_path / "a.tar", "w") as opened:
        info = tarfile.TarInfo("a.jpg")
        info.size = len(GOOD)
        opened.addfile(info, io.BytesIO(GOOD))
    return str(tmp_path / "a.tar")


def run(out: Path, *arguments: str) -> int:
    return spark.main(["--model", TINY, "-o", str(out), *arguments])


def line_of(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that says why the job cannot run."""
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("clipc.spark: ")
    assert err.endswith("\n")
    assert err.count("\n") == 1, err
    assert Session.stopped == 1
    return err[len("clipc.spark: ") : -1]


def test_status_of_a_job_that_runs(
    tar: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "out", tar) == 0
    sums = json.loads(capsys.readouterr().out)
    assert (sums["ok"], sums["failed"], sums["skipped"]) == (1, 0, 0)
    (tmp_path / "b.txt").write_text("missing.jpg\n", encoding="utf-8")
    assert run(tmp_path / "out", tar, str(tmp_path / "b.txt")) == 1
    sums = json.loads(capsys.readouterr().out)
    assert (sums["ok"], sums["failed"], sums["skipped"]) == (1, 1, 1)


def test_an_output_that_cannot_be_written(
    tar: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert run(tmp_path / "file/out", tar) == 3
    assert line_of(capsys) == f"{tmp_path}/file/out: Not a directory"


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (OSError(28, "No space left on device", "/out/a.npy"), "/out/a.npy: No space left"),
        (OSError("it has\nchanged"), "it has changed"),
        (KeyError("column"), "'column'"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_a_task_that_fails(
    failure: Exception,
    words: str,
    tar: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(*_: Any) -> Any:
        raise failure

    monkeypatch.setattr(shards, "embed_shard", fails)
    assert run(tmp_path / "out", tar) == 3
    assert line_of(capsys).startswith(f"{tar}: {words}")


def test_a_shard_that_is_not_whole(
    tar: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "embed_shard", lambda *_: {"number": 0})
    assert run(tmp_path / "out", tar) == 3
    assert line_of(capsys).startswith("shard 0: ")
    assert not (tmp_path / "out/_SUCCESS").exists()


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (
            Py4JError("An error occurred while calling o1.f.\n: a.SparkException: x.\n\tat a"),
            "a.SparkException: x.",
        ),
        (Py4JError("Answer from Java side is empty"), "Answer from Java side is empty"),
        (Py4JError(), "Py4JError"),
    ],
)
def test_spark_that_fails(
    failure: Exception, words: str, tar: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Session.failure = failure
    assert run(tmp_path / "out", tar) == 3
    assert line_of(capsys) == words


def test_a_mistake_has_its_traceback(
    tar: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Session.failure = TypeError("what")
    assert run(tmp_path / "out", tar) == 3
    assert capsys.readouterr().err.endswith("TypeError: what\n")


def test_no_spark(
    tar: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    assert run(tmp_path / "out", tar) == 3
    assert "pip install 'clipc[spark]'" in capsys.readouterr().err
