"""The photo around drawn faces, softened."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.face import EXAMPLES, picture, placed, smooth

from henshin_plugins.face.align import align
from henshin_plugins.face.config import FaceAlignConfig, PasteBackConfig
from henshin_plugins.face.pasting.paste import paste
from henshin_plugins.face.pasting.soften import softened


def noisy(rng: np.random.Generator, values: Any, deviation: float = 6) -> Any:
    return np.clip(values + rng.normal(0, deviation, values.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("side", [150, 900])
def test_grain_goes_and_edges_stay(side: int, rng: np.random.Generator) -> None:
    clean = np.full((side, side, 3), 60.0)
    clean[:, side // 2 :] = 190
    result = softened(noisy(rng, clean))
    flat = result[:, : side // 2 - side // 16]
    assert flat.std() < 3
    assert abs(float(flat.mean()) - 60) < 1
    step = result[:, side // 2 + 1].mean() - result[:, side // 2 - 2].mean()
    assert step > 110, "of 130"


def test_colours_become_more_saturated_and_grey_stays_grey(rng: np.random.Generator) -> None:
    colour = np.full((60, 80, 3), (150, 120, 90), np.uint8)
    luma = colour[0, 0] @ [0.299, 0.587, 0.114]
    assert np.abs(softened(colour)[30, 40] - (luma + 1.2 * (colour[0, 0] - luma))).max() <= 1
    grey = np.repeat(smooth(rng, 90, 70)[..., :1], 3, axis=2)
    result = softened(grey).astype(int)
    assert np.abs(result - result[..., :1]).max() <= 1


@pytest.mark.parametrize("shape", [(1, 1), (3, 700), (701, 2), (1500, 1403)])
def test_strips_make_no_difference(
    shape: tuple[int, int], rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = smooth(rng, *shape)
    whole = softened(photo)
    monkeypatch.setattr("henshin_plugins.face.pasting.soften.STRIP", 20_000)
    assert np.abs(softened(photo).astype(int) - whole).max() <= 1
    assert whole.shape == photo.shape


def test_it_is_a_guided_filter() -> None:
    """Against the formula of the paper, window by window, at full resolution."""
    from henshin_plugins.face.pasting.soften import EDGE, LUMA, SATURATION

    photo = picture(EXAMPLES / "astronaut.jpg")[80:120, 180:230].astype(float)
    guide, radius = photo @ LUMA, 1  # of 50 pixels, the least
    windows = [
        [np.s_[max(0, i - radius) : i + radius + 1, max(0, j - radius) : j + radius + 1] for j in range(50)]
        for i in range(40)
    ]
    gains, offsets = np.zeros((2, 40, 50, 3))
    for i, row in enumerate(windows):
        for j, at in enumerate(row):
            light, colours = guide[at].ravel(), photo[at].reshape(-1, 3)
            covariance = ((light - light.mean())[:, None] * (colours - colours.mean(axis=0))).mean(axis=0)
            gains[i, j] = covariance / (light.var() + EDGE**2)
            offsets[i, j] = colours.mean(axis=0) - gains[i, j] * light.mean()
    result = np.zeros((40, 50, 3))
    for i, row in enumerate(windows):
        for j, at in enumerate(row):
            result[i, j] = gains[at].mean(axis=(0, 1)) * guide[i, j] + offsets[at].mean(axis=(0, 1))
    light = (result @ LUMA)[..., None]
    wanted = np.clip(light + (result - light) * SATURATION, 0, 255)
    assert np.abs(softened(photo.astype(np.uint8)) - wanted).max() <= 1


def test_faces_are_pasted_sharp_on_the_softened_photo(rng: np.random.Generator) -> None:
    photo = noisy(rng, np.full((200, 200, 3), 120.0))
    (face,) = align(photo, [placed((100, 100), 90)], FaceAlignConfig())
    assert face.crop is not None
    drawn = replace(face, crop=rng.integers(0, 256, face.crop.shape, np.uint8))
    kept, soft = (paste(photo, [drawn], PasteBackConfig(surroundings=one)) for one in ("keep", "soften"))
    assert np.array_equal(kept[90:110, 90:110], soft[90:110, 90:110])
    assert np.array_equal(soft[:30], softened(photo)[:30])
    assert np.array_equal(kept[:30], photo[:30])
    beside = replace(drawn, matrix=face.matrix - np.array([[0, 0, 900], [0, 0, 0]], np.float32))
    assert paste(photo, [beside], PasteBackConfig(surroundings="soften")) is photo
    assert not soft.flags.writeable
