"""What `-v` and `-vv` add: the log of stages, tracebacks, times of each picture."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from support.cli import place, run

__all__ = ["place"]

CHATTY = """\
import logging
from henshin import Stage, hookimpl

class Chatty(Stage):
    \"\"\"Say much, and fail on dark pictures.\"\"\"
    name = "chatty"

    def open(self, context):
        self.log = context.log
        self.log.info("a word on\\nopening")
        self.log.warning("mind the step")

    def run(self, pictures):
        self.log.debug("a word in between")
        for picture in pictures:
            if picture[0, 0, 0] == 20:
                raise ValueError("too dark for me")
        return pictures

@hookimpl
def henshin_stages():
    return [Chatty]
"""


@pytest.fixture(autouse=True)
def chatty(place: Path) -> None:
    (place / "chatty.py").write_text(CHATTY)
    (place / "negative.yaml").write_text("name: negative\nstages:\n  - use: chatty\n")


def said(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert run("--plugin", "chatty.py", "-i", "photos", "-o", "out", *words) in (0, 1)
    return capsys.readouterr().err.splitlines()


def test_usually_only_warnings_are_told_of_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys)
    assert lines.count("mind the step") == 1
    assert not any("a word" in line or "Traceback" in line for line in lines)


def test_a_quiet_run_has_no_log(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = said(capsys, "-q")
    assert line.startswith("failed: ")


def test_verbose_adds_what_stages_log_and_tracebacks(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, "-v")
    assert "a word on" in lines
    assert "opening" in lines
    assert lines.count("Traceback (most recent call last):") == 1
    assert "ValueError: too dark for me" in lines
    assert not any("in between" in line for line in lines)


def test_very_verbose_adds_the_times_of_each_picture(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, "-vv")
    assert any("in between" in line for line in lines)
    for name in ("a.png", "deep/c.png"):
        (line,) = (line for line in lines if line.startswith(f"photos/{name}: "))
        assert line.split(": ")[1].startswith("chatty 0.")


def test_a_dry_run_has_a_log_too_and_none_goes_on_afterwards(capsys: pytest.CaptureFixture[str]) -> None:
    assert "a word on" in said(capsys, "--dry-run", "-v")
    assert logging.getLogger("henshin").handlers == []
