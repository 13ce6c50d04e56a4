"""What a run may write over and remove: its own files, never those of others, whatever went wrong before."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from support.engine import Bench, DropDark, Invert, Multiply

from henshin import images
from henshin.api.stage import Stage, StageConfig
from henshin.engine.preparation.outputs import path_key
from henshin.engine.record.manifest import Manifest, RecordEntry
from henshin.errors import HenshinError

MINE = b"somebody's work"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


class MultiplyByName(Multiply):
    renames = True


@pytest.mark.parametrize("code", [errno.EACCES, errno.ENOSPC])
def test_a_write_that_failed_makes_no_later_file_ours(bench: Bench, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    bench.photo("x.png")
    bench.photo("y.png")
    write = images.write_bytes

    def refused(path: Path, data: bytes) -> None:
        if path.name == "x.png":
            raise OSError(code, os.strerror(code), str(path))
        write(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(images, "write_bytes", refused)
        bench.run(Invert)
    bench.out.mkdir(exist_ok=True)
    (bench.out / "x.png").write_bytes(MINE)
    with pytest.raises(HenshinError, match="--on-existing"):
        bench.run(Invert, retry_failed=True)
    assert (bench.out / "x.png").read_bytes() == MINE


def test_what_was_abandoned_is_not_ours_even_after_a_kill(tmp_path: Path) -> None:
    with Manifest(tmp_path, path_key) as manifest:
        assert manifest.begin_write("x.png", "/in/x.jpg")
        assert not manifest.begin_write("x.png", "/in/x.jpg")
        manifest.begin_write("y.png", "/in/y.jpg")
        manifest.cancel_write("x.png")
        killed = Manifest(tmp_path, path_key).load()  # what the next run would read
        assert (killed.is_ours("x.png"), killed.is_ours("y.png")) == (False, True)
        manifest.append(RecordEntry("/in/y.jpg", [], "failed", "write", "no", "hash", "print", 0.1))
        assert not Manifest(tmp_path, path_key).load().is_ours("y.png"), "its source has ended without it"
    assert [path.name for path in (tmp_path / ".henshin").iterdir()] == ["run.jsonl"]


def test_scraps_beside_results_that_were_being_redone_are_removed(bench: Bench) -> None:
    photo = bench.photo("sub/x.png")
    bench.run(Invert)
    with Manifest(bench.out, path_key) as manifest:
        manifest.begin_write("sub/x.png", str(photo))
    scrap = bench.out / "sub" / ".henshin-77.part"
    scrap.write_bytes(b"half")
    bench.run(Invert)
    assert not scrap.exists()


# -- Folders ---------------------------------------------------------------------------------------------------------


class Broken(Stage[StageConfig]):
    name = "broken"

    def open(self, context: Any) -> None:
        raise RuntimeError("does not open")


@pytest.mark.parametrize("there", [True, False])
def test_an_empty_output_folder_stays_and_what_was_made_for_nothing_goes(bench: Bench, there: bool) -> None:
    bench.photo("x.png")
    output = bench.folder / "one" / "two"
    if there:
        output.mkdir(parents=True)
    with pytest.raises(HenshinError, match="does not open"):
        bench.run(Broken, output=output)
    assert output.exists() == there
    assert output.parent.exists() == there
    assert not (output / ".henshin").exists()


def test_an_input_is_not_written_over_through_a_link_to_its_folder(bench: Bench) -> None:
    photo = bench.photo("a.png", (9, 9, 9))
    before = photo.read_bytes()
    bench.out.symlink_to(bench.photos, target_is_directory=True)
    bench.run(Invert, inputs=[photo], on_existing="overwrite")
    assert photo.read_bytes() == before
    assert bench.files(bench.photos) == ["a.png", "a.png.png"]


def test_an_input_is_not_written_over_through_a_link_within_the_output(bench: Bench) -> None:
    photo = bench.photo("sub/a.png", (9, 9, 9))
    before = photo.read_bytes()
    bench.out.mkdir()
    (bench.out / "sub").symlink_to(bench.photos / "sub", target_is_directory=True)
    summary = bench.run(Invert, on_existing="overwrite")
    assert photo.read_bytes() == before
    assert "one of the inputs" in summary.failures[0].reason


# -- Names that only the stages know ---------------------------------------------------------------------------------


@pytest.mark.parametrize("on_existing", [None, "skip"])
def test_a_strange_file_that_nothing_would_be_written_over_blocks_nothing(bench: Bench, on_existing: Any) -> None:
    bench.photo("x.png")
    bench.out.mkdir()
    (bench.out / "x.png").write_bytes(MINE)
    assert bench.run(MultiplyByName, Invert, on_existing=on_existing).done == 1
    assert bench.files() == ["x-1.png", "x-2.png", "x.png"]
    assert (bench.out / "x.png").read_bytes() == MINE


def test_split_faces_says_that_it_renames() -> None:
    from henshin_plugins.face import SplitFaces

    assert SplitFaces.renames


def test_without_renaming_it_is_refused_before_anything_runs(bench: Bench) -> None:
    bench.photo("x.png")
    bench.out.mkdir()
    (bench.out / "x.png").write_bytes(MINE)
    with pytest.raises(HenshinError, match="--on-existing"):
        bench.run(DropDark, Invert)
