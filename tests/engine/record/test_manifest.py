"""The record: its lines, what it survives, and what it says is ours."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from henshin.engine.preparation.outputs import path_key
from henshin.engine.record.manifest import Manifest, Output, RecordEntry
from henshin.errors import HenshinError

FIELDS = ["source", "outputs", "status", "stage", "reason", "input_hash", "fingerprint", "seconds"]


def entry(source: str = "/in/x.jpg", *outputs: Output, **changes: object) -> RecordEntry:
    made = RecordEntry(source, list(outputs), "done", None, None, "hash", "print", 0.5)
    return replace(made, **changes)  # type: ignore[arg-type]


def written(folder: Path, name: str, data: bytes = b"data") -> Output:
    (folder / name).write_bytes(data)
    return Output(name, len(data), hashlib.sha256(data).hexdigest())


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / ".henshin" / "run.jsonl").read_text().splitlines()]


def test_a_line_has_exactly_the_fields_of_the_design(tmp_path: Path) -> None:
    with Manifest(tmp_path) as manifest:
        manifest.append(entry("/in/写真.jpg", Output("写真.png", 4, "00")))
    (line,) = lines(tmp_path)
    assert list(line) == FIELDS
    assert line["source"] == "/in/写真.jpg"
    assert line["outputs"] == [{"path": "写真.png", "size": 4, "sha256": "00"}]


def test_the_last_line_of_a_source_counts_and_earlier_outputs_stay_ours(tmp_path: Path) -> None:
    with Manifest(tmp_path, path_key) as manifest:
        manifest.append(entry("/in/x.jpg", written(tmp_path, "x.png")))
        manifest.append(entry("/in/x.jpg", status="failed", stage="read", reason="cut off"))
    again = Manifest(tmp_path, path_key).load()
    last = again.last("/in/x.jpg")
    assert last is not None
    assert (last.status, last.stage, last.reason) == ("failed", "read", "cut off")
    assert again.is_ours("X.PNG")
    assert again.owner(path_key("x.png")) == "/in/x.jpg"
    (tmp_path / "x.png").unlink()
    assert again.owner(path_key("x.png")) is None, "a file that is gone belongs to nobody"


@pytest.mark.parametrize("tail", [b'{"source": "/in/y.jpg", "outp', b"\xff\xfe", b"null\n[]\n{}", b'{"source": 1}\n'])
def test_a_line_that_was_cut_off_is_passed_over_and_the_next_one_is_whole(tmp_path: Path, tail: bytes) -> None:
    with Manifest(tmp_path) as manifest:
        manifest.append(entry("/in/x.jpg"))
    record = tmp_path / ".henshin" / "run.jsonl"
    record.write_bytes(record.read_bytes() + tail)
    with Manifest(tmp_path) as manifest:
        assert set(manifest.entries) == {"/in/x.jpg"}
        manifest.append(entry("/in/z.jpg"))
    assert set(Manifest(tmp_path).load().entries) == {"/in/x.jpg", "/in/z.jpg"}


def test_outputs_are_whole_only_byte_for_byte(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path)
    output = written(tmp_path, "x.png", b"12345")
    assert manifest.is_whole(output)
    (tmp_path / "x.png").write_bytes(b"12346")
    assert not manifest.is_whole(output)
    (tmp_path / "x.png").write_bytes(b"1234")
    assert not manifest.is_whole(output)
    (tmp_path / "x.png").unlink()
    assert not manifest.is_whole(output)


def test_what_was_begun_and_never_recorded_is_ours_and_its_scraps_are_removed(tmp_path: Path) -> None:
    with Manifest(tmp_path) as manifest:
        manifest.begin_write("a/x.png", "/in/x.jpg")
        manifest.begin_write("y.png", "/in/y.jpg")
        manifest.append(entry("/in/y.jpg", written(tmp_path, "y.png")))
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / ".henshin-0123.part").write_bytes(b"half")
    with Manifest(tmp_path) as manifest:
        assert manifest.is_ours("a/x.png")
        assert not manifest.is_ours("z.png")
        assert not list((tmp_path / "a").iterdir())
        manifest.begin_write("a/x.png", "/in/x.jpg")
        manifest.append(entry("/in/x.jpg", written(tmp_path, "a/x.png")))
    assert [path.name for path in (tmp_path / ".henshin").iterdir()] == ["run.jsonl"]


def test_a_run_that_did_nothing_leaves_nothing(tmp_path: Path) -> None:
    with Manifest(tmp_path / "out"):
        pass
    assert not (tmp_path / "out").exists()


def test_two_runs_cannot_share_a_folder_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib, henshin.engine.record.manifest as m\n"
        "with m.Manifest(pathlib.Path(sys.argv[1])):\n    print('in', flush=True)\n    input()\n"
    )
    words = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "in\n"
        with pytest.raises(HenshinError, match="another run"), Manifest(tmp_path):
            pass
        other.kill()
        other.wait()
    with Manifest(tmp_path) as manifest:
        assert manifest.entries == {}


def test_no_record_is_kept_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Manifest(None) as manifest:
        manifest.begin_write("x.png", "/in/x.jpg")
        manifest.append(entry())
        assert not manifest.is_ours("x.png")
    assert list(tmp_path.iterdir()) == []


def test_an_output_folder_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(HenshinError, match="cannot write to the output folder"), Manifest(tmp_path / "file" / "out"):
        pass
