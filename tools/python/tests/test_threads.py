# SPDX-License-Identifier: MIT
"""Threads, processes, memory, and what happens meanwhile."""

from __future__ import annotations

import gc
import itertools
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT

import clipc


def test_many_threads(demo: clipc.Model, drawings: list[Path]) -> None:
    labels = demo.labels()
    want = demo.encode(drawings), demo.encode(["a van"]), demo.classify(drawings, labels)

    def work(_: int) -> bool:
        return (
            np.array_equal(demo.encode(drawings), want[0])
            and np.array_equal(demo.encode(["a van"]), want[1])
            and demo.classify(drawings, labels) == want[2]
        )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(24)))


def test_a_context_each_and_freed_with_the_thread() -> None:
    model = clipc.Model("demo", threads=1)
    seen: list[int] = []
    freed: list[int] = []

    def work() -> None:
        handle = model._engine.context()
        seen.append(handle.pointer)
        free = handle._free
        handle._free = lambda pointer: (freed.append(pointer), free(pointer))
        model.encode("a van")

    for _ in range(3):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    gc.collect()
    assert model._engine.context().pointer not in (0, None)
    assert len(seen) == 3
    assert freed == seen


@pytest.mark.parametrize("delay", [0.0, 0.005, 0.01, 0.02])
def test_close_while_others_compute(delay: float, drawings: list[Path]) -> None:
    model = clipc.Model("demo", threads=1)
    started = threading.Barrier(5)
    ends: list[str] = []

    def work() -> None:
        started.wait()
        try:
            for _ in range(50):
                model.encode(drawings)
            ends.append("done")
        except clipc.ClipcError as error:
            ends.append(error.message)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    started.wait()
    time.sleep(delay)
    model.close()
    for thread in threads:
        thread.join()
    assert len(ends) == 4
    assert set(ends) <= {"done", "the model is closed"}


def test_the_gil_is_released(demo: clipc.Model) -> None:
    """While one call computes, Python runs on another thread. The C call is made
    directly, so that only one lets go of the lock."""
    texts = [f"a car of {i} colours" for i in range(64)]
    demo.encode(texts)
    ticks = 0
    running = threading.Event()
    stop = threading.Event()

    def count() -> None:
        nonlocal ticks
        running.set()
        while not stop.is_set():
            ticks += 1
            time.sleep(0.0005)

    interval = sys.getswitchinterval()
    thread = threading.Thread(target=count)
    sys.setswitchinterval(10)  # nobody is asked to let go
    try:
        thread.start()
        running.wait()
        before = ticks
        start = time.monotonic()
        while time.monotonic() - start < 0.2:
            demo.encode(texts)
        during = ticks - before
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(interval)
    assert during > 20


def in_child(work: Any) -> Any:
    """What work() returns in a forked child, within 60 s."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(read)
            with os.fdopen(write, "wb") as file:
                file.write(pickle.dumps(work()))
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    timer = threading.Timer(60, os.kill, (pid, 9))
    timer.start()
    with os.fdopen(read, "rb") as file:
        data = file.read()
    _, status = os.waitpid(pid, 0)
    timer.cancel()
    assert status == 0
    return pickle.loads(data)


def test_fork(demo: clipc.Model, drawings: list[Path]) -> None:
    want = demo.encode(drawings)
    labels = demo.labels()
    best = demo.classify(drawings[0], labels).label
    assert np.array_equal(in_child(lambda: demo.encode(drawings)), want)
    assert in_child(lambda: demo.classify(drawings[0], labels).label) == best
    grandchild = in_child(lambda: in_child(lambda: demo.encode(drawings)))
    assert np.array_equal(grandchild, want)
    assert np.array_equal(demo.encode(drawings), want)


def test_fork_while_other_threads_compute(drawings: list[Path]) -> None:
    model = clipc.Model("demo")
    want = model.encode(drawings)
    texts = ["a van", "a red car"]
    text_want = model.encode(texts)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            fresh = clipc.Model("demo", threads=1)
            fresh.encode(texts)
            model.encode(drawings)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            got = in_child(lambda: (model.encode(drawings), model.encode(texts)))
            assert np.array_equal(got[0], want)
            assert np.array_equal(got[1], text_want)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_model_in_use_is_opened_again_in_the_child(drawings: list[Path]) -> None:
    model = clipc.Model("demo")
    want = model.encode(drawings)
    before = model._engine.model().pointer
    model._engine._calls += 1  # as if another thread were inside the library
    try:
        got = in_child(lambda: (model._engine._reopen, model.encode(drawings)))
    finally:
        model._engine._calls -= 1
    assert got[0] is True
    assert np.array_equal(got[1], want)
    assert model._engine.model().pointer == before


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(method: str, drawings: list[Path]) -> None:
    model = clipc.Model("demo", threads=1)
    want = model.encode(drawings)
    context = multiprocessing.get_context(method)
    with context.Pool(2) as pool:
        rows = pool.map_async(model.encode, drawings).get(120)
    assert np.array_equal(np.stack(rows), want)


def test_pickle_keeps_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    model = clipc.Model("tests/data/tiny", threads=1, alpha="white", context_length=20)
    monkeypatch.chdir(tmp_path)
    again = pickle.loads(pickle.dumps(model))
    assert again._settings == model._settings
    assert np.array_equal(again.encode("a cat"), model.encode("a cat"))
    monkeypatch.chdir(ROOT)
    model = clipc.Model("tests/data/tiny", adapter="tests/data/adapters/lora")
    monkeypatch.chdir(tmp_path)
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.encode("a cat"), model.encode("a cat"))


# ---- embed_images ----


def test_embed_images_is_lazy_and_in_order(demo: clipc.Model, drawings: list[Path]) -> None:
    want = demo.encode(drawings)
    taken = 0

    def endless() -> Iterator[Path]:
        nonlocal taken
        for path in itertools.cycle(drawings):
            taken += 1
            yield path

    rows = demo.embed_images(endless(), batch_size=4, readers=2)
    assert taken == 0
    for i in range(50):
        assert np.array_equal(next(rows), want[i % len(drawings)])
        # What is taken before its turn: three batches and the readers, and the
        # rest of the batch that is being handed out.
        assert taken - i <= 4 * 4 + 2
    rows.close()
    before = taken
    time.sleep(0.05)
    assert taken == before
    assert not [t for t in threading.enumerate() if t.name.startswith("clipc-read")]


def test_embed_images_failures(demo: clipc.Model, drawings: list[Path]) -> None:
    images = [drawings[0], b"no picture", str(drawings[1]), Path("/no/such.png"), None]
    rows = list(demo.embed_images(images, on_error="null"))
    assert [row is None for row in rows] == [False, True, False, True, True]
    rows = list(demo.embed_images(images, on_error="return"))
    assert [getattr(row, "status", "ok") for row in rows] == [
        "ok",
        "unsupported",
        "ok",
        "not_found",
        "argument",
    ]
    assert [row.index for row in rows if isinstance(row, clipc.ClipcError)] == [1, 3, 4]
    found = demo.embed_images(images)
    next(found)
    with pytest.raises(clipc.ClipcError) as caught:
        next(found)
    assert caught.value.index == 1
    with pytest.raises(StopIteration):
        next(found)


def test_frames_of_one_image(demo: clipc.Model, tmp_path: Path) -> None:
    """ImageSequence.Iterator gives one object again and again."""
    image = pytest.importorskip("PIL.Image")
    sequence = pytest.importorskip("PIL.ImageSequence")
    colours = ["red", "green", "blue", "white", "black", "yellow"]
    frames = [image.new("RGB", (64, 64), colour) for colour in colours]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    want = demo.encode(frames)
    with image.open(tmp_path / "a.gif") as opened:
        found = list(demo.embed_images(sequence.Iterator(opened), readers=4))
    assert np.array_equal(np.stack(found), want)


def test_a_failure_keeps_no_picture(demo: clipc.Model) -> None:
    (error,) = demo.embed_images(iter([b"no picture" * 100]), on_error="return")
    assert error.status == "unsupported"
    assert error.__traceback__ is error.__cause__ is error.__context__ is None


def test_an_iterable_that_fails(demo: clipc.Model, drawings: list[Path]) -> None:
    def torn() -> Iterator[Path]:
        yield from drawings
        raise OSError("the list is torn")

    with pytest.raises(OSError, match="the list is torn"):
        list(demo.embed_images(torn()))


MEMORY = """
import resource, sys
import numpy as np
import clipc
model = clipc.Model("demo", threads=1)
def pictures(n):
    for i in range(n):
        yield np.full((1000, 1000, 3), i % 256, np.uint8)   # 3 MB each
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for row in model.embed_images(pictures(60), readers=1): pass
first = peak()
n = sum(1 for row in model.embed_images(pictures(600), readers=1))
print(n, peak() - first)
"""


def test_memory_of_embed_images_is_bounded() -> None:
    """600 pictures of 3 MB are 1.8 GB; after the first 60 the peak stays."""
    out = subprocess.run(
        [sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True
    ).stdout
    n, grown = map(int, out.split())
    assert n == 600
    assert grown < 60 * 1024  # kilobytes


LEAK = """
import gc, sys
import numpy as np
import clipc
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4
picture = np.zeros((300, 300, 3), np.uint8)
def round():
    with clipc.Model("demo", threads=1) as model:
        model.encode([picture] * 9 + ["a van", b"no picture"], on_error="null")
        model.classify(picture, ["a", "b"])
        next(iter(model.embed_images([picture] * 40)))
for _ in range(20): round()
gc.collect(); first = resident()
for _ in range(60): round()
gc.collect(); print(resident() - first)
"""


def test_nothing_is_left_of_closed_models() -> None:
    out = subprocess.run(
        [sys.executable, "-c", LEAK], capture_output=True, text=True, check=True
    ).stdout
    assert int(out) < 8 * 1024


@pytest.mark.parametrize(
    "call",
    [
        "model.encode(names)",
        "model.labels(names, cache=False)",
        "model.classify(picture, names)",
    ],
)
def test_interrupt(call: str) -> None:
    """Ctrl-C ends a long call."""
    # Of a shell's background job SIGINT is ignored.
    code = (
        "import clipc, signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "model = clipc.Model('demo', threads=1)\n"
        "names = ['a van %d' % i for i in range(10**6)]\n"
        f"picture = {str(ROOT / 'weights/demo/examples/red-convertible.png')!r}\n"
        "print('ready', flush=True)\n"
        f"try:\n    {call}\n"
        "except KeyboardInterrupt:\n    print('interrupted')\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout
    assert child.stdout.readline() == "ready\n"
    time.sleep(0.5)
    child.send_signal(2)
    out, _ = child.communicate(timeout=60)
    assert out == "interrupted\n"
