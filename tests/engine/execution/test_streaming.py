"""Threads and memory: order, bounds, and the same pixels whatever the numbers."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.engine import Bench, Bigger, Crop, Faces, Invert, Multiply, NoRed, Uncrop

from henshin import images
from henshin.engine.execution.streaming import InFlight, chunks, read_ahead


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


class InPairs:
    """Lets every even number be ended only after the next odd one has: the worst order that threads may take."""

    def __init__(self, number: int) -> None:
        self.odd = {odd: threading.Event() for odd in range(1, number, 2)}

    def end(self, number: int) -> None:
        if number % 2:
            self.odd[number].set()
        else:
            assert self.odd[number + 1].wait(60)


class AtOnce(Executor):
    """Does what it is given before it returns: as far ahead as threads may be."""

    def submit(self, work: Any, /, *words: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(work(*words, **named))
        return future


# -- Read-ahead ------------------------------------------------------------------------------------------------------


def test_read_ahead_keeps_the_order_whatever_the_timing() -> None:
    pairs = InPairs(60)

    def load(number: int) -> int:
        pairs.end(number)
        return number

    with ThreadPoolExecutor(4) as pool:
        found = list(read_ahead(range(60), load, lambda _: 1, pool, count=8, limit=100 << 20))
    assert found == list(range(60))


@pytest.mark.parametrize(("size", "most"), [(10, 10), (400, 2), (5000, 1)])
def test_read_ahead_is_bounded_in_number_and_bytes(size: int, most: int) -> None:
    """``most`` items of ``size`` bytes wait at once once their size is known: 10 by count, 1000 bytes by limit."""
    started = 0

    def load(number: int) -> int:
        nonlocal started
        started += 1
        return number

    ahead = []
    for number in read_ahead(range(150), load, lambda _: size, AtOnce(), count=10, limit=1000):
        ahead.append(started - number - 1)
    assert max(ahead[100:]) <= most + (size < 1000)
    assert started == 150


def test_read_ahead_stops_reading_when_it_is_closed() -> None:
    started = []

    def load(number: int) -> int:
        started.append(number)
        return number

    with ThreadPoolExecutor(1) as pool:
        reader = read_ahead(range(1000), load, lambda _: 1, pool, count=5, limit=1 << 30)
        assert next(reader) == 0
        reader.close()
    assert len(started) <= 6


# -- Chunks ----------------------------------------------------------------------------------------------------------


def test_chunks_begin_small_and_grow() -> None:
    found = list(chunks(range(30), lambda _: 1, first=1, count=8, limit=100))
    assert [len(chunk) for chunk in found] == [1, 2, 4, 8, 8, 7]


def test_what_is_finished_already_waits_for_nobody() -> None:
    found = list(chunks([0, 0, 5, 0, 5, 5], lambda size: size, first=1, count=2, limit=100))
    assert found == [[0], [0], [5], [0], [5, 5]]


@given(st.lists(st.integers(0, 60)), st.integers(1, 9), st.integers(1, 9))
def test_chunks_lose_nothing_and_keep_to_their_bounds(sizes: list[int], first: int, count: int) -> None:
    items = list(enumerate(sizes))
    found = list(chunks(items, lambda item: item[1], first=first, count=count, limit=50))
    assert [item for chunk in found for item in chunk] == items
    for chunk in found:
        held = [size for _, size in chunk if size]
        assert len(held) <= count
        assert sum(held) <= 50 or len(held) == 1


# -- Write-behind ----------------------------------------------------------------------------------------------------


def test_write_behind_hands_on_in_order_and_bounds_what_is_under_way() -> None:
    ended: list[tuple[int, int]] = []
    pairs = InPairs(60)
    under_way = most = 0
    guard = threading.Lock()

    def work(number: int) -> Callable[[], int]:
        def task() -> int:
            nonlocal under_way, most
            with guard:
                under_way += 1
                most = max(most, under_way)
            pairs.end(number)
            with guard:
                under_way -= 1
            return number

        return task

    def finish(tag: int, futures: list[Future[int]]) -> None:
        ended.append((tag, sum(future.result() for future in futures)))

    with ThreadPoolExecutor(8) as pool:
        behind: InFlight[int, int] = InFlight(pool, finish, count=6, limit=300)
        for number in range(60):
            behind.put(number, [(100, work(number))] * (number % 2 + 1))
        behind.drain()
    assert ended == [(number, number * (number % 2 + 1)) for number in range(60)]
    assert most <= 3, "300 bytes at 100 each"


# -- The whole -------------------------------------------------------------------------------------------------------


def results(bench: Bench, *stages: Any, **options: Any) -> dict[str, bytes]:
    folder = bench.folder / f"out-{len(list(bench.folder.iterdir()))}"
    bench.run(*stages, output=folder, **options)
    return {name: (folder / name).read_bytes() for name in bench.files(folder)}


def test_results_do_not_depend_on_chunks_batches_or_workers(bench: Bench, rng: np.random.Generator) -> None:
    for number in range(13):
        colour = (255, 0, 0) if number == 5 else tuple(int(value) for value in rng.integers(0, 255, 3))
        bench.photo(f"{number}.png", (0, 0, 0) if number == 7 else colour, size=(9 + number % 3, 6))
    stages = (Faces, Crop, Bigger, Uncrop, Multiply, NoRed)
    reference = results(bench, *stages, chunk=1, workers=1)
    assert len(reference) == 23, "two for each photo, one for that without faces, none for the one that fails"
    for options in (
        {"chunk": 4, "workers": 3},
        {"chunk": 64, "workers": 8},
        {"batch_size": 5},
        {"read_bytes": 1, "chunk_bytes": 1, "write_bytes": 1},
    ):
        assert results(bench, *stages, **options) == reference
    shuffled = [bench.photos / f"{number}.png" for number in rng.permutation(13)]
    assert results(bench, *stages, inputs=shuffled) == reference


def test_results_are_told_in_the_order_of_the_listing_whatever_the_timing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        bench.photo(f"{number}.png")
    read, write = images.read_open, images.write_bytes
    reads, writes = InPairs(20), InPairs(20)

    def read_in_pairs(file: Any, suffix: str) -> Any:
        reads.end(int(Path(file.name).stem))
        return read(file, suffix)

    def write_in_pairs(path: Path, data: bytes) -> None:
        writes.end(int(path.stem))
        write(path, data)

    monkeypatch.setattr(images, "read_open", read_in_pairs)
    monkeypatch.setattr(images, "write_bytes", write_in_pairs)
    bench.run(Invert, workers=6)
    assert [name for name, _, _ in bench.told.ended] == [f"{number}.png" for number in range(20)]


@pytest.mark.parametrize("number", [20, 60])
def test_pictures_in_memory_do_not_grow_with_the_number_of_files(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    for index in range(number):
        bench.photo(f"{index}.png", (index, 20, 20), size=(64, 64))
    picture = 64 * 64 * 3
    made: list[weakref.ref[Any]] = []
    most = 0
    read = images.read_open

    def counted(file: Any, suffix: str) -> Any:
        decoded = read(file, suffix)
        made.append(weakref.ref(decoded.picture))
        return decoded

    class Count(Invert):
        def run(self, pictures: Any) -> Any:
            nonlocal most
            gc.disable()  # what only the collector of cycles would find counts as held
            most = max(most, sum(ref() is not None for ref in made))
            return super().run(pictures)

    monkeypatch.setattr(images, "read_open", counted)
    try:
        bench.run(Count, workers=2, chunk=4, read_bytes=4 * picture, chunk_bytes=4 * picture, write_bytes=4 * picture)
    finally:
        gc.enable()
    # Four that wait, four at work, and one on its way from those to these.
    assert most <= 9
    assert len(bench.files()) == number


def test_pictures_that_a_stage_enlarges_go_through_in_smaller_chunks(bench: Bench) -> None:
    for index in range(30):
        bench.photo(f"{index:02}.png", (index, 20, 20), size=(16, 16))
    picture = 16 * 16 * 3
    together: list[int] = []
    held: list[int] = []

    class Enlarge(Invert):
        def run(self, pictures: Any) -> Any:
            together.append(len(pictures))
            return [picture.repeat(4, axis=0).repeat(4, axis=1) for picture in pictures]

    class Weigh(Invert):
        def run(self, pictures: Any) -> Any:
            held.append(sum(one.nbytes for one in pictures))
            return [np.ascontiguousarray(one[::4, ::4]) for one in pictures]

    bench.run(Enlarge, Weigh, chunk=8, chunk_bytes=8 * picture)
    assert max(together) == 1, "a photo that becomes 16 times as large is as much as the limit allows"
    assert max(held) == 16 * picture
    together.clear()
    bench.run(Enlarge, Weigh, chunk=8, chunk_bytes=64 * picture, output=bench.folder / "more")
    assert max(together) == 4
