"""`match_proportions`: eyes and chins of drawings on the lines of photos, whatever their size, place and colours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.drawn import UNIT_CHIN, UNIT_EYES, drawn_face, place
from support.face import EXAMPLES, frame, picture, smooth
from support.stages import opened

from henshin import Face
from henshin_plugins.face import FaceAlign
from henshin_plugins.face.drawn import MatchProportions
from henshin_plugins.face.geometry import BOX_SHARE, apply

EYES, CHIN, EYE_DISTANCE = 0.425, 0.873, 0.324
"""Where a photographed face of the size and place of `face_align` has them, as shares of the side."""


def boxed(centre: tuple[float, float], side: float) -> Face:
    """A face without landmarks whose crop is a square of `side` pixels about `centre`."""
    half = side * BOX_SHARE / 2
    box = [centre[0] - half, centre[1] - half, centre[0] + half, centre[1] + half]
    return Face(np.array(box, np.float32), 1.0, None)


def matched(folder: Path, pixels: Any, face: Face, **options: Any) -> Any:
    """The frame after `face_align` and `match_proportions`."""
    [aligned] = opened(FaceAlign, folder, size=256).run([frame(pixels, [face])])
    [result] = opened(MatchProportions, folder, **options).run([aligned])
    return result


def lines(face: Any, shift: tuple[float, float], scale: tuple[float, float], side: int) -> tuple[Any, Any]:
    """Where the eyes (2, 2) and the chin (2,) of a `drawn_face` are in its crop, as shares of the side."""
    points = np.array([place(point, shift, scale) for point in (*UNIT_EYES, UNIT_CHIN)]) * side
    placed = apply(face.matrix.astype(np.float64), points) / len(face.crop)
    return placed[:2], placed[2]


@pytest.mark.parametrize(
    ("shift", "scale"),
    [
        ((0.0, 0.0), (1.0, 1.0)),
        ((0.05, -0.04), (1.0, 1.0)),
        ((-0.04, 0.03), (0.9, 0.9)),
        ((0.02, 0.02), (1.12, 1.12)),
        ((0.0, 0.0), (0.94, 1.06)),
    ],
)
def test_eyes_and_chin_come_to_the_lines_of_photos(tmp_path, shift, scale):
    pixels = drawn_face(256, shift, scale)
    [face] = matched(tmp_path, pixels, boxed((128, 128), 256)).faces
    eyes, chin = lines(face, shift, scale, 256)
    assert np.abs(eyes[:, 1] - EYES).max() < 0.035
    assert abs(chin[1] - CHIN) < 0.035
    assert abs(eyes[:, 0].mean() - 0.5) < 0.015
    assert abs(eyes[1, 0] - eyes[0, 0] - EYE_DISTANCE) < 0.025
    assert abs(chin[0] - 0.5) < 0.015


def test_a_crop_shows_what_its_matrix_says(tmp_path):
    """The eyes are dark where the matrix puts them, and the cheeks below are skin."""
    pixels = drawn_face(256, (0.04, 0.02), (0.95, 0.95))
    [face] = matched(tmp_path, pixels, boxed((128, 128), 256)).faces
    side, (eyes, _) = len(face.crop), lines(face, (0.04, 0.02), (0.95, 0.95), 256)
    for x, y in eyes:
        assert face.crop[int((y + 0.02) * side), int((x - 0.01) * side)].mean() < 90
        assert face.crop[int((y + 0.2) * side), int(x * side)].mean() > 200
    assert face.mask.shape == face.crop.shape[:2]


def test_a_stretch_of_one_keeps_a_drawings_own_proportions(tmp_path):
    [face] = matched(tmp_path, drawn_face(), boxed((128, 128), 256), stretch=(1.0, 1.0)).faces
    eyes, chin = lines(face, (0, 0), (1, 1), 256)
    assert abs((chin[1] - eyes[0, 1]) - (UNIT_CHIN[1] - UNIT_EYES[0][1])) < 0.03
    assert abs((eyes[1, 0] - eyes[0, 0]) - 0.27) < 0.02


def test_dark_pale_and_low_contrast_drawings_register_alike(tmp_path):
    kinds = [drawn_face(), (drawn_face() * 0.35).astype(np.uint8), (150 + drawn_face() * 0.3).astype(np.uint8)]
    found = [matched(tmp_path, kind, boxed((120, 133), 250)).faces[0].matrix for kind in kinds]
    for matrix in found[1:]:
        assert np.abs(matrix - found[0]).max() < 1.0


def test_nothing_is_enlarged(tmp_path):
    [face] = matched(tmp_path, drawn_face(1024), boxed((512, 512), 1024)).faces
    assert len(face.crop) == 256, "a large drawing has pixels enough"
    [small] = matched(tmp_path, drawn_face(128), boxed((64, 64), 128)).faces
    scale = float(np.sqrt(np.linalg.det(small.matrix[:, :2])))
    assert len(small.crop) < 128
    assert scale <= 1.0 + 1e-3


def test_what_is_no_frontal_face_is_dropped_with_its_figure(tmp_path, rng):
    blobs, bright_eyes = smooth(rng, 256, 256), 255 - drawn_face()
    for pixels in (blobs, bright_eyes, np.full((256, 256, 3), 128, np.uint8)):
        result = matched(tmp_path, pixels, boxed((128, 128), 256), without_faces="skip")
        assert result.faces == []
        assert result.dropped.kind == "unlike"
        assert "at least 0.6 wanted" in result.dropped.reason
    [kept] = matched(tmp_path, blobs, boxed((128, 128), 256), minimum_match=-1.0).faces
    assert kept.crop is not None


def test_faces_beyond_the_border_are_dropped_where_a_limit_says_so(tmp_path):
    pixels = drawn_face(256)[:, 75:].copy()
    face = boxed((128 - 75, 128), 256)
    [kept] = matched(tmp_path, pixels, face).faces
    assert (kept.mask == 0).any()
    result = matched(tmp_path, pixels, face, maximum_outside=0.05, without_faces="skip")
    assert result.dropped.kind == "beyond the border"
    assert result.dropped.reason.endswith("% of the crop lie outside, at most 5 % wanted")


def test_one_bad_face_does_not_take_the_good_one_along(tmp_path, rng):
    page = np.concatenate([drawn_face(), smooth(rng, 256, 256)], axis=1)
    pair = frame(page, [boxed((128, 128), 256), boxed((384, 128), 256)])
    [aligned] = opened(FaceAlign, tmp_path, size=256).run([pair])
    [result] = opened(MatchProportions, tmp_path).run([aligned])
    assert len(result.faces) == 1
    assert result.faces[0].box[0] < 200
    assert result.dropped is None


def test_frames_without_crops_pass(tmp_path):
    photo = frame(picture(EXAMPLES / "coffee.jpg"))
    assert opened(MatchProportions, tmp_path).run([photo]) == [photo]


def test_order_and_company_do_not_matter(tmp_path):
    items = [frame(drawn_face(256, (x, 0.0)), [boxed((128, 128), 256)], str(x)) for x in (0.0, 0.03, -0.03)]
    aligned = opened(FaceAlign, tmp_path, size=256).run(items)
    together = opened(MatchProportions, tmp_path).run(aligned)
    alone = [opened(MatchProportions, tmp_path).run([replace(one)])[0] for one in reversed(aligned)]
    for one, other in zip(together, reversed(alone), strict=True):
        assert np.array_equal(one.faces[0].crop, other.faces[0].crop)


def test_latents_of_the_crops_before_end(tmp_path):
    [aligned] = opened(FaceAlign, tmp_path, size=256).run([frame(drawn_face(), [boxed((128, 128), 256)])])
    aligned.latents = {"latent": np.zeros((1, 4))}
    [result] = opened(MatchProportions, tmp_path).run([aligned])
    assert result.faces
    assert result.latents == {}
