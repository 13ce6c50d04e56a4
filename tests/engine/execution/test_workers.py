"""Several pictures at once: the same results in the same order, whoever works on them, and errors and ends as ever."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.engine import RED, Bench, Bigger, Crop, Faces, Invert, Multiply, NoRed, Sample, Uncrop

from henshin.api.frame import Dropped
from henshin.api.stage import Stage, StageConfig
from henshin.engine.execution.streaming import InFlight
from henshin.errors import HenshinError, MissingError, TerminatedError


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def concurrent(stage: type[Stage[Any]], run: Callable[[Any, Any], Any] | None = None) -> type[Stage[Any]]:
    """The stage, or one with this ``run``, as one that several threads may call."""
    return type(stage.__name__, (stage,), {"concurrent": True, **({} if run is None else {"run": run})})


class Counting(Stage[StageConfig]):
    """Depends on the order: adds the number of pictures before to each, and leaves out every fifth."""

    name = "counting"

    def __init__(self, config: StageConfig) -> None:
        super().__init__(config)
        self.count = 0

    def run(self, pictures: Any) -> Any:
        results: list[Any] = []
        for picture in pictures:
            self.count += 1
            results.append(Dropped("fifths", "a fifth") if self.count % 5 == 0 else picture + np.uint8(self.count))
        return results


class Pairs(Stage[StageConfig]):
    """Ends every picture of an even number only after the next one: the worst order that threads may take."""

    name = "pairs"
    works_on = "frames"
    concurrent = True
    several = True

    def __init__(self, config: StageConfig) -> None:
        super().__init__(config)
        self.odd = {number: threading.Event() for number in range(1, 100, 2)}

    def run(self, frames: Any) -> Any:
        number = int(frames[0].name[:3])
        if number % 2:
            self.odd[number].set()
        elif self.several:
            assert self.odd[number + 1].wait(60)
        return frames


def photos(bench: Bench, number: int, red: int = -1, dark: int = -1) -> None:
    rng = np.random.default_rng(0)
    for index in range(number):
        colour = RED if index == red else (0, 0, 0) if index == dark else tuple(map(int, rng.integers(60, 255, 3)))
        bench.photo(f"{index:03}.png", colour, size=(9 + index % 3, 6))


def outcome(bench: Bench, *stages: Any, **options: Any) -> Any:
    """The bytes of the results, the record without times, and the summary's counts."""
    folder = bench.folder / f"out-{len(list(bench.folder.iterdir()))}"
    summary = bench.run(*stages, output=folder, **options)
    record = [json.loads(line) for line in (folder / ".henshin" / "run.jsonl").read_text().splitlines()]
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.png")}
    counts = summary.as_dict()
    for name in ("output", "seconds", "first_seconds", "stages", "opening", "rate", "workers", "threads", "sheets"):
        del counts[name]
    times = [{key: value for key, value in line.items() if key not in ("seconds", "timings")} for line in record]
    return files, times, counts, bench.told.ended


def test_results_and_record_are_the_same_for_any_number_of_workers(bench: Bench) -> None:
    photos(bench, 24, red=7, dark=10)
    stages = (
        Pairs,
        concurrent(Faces),
        concurrent(Crop),
        concurrent(Bigger),
        Uncrop,
        concurrent(Multiply),
        Pairs,
        Counting,
        concurrent(NoRed),
    )
    without_waiting = type("Pairs", (Pairs,), {"several": False})
    alone = [without_waiting if stage is Pairs else stage for stage in stages]
    files, record, counts, ended = outcome(bench, *alone, workers=1)
    assert len(files) > 30
    assert counts["dropped"] == {"counting": {"fifths": 9}}
    for workers in (2, 5):
        assert outcome(bench, *stages, workers=workers) == (files, record, counts, ended)


def test_the_numbers_of_workers_do_not_change_what_a_second_run_finds_finished(bench: Bench) -> None:
    photos(bench, 6)
    bench.run(Pairs, Counting, workers=2)
    before = bench.state()
    assert bench.run(Pairs, Counting, workers=5).up_to_date == 6
    assert bench.state() == before


def test_a_concurrent_stage_works_on_several_pictures_at_once(bench: Bench) -> None:
    photos(bench, 6)
    together = threading.Barrier(3, timeout=60)

    def run(self: Any, pictures: Any) -> Any:
        together.wait()
        return [255 - picture for picture in pictures]

    assert bench.run(concurrent(Invert, run), workers=3).done == 6


def test_any_other_stage_is_called_by_one_thread_at_a_time_in_the_order_of_the_input(bench: Bench) -> None:
    photos(bench, 20)
    inside = threading.Lock()
    seen: list[str] = []

    class Alone(Invert):
        works_on = "frames"

        def run(self, frames: Any) -> Any:
            assert inside.acquire(blocking=False)
            seen.extend(frame.name for frame in frames)
            inside.release()
            return frames

    assert bench.run(Pairs, Alone, Pairs, workers=4).failed == 0
    assert seen == [f"{index:03}" for index in range(20)]


def test_each_thread_sees_the_zone_of_its_own_pictures(bench: Bench) -> None:
    for index in range(8):
        bench.photo(f"{index:03}.png", (0, 0, 0) if index % 2 else (200, 100, 50))
    together = threading.Barrier(2, timeout=60)
    seen: list[str] = []

    def run(self: Any, pictures: Any) -> Any:
        together.wait()  # a crop and a whole photo are at work
        seen.append(self.zone)
        assert self.zone == ("crops" if pictures[0].shape[:2] == (4, 4) else "photos")
        together.wait()
        return pictures

    faces = concurrent(Faces)(Faces.Config(without="whole"))
    assert bench.run(faces, concurrent(Crop), concurrent(Invert, run), Uncrop, workers=2).failed == 0
    assert sorted(seen) == ["crops"] * 4 + ["photos"] * 4


def test_a_failing_picture_is_named_and_the_others_go_on(bench: Bench) -> None:
    photos(bench, 12, red=4)
    summary = bench.run(Pairs, concurrent(NoRed), Counting, workers=3)
    assert [(Path(one.source).name, one.stage) for one in summary.failures] == [("004.png", "no_red")]
    assert summary.done + summary.skipped == 11


def test_what_is_missing_ends_the_run_after_what_is_in_flight(bench: Bench) -> None:
    photos(bench, 40)
    begun: list[Any] = []

    def run(self: Any, pictures: Any) -> Any:
        begun.append(pictures)
        if len(begun) == 5:
            raise MissingError("no model for this one")
        return pictures

    with pytest.raises(MissingError, match="no model"):
        bench.run(Invert, concurrent(Invert, run), workers=2)
    assert len(begun) < 10
    assert len(bench.files()) < len(begun)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, TerminatedError])
def test_an_interruption_finishes_the_pictures_that_have_begun(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, interruption: type[BaseException]
) -> None:
    photos(bench, 30)
    begun: list[int] = []
    put = InFlight.put
    number = 0

    def run(self: Any, pictures: Any) -> Any:
        begun.append(1)
        return [255 - picture for picture in pictures]

    def interrupted(self: Any, tag: Any, tasks: Any) -> None:
        nonlocal number
        put(self, tag, tasks)
        if hasattr(tag, "loaded"):
            number += 1
            if number == 6:
                raise interruption

    monkeypatch.setattr(InFlight, "put", interrupted)
    summary = bench.run(concurrent(Invert, run), Counting, workers=2)
    assert summary.exit_code == (143 if interruption is TerminatedError else 130)
    assert summary.done + summary.skipped == len(begun) <= 6
    monkeypatch.undo()
    rest = bench.run(concurrent(Invert), Counting, workers=2)
    assert (rest.failed, rest.done + rest.skipped + rest.up_to_date) == (0, 30)
    assert rest.up_to_date == len(begun)


def test_a_full_disk_ends_the_run(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    from henshin import images

    photos(bench, 30)
    write = images.write_bytes

    def full(path: Path, data: bytes) -> None:
        if path.name == "003.png":
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, data)

    monkeypatch.setattr(images, "write_bytes", full)
    summary = bench.run(concurrent(Invert), workers=3)
    assert summary.exit_code == 3
    assert summary.done < 30
    monkeypatch.undo()
    assert bench.run(concurrent(Invert), workers=3).exit_code == 0


def test_a_source_feeds_several_workers_in_order(bench: Bench) -> None:
    together = threading.Barrier(2, timeout=60)

    def run(self: Any, pictures: Any) -> Any:
        together.wait()
        return pictures

    summary = bench.run(Sample(Sample.Config(count=8)), concurrent(Invert, run), inputs=[], workers=2)
    assert summary.done == 8
    assert [name for name, _, _ in bench.told.ended] == [f"sample-{number:06}" for number in range(8)]


def test_pictures_in_the_stages_are_bounded_in_bytes_all_workers_together(bench: Bench) -> None:
    for index in range(40):
        bench.photo(f"{index:03}.png", (index, 20, 20), size=(64, 64))
    picture = 64 * 64 * 3
    guard = threading.Lock()
    held = most = 0

    class Enter(Stage[StageConfig]):
        name = "enter"
        concurrent = True

        def run(self, pictures: Any) -> Any:
            nonlocal held, most
            with guard:
                held += sum(one.nbytes for one in pictures)
                most = max(most, held)
            return pictures

    class Leave(Stage[StageConfig]):
        name = "leave"
        concurrent = True

        def run(self, pictures: Any) -> Any:
            nonlocal held
            with guard:
                held -= sum(one.nbytes for one in pictures)
            return pictures

    bench.run(Enter, Invert, Leave, workers=5, chunk_bytes=3 * picture)
    assert held == 0
    assert most <= 3 * picture
    most = 0
    bench.run(Enter, Invert, Leave, workers=5, chunk_bytes=1, output=bench.folder / "one")
    assert most == picture, "a picture above the limit goes alone"


def test_an_error_that_no_picture_causes_leaves_nothing_running(bench: Bench) -> None:
    photos(bench, 10)

    class Unready(Invert):
        concurrent = True

        def open(self, context: Any) -> None:
            raise HenshinError("not today")

    with pytest.raises(HenshinError, match="not today"):
        bench.run(Unready, workers=3)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("henshin-")]


def test_what_threads_share_is_imported_before_they_begin(bench: Bench) -> None:
    """Two threads that begin to import numpy, or kornia-rs, at the same time may find it half done."""
    photos(bench, 2)
    code = """
import sys
from henshin.engine.stages.runner import StageRunner
open_in = StageRunner.open_in
def checked(*given):
    assert {"numpy", "PIL.Image", "kornia_rs.io"} <= sys.modules.keys()
    print("opens")
    return open_in(*given)
StageRunner.open_in = checked
assert not {"numpy", "PIL.Image", "kornia_rs.io"} & sys.modules.keys()
from henshin.cli import run_pipeline
sys.exit(run_pipeline(sys.argv[1:]))
"""
    pipeline = bench.folder / "p.yaml"
    pipeline.write_text("name: p\nstages:\n  - use: postprocess\n    brightness: 0.1\n")
    words = [
        sys.executable,
        "-c",
        code,
        str(pipeline),
        "-i",
        str(bench.photos),
        "-o",
        str(bench.out),
        "--device",
        "cpu",
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    assert "opens" in done.stdout
