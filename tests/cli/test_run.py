"""The command line: what `run-pipeline` does and says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from support.cli import run, value

from henshin.cli import run_pipeline


def test_a_folder_goes_to_a_folder(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-i", "photos", "-o", "out") == 0
    assert value(Path("out/a.png")) == 245
    assert value(Path("out/deep/c.png")) == 225
    assert "3 done" in capsys.readouterr().out
    assert run("-i", "photos", "-o", "out") == 0
    assert "3 up to date" in capsys.readouterr().out


def test_without_an_output_results_go_where_the_pipeline_says(place: Path) -> None:
    assert run("-i", "photos/a.png") == 0
    assert value(Path("henshin-out/negative/a.png")) == 245


def test_one_file_to_one_file(place: Path) -> None:
    assert run("-i", "photos/a.png", "-o", "other/name.jpg") == 0
    with Image.open("other/name.jpg") as picture:
        assert picture.format == "JPEG"
    assert abs(value(Path("other/name.jpg")) - 245) <= 2


def test_several_paths_after_one_option_and_the_pipeline_last(place: Path) -> None:
    assert (
        run_pipeline(["--plugin", "negative.py", "-i", "photos/a.png", "photos/b.png", "negative.yaml", "-o", "out"])
        == 0
    )
    assert sorted(path.name for path in Path("out").glob("*.png")) == ["a.png", "b.png"]


def test_json_is_all_that_stdout_holds(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("photos/broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    Path("photos/notes.txt").write_text("no picture")
    assert run("-i", "photos", "-o", "out", "--json") == 1
    summary = json.loads(capsys.readouterr().out)
    assert (summary["done"], summary["failed"], summary["non_pictures"]) == (3, 1, 1)
    (failure,) = summary["failures"]
    assert failure["source"].endswith("broken.png")
    assert failure["stage"]
    assert failure["reason"]
    assert summary["exit_code"] == 1


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_what_a_stage_prints_does_not_come_between_json(
    place: Path, capfd: pytest.CaptureFixture[str], more: tuple[str, ...]
) -> None:
    source = Path("negative.py").read_text()
    loud = source.replace("        return [", "        print('at work')\n        return [")
    loud = loud.replace("    def run(", "    def open(self, context):\n        print('opening')\n\n    def run(")
    Path("negative.py").write_text("print('imported')\n" + loud)
    assert run("-i", "photos", "-o", "out", "--json", *more) == 0
    said = capfd.readouterr()
    json.loads(said.out)
    assert "imported" in said.err
    assert "opening" in said.err
    assert ("at work" in said.err) is (not more)
    assert run("-i", "photos", "-o", "out2") == 0
    assert "at work" in capfd.readouterr().out


def test_failures_are_listed_with_file_stage_and_reason_and_tried_again_when_asked(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("photos/broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    assert run("-i", "photos", "-o", "out") == 1
    said = capsys.readouterr()
    assert "3 done, 1 failed" in said.out
    assert any("broken.png" in line and "read" in line for line in said.err.splitlines())
    assert run("-i", "photos", "-o", "out") == 1
    assert "--retry-failed" in capsys.readouterr().out


def test_quiet_says_only_failures(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-i", "photos", "-o", "out", "-q") == 0
    said = capsys.readouterr()
    assert said.out + said.err == ""
    Path("photos/broken.png").write_bytes(b"no picture at all")
    assert run("-i", "photos", "-o", "out", "-q") == 1
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith("failed: photos/broken.png: read: ")


@pytest.mark.skipif(sys.platform != "linux", reason="file systems that take any bytes as a name")
def test_names_that_cannot_be_printed_end_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = os.fsencode(place / "photos") + b"/odd\xff\nname\x1b[31m.png"
    os.link(place / "photos" / "a.png", odd)
    assert run("-i", "photos", "-o", "out", "-v") == 0
    said = capsys.readouterr()
    assert sum(line.startswith("done: ") for line in said.err.splitlines()) == 4
    assert "\x1b" not in said.err
    Path(os.fsdecode(odd)).write_bytes(b"no picture")
    assert run("-i", "photos", "-o", "out") == 1
    assert any(line.startswith("failed: ") and "odd" in line for line in capsys.readouterr().err.splitlines())


def test_verbose_names_every_picture_and_the_time_of_each_stage(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("-i", "photos", "-o", "out", "-v") == 0
    said = capsys.readouterr()
    assert sum(".png" in line and line.startswith("done") for line in said.err.splitlines()) == 3
    assert "first picture after" in said.out


def test_a_dry_run_prints_the_plan_and_writes_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(place.rglob("*"))
    assert run("-i", "photos", "-o", "out", "--dry-run") == 0
    plan = capsys.readouterr().out
    assert "negative" in plan
    assert "3 pictures" in plan
    assert sorted(place.rglob("*")) == before


def test_set_changes_an_option_and_a_wrong_one_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-i", "photos", "-o", "out", "--set", "negative.top=100") == 0
    assert value(Path("out/a.png")) == 90
    assert run("-i", "photos", "-o", "out", "--set", "negative.topp=100") == 2
    assert "did you mean 'top'?" in capsys.readouterr().err


def test_limit_format_and_existing(place: Path) -> None:
    assert run("-i", "photos", "-o", "out", "--limit", "1", "--format", "webp") == 0
    assert [path.name for path in Path("out").rglob("*.*") if path.is_file() and ".henshin" not in path.parts] == [
        "a.webp"
    ]
    Path("own").mkdir()
    Path("own/a.png").write_bytes(b"mine")
    assert run("-i", "photos", "-o", "own", "--on-existing", "error") == 2
    assert run("-i", "photos", "-o", "own", "--on-existing", "skip") == 0
    assert Path("own/a.png").read_bytes() == b"mine"
    assert run("-i", "photos", "-o", "own", "--on-existing", "overwrite") == 0
    assert value(Path("own/a.png")) == 245


def test_a_demanded_gpu_that_is_not_there_is_exit_code_3(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.environ", {**os.environ, "CUDA_VISIBLE_DEVICES": ""})
    code = "import sys; from henshin.cli import run_pipeline; sys.exit(run_pipeline())"
    words = ["negative.yaml", "--plugin", "negative.py", "-i", "photos", "-o", "out", "--require-gpu"]
    result = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert result.returncode == 3
    assert len(result.stderr.strip().splitlines()) == 1
    assert not Path("out/a.png").exists()
