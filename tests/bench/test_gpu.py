"""The benchmark for GPUs on a machine that may have none: it says so, and its ways run on the CPU."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.paths import ROOT

from henshin.errors import MissingError
from henshin.runtime import device as device_module

sys.path.insert(0, str(ROOT / "bench"))

import gpu


def options(monkeypatch: pytest.MonkeyPatch, *words: str) -> Any:
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--device", "cpu", "--quick", *words])
    return gpu.parse()


@pytest.mark.skipif(device_module.cuda_problem(0) is None, reason="this machine has a GPU")
def test_without_a_gpu_it_says_so_in_one_line() -> None:
    done = subprocess.run([sys.executable, ROOT / "bench" / "gpu.py"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    (said,) = done.stderr.splitlines()
    assert said.startswith("bench/gpu.py: device 'cuda' cannot be used: ")
    assert said.endswith("--device cpu --quick shows that it runs")


def test_a_loop_is_measured_in_each_form_that_a_cpu_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu.make_photos(tmp_path / "photos", 2, 64)
    for way, levels in (("plain", 0), ("bound", 0), ("bound fp16", 3)):
        found = gpu.loop(options(monkeypatch, "--way", way), tmp_path)
        assert found["pictures/s"] > 0
        assert found["levels"] <= levels
    for way in ("bound graphs", "tensorrt fp16"):
        with pytest.raises(MissingError, match=f"^'{way}' needs a GPU$"):
            gpu.loop(options(monkeypatch, "--way", way), tmp_path)


def test_what_is_missing_is_a_line_of_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = gpu.turn(options(monkeypatch), "job", "fp16", tmp_path, float("inf"))
    assert row == {"part": "job", "way": "fp16", "missing": "'fp16' needs a GPU"}
    assert gpu.line(row) == "job   fp16                 missing: 'fp16' needs a GPU"
    late = gpu.turn(options(monkeypatch), "job", "fp32", tmp_path, 0)
    assert late["missing"] == "no time was left of 10 minutes"
    assert gpu.line({"part": "loop", "way": "plain", "pictures/s": 30.0, "provider": "CPU"}).endswith(
        "plain                30 pictures/s, provider CPU"
    )


def test_all_parts_have_their_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    assert gpu.ways(options(monkeypatch, "--only", "job", "train")) == [
        ("job", "fp32"), ("job", "fp16"), ("train", "fp32 eager"), ("train", "fp32 compiled"),
        ("train", "bf16 eager"), ("train", "bf16 compiled"),
    ]  # fmt: skip
