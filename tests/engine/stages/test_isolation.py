"""Stages that break rules in odd ways: each is named, its picture fails, and the run goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.engine import Bench, Multiply, Same
from support.jobs import go, jobs, stage_with

from henshin.engine.stages.runner import StageRunner, bytes_held
from henshin.errors import HenshinError
from henshin.text import one_line


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize(
    ("part", "value", "says"),
    [
        ("latents", np.zeros((2, 4)), "returned latents that are no dict"),
        ("timings", None, "returned timings that are no dict"),
        ("faces", None, "returned faces that are no list"),
        ("faces", [1], "returned faces that are no Face"),
        ("metadata", {}, "returned metadata that is no Metadata"),
        ("name", 5, "returned name that is no str"),
        ("error", "bad", "returned an error that is no PictureError"),
        ("picture", [1], "a list; a picture is"),
    ],
)
@pytest.mark.parametrize("again", [True, False])
def test_a_frame_with_a_wrong_part_is_the_fault_of_the_stage(part: str, value: Any, says: str, again: bool) -> None:
    def run(self: Any, frames: Any) -> Any:
        for frame in frames:
            if frame.picture[0, 0, 0] == 2:
                setattr(frame, part, value)
        return [other for frame in frames for other in ([frame, replace(frame)] if again else [frame])]

    made = jobs(1, 2)
    stages = StageRunner([kind(kind.Config()) for kind in (stage_with(run, "frames"), Multiply, Same)])
    stages.run(made, lambda: print(bytes_held(made)))
    assert [bool(job.errors) for job in made] == [False, True]
    assert made[1].stage == "made"
    assert says in made[1].errors[0].reason


def test_a_stage_that_exits_fails_its_picture_and_ends_nothing() -> None:
    def run(self: Any, pictures: Any) -> Any:
        if any(picture[0, 0, 0] == 2 for picture in pictures):
            raise SystemExit(5)
        return pictures

    made = go(jobs(1, 2), stage_with(run))
    assert [bool(job.errors) for job in made] == [False, True]
    assert "SystemExit: 5" in made[1].errors[0].reason

    def interrupted(self: Any, pictures: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(jobs(1), stage_with(interrupted))


def leave(*_: Any) -> Any:
    raise SystemExit(5)


def test_a_stage_that_exits_while_it_opens_or_begins_is_named(bench: Bench) -> None:
    bench.photo("x.png")
    with pytest.raises(HenshinError, match="stage 'made' does not open: SystemExit: 5"):
        bench.run(stage_with(leave, open=leave))
    with pytest.raises(HenshinError, match="stage 'made' failed: SystemExit: 5"):
        bench.run(stage_with(leave, "source", frames=leave), inputs=[])


@pytest.mark.parametrize("error", [OSError("the file is gone"), SystemExit(5)])
def test_a_stage_that_does_not_close_is_warned_of(
    bench: Bench, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    def close(self: Any) -> None:
        raise error

    bench.photo("x.png")
    assert bench.run(stage_with(lambda self, pictures: pictures, close=close)).done == 1
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert record.getMessage() == f"stage 'made' does not close: {one_line(error)}"
    caplog.clear()
    with caplog.at_level("INFO", "henshin"):
        bench.run(stage_with(lambda self, pictures: pictures, close=close), output=bench.folder / "again")
    assert any(record.exc_info and "close" in record.getMessage() for record in caplog.records)


def test_the_cache_is_made_when_it_is_asked_for(bench: Bench) -> None:
    def open_it(self: Any, context: Any) -> None:
        (context.cache / "costly.txt").write_text("made")

    bench.photo("x.png")
    bench.run(Same)
    assert not (bench.folder / "cache").exists()
    bench.run(stage_with(lambda self, pictures: pictures, open=open_it), output=bench.folder / "again")
    assert (bench.folder / "cache" / "costly.txt").read_text() == "made"
