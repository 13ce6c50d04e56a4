"""Minutes long: a run that is killed again and again loses nothing, and ends where an undisturbed one does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.killed import TESTS

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")]

CODE = """\
import sys
from henshin.cli import run_pipeline
sys.path.insert(0, sys.argv.pop(1))
at = int(sys.argv.pop(1))
if at:
    from support.killed import killed_at
    killed_at(at, "henshin.files", "henshin.images.io", "henshin.engine.record.jsonl")
sys.exit(run_pipeline())
"""
NUMBER = 120
MOST = 19 * 17
"""One picture makes about seventeen such calls."""


def ended(out: str, place: Path, killed: int = 0) -> subprocess.CompletedProcess[str]:
    """Run it to its end, or to its death at that call of those who write."""
    words = [TESTS, str(killed), "negative.yaml", "--plugin", "negative.py", "-i", "photos", "-o", out, "--json"]
    command = [sys.executable, "-c", CODE, *words]
    return subprocess.run(command, cwd=place, stdout=subprocess.PIPE, text=True, timeout=300)


def results(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*.*")}


def test_a_run_that_is_killed_many_times_comes_to_the_same_end(place: Path) -> None:
    rng = np.random.default_rng(5)
    for index in range(NUMBER):
        pixels = rng.integers(0, 256, (96, 96, 3), np.uint8)
        Image.fromarray(pixels).save(place / "photos" / f"{index:03d}.png")
    assert json.loads(ended("whole", place).stdout)["exit_code"] == 0
    want = results(place / "whole")
    assert len(want) == NUMBER + 2

    out = place / "out"
    killed, kept = 0, 0
    for _ in range(12):
        # Be it within a write or within the record; the last ones may have nothing left to be killed at.
        killed += ended("out", place, killed=int(rng.integers(1, MOST))).returncode == -signal.SIGKILL
        found = results(out)
        assert all(want[name] == data for name, data in found.items()), "whatever has its name is whole"
        assert len(found) >= kept, "and what is finished stays"
        kept = len(found)
    assert killed >= 3, "the test must have disturbed something"

    summary = json.loads(ended("out", place).stdout)
    assert summary["exit_code"] == 0
    assert results(out) == want
    left = [path.name for path in out.rglob("*") if path.name.endswith(".part")]
    assert left == [], "nothing half-written is left lying about"
    again = json.loads(ended("out", place).stdout)
    assert (again["done"], again["up_to_date"]) == (0, NUMBER + 3)
