"""Source stages: what they make, when they need not, and what becomes of nonsense."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.engine import Bench, Invert, Sample, SampleConfig

from henshin.api.stage import Stage, StageConfig
from henshin.errors import HenshinError
from henshin.testing import check_stage


class Foreseen(Sample):
    """Say beforehand what it makes, and count what it did make."""

    made = 0

    def sources(self) -> Sequence[str]:
        return [f"sample-{number:06d}" for number in range(self.config.count)]

    def frames(self) -> Iterator[Any]:
        for frame in super().frames():
            Foreseen.made += 1
            yield frame


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    Foreseen.made = 0
    return Bench(tmp_path)


def test_a_source_that_tells_beforehand_does_nothing_twice(bench: Bench) -> None:
    assert bench.run(Foreseen, Invert, inputs=[]).done == 3
    assert Foreseen.made == 3
    before = bench.state()
    assert bench.run(Foreseen, Invert, inputs=[]).up_to_date == 3
    assert Foreseen.made == 3
    assert bench.state() == before
    (bench.out / "sample-000001.png").unlink()
    summary = bench.run(Foreseen, Invert, inputs=[])
    assert (summary.done, summary.up_to_date) == (1, 2)
    many = Foreseen(SampleConfig(count=9))
    assert bench.run(many, Invert, inputs=[], limit=2, output=bench.folder / "few").done == 2
    Foreseen.made = 0
    assert bench.run(many, Invert, inputs=[], limit=2, output=bench.folder / "few").up_to_date == 2
    assert Foreseen.made == 0


def test_the_kit_compares_what_was_told_with_what_is_made() -> None:
    class Wrong(Foreseen):
        def sources(self) -> Sequence[str]:
            return ["others"]

    check_stage(Foreseen)
    with pytest.raises(AssertionError, match="sources"):
        check_stage(Wrong)


def test_a_limit_closes_the_frames_that_are_left(bench: Bench) -> None:
    closed = []

    class Endless(Sample):
        def frames(self) -> Iterator[Any]:
            try:
                yield from super().frames()
            finally:
                closed.append(True)

    frames = Endless(SampleConfig(count=9))
    kept = frames.frames()  # held here, so that it is no collector that closes it
    frames.frames = lambda: kept  # type: ignore[method-assign]
    assert bench.run(frames, inputs=[], limit=2).done == 2
    assert closed == [True]


@pytest.mark.parametrize("nonsense", [None, "frame", 7])
def test_what_is_no_frame_is_told_by_the_name_of_the_stage(bench: Bench, nonsense: Any) -> None:
    class Wrong(Stage[StageConfig]):
        name = "wrong"
        works_on = "source"

        def frames(self) -> Iterator[Any]:
            yield nonsense

    with pytest.raises(HenshinError, match=r"'wrong' yielded a \w+ instead of a frame"):
        bench.run(Wrong, inputs=[])
