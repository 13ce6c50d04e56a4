"""The command line: what it takes, what it says where, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from henshin.cli import main, run_pipeline
from henshin.cli.app import COMMANDS
from henshin.cli.run import spread_inputs

PLUGIN = """\
import time
from henshin import Stage, StageConfig, hookimpl
from pydantic import Field

class NegativeConfig(StageConfig):
    seconds: float = Field(0.0, ge=0, description="How long to take for each picture.")
    top: int = Field(255, ge=1, le=255, description="What black becomes.")

class Negative(Stage[NegativeConfig]):
    \"\"\"Turn light to dark.\"\"\"
    name = "negative"
    Config = NegativeConfig

    def run(self, pictures):
        time.sleep(self.config.seconds * len(pictures))
        return [self.config.top - picture.clip(0, self.config.top) for picture in pictures]

@hookimpl
def henshin_stages():
    return [Negative]
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with a plugin, a pipeline that uses it, and three photos in two folders."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "negative.py").write_text(PLUGIN)
    (tmp_path / "negative.yaml").write_text("name: negative\nstages:\n  - use: negative\n")
    for name, value in (("photos/a.png", 10), ("photos/b.png", 20), ("photos/deep/c.png", 30)):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((12, 16, 3), value, np.uint8)).save(file)
    return tmp_path


def run(*words: str) -> int:
    return run_pipeline(["negative.yaml", "--plugin", "negative.py", *words])


def value(path: Path) -> int:
    return int(np.asarray(Image.open(path))[0, 0, 0])


# -- Words ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("p.yaml -i a b c -o out", "p.yaml -i a -i b -i c -o out"),
        ("p.yaml --input a b", "p.yaml -i a -i b"),
        ("p.yaml -i a -i b c", "p.yaml -i a -i b -i c"),
        ("p.yaml --input=a b -q", "p.yaml --input=a -i b -q"),
        ("-i a b -o out p.yaml", "-i a -i b -o out p.yaml"),
        ("p.yaml -o out -i a", "p.yaml -o out -i a"),
        ("p.yaml -i -- a", "p.yaml -i -- a"),
        ("p.yaml --dry-run", "p.yaml --dry-run"),
    ],
)
def test_every_word_after_an_input_up_to_the_next_option_is_an_input(typed: str, meant: str) -> None:
    assert spread_inputs(typed.split()) == meant.split()


def test_help_shows_every_command_under_its_heading(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for name, entry in COMMANDS.items():
        assert f"  {name} " in text
        assert f"{entry.heading}:" in text


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert name in capsys.readouterr().out


def test_the_run_command_takes_what_it_promises(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_pipeline(["--help"]) == 0
    text = capsys.readouterr().out
    promised = "--input --output --set --plugin --device --require-gpu --batch-size --format --quality --metadata "
    promised += "--colour --on-existing --retry-failed --limit --dry-run --json -q -v"
    assert [word for word in promised.split() if word not in text] == []


# -- How it ends ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ([], "no pipeline given"),
        (["negative.yaml", "--fromat", "png"], "--format"),
        (["negative.yaml", "-i", "photos", "--device", "tpu"], "auto, cpu, cuda, cuda:N"),
        (["negative.yaml", "-i", "photos", "--batch-size", "0"], "number >= 1"),
        (["negative.yaml", "-i", "photos", "--quality", "101"], "101"),
        (["negative.yaml", "--plugin", "negative.py", "-i", "photos", "--format", "jpog"], "jpog"),
        (["negative.yaml", "--plugin", "negative.py", "-i", "nowhere"], "nowhere"),
        (["negative.yaml", "--plugin", "negative.py"], "no input"),
        (["negative.yaml", "--plugin", "missing.py", "-i", "photos"], "missing.py"),
        (["no-such-pipeline", "-i", "photos"], "no-such-pipeline"),
        (["negative.yaml", "--plugin", "negative.py", "-i", "photos", "-o", "photos"], "photos"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(
    place: Path, words: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_pipeline(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert part in said.err
    assert len(said.err.strip().splitlines()) == 1
    assert said.err.startswith("henshin: ")


def test_an_unknown_command_is_told_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chekc"]) == 2
    assert "did you mean 'check'?" in capsys.readouterr().err


def test_all_problems_of_a_pipeline_come_at_once_with_their_lines(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("wrong.yaml").write_text("name: wrong\nstages:\n  - use: negative\n    topp: 3\n  - use: genrator\n")
    assert run_pipeline(["wrong.yaml", "--plugin", "negative.py", "-i", "photos"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("wrong.yaml:4: ")
    assert lines[1].startswith("wrong.yaml:5: ")
    assert lines[2].startswith("henshin: 2 problems in wrong.yaml")
    assert not Path("henshin-out").exists()


def test_check_says_good_or_what_is_wrong(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "negative.yaml", "--plugin", "negative.py"]) == 0
    assert "good: negative" in capsys.readouterr().out
    assert main(["check", "negative.yaml"]) == 2
    assert "no stage named 'negative'" in capsys.readouterr().err


def test_a_missing_model_is_exit_code_3(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("model.yaml").write_text("name: model\nstages:\n  - use: generator\n    model: no-such-model\n")
    assert run_pipeline(["model.yaml", "-i", "photos"]) == 3
    assert "model.yaml:4: " in capsys.readouterr().err


def test_an_unforeseen_error_is_one_line_and_exit_code_70(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def burst(*_: object) -> int:
        raise RuntimeError("the moon\nfell down")

    monkeypatch.setattr("henshin.cli.session.session", burst)
    assert run("-i", "photos") == 70
    said = capsys.readouterr().err
    assert said.strip() == "henshin: unexpected RuntimeError: the moon fell down (-v shows where)"
    assert run("-i", "photos", "-v") == 70
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_is_exit_code_130(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("henshin.cli.session.session", interrupted)
    assert run("-i", "photos") == 130


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_ends_a_run_that_can_be_gone_on_with(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for index in range(40):
        Image.fromarray(np.full((4, 4, 3), index, np.uint8)).save(f"photos/{index}.png")
    code = "import sys; from henshin.cli import run_pipeline; sys.exit(run_pipeline())"
    words = ["negative.yaml", "--plugin", "negative.py", "-i", "photos", "-o", "out", "--set", "negative.seconds=0.1"]
    process = subprocess.Popen([sys.executable, "-c", code, *words], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(Path("out").rglob("*.png")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert len(list(Path("out").rglob("*.png"))) < 43
    assert run("-i", "photos", "-o", "out") == 0
    assert len(list(Path("out").rglob("*.png"))) == 43


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_a_reader_that_leaves_is_no_error() -> None:
    code = "import sys; from henshin.cli import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "plugins", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.wait(timeout=60) == 141
    assert "Error" not in process.stderr.read()
    process.stderr.close()


# -- What it does ---------------------------------------------------------------------------------------------------


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


def test_failures_are_listed_with_file_stage_and_reason_and_tried_again_when_asked(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("photos/broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    assert run("-i", "photos", "-o", "out") == 1
    said = capsys.readouterr()
    assert "3 done, 1 failed" in said.out
    assert any("broken.png" in line and "read" in line for line in said.out.splitlines())
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
    assert "odd" in capsys.readouterr().out


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
