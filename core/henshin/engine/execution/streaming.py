"""Streaming through threads with memory bounded in bytes: read-ahead, chunks, work in flight, for items of any type.

The order is always that of the input; only how far threads run ahead or behind depends on timing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Generic, TypeVar

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")

UNKNOWN_SIZE = 32 << 20
"""Assumed size of an item in bytes until the first ones are loaded: a photo of about 12 megapixels."""


def read_ahead(
    sources: Iterable[S],
    load: Callable[[S], T],
    size_of: Callable[[T], int],
    pool: Executor,
    *,
    count: int,
    limit: int,
) -> Generator[T, None, None]:
    """Yield ``load(source)`` for each source in order, while threads load the next ones.

    At most ``count`` items of at most ``limit`` bytes (``size_of``) are waiting; an item that is still being loaded
    counts as much as recent ones. One item is always being loaded, however large.
    """
    rest = iter(sources)
    waiting: deque[Future[T]] = deque()
    guess = float(UNKNOWN_SIZE)
    has_more = True
    try:
        while True:
            while has_more and (
                not waiting or (len(waiting) < count and _waiting_bytes(waiting, size_of, guess) < limit)
            ):
                try:
                    waiting.append(pool.submit(load, next(rest)))
                except StopIteration:
                    has_more = False
            if not waiting:
                return
            item = waiting.popleft().result()
            # An item of size 0 (up to date from an earlier run) says nothing about the next.
            size = size_of(item)
            guess = max(size, 0.8 * guess) if size else guess
            yield item
            del item
    finally:
        for future in waiting:
            future.cancel()


def _waiting_bytes(waiting: Iterable[Future[T]], size_of: Callable[[T], int], guess: float) -> float:
    held = 0.0
    for future in waiting:
        loaded = future.done() and not future.cancelled() and future.exception() is None
        held += size_of(future.result()) if loaded else guess
    return held


def chunks(items: Iterable[T], size_of: Callable[[T], int], *, first: int, count: int, limit: int) -> Iterator[list[T]]:
    """Yield lists of items: the first of ``first``, then twice as many each time, up to ``count`` and ``limit`` bytes.

    A short first list gives the first result soon; long ones allow large batches. The lengths depend only on the
    items, so that two runs form the same batches. Items of size 0 (nothing to do) are not counted, and are yielded at
    once when no other item is waiting. The receiver may empty a list: it is not used again.
    """
    target = max(1, min(first, count))
    chunk: list[T] = []
    held = number = 0
    for item in items:
        size = size_of(item)
        if chunk and (held + size > limit or len(chunk) >= 4 * count):
            yield chunk
            chunk, held, number, target = [], 0, 0, min(2 * target, count)
        chunk.append(item)
        del item
        held += size
        number += size > 0
        if number >= target or number == 0:
            yield chunk
            target = target if number == 0 else min(2 * target, count)
            chunk, held, number = [], 0, 0
    if chunk:
        yield chunk


class CallingThread(Executor):
    """Runs each task at once, in the thread that submits it; an interruption there goes to that thread."""

    def submit(self, task: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        """Run a task and return its future, which is done."""
        future: Future[R] = Future()
        try:
            future.set_result(task(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@dataclass
class _Batch(Generic[T, R]):
    """The tasks of one item: its tag, their bytes, their futures."""

    tag: T
    size: int
    futures: list[Future[R]]


@dataclass
class InFlight(Generic[T, R]):
    """Runs tasks in threads and passes on their results in order: writes, or chunks on their way through the stages.

    ``finish(tag, futures)`` is called from the thread that calls ``put`` and ``drain``, once for each ``put``, in
    their order, when all its futures are done. At most ``count`` tasks and ``limit`` bytes are in flight: those that
    wait, run, or are done and wait for earlier ones. ``waited(start)`` is called after a ``put`` that had to wait since
    ``start`` (``perf_counter``).
    """

    pool: Executor
    finish: Callable[[T, list[Future[R]]], None]
    count: int
    limit: int
    waited: Callable[[float], None] | None = None
    _waiting: deque[_Batch[T, R]] = field(default_factory=deque)

    def put(self, tag: T, tasks: list[tuple[int, Callable[[], R]]]) -> None:
        """Submit the tasks of one item, each with its bytes; waits while too much is in flight."""
        size = sum(size for size, _ in tasks)
        if self._is_full(len(tasks), size):
            start = perf_counter()
            while self._is_full(len(tasks), size):
                self._finish_first()
            if self.waited is not None:
                self.waited(start)
        self._waiting.append(_Batch(tag, size, [self.pool.submit(task) for _, task in tasks]))
        self.finish_ready()

    def finish_ready(self) -> None:
        """Pass on results that are done, without waiting."""
        while self._waiting and all(future.done() for future in self._waiting[0].futures):
            self._finish_first()

    def drain(self) -> None:
        """Wait for all tasks in flight and pass on their results."""
        while self._waiting:
            self._finish_first()

    def cancel(self) -> list[T]:
        """Cancel the tasks that have not begun; return the tags of items of which none had, the last one first."""
        cancelled = []
        while self._waiting and all(future.cancel() for future in self._waiting[-1].futures):
            cancelled.append(self._waiting.pop().tag)
        return cancelled

    def _finish_first(self) -> None:
        first = self._waiting[0]
        for future in first.futures:
            future.exception()  # waits; removed from the list only then, so that an interruption here loses nothing
        self._waiting.popleft()
        self.finish(first.tag, first.futures)

    def unfinished_count(self) -> int:
        """Return the number of tasks that wait or run."""
        return sum(not future.done() for batch in self._waiting for future in batch.futures)

    def _is_full(self, tasks: int, size: int) -> bool:
        too_much = self._task_count() + tasks > self.count or self._byte_count() + size > self.limit
        return bool(self._waiting) and too_much

    def _task_count(self) -> int:
        return sum(len(batch.futures) for batch in self._waiting)

    def _byte_count(self) -> int:
        return sum(batch.size for batch in self._waiting)
