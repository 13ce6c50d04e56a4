"""Colours of skin and hair against another library and published values; what is kept of light and dark."""

from __future__ import annotations

import numpy as np
import pytest
from quality.colour import CHEEKS, colour_changes, region_colours, region_masks

pytest.importorskip("kornia")

RED, WHITE = (53.24, 80.09, 67.20), (100.0, 0.0, 0.0)
"""CIELAB of sRGB's red and white under D65 (Lindbloom's tables, as every colour library has them)."""


def flat(*rgb: int, side: int = 64) -> np.ndarray:
    return np.full((side, side, 3), rgb, np.uint8)


def test_colours_are_the_published_ones() -> None:
    colours = region_colours([flat(255, 0, 0), flat(255, 255, 255)])
    assert colours.shape == (2, 2, 3)
    for region in range(2):
        assert colours[0, region] == pytest.approx(RED, abs=0.02)
        assert colours[1, region] == pytest.approx(WHITE, abs=0.02)


def test_the_change_is_cie76_with_its_parts() -> None:
    colours = region_colours([flat(255, 0, 0), flat(255, 255, 255)])
    change = colour_changes(colours[:1], colours[1:])["skin"]
    assert change.distance[0] == pytest.approx(np.linalg.norm(np.subtract(RED, WHITE)), abs=0.03)
    assert change.lightness[0] == pytest.approx(100 - 53.24, abs=0.03)
    assert change.chroma[0] == pytest.approx(np.hypot(80.09, 67.20), abs=0.03)
    assert change.distance[0] ** 2 == pytest.approx(change.lightness[0] ** 2 + change.chroma[0] ** 2)


def test_colours_equal_those_of_scikit_image() -> None:
    rgb2lab = pytest.importorskip("skimage.color").rgb2lab
    tones = np.random.default_rng(0).integers(0, 256, (12, 3)).astype(np.uint8)
    ours = region_colours([flat(*tone) for tone in tones])
    theirs = rgb2lab(tones[None] / 255)[0]
    assert np.abs(ours - theirs[:, None]).max() < 0.02


def test_regions_are_apart_and_lie_where_they_say() -> None:
    skin, hair = region_masks()
    assert not (skin & hair).any()
    y, x = np.nonzero(skin)
    middles = [((x[x < 64] + 0.5).mean() / 128, (y + 0.5).mean() / 128), ((x[x > 64] + 0.5).mean() / 128, 0.61)]
    assert np.array(middles) == pytest.approx(np.array(CHEEKS), abs=0.005)
    painted = flat(0, 0, 0, side=128)
    painted[: 128 // 4] = (200, 30, 40)  # the upper quarter, at another size than that of the measure
    before, after = region_colours([flat(0, 0, 0, side=96)]), region_colours([painted])
    changes = colour_changes(before, after)
    assert changes["skin"].distance[0] < 0.5
    assert changes["hair"].distance[0] > 50
