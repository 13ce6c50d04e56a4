"""A small test set, and models made for it, for tests of `henshin evaluate` and `henshin sheet`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from henshin.cli import main


def drawn(height: int, width: int, seed: int) -> np.ndarray:
    """A picture with soft shapes and some noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    base = np.stack([120 + 80 * np.sin(x / (3 + seed) + c) * np.cos(y / 4) for c in range(3)], -1)
    return (base + rng.normal(0, 6, base.shape)).clip(0, 255).round().astype(np.uint8)


def save(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with the set `set/` of two pictures (43x37, 32x32) and models in the user's folder:
    copy-x2 and copy-x3 repeat pixels, same inverts, picky fails where the first pixel is white."""
    from support import onnx as onnx_models  # onnx is heavy, and this file is read before every test

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HENSHIN_MODELS", str(tmp_path / "models"))
    save(tmp_path / "set" / "a.png", drawn(37, 43, 1))
    save(tmp_path / "set" / "deep" / "b.png", drawn(32, 32, 2))
    for scale in (2, 3):
        onnx_models.enlarge(tmp_path / "models" / f"copy-x{scale}.onnx", scale)
    onnx_models.invert(tmp_path / "models" / "same.onnx")
    onnx_models.picky(tmp_path / "models" / "picky.onnx")
    return tmp_path


def table(out: str) -> dict[tuple[str, str, str], list[str]]:
    """The lines of the printed table by set, scale and method."""
    head, *lines = out.splitlines()
    assert head.split() == ["SET", "SCALE", "METHOD", "PSNR", "SSIM", "PICTURES", "MPIXEL/S"]
    rows = [line.split("  ") for line in lines]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    return {(cell[0], cell[1], cell[2]): cell[3:] for cell in cells}


def told(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    """What `evaluate --json` says."""
    assert main(["evaluate", *words, "--json", "--device", "cpu"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found
