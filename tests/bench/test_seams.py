"""The figures of bench/seams.py: a border that shows has larger ones than a border that does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from seams import covered, seam, view_of
from support.face import placed, smooth

from henshin import Face
from henshin_plugins.face.align import align
from henshin_plugins.face.config import FaceAlignConfig, PasteBackConfig


@pytest.fixture
def faces(rng: np.random.Generator) -> tuple[Any, Face, Face]:
    """A photo with its face as it is, and with the face 40 grey levels lighter."""
    photo = (smooth(rng, 240, 240) * 0.5 + 50).astype(np.uint8)
    (face,) = align(photo, [placed((120, 120), 150, 10)], FaceAlignConfig())
    assert face.crop is not None
    return photo, face, replace(face, crop=face.crop + np.uint8(40))


@pytest.mark.parametrize("area", ["crop", "face", "head"])
def test_the_step_is_that_between_drawing_and_photo(area: Any, faces: tuple[Any, Face, Face]) -> None:
    photo, same, lighter = faces
    gradient, step, skin = seam(photo, same, PasteBackConfig(area=area))
    assert gradient == pytest.approx(1, abs=0.03)
    assert max(step, skin) < 1.5
    _, step, skin = seam(photo, lighter, PasteBackConfig(area=area))
    assert step == pytest.approx(40, abs=4)
    assert skin == pytest.approx(40, abs=6)


def test_a_harder_border_has_more_gradient_and_matched_colours_less(faces: tuple[Any, Face, Face]) -> None:
    photo, _, lighter = faces
    options: list[dict[str, Any]] = [{"feather": 0.0}, {"feather": 0.12}, {"feather": 0.12, "colour_match": "border"}]
    hard, soft, matched = (seam(photo, lighter, PasteBackConfig(area="face", **one)) for one in options)
    assert hard[0] > soft[0] + 0.2
    assert matched[0] <= soft[0]
    assert matched[1] < 0.4 * soft[1]


def test_the_cover_is_that_of_the_area(faces: tuple[Any, Face, Face]) -> None:
    photo, face, _ = faces
    cover = covered(photo, face, PasteBackConfig(area="face"), view_of(face))[..., 0]
    middle = len(cover) // 2
    assert cover[middle, middle] == 1
    across = (cover[middle] > 0.5).mean() * 1.2
    assert across == pytest.approx(2 * (0.36 - 0.06), abs=0.02), "radius of the ellipse less half the feather"
