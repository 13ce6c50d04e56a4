"""Figures of styles for scenes: the squares that are compared, and what the figures say of known sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scenes
from PIL import Image


class Told:
    """A cache of features that are known: the mean colour and noise, to 8 numbers."""

    def get(self, kind: str, pictures: list[np.ndarray], compute: Any) -> np.ndarray:
        noise = np.random.default_rng(len(pictures)).normal(0, 1, (len(pictures), 8))
        return noise + np.stack([picture.mean() / 25 for picture in pictures])[:, None]


def plain(value: int, count: int) -> list[np.ndarray]:
    ramp = np.arange(32, dtype=np.uint8)[None, :, None]
    return [np.broadcast_to(ramp + np.uint8(value), (32, 32, 3)).copy() for _ in range(count)]


def test_squares_are_cut_from_the_reduced_picture(tmp_path: Path) -> None:
    path = tmp_path / "wide.png"
    ramp = np.linspace(0, 255, 400).astype(np.uint8)
    Image.fromarray(np.broadcast_to(ramp[None, :, None], (200, 400, 3)).copy()).save(path)
    (middle,) = scenes.squares(path, 100, 80, 1)
    assert middle.shape == (80, 80, 3)
    assert middle.mean() == pytest.approx(127.5, abs=1)
    several = scenes.squares(path, 100, 80, 5)
    assert {one.shape for one in several} == {(80, 80, 3)}
    assert len({round(one.mean()) for one in several}) > 2
    assert all(np.array_equal(a, b) for a, b in zip(several, scenes.squares(path, 100, 80, 5), strict=True))


def test_what_is_drawn_like_drawings_is_nearer_to_them_than_photos_are() -> None:
    photos, drawings = plain(150, 30), plain(50, 31)
    far = scenes.measured(Told(), photos, photos, drawings, None)
    near = scenes.measured(Told(), photos, plain(60, 30), drawings, 1)
    assert far.v == pytest.approx(1)
    assert near.v < 0.3
    assert far.kept == pytest.approx(1)
    assert (far.seam, near.seam) == (None, 1)
