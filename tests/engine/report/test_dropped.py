"""What stages drop: left out with a reason, in the record, in the summary, and on the contact sheets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.engine import Bench, Crop, DropDark, Faces, Invert, Multiply, Uncrop

from henshin import Dropped, Stage, StageConfig
from henshin.engine.report import dropped_samples
from henshin.images.sheets import contact_sheet
from henshin.testing import check_stage
from henshin.text import join_counts


class DropRed(Stage[StageConfig]):
    """Drop what is red at its first pixel; says how red."""

    name = "drop_red"

    def run(self, pictures: Any) -> Any:
        return [Dropped("red", f"red is {one[0, 0, 0]}") if one[0, 0, 0] > 99 else one for one in pictures]


class DropSecond(Stage[StageConfig]):
    """Drop the second of what became of a source."""

    name = "drop_second"
    works_on = "frames"

    def run(self, frames: Any) -> Any:
        for frame in frames:
            if frame.name.endswith("-2"):
                frame.dropped = Dropped("second", "the second")
        return frames


class Recall(Stage[StageConfig]):
    """Remember each name, and note what was remembered before."""

    name = "recall"
    works_on = "frames"
    found: list[tuple[str, str, bool]]

    def open(self, context: Any) -> None:
        self.found = [
            (Path(one.source).name, one.value, self.memory.stands(one.source, one.input_hash))
            for one in self.memory.earlier()
        ]

    def run(self, frames: Any) -> Any:
        for frame in frames:
            frame.remember(f"I was {frame.name}")
            assert Path(self.memory.key(frame.source)).is_absolute()
        return frames


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def record(bench: Bench) -> dict[str, dict[str, Any]]:
    lines = (bench.out / ".henshin" / "run.jsonl").read_text().splitlines()
    return {Path(line["source"]).name: line for line in map(json.loads, lines)}


def sheets(bench: Bench) -> list[str]:
    return sorted(path.name for path in (bench.out / ".henshin" / "report").glob("*"))


def test_a_dropped_picture_is_skipped_with_its_reason_and_is_no_failure(bench: Bench) -> None:
    bench.photo("a.png", (10, 0, 0))
    bench.photo("b.png", (200, 0, 0))
    summary = bench.run(DropRed, Invert)
    assert (summary.done, summary.skipped, summary.failed, summary.exit_code) == (1, 1, 0, 0)
    assert ("b.png", "skipped", "red is 200") in bench.told.ended
    assert bench.files() == ["a.png"]
    line = record(bench)["b.png"]
    assert (line["status"], line["stage"], line["reason"]) == ("skipped", "drop_red", "red is 200")
    assert [(one["kind"], one["name"]) for one in line["dropped"]] == [("red", "b")]
    assert summary.dropped == {"drop_red": {"red": 1}}
    assert json.loads(summary.to_json())["dropped"] == {"drop_red": {"red": 1}}
    assert sheets(bench) == ["dropped-drop_red.png", "kept.png"]
    assert [Path(sheet).name for sheet in summary.sheets] == sheets(bench)


def test_of_a_photo_with_faces_only_the_dropped_face_is_left_out(bench: Bench) -> None:
    picture = np.full((8, 12, 3), 30, np.uint8)
    picture[:, 0] = 200  # the crop of the first face begins here
    Image.fromarray(picture).save(bench.photos / "two.png")
    Image.fromarray(np.full((8, 12, 3), 200, np.uint8)).save(bench.photos / "none.png")
    end = Uncrop(StageConfig())
    summary = bench.run(Faces, Crop, DropRed, Invert, end)
    assert (summary.done, summary.skipped, summary.faces) == (1, 1, 4)
    assert [len(frame.faces) for frame in end.seen] == [1]
    assert end.seen[0].faces[0].box[0] == 1
    assert summary.dropped == {"drop_red": {"red": 3}}
    lines = record(bench)
    assert (lines["two.png"]["status"], len(lines["two.png"]["dropped"])) == ("done", 1)
    assert lines["none.png"]["reason"] == "red is 200 (and 1 more of its pictures)"


@pytest.mark.parametrize("name", ["dropped-drop_red.png", "kept.png"])
def test_sheets_show_no_colours_under_what_is_transparent(bench: Bench, name: str) -> None:
    for file, red in (("a.png", 200), ("b.png", 90)):
        picture = np.full((60, 60, 4), (red, 0, 255, 0), np.uint8)
        picture[20:40, :, 3] = 255
        Image.fromarray(picture).save(bench.photos / file)
    bench.run(DropRed)
    sheet = np.asarray(Image.open(bench.out / ".henshin" / "report" / name).convert("RGB"))
    bluish = sheet[..., 2].astype(int) - sheet[..., 1] > 60
    assert np.flatnonzero(bluish.any(1)).size == 20, "the middle rows alone"
    rows, columns = np.flatnonzero(bluish.any(1)), np.flatnonzero(bluish.any(0))
    above = sheet[rows[0] - 20 : rows[0], columns[0] : columns[-1] + 1]
    assert {tuple(pixel) for pixel in above.reshape(-1, 3).tolist()} == {contact_sheet.LIGHT, contact_sheet.DARK}


def test_one_of_a_kind_is_told_in_the_singular() -> None:
    assert join_counts({"near-duplicates": 1, "blurred": 3}) == "3 blurred, 1 near-duplicate"
    assert join_counts({"near-duplicates": 2, "loss": 1}) == "2 near-duplicates, 1 loss"


def test_a_frame_of_several_is_dropped_alone(bench: Bench) -> None:
    bench.photo("a.png")
    summary = bench.run(Multiply, DropSecond, Invert)
    assert bench.files() == ["a-1.png"]
    assert (summary.done, summary.dropped) == (1, {"drop_second": {"second": 1}})
    assert record(bench)["a.png"]["dropped"][0]["name"] == "a-2"


def test_what_a_stage_left_out_without_a_word_is_counted_too(bench: Bench) -> None:
    bench.photo("dark.png", (1, 2, 3))
    bench.photo("light.png")
    summary = bench.run(DropDark, Invert)
    assert summary.dropped == {"drop_dark": {"left out": 1}}
    assert record(bench)["dark.png"]["reason"] == "left out by drop_dark"


def test_something_else_than_a_dropped_fails_its_frame(bench: Bench) -> None:
    class Wrong(DropSecond):
        def run(self, frames: Any) -> Any:
            for frame in frames:
                frame.dropped = "because"
            return frames

    bench.photo("a.png")
    summary = bench.run(Wrong)
    assert [failure.reason for failure in summary.failures] == ["returned a dropped that is no Dropped"]


def test_the_report_covers_the_whole_record_and_a_second_run_writes_nothing(bench: Bench) -> None:
    bench.photo("a.png", (10, 0, 0))
    bench.photo("b.png", (200, 0, 0))
    bench.run(DropRed, Invert)
    before = bench.state()
    again = bench.run(DropRed, Invert)
    assert again.dropped == {"drop_red": {"red": 1}}
    assert (again.up_to_date, again.skipped) == (2, 0)
    assert bench.state() == before
    bench.photo("c.png", (201, 0, 0))
    more = bench.run(DropRed, Invert)
    assert (more.skipped, more.dropped) == (1, {"drop_red": {"red": 2}})
    (bench.photos / "b.png").unlink()
    assert bench.run(DropRed, Invert).dropped == {"drop_red": {"red": 1}}


def test_a_photo_that_is_kept_now_is_no_longer_on_the_sheet(bench: Bench) -> None:
    bench.photo("a.png", (10, 0, 0))
    bench.photo("b.png", (200, 0, 0))
    bench.run(DropRed, Invert)
    bench.photo("b.png", (20, 0, 0))
    assert bench.run(DropRed, Invert).dropped == {}
    bench.photo("c.png", (200, 0, 0))
    bench.run(DropRed, Invert)
    assert len(list((bench.out / ".henshin" / "dropped" / "drop_red").glob("*"))) == 1


def test_a_run_in_which_nothing_is_dropped_leaves_no_report(bench: Bench) -> None:
    bench.photo("a.png", (10, 0, 0))
    summary = bench.run(DropRed)
    assert (summary.dropped, summary.sheets) == ({}, [])
    assert sorted(path.name for path in (bench.out / ".henshin").iterdir()) == ["run.jsonl", "runs.jsonl"]


def test_a_single_output_file_has_counts_and_no_sheets(bench: Bench) -> None:
    photo = bench.photo("b.png", (200, 0, 0))
    summary = bench.run(DropRed, inputs=[photo], output=bench.folder / "one.png")
    assert (summary.skipped, summary.dropped, summary.sheets) == (1, {"drop_red": {"red": 1}}, [])
    assert not (bench.folder / ".henshin").exists()


def test_the_sample_is_bounded_and_the_same_however_the_pictures_came(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dropped_samples, "MOST_SAMPLES", 3)
    for number in range(12):
        bench.photo(f"{number:02}.png", (120 + number, 0, 0))
    bench.photo("kept.png", (0, 0, 0))

    def shown(output: str, *limits: int | None, **options: Any) -> tuple[list[str], bytes]:
        for limit in limits:
            bench.run(DropRed, Invert, output=bench.folder / output, limit=limit, **options)
        own = bench.folder / output / ".henshin"
        names = sorted(path.name for path in (own / "dropped" / "drop_red").iterdir())
        return names, (own / "report" / "dropped-drop_red.png").read_bytes()

    first = shown("once", None)
    assert len(first[0]) == 3
    assert shown("pieces", 2, 7, None) == first
    assert shown("small", None, batch_size=1, chunk=1, workers=1) == first


def test_a_stage_finds_what_it_remembered_of_what_ended_well(bench: Bench) -> None:
    for name in ("a", "b", "c"):
        bench.photo(f"{name}.png", (0, 0, ord(name)))
    stage = Recall(StageConfig())
    bench.run(stage, limit=2)
    assert stage.found == []
    bench.run(stage)
    assert stage.found == [("a.png", "I was a", True), ("b.png", "I was b", True)]
    bench.photo("a.png", (1, 1, 1))  # another picture: what was known of it does not stand
    bench.photo("d.png")
    bench.run(stage)
    assert stage.found == [("a.png", "I was a", False), ("b.png", "I was b", True), ("c.png", "I was c", True)]
    bench.photo("e.png")
    bench.run(stage)
    assert [(name, stands) for name, _, stands in stage.found] == [
        ("b.png", True), ("c.png", True), ("a.png", True), ("d.png", True),
    ]  # fmt: skip


def test_memories_of_other_work_are_not_given(bench: Bench) -> None:
    bench.photo("a.png")
    stage = Recall(StageConfig())
    bench.run(stage)
    bench.photo("b.png")
    bench.run(stage, Invert)
    assert stage.found == []


def test_the_kit_takes_a_dropped_for_an_answer_and_wants_the_same_one_each_time() -> None:
    check_stage(DropRed)

    class Moody(DropRed):
        def run(self, pictures: Any) -> Any:
            return [Dropped("many", f"{len(pictures)} at once") for _ in pictures]

    with pytest.raises(AssertionError, match="is another one when it is alone in the list"):
        check_stage(Moody)
