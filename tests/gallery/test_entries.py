"""What a gallery takes from the record: names, endings, and photos that have moved since."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from support.engine import Bench, DropDark, Faces, Invert, Multiply, NoRed, Sample
from support.gallery import Recorded, old_line

from henshin.engine.record.manifest import Manifest
from henshin.errors import HenshinError
from henshin.gallery.entries import read_record


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_run_is_read_with_faces_reasons_times_and_its_pipeline(bench: Bench) -> None:
    bench.photo("good.png")
    bench.photo("deep/red.png", (255, 0, 0))
    bench.photo("deep/black.png", (0, 0, 0))
    bench.photo("empty.png").write_bytes(b"")
    bench.run(Faces, DropDark, NoRed)
    record = read_record(bench.out)
    found = {entry.name: entry for entry in record.entries}
    assert list(found) == ["deep/black.png", "deep/red.png", "empty.png", "good.png"]
    assert (found["good.png"].status, found["good.png"].faces) == ("done", 2)
    assert (found["deep/black.png"].status, found["deep/black.png"].faces) == ("done", 0)
    assert (found["deep/red.png"].status, found["deep/red.png"].stage) == ("failed", "no_red")
    assert "red hurts" in (found["deep/red.png"].reason or "")
    assert (found["empty.png"].stage, found["empty.png"].faces) == ("read", None)
    assert found["good.png"].before is not None
    assert found["good.png"].before.path == bench.photos / "good.png"
    assert [file.path for file in found["good.png"].after] == [bench.out / "good.png"]
    assert record.timings["faces"][0] == 3
    assert record.timings["no_red"][0] == 2, "the photo without a face is sent past the later stages"
    (run,) = record.runs
    assert [stage.label for stage in run.description.stages] == ["faces", "drop_dark", "no_red"]
    assert run.outcome is not None
    assert (run.outcome.done, run.outcome.failed) == (2, 2)


def test_what_a_stage_drew_itself_has_no_picture_before(bench: Bench) -> None:
    bench.run(Sample, inputs=[])
    entries = read_record(bench.out).entries
    assert [entry.name for entry in entries] == ["sample-000000", "sample-000001", "sample-000002"]
    assert all(entry.before is None and len(entry.after) == 1 for entry in entries)


def test_a_photo_that_was_renamed_and_run_again_comes_once(bench: Bench) -> None:
    bench.photo("old.png", (9, 9, 9))
    bench.photo("other.png")
    bench.run(Invert)
    (bench.photos / "old.png").rename(bench.photos / "new.png")
    bench.run(Invert)
    assert [entry.name for entry in read_record(bench.out).entries] == ["new.png", "other.png"]


def test_a_photo_that_is_gone_stays_with_its_result(bench: Bench) -> None:
    bench.photo("a.png", (9, 9, 9))
    bench.photo("b.png")
    bench.run(Invert)
    (bench.photos / "a.png").unlink()
    assert [entry.name for entry in read_record(bench.out).entries] == ["a.png", "b.png"]


def test_photos_and_results_that_moved_together_are_found(bench: Bench) -> None:
    bench.photo("a.png")
    bench.run(Invert)
    moved = bench.folder / "elsewhere"
    moved.mkdir()
    shutil.move(bench.photos, moved / "photos")
    shutil.move(bench.out, moved / "out")
    (entry,) = read_record(moved / "out").entries
    assert entry.before is not None
    assert entry.before.path == moved / "photos" / "a.png"
    assert entry.after[0].path.is_file()


def test_names_are_paths_below_the_folder_that_all_photos_share(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path)
    recorded.add("2024/spring/x10.jpg")
    recorded.add("2024/x9.jpg")
    assert [entry.name for entry in read_record(recorded.out).entries] == ["spring/x10.jpg", "x9.jpg"]


def test_a_record_of_an_older_version_is_read(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path)
    entry = recorded.add("a.jpg")
    (recorded.out / ".henshin" / "run.jsonl").write_text(old_line(entry))
    record = read_record(recorded.out)
    assert (record.entries[0].faces, record.timings, record.runs) == (None, {}, [])
    assert Manifest(recorded.out).load().last(entry.source) == replace(entry, faces=None)


def test_damaged_lines_are_passed_over(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path)
    recorded.add("a.jpg")
    with (recorded.out / ".henshin" / "run.jsonl").open("a") as file:
        file.write('{"source": "/x"}\n[1]\nnull\n{"source": "/y", "outp')
    assert [entry.name for entry in read_record(recorded.out).entries] == ["a.jpg"]


def test_a_folder_without_a_record_is_refused_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(HenshinError, match="no such folder"):
        read_record(tmp_path / "nowhere")
    with pytest.raises(HenshinError, match="holds no record of a run"):
        read_record(tmp_path)
    (tmp_path / ".henshin").mkdir()
    (tmp_path / ".henshin" / "run.jsonl").write_text("")
    with pytest.raises(HenshinError, match="of no picture"):
        read_record(tmp_path)


def test_the_last_line_of_a_source_counts(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path)
    entry = recorded.add("a.jpg")
    recorded.append(replace(entry, status="failed", outputs=[], stage="read", reason="cut off"))
    (found,) = read_record(recorded.out).entries
    assert (found.status, found.reason, found.after) == ("failed", "cut off", ())


def test_several_results_belong_to_their_source(bench: Bench) -> None:
    bench.photo("a.png")
    bench.run(Multiply)
    (entry,) = read_record(bench.out).entries
    assert [file.path.name for file in entry.after] == ["a-1.png", "a-2.png"]
