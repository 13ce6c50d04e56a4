"""The figures of bench/warps.py: high where a warp is exact, low where it is not."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import warps
from PIL import Image
from support.face import smooth


@pytest.fixture(autouse=True)
def _needs_scipy() -> None:
    pytest.importorskip("scipy")


def test_the_exact_warp_of_a_slope_is_the_slope() -> None:
    slope = np.repeat(np.arange(200, dtype=np.uint8)[None, :, None], 100, axis=0).repeat(3, axis=2)
    half = warps.exact(slope, np.array([[0.5, 0.0, -40.0], [0.0, 0.5, -10.0]]), 20, 4)
    assert np.allclose(half[10, :, 0], 80.5 + 2 * np.arange(20), atol=1e-6)


def test_a_poor_warp_has_a_low_ratio(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = smooth(rng, 120, 120, 4)
    good, _ = warps.compared(pixels, 0.6, 5, 40)
    monkeypatch.setattr(warps, "warp", lambda picture, matrix, width, height: picture[:height, :width])
    poor, milliseconds = warps.compared(pixels, 0.6, 5, 40)
    assert poor < 25 < 45 < good
    assert milliseconds >= 0


def test_the_table_has_a_row_for_each_scale(
    rng: np.random.Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["warps.py", "--pictures", str(tmp_path), "--side", "10"])
    with pytest.raises(SystemExit, match="holds no picture"):
        warps.main()
    Image.fromarray(smooth(rng, 90, 80, 3)).save(tmp_path / "a.png")
    warps.main()
    assert len(capsys.readouterr().out.splitlines()) == 2 + len(warps.SCALES)
