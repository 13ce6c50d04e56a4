"""How a command ends where it cannot tell, is asked to end, or had failures."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import pytest
from support.cli import run

from henshin.cli import main, run_pipeline

ENDED = """\
import os
import signal
from henshin import Stage, StageConfig, hookimpl

class Ended(Stage[StageConfig]):
    name = "ended"

    def run(self, pictures):
        if any(picture[0, 0, 0] == 20 for picture in pictures):
            os.kill(os.getpid(), signal.SIGTERM)
        return [255 - picture for picture in pictures]

@hookimpl
def henshin_stages():
    return [Ended]
"""


@contextmanager
def full() -> Iterator[None]:
    """Within: a stdout on which nothing can be written. In the test itself, for pytest sets its own before it."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    with Path("/dev/full").open("w") as stream, redirect_stdout(stream):
        yield


@pytest.mark.parametrize("more", [(), ("--json",), ("--dry-run", "--json"), ("--json", "--nonsense")])
def test_a_full_stdout_is_told_in_one_line_with_its_own_exit_code(
    place: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...]
) -> None:
    with full():
        assert run("-i", "photos", "-o", "out", *more) == 74
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == "henshin: cannot write to stdout: No space left on device"
    assert not any("Traceback" in line for line in lines)


def test_the_other_commands_too(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with full():
        assert main(["models"]) == 74
    assert capsys.readouterr().err == "henshin: cannot write to stdout: No space left on device\n"


def test_closed_streams_are_none(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert run("-i", "photos", "-o", "out") == 0


def test_a_run_that_is_asked_to_end_says_so_and_goes_on_later(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("ended.py").write_text(ENDED)
    Path("ended.yaml").write_text("stages:\n  - use: ended\n")
    words = ["ended.yaml", "--plugin", "ended.py", "-i", "photos", "-o", "out", "--json", "--batch-size", "1"]
    assert run_pipeline(words) == 143
    said = capsys.readouterr()
    assert said.err.splitlines()[-1] == "henshin: interrupted; the same command goes on from there"
    summary = json.loads(said.out)
    assert (summary["exit_code"], summary["interrupted"], summary["done"]) == (143, True, 1)
    Path("ended.py").write_text(ENDED.replace("== 20", "== 21"))
    assert run_pipeline(words) == 0


def test_what_failed_is_named_once_and_the_end_says_where_else(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("photos/broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    for _ in range(2):  # the second time it is a failure of an earlier run
        assert run("-i", "photos", "-o", "out") == 1
        said = capsys.readouterr()
        assert (said.out + said.err).count("broken.png") == 1
        assert "out/.henshin/run.jsonl lists" in said.out
    assert "(in an earlier run)" in said.err
