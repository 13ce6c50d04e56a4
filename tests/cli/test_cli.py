"""The command line: what it takes, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.cli import run

from henshin.cli import main, run_pipeline
from henshin.cli.app import COMMANDS
from henshin.cli.options import spread_inputs

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
    promised += "--workers --memory --profile --colour --on-existing --retry-failed --limit --dry-run --json -q -v"
    assert [word for word in promised.split() if word not in text] == []


# -- How it ends ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ([], "no pipeline given"),
        (["negative.yaml", "--fromat", "png"], "--format"),
        (["negative.yaml", "-i", "photos", "--device", "tpu"], "auto, cpu, cuda or cuda:N"),
        (["negative.yaml", "-i", "photos", "--batch-size", "0"], "number >= 1"),
        (["negative.yaml", "-i", "photos", "--workers", "0"], "0"),
        (["negative.yaml", "-i", "photos", "--memory", "much"], "say 512M or 2G"),
        (["negative.yaml", "-i", "photos", "--memory", "1M"], "at least 16M"),
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

    monkeypatch.setattr("henshin.cli.commands.run.execute", burst)
    assert run("-i", "photos") == 70
    said = capsys.readouterr().err
    assert said.strip() == "henshin: unexpected RuntimeError: the moon fell down (-v shows where)"
    assert run("-i", "photos", "-v") == 70
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_is_exit_code_130(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("henshin.cli.commands.run.execute", interrupted)
    assert run("-i", "photos") == 130


HELD = """\
import threading
from pathlib import Path
from henshin import Stage, StageConfig, hookimpl

class Held(Stage[StageConfig]):
    name = "held"

    def run(self, pictures):
        if Path("hold").exists() and any(picture[0, 0, 0] == 20 for picture in pictures):
            print("at work", flush=True)
            while True:  # a signal between two waits would not end one without an end
                threading.Event().wait(0.1)
        return [255 - picture for picture in pictures]

@hookimpl
def henshin_stages():
    return [Held]
"""
"""A stage that never comes to an end with the second photo, as long as there is a file `hold`."""
CTRL_C = """\
import signal, sys
from henshin.cli import run_pipeline
signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts with & would never hear of it
sys.exit(run_pipeline())
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("heard", [signal.default_int_handler, signal.SIG_IGN])
def test_ctrl_c_ends_a_run_that_can_be_gone_on_with(
    place: Path, heard: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("held.py").write_text(HELD)
    Path("held.yaml").write_text("stages:\n  - use: held\n")
    Path("hold").touch()
    words = ["held.yaml", "--plugin", "held.py", "-i", "photos", "-o", "out", "--batch-size", "1"]
    before = signal.signal(signal.SIGINT, heard)  # handed on to the process, as it is by a shell
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", CTRL_C, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == "henshin: interrupted; the same command goes on from there\n"
    assert [path.name for path in Path("out").rglob("*.png")] == ["a.png"]
    Path("hold").unlink()
    assert run_pipeline(words) == 0
    assert "2 done, 1 up to date" in capsys.readouterr().out


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_a_reader_that_leaves_is_no_error() -> None:
    code = "import sys; from henshin.cli import main; sys.exit(main())"
    read, write = os.pipe()
    os.close(read)  # before there is anything to read, or it would depend on who is faster
    try:
        words = [sys.executable, "-c", code, "plugins", "--json"]
        done = subprocess.run(words, stdout=write, stderr=subprocess.PIPE, text=True, timeout=60)
    finally:
        os.close(write)
    assert done.returncode == 141
    assert "Error" not in done.stderr
