"""`vary_faces`: skin changes and nothing else does, shares are kept, and the same face gets the same again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.drawn import UNIT_EYES, drawn_face
from support.face import smooth
from support.stages import opened

from henshin import PictureError
from henshin_plugins.face.drawn import VaryFaces
from henshin_plugins.face.drawn.skin import draw_tone, find_skin, from_lab, from_linear, to_lab, to_linear, toned

STRETCH = (1.2, 1.4)


def crop(side: int = 192, **colours: Any) -> Any:
    """A drawn face as `match_proportions` gives it: eyes at 0.425, chin at 0.873."""
    scale = STRETCH
    shift = (0.0, 0.425 - (0.55 + scale[1] * (UNIT_EYES[0][1] - 0.55)))
    return drawn_face(side, shift, scale, **colours)


@pytest.mark.parametrize("lab", [(63.0, 14.0, 19.0), (35.0, 12.0, 16.0), (80.0, 8.0, 20.0)])
def test_lab_and_back(lab):
    light = from_lab(np.array(lab))
    assert to_lab(light) == pytest.approx(lab, abs=0.02)
    assert to_linear(from_linear(light)) == pytest.approx(light, abs=1e-6)


def test_lab_agrees_with_scikit_image(rng):
    colour = pytest.importorskip("skimage.color")
    values = rng.integers(0, 256, (50, 3), np.uint8)
    ours = to_lab(to_linear(values.astype(float)))
    assert np.abs(ours - colour.rgb2lab(values[None])[0]).max() < 0.1


@pytest.mark.parametrize("skin", [(250, 226, 205), (236, 198, 170), (200, 150, 120)])
def test_the_mask_covers_the_skin_and_neither_eyes_nor_hair(skin):
    pixels = crop(skin=skin)
    found = find_skin(pixels)
    assert found is not None
    flat = np.abs(pixels.astype(int) - skin).sum(axis=2) < 6
    assert found.mask[flat].mean() > 0.9
    assert found.mask[np.abs(pixels.astype(int) - (92, 70, 110)).sum(axis=2) < 6].mean() < 0.03
    assert found.mask[np.abs(pixels.astype(int) - (60, 45, 50)).sum(axis=2) < 6].mean() < 0.05


def test_toned_skin_has_the_tone_and_keeps_its_shading():
    pixels = crop()
    pixels[120:130, 70:90] = (pixels[120:130, 70:90] * 0.9).astype(np.uint8)  # a shadow on a cheek
    found = find_skin(pixels)
    assert found is not None
    tone = from_lab(np.array([45.0, 13.0, 18.0]))
    result = toned(pixels, found, tone)
    assert np.abs(result[110, 96].astype(float) - from_linear(tone)).max() < 3
    assert result[125, 80].mean() < result[110, 96].mean() - 5, "the shadow is still one"
    hair = np.abs(pixels.astype(int) - (92, 70, 110)).sum(axis=2) < 6
    assert np.abs(result[hair].astype(int) - pixels[hair]).mean() < 1


def test_tones_are_those_of_people(rng):
    tones = to_lab(np.stack([draw_tone(rng) for _ in range(400)]))
    assert 58 < tones[:, 0].mean() < 68
    assert tones[:, 0].min() > 25
    assert tones[:, 0].max() < 90
    assert (tones[:, 1] > 0).all()
    assert (tones[:, 2] > 0).all()


def test_what_has_no_plain_cheeks_stays(tmp_path, rng):
    stage: Any = opened(VaryFaces, tmp_path, skin=1, beard=1, glasses=1)
    for pixels in (smooth(rng, 192, 192, detail=4), np.zeros((96, 96, 3), np.uint8)):
        assert stage.run([pixels])[0] is pixels


@pytest.mark.parametrize("what", ["skin", "beard", "glasses"])
def test_each_variation_changes_its_own_region(tmp_path, what):
    shares = {"skin": 0, "beard": 0, "glasses": 0, what: 1}
    stage: Any = opened(VaryFaces, tmp_path, **shares)
    crops = [crop(side, skin=(250, 226, 205 - i)) for i, side in enumerate((128, 160, 192, 256))]
    for before, after in zip(crops, stage.run(crops), strict=True):
        side = len(before)
        changed = np.abs(after.astype(int) - before).sum(axis=2) > 12
        assert changed.any()
        upper, eyes, mouth = (
            changed[: int(0.25 * side)],
            changed[int(0.3 * side) : int(0.56 * side)],
            changed[int(0.66 * side) : int(0.9 * side)],
        )
        if what == "glasses":
            assert eyes.sum() == changed.sum()
            assert eyes.mean() < 0.25
        if what == "beard":
            assert mouth.sum() > 0.8 * changed.sum()
        if what != "skin":
            assert not upper.any()
        else:
            assert changed[int(0.6 * side), int(0.5 * side)]


def test_shares_are_kept_and_nothing_depends_on_company(tmp_path):
    crops = [crop(96, hair=(90, 60 + i, 110)) for i in range(80)]
    stage: Any = opened(VaryFaces, tmp_path, skin=0.5, beard=0, glasses=0)
    results = stage.run(crops)
    varied = [not np.array_equal(before, after) for before, after in zip(crops, results, strict=True)]
    assert 26 <= sum(varied) <= 54
    again = [stage.run([one])[0] for one in reversed(crops)]
    assert all(np.array_equal(one, other) for one, other in zip(results, reversed(again), strict=True))
    other_seed: Any = opened(VaryFaces, tmp_path, skin=0.5, beard=0, glasses=0, seed=1)
    assert any(not np.array_equal(a, b) for a, b in zip(other_seed.run(crops), results, strict=True))


def test_without_shares_nothing_changes(tmp_path):
    pixels = crop()
    stage: Any = opened(VaryFaces, tmp_path, skin=0, beard=0, glasses=0)
    assert stage.run([pixels])[0] is pixels


def test_grey_drawings_stay_grey_and_are_varied(tmp_path):
    before = np.repeat(crop().mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    stage: Any = opened(VaryFaces, tmp_path, skin=1, beard=1, glasses=1)
    [after] = stage.run([before])
    assert (np.ptp(after, axis=2) == 0).all()
    assert (after != before).any()
    [coloured] = stage.run([crop()])
    assert np.ptp(coloured, axis=2).max() > 30


def test_what_is_not_square_is_an_error_of_that_picture_alone(tmp_path):
    stage: Any = opened(VaryFaces, tmp_path, skin=1)
    square, wide = crop(96), np.full((40, 80, 3), (250, 226, 205), np.uint8)
    first, second = stage.run([wide, square])
    assert isinstance(first, PictureError)
    assert "80 x 40 pixels; must be square" in str(first)
    assert second.shape == square.shape


@pytest.mark.parametrize("side", [16, 17])
def test_the_smallest_crops_are_varied(tmp_path, side):
    stage: Any = opened(VaryFaces, tmp_path, skin=1, beard=1, glasses=1)
    [after] = stage.run([crop(side)])
    assert after.shape == (side, side, 3)
