"""The command line: what it takes, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support_cli import run

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
    promised += "--colour --on-existing --retry-failed --limit --dry-run --json -q -v"
    assert [word for word in promised.split() if word not in text] == []


# -- How it ends ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ([], "no pipeline given"),
        (["negative.yaml", "--fromat", "png"], "--format"),
        (["negative.yaml", "-i", "photos", "--device", "tpu"], "auto, cpu, cuda or cuda:N"),
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

    monkeypatch.setattr("henshin.cli.commands.run.session", burst)
    assert run("-i", "photos") == 70
    said = capsys.readouterr().err
    assert said.strip() == "henshin: unexpected RuntimeError: the moon fell down (-v shows where)"
    assert run("-i", "photos", "-v") == 70
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_is_exit_code_130(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("henshin.cli.commands.run.session", interrupted)
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
