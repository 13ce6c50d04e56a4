"""Minutes long: a run that is killed again and again loses nothing, and ends where an undisturbed one does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")]

CODE = "import sys; from henshin.cli import run_pipeline; sys.exit(run_pipeline())"
NUMBER = 120


def started(out: str, place: Path) -> subprocess.Popen[str]:
    words = ["negative.yaml", "--plugin", "negative.py", "-i", "photos", "-o", out, "--json"]
    words += ["--set", "negative.seconds=0.02"]
    return subprocess.Popen([sys.executable, "-c", CODE, *words], cwd=place, stdout=subprocess.PIPE, text=True)


def results(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*.*")}


def test_a_run_that_is_killed_many_times_comes_to_the_same_end(place: Path) -> None:
    rng = np.random.default_rng(5)
    for index in range(NUMBER):
        pixels = rng.integers(0, 256, (96, 96, 3), np.uint8)
        Image.fromarray(pixels).save(place / "photos" / f"{index:03d}.png")
    undisturbed = started("whole", place)
    assert json.loads(undisturbed.communicate(timeout=300)[0])["exit_code"] == 0
    want = results(place / "whole")
    assert len(want) == NUMBER + 2

    out = place / "out"
    killed, kept = 0, 0
    for _ in range(12):
        process = started("out", place)
        before = len(results(out))
        deadline = time.monotonic() + 120
        # At some moment after some more pictures were written, be it within a write or within the record.
        more = int(rng.integers(1, 20))
        while process.poll() is None and len(results(out)) < before + more and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(float(rng.uniform(0, 0.03)))
        killed += process.poll() is None
        process.kill()
        process.communicate()
        found = results(out)
        assert all(want[name] == data for name, data in found.items()), "whatever has its name is whole"
        assert len(found) >= kept, "and what is finished stays"
        kept = len(found)
    assert killed >= 3, "the test must have disturbed something"

    summary = json.loads(started("out", place).communicate(timeout=300)[0])
    assert summary["exit_code"] == 0
    assert results(out) == want
    left = [path.name for path in out.rglob("*") if path.name.endswith(".part")]
    assert left == [], "nothing half-written is left lying about"
    again = json.loads(started("out", place).communicate(timeout=300)[0])
    assert (again["done"], again["up_to_date"]) == (0, NUMBER + 3)
