"""What of a crop is pasted, and the colours at its border."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.face import placed, smooth

from henshin import Face
from henshin_plugins.face.align import align
from henshin_plugins.face.config import FaceAlignConfig, PasteBackConfig
from henshin_plugins.face.geometry import apply, invert
from henshin_plugins.face.pasting.area import depth, extent
from henshin_plugins.face.pasting.paste import paste

SIDE, CENTRE = 200, (160.0, 150.0)


def painted(photo: Any, colour: Any, degrees: float = 0) -> Face:
    """A face of 200 pixels about (160, 150), painted over."""
    (cut,) = align(photo, [placed(CENTRE, SIDE, degrees)], FaceAlignConfig())
    assert cut.crop is not None
    return replace(cut, crop=np.ascontiguousarray(np.broadcast_to(np.array(colour, np.uint8), cut.crop.shape)))


def opacity(degrees: float = 0, **options: Any) -> Any:
    """The share of the crop in each pixel of a photo of 300 x 320."""
    black = np.zeros((300, 320, 3), np.uint8)
    config = PasteBackConfig.model_validate(options)
    return paste(black, [painted(black, (255, 255, 255), degrees)], config)[..., 0] / 255


def at(cover: Any, across: float, down: float, degrees: float = 0) -> float:
    """The opacity at a place of the crop, in its sides from its left and top."""
    turn = np.radians(degrees)
    right, low = (across - 0.5) * SIDE, (down - 0.5) * SIDE
    x, y = right * np.cos(turn) - low * np.sin(turn), right * np.sin(turn) + low * np.cos(turn)
    return float(cover[round(CENTRE[1] + y - 0.5), round(CENTRE[0] + x - 0.5)])


@pytest.mark.parametrize("degrees", [0, 25])
def test_the_areas_hold_what_they_are_named_after(degrees: float) -> None:
    crop, face, head = (opacity(degrees, area=area) for area in ("crop", "face", "head"))
    for cover in (crop, face, head):
        assert at(cover, 0.375, 0.414, degrees) > 0.99, "the eyes"
        assert at(cover, 0.5, 0.8, degrees) > 0.95, "the mouth"
    assert (at(face, 0.5, 0.04, degrees), at(face, 0.1, 0.5, degrees)) == (0, 0), "hair stays the photo's"
    assert at(head, 0.5, 0.12, degrees) > 0.9
    assert at(head, 0.12, 0.5, degrees) > 0.6
    assert at(head, 0.05, 0.95, degrees) == 0
    assert (face <= head + 0.01).all()


@pytest.mark.parametrize("degrees", [0, 25, -110])
@pytest.mark.parametrize("area", ["crop", "face", "head"])
def test_the_extent_of_an_area_holds_it_and_little_more(area: Any, degrees: float) -> None:
    turn, side = np.radians(degrees), 300.0
    linear = side * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    to_photo = np.column_stack([linear, [250, 260] - linear @ [0.5, 0.5]])
    row, column = np.indices((520, 500)) + 0.5
    places = apply(invert(to_photo), np.stack([column, row], axis=-1)).astype(np.float32) - np.float32(0.5)
    rows, columns = np.nonzero(depth(area, places[..., 0], places[..., 1], 0.0) > 0)
    x0, y0, x1, y1 = extent(area, to_photo)
    assert x0 <= columns.min() + 0.5
    assert x1 >= columns.max() + 0.5
    assert y0 <= rows.min() + 0.5
    assert y1 >= rows.max() + 0.5
    assert (x1 - x0) * (y1 - y0) < 1.03 * (np.ptp(columns) + 1) * (np.ptp(rows) + 1)


@pytest.mark.parametrize("area", ["crop", "face", "head"])
def test_no_border_is_hard_but_without_a_feather(area: str) -> None:
    """The steepest part of a smooth step over 0.12 sides of 200 pixels is 1.5 / 24."""
    soft, hard = opacity(area=area, feather=0.12), opacity(area=area, feather=0)
    assert max(np.abs(np.diff(soft, axis=axis)).max() for axis in (0, 1)) < 1.5 / 24 + 0.01
    assert set(np.unique(hard)) == {0, 1}


def test_the_border_takes_the_colours_around_and_the_middle_keeps_its_own() -> None:
    photo = np.full((300, 320, 3), (120, 80, 60), np.uint8)
    photo[:, 160:] = (60, 80, 120)
    face = painted(photo, (230, 200, 190))
    plain, matched = (
        paste(photo, [face], PasteBackConfig.model_validate({"area": "face", "colour_match": match})).astype(int)
        for match in ("none", "border")
    )
    assert np.abs(matched[150, 160] - (230, 200, 190)).max() <= 1
    cover = opacity(area="face")
    rim = (cover > 0.2) & (cover < 0.8)
    rim[:, 120:200] = False  # where the two colours of the photo meet
    before, after = (np.abs(one - photo)[rim].mean() for one in (plain, matched))
    assert after < 0.2 * before
    assert np.array_equal(matched[cover == 0], photo[cover == 0])


def test_lines_at_the_border_stay(rng: np.random.Generator) -> None:
    """Only low frequencies are blended."""
    photo = np.full((300, 320, 3), 90, np.uint8)
    face = painted(photo, (200, 200, 200))
    assert face.crop is not None
    lined = face.crop.copy()
    lined[:, 36:40] = 0
    config = PasteBackConfig(area="head", colour_match="border")
    result = paste(photo, [replace(face, crop=lined)], config)[150].astype(int)[:, 0]
    assert result[96:102].min() < result[85] - 35


@pytest.mark.parametrize("match", ["surroundings", "border"])
def test_beyond_the_photo_no_colour_is_taken_from(match: str, rng: np.random.Generator) -> None:
    """A face at the border: what was mirrored there does not count."""
    photo = smooth(rng, 200, 200)
    (face,) = align(photo, [placed((20, 100), 150)], FaceAlignConfig())
    assert face.crop is not None
    assert face.mask is not None
    config = PasteBackConfig.model_validate({"area": "face", "colour_match": match})
    other = face.crop.copy()
    other[face.mask == 0] = 255
    results = [paste(photo, [replace(face, crop=crop)], config).astype(int) for crop in (face.crop, other)]
    assert np.abs(results[0] - photo).mean() < 1.5, "the photo itself fits in"
    if match == "border":
        assert np.abs(results[0] - results[1])[:, 25:].max() <= 3
