"""Photos and results that were moved since the last run: nothing is done again, and nothing under another name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.engine import Bench, Invert, InvertConfig, Multiply


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    folder = tmp_path / "before"
    folder.mkdir()
    made = Bench(folder)
    for name in ("a.png", "b.jpg", "b.webp", "sub/c.png"):
        made.photo(name, (len(name), 20, 30))
    return made


def sources(bench: Bench) -> list[str]:
    return [json.loads(line)["source"] for line in (bench.out / ".henshin" / "run.jsonl").read_text().splitlines()]


def test_photos_and_results_may_be_moved_together(bench: Bench) -> None:
    bench.run(Invert, format="png")
    assert sources(bench)[0] == "../photos/a.png"
    moved = bench.folder.rename(bench.folder.parent / "after")
    there = Bench(moved)
    before = there.state()
    assert there.run(Invert, format="png").up_to_date == 4
    assert there.state() == before


def test_photos_in_a_renamed_folder_are_the_same_photos(bench: Bench) -> None:
    bench.run(Invert, format="png")
    files = bench.files()
    renamed = bench.photos.rename(bench.folder / "renamed")
    assert bench.plan(Invert, inputs=[renamed], format="png").up_to_date == 4
    assert bench.run(Invert, inputs=[renamed], format="png").up_to_date == 4
    before = bench.state()
    assert bench.run(Invert, inputs=[renamed], format="png").up_to_date == 4
    assert bench.state() == before, "the second time it knows them"
    shutil.copy(renamed / "a.png", renamed / "sub" / "c.png")
    assert bench.run(Invert, inputs=[renamed], format="png").done == 1
    assert bench.files() == files


def test_results_that_were_moved_alone_are_known_too(bench: Bench, tmp_path: Path) -> None:
    bench.run(Invert)
    elsewhere = tmp_path / "far" / "away"
    elsewhere.parent.mkdir()
    bench.out.rename(elsewhere)
    assert bench.run(Invert, output=elsewhere).up_to_date == 4


def test_other_work_on_moved_photos_keeps_the_names(bench: Bench) -> None:
    bench.run(Multiply, Invert)
    files = bench.files()
    renamed = bench.photos.rename(bench.folder / "renamed")
    summary = bench.run(Multiply, Invert(InvertConfig(strength=254)), inputs=[renamed])
    assert summary.done == 4
    assert bench.files() == files


def test_a_copy_elsewhere_is_another_photo(bench: Bench) -> None:
    bench.run(Invert)
    shutil.copytree(bench.photos, bench.folder / "copy")
    assert bench.run(Invert, inputs=[bench.folder / "copy"]).done == 4
    assert len(bench.files()) == 8


def test_another_photo_in_the_place_of_a_lost_one_does_not_take_its_result(bench: Bench) -> None:
    bench.run(Invert)
    kept = (bench.out / "a.png").read_bytes()
    renamed = bench.photos.rename(bench.folder / "renamed")
    bench.photos.mkdir()
    shutil.copy(renamed / "sub" / "c.png", renamed / "a.png")
    bench.run(Invert, inputs=[renamed])
    assert (bench.out / "a.png").read_bytes() == kept
    assert "a.png.png" in bench.files()
