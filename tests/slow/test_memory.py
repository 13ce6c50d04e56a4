"""Minutes long: what a whole process holds in memory, for one large photo and for many small ones."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.paths import ROOT

STATUS = Path("/proc/self/status")

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not STATUS.exists(), reason="peak memory as Linux tells it")]

# Not ru_maxrss: what a process is born with counts there, and that is the memory of the process that runs these tests.
CODE = """
import sys
from pathlib import Path
from henshin.cli import run_pipeline
status = run_pipeline(sys.argv[2:])
peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
Path(sys.argv[1]).write_text(peak)
sys.exit(status)
"""


def measured(pipeline: str, photos: Path, out: Path, models: Path, *more: str) -> tuple[dict[str, Any], float]:
    """Run a pipeline in a process of its own; return its summary and its peak resident memory in MiB."""
    peak = out.parent / f"{out.name}.peak"
    words = [pipeline, "-i", str(photos), "-o", str(out), "--device", "cpu", "--json", *more]
    process = subprocess.run(
        [sys.executable, "-c", CODE, str(peak), *words],
        stdout=subprocess.PIPE, env={**os.environ, "HENSHIN_MODELS": str(models)}, cwd=out.parent, timeout=1800,
    )  # fmt: skip
    return json.loads(process.stdout), int(peak.read_text()) / 1024


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A model under the name that the ready pipelines ask for, which looks at a whole crop at once."""
    pytest.importorskip("onnx")
    from support.onnx import centred

    centred(tmp_path / "models" / "selfie2anime.onnx", preferred_size=256)
    return tmp_path / "models"


def enlarged(path: Path, width: int, height: int, seed: int = 0) -> None:
    """Write the picture of a group as a photo of that size, with some grain of its own."""
    group = Image.open(ROOT / "examples" / "group.jpg").convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
    grain = np.random.default_rng(seed).integers(-6, 7, (height, width, 1))
    Image.fromarray((np.asarray(group) + grain).clip(0, 255).astype(np.uint8)).save(path, quality=90)


def test_a_photo_of_12_megapixels_goes_through_the_whole_pipeline(models: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    enlarged(photos / "large.jpg", 4000, 3000)
    # as the model drew them: fitted to their surroundings, faces of the model of this test would hardly show
    plain = ("--set", "paste_back.colour_match=none")
    summary, peak = measured("selfie2anime", photos, tmp_path / "out", models, *plain)
    assert (summary["done"], summary["exit_code"]) == (1, 0)
    assert summary["faces"] >= 3
    before = np.asarray(Image.open(photos / "large.jpg")).astype(int)
    after = np.asarray(Image.open(tmp_path / "out" / "large.jpg")).astype(int)
    assert after.shape == before.shape == (3000, 4000, 3)
    apart = np.abs(after - before).max(axis=2)
    assert (apart > 30).mean() > 0.005, "the faces are redrawn"
    assert (apart <= 16).mean() > 0.5, "and what lies between them is the photo's, but for JPEG"
    # About 300 of it Python, ONNX Runtime, the detector at work, and the photo, which is 34 MiB decoded.
    assert peak < 600, f"{peak:.0f} MiB"


def test_many_large_photos_stay_within_the_bounds(models: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    enlarged(photos / "0.jpg", 4000, 3000)
    for index in range(1, 32):
        shutil.copy(photos / "0.jpg", photos / f"{index}.jpg")
    summary, peak = measured("edge-promote", photos, tmp_path / "out", models)
    assert (summary["done"], summary["exit_code"]) == (32, 0)
    # All of them and their results would be 2200 MiB. Those that wait, are at work or being written may take 700.
    assert peak < 1100, f"{peak:.0f} MiB"


@pytest.mark.parametrize("pipeline", ["selfie2anime", "edge-promote"])
def test_memory_does_not_grow_with_the_number_of_pictures(pipeline: str, models: Path, tmp_path: Path) -> None:
    peaks = {}
    for number in (60, 300):
        photos = tmp_path / f"photos-{number}"
        photos.mkdir()
        for index in range(number):
            enlarged(photos / f"{index:03d}.jpg", 320, 200, index)
        summary, peaks[number] = measured(pipeline, photos, tmp_path / f"out-{number}", models)
        assert (summary["done"], summary["exit_code"]) == (number, 0)
    # 240 pictures more are 44 MiB decoded and as much again as results: half of it kept would be seen.
    assert peaks[300] - peaks[60] < 40, f"{peaks[60]:.0f} MiB for 60 pictures, {peaks[300]:.0f} for 300"
