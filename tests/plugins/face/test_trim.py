"""`split_faces` with `trim`: squares that show the photo, hold the face, and are as large as they can be."""

from __future__ import annotations

import numpy as np
import pytest
from support.face import frame, placed, smooth
from support.stages import opened

from henshin_plugins.face import FaceAlign, SplitFaces
from henshin_plugins.face.trim import CORE, LEAST, SHOWN, shown_square


def masked(side: int, top: int = 0, left: int = 0, bottom: int = 0, right: int = 0) -> np.ndarray:
    """A mask whose outermost rows and columns lie beyond the photo."""
    mask = np.zeros((side, side), np.uint8)
    mask[top : side - bottom, left : side - right] = 255
    return mask


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (masked(100), (0, 0, 100)),
        (masked(100, top=20), (20, 10, 80)),
        (masked(100, top=10, left=15, right=15), (30, 15, 70)),
        (masked(128, left=16), (8, 16, 112)),
    ],
)
def test_the_square_is_the_largest_in_the_photo_and_the_most_central(mask, expected):
    top, left, side = shown_square(mask)
    assert side == pytest.approx(expected[2], abs=1)
    assert (mask[top : top + side, left : left + side] > 0).mean() >= SHOWN
    assert abs(left - expected[1]) <= 1
    assert abs(top - expected[0]) <= max(1, 100 - side)


def test_it_holds_the_face_and_is_never_smaller_than_it(rng):
    for _ in range(40):
        side = int(rng.integers(40, 200))
        mask = masked(side, *(int(rng.integers(0, side // 2)) for _ in range(4)))
        top, left, length = shown_square(mask)
        assert length >= round(LEAST * side)
        assert 0 <= top <= side - length
        assert 0 <= left <= side - length
        assert left <= CORE[0] * side + 1
        assert left + length >= CORE[2] * side - 1
        assert top <= CORE[1] * side + 1
        assert top + length >= CORE[3] * side - 1


def test_a_portrait_of_a_close_up_is_cut_and_others_are_whole(tmp_path, rng):
    photo = smooth(rng, 300, 300)
    near, inside = frame(photo, [placed((150, 110), 280)], "near"), frame(photo, [placed((150, 150), 200)], "inside")
    aligned = opened(FaceAlign, tmp_path, size=256).run([near, inside])
    whole = opened(SplitFaces, tmp_path).run(aligned)
    trimmed = opened(SplitFaces, tmp_path, trim=True).run(aligned)
    assert [one.picture.shape for one in whole] == [(256, 256, 3), (200, 200, 3)]
    assert np.array_equal(trimmed[1].picture, whole[1].picture)
    height, width = trimmed[0].picture.shape[:2]
    assert height == width < 256
    assert trimmed[0].metadata.size == (width, height)
    top, left, side = shown_square(aligned[0].faces[0].mask)
    assert np.array_equal(trimmed[0].picture, whole[0].picture[top : top + side, left : left + side])
    assert not trimmed[0].picture.flags.writeable
