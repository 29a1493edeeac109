# SPDX-License-Identifier: MIT
"""Items of any iterable, worked on ahead by threads, in their order, in bounded
memory."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Callable, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

Item = TypeVar("Item")
Answer = TypeVar("Answer")

# Batches that wait for the one that is being encoded.
BATCHES_AHEAD = 3

# Seconds after which a thread that waits looks for signals. A signal wakes it only
# when it comes during the wait, and to this thread.
LOOK_SECONDS = 0.1

_of_thread = threading.local()


def _begin(end: threading.Event) -> None:
    _of_thread.end = end


def is_reader() -> bool:
    """Whether the calling thread is one of batches()."""
    return hasattr(_of_thread, "end")


def ended() -> bool:
    """Whether the calling thread is one of batches() that nobody takes from any
    more. Work that waits for others asks, and gives up."""
    return is_reader() and bool(_of_thread.end.is_set())


def settled(future: Future[Answer]) -> Future[Answer]:
    """The future once it is done. A signal is heard meanwhile."""
    from concurrent.futures import wait

    while not wait([future], LOOK_SECONDS).done:
        pass
    return future


def aside(work: Callable[[Callable[[], bool]], Answer]) -> Answer:
    """work(stopped) on another thread; the calling one hears signals meanwhile.
    stopped() is true once nobody waits for the answer any more."""
    from concurrent.futures import ThreadPoolExecutor

    stop = threading.Event()
    with ThreadPoolExecutor(1, "clipc-work") as pool:
        future = pool.submit(work, stop.is_set)
        try:
            settled(future)
        except BaseException:
            stop.set()
            raise
    return future.result()


def batches(
    items: Iterable[Item],
    work: Callable[[Item], Answer],
    n_batch: int,
    n_threads: int,
    exclusive: Callable[[Item], bool],
    reused: Callable[[Item], bool],
) -> Generator[list[Answer], None, None]:
    """Lists of work(item), at most n_batch long, in the items' order.

    At most BATCHES_AHEAD * n_batch + n_threads items are taken from the iterable
    before the batch that they belong to is yielded. The iterable is advanced on
    the caller's thread. A full batch is yielded as soon as it is done, also
    while the iterable has more. An object for which exclusive(item) holds, and
    which is there twice, is worked on by one thread at a time. While one is
    worked on for which reused(item) holds, the iterable is not advanced. When the generator
    is closed or interrupted it waits for work that has begun; ended() tells that
    work to give up.
    """
    from concurrent.futures import ThreadPoolExecutor

    most = BATCHES_AHEAD * n_batch + n_threads
    waiting: deque[tuple[Item, Future[Answer]]] = deque()
    busy: dict[int, Future[Answer]] = {}
    source = iter(items)
    more = True

    def take() -> list[Answer]:
        taken = [waiting.popleft() for _ in range(min(n_batch, len(waiting)))]
        done = [settled(future).result() for _, future in taken]
        for item, future in taken:
            if busy.get(id(item)) is future:
                del busy[id(item)]
        return done

    def ready() -> bool:
        return len(waiting) >= n_batch and all(waiting[i][1].done() for i in range(n_batch))

    end = threading.Event()
    pool = ThreadPoolExecutor(n_threads, "clipc-read", _begin, (end,))
    try:
        while more or waiting:
            while more and len(waiting) < most and not ready():
                try:
                    item = next(source)
                except StopIteration:
                    more = False
                    break
                if id(item) in busy:
                    settled(busy[id(item)])
                advances = reused(item)
                future = pool.submit(work, item)
                if exclusive(item):
                    busy[id(item)] = future
                waiting.append((item, future))
                if advances:
                    settled(future)
            if waiting:
                yield take()
    finally:
        end.set()
        pool.shutdown(wait=True, cancel_futures=True)


def alone(
    items: Iterable[Item], work: Callable[[Item], Answer]
) -> Generator[list[Answer], None, None]:
    """The same without threads, one item at a time."""
    for item in items:
        yield [work(item)]
