"""Crops show the right pixels, at the right place, without aliasing, and know what they had to invent."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pydantic import ValidationError
from support.face import EXAMPLES, frame, picture, placed, smooth
from support.paths import ROOT
from support.stages import opened

from henshin import Face
from henshin_plugins.face import FaceAlign
from henshin_plugins.face.align import align
from henshin_plugins.face.config import FaceAlignConfig
from henshin_plugins.face.geometry import TEMPLATE, apply, invert, similarity, template
from henshin_plugins.face.warp import warp


def turned(scale: float, degrees: float, centre: tuple[float, float], side: int) -> Any:
    """The matrix that shows `centre` in the middle of a square of `side` pixels."""
    turn = math.radians(degrees)
    linear = scale * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    return np.column_stack([linear, np.array([side / 2, side / 2]) - linear @ centre])


def reference(pixels: Any, matrix: Any, side: int, fine: int) -> Any:
    """The mean over the area of each pixel of the picture's cubic spline, sampled `fine` times each way."""
    ndimage = pytest.importorskip("scipy.ndimage")
    steps = (np.arange(side * fine) + 0.5) / fine
    x, y = apply(invert(matrix), np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)).T - 0.5
    planes = [ndimage.map_coordinates(pixels[..., c].astype(float), [y, x], order=3, mode="reflect") for c in range(3)]
    return np.stack(planes, axis=-1).reshape(side, fine, side, fine, 3).mean(axis=(1, 3)).clip(0, 255)


def ratio(one: Any, other: Any) -> float:
    """Peak signal to noise, dB."""
    return 10 * math.log10(255**2 / float(np.mean((one.astype(float) - other) ** 2)))


@pytest.mark.parametrize("degrees", [0.0, 17.0, -140.0])
@pytest.mark.parametrize("scale", [0.31, 0.77, 1.0, 1.9, 3.3])
def test_a_slope_stays_the_slope_it_was(scale: float, degrees: float) -> None:
    """With pixel centres at .5, colours of a slope are known exactly at every point of a warp."""
    side = 40
    x, y = np.meshgrid(np.arange(256), np.arange(256))
    slope = np.stack([x, y, 255 - x], axis=-1).astype(np.uint8)
    matrix = turned(scale, degrees, (128.3, 127.6), side)
    warped = warp(slope, matrix, side, side)
    steps = np.arange(side) + 0.5
    points = apply(invert(matrix), np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2))
    expected = np.stack([points[:, 0], points[:, 1], 256 - points[:, 0]], axis=-1) - 0.5
    error = warped.reshape(-1, 3) - expected
    assert np.abs(error).max() < 1
    if degrees:
        assert np.abs(error.mean(axis=0)).max() < 0.2


@pytest.mark.parametrize("degrees", [0.0, 20.0])
@pytest.mark.parametrize(
    ("scale", "least"),
    [(0.13, 45), (0.2, 47), (0.3, 43), (0.45, 47), (0.54, 47), (0.6, 46), (0.7, 48), (1.0, 44), (2.5, 48), (5.0, 48)],
)
def test_a_warp_is_near_the_ideal_one(scale: float, degrees: float, least: float) -> None:
    side = 96
    pixels = picture(EXAMPLES / "astronaut.jpg")
    matrix = turned(scale, degrees, (pixels.shape[1] * 0.45, pixels.shape[0] * 0.3), side)
    expected = reference(pixels, matrix, side, 8 if scale < 0.9 else 1)
    warped = warp(pixels, matrix, side, side)
    assert ratio(warped, expected) > least
    assert abs(float(warped.mean() - expected.mean())) < 0.3


def test_fine_stripes_become_grey_and_not_coarse_stripes() -> None:
    stripes = np.zeros((600, 600, 3), np.uint8)
    stripes[:, ::2] = 255
    warped = warp(stripes, turned(0.23, 9.0, (300, 300), 100), 100, 100)
    assert np.abs(warped.astype(int) - 127.5).max() < 12


def test_beyond_the_border_a_picture_is_mirrored(rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (7, 5, 3), np.uint8)
    whole = warp(pixels, np.array([[1.0, 0.0, 9.0], [0.0, 1.0, 8.0]]), 24, 25)
    assert np.array_equal(whole, np.pad(pixels, ((8, 10), (9, 10), (0, 0)), mode="symmetric"))
    single = warp(pixels[:1, :1], np.array([[1.0, 0.0, 3.0], [0.0, 1.0, 2.0]]), 8, 8)
    assert np.array_equal(single, np.broadcast_to(pixels[0, 0], (8, 8, 3)))


@pytest.mark.parametrize("scale", [0.4, 1.0])
@pytest.mark.parametrize("centre", [(30, 20), (-20, 3), (6, 60), (70, 90), (-90, -70)])
def test_a_mirrored_picture_is_warped_as_one_that_was_padded(
    centre: tuple[float, float], scale: float, rng: np.random.Generator
) -> None:
    pixels, side, wide = smooth(rng, 48, 64, 6), 40, 200
    matrix = turned(scale, 11, centre, side)
    padded = np.pad(pixels, ((wide, wide), (wide, wide), (0, 0)), mode="symmetric")
    moved = np.column_stack([matrix[:, :2], matrix[:, 2] - matrix[:, :2] @ [wide, wide]])
    assert np.array_equal(warp(pixels, matrix, side, side), warp(padded, moved, side, side))


@pytest.mark.parametrize(("across", "down"), [(0.3, 1.2), (1.4, 0.5), (0.13, 0.8)])
def test_a_warp_may_squeeze_one_axis_more_than_the_other(across: float, down: float) -> None:
    side, pixels = 64, picture(EXAMPLES / "astronaut.jpg")
    matrix = np.array([[across, 0.0, 32 - across * 230], [0.0, down, 32 - down * 150]])
    assert ratio(warp(pixels, matrix, side, side), reference(pixels, matrix, side, 8)) > 41


def test_the_similarity_is_the_one_of_an_independent_solver(rng: np.random.Generator) -> None:
    transform = pytest.importorskip("skimage.transform")
    for _ in range(20):
        source, target = rng.normal(size=(5, 2)) * 50, rng.normal(size=(5, 2))
        expected = transform.SimilarityTransform.from_estimate(source, target).params[:2]
        assert np.allclose(similarity(source, target), expected, atol=1e-9)
    assert np.allclose(similarity(np.ones((5, 2)), np.array(TEMPLATE))[:, :2], 0)


@pytest.mark.parametrize(("side", "expected"), [(700.0, 256), (90.4, 90), (16.2, 16), (9.0, 16)])
def test_a_crop_is_never_larger_than_its_face(side: float, expected: int, rng: np.random.Generator) -> None:
    photo = smooth(rng, 900, 1000)
    (face,) = align(photo, [placed((500, 450), side, 12)], FaceAlignConfig())
    assert face.crop is not None
    assert face.crop.shape == (expected, expected, 3)
    assert face.matrix is not None
    marks = apply(face.matrix.astype(float), face.landmarks.astype(float))
    assert np.abs(marks - np.array(TEMPLATE) * expected).max() < 0.02
    assert not face.crop.flags.writeable


def test_a_margin_shows_more_about_the_same_middle() -> None:
    assert np.allclose(template(1.0), TEMPLATE)
    assert np.allclose(template(2.0) - 0.5, (np.array(TEMPLATE) - 0.5) / 2)


def test_the_mask_tells_what_lies_in_the_photo(rng: np.random.Generator) -> None:
    photo = smooth(rng, 200, 300)
    (corner,) = align(photo, [placed((0, 100), 80)], FaceAlignConfig())
    assert corner.mask is not None
    assert (corner.mask[:, :40] == 0).all()
    assert (corner.mask[:, 40:] == 255).all()
    (inner,) = align(photo, [placed((150, 100), 80, 30)], FaceAlignConfig())
    assert inner.mask is not None
    assert inner.mask.min() == 255


def test_faces_too_far_outside_are_dropped(rng: np.random.Generator, tmp_path: Path) -> None:
    photo = smooth(rng, 200, 300)
    out, a_little, inner = (replace(placed((x, 100), 80), score=x / 300) for x in (10, 35, 200))
    stage = opened(FaceAlign, tmp_path, maximum_outside=0.15)
    (both,) = stage.run([frame(photo, [out, a_little, inner])])
    assert [face.score for face in both.faces] == [a_little.score, inner.score]
    (none,) = stage.run([frame(photo, [out])])
    assert none.bypass
    (left_out,) = opened(FaceAlign, tmp_path, maximum_outside=0.15, without_faces="skip").run([frame(photo, [out])])
    assert left_out.dropped.kind == "beyond the border"
    assert re.fullmatch(r"\d\d\.\d % of the crop lie outside, at most 15 % wanted", left_out.dropped.reason)
    skips = opened(FaceAlign, tmp_path, maximum_outside=0.15, without_faces="skip")
    (several,) = skips.run([frame(photo, [out, replace(placed((4, 100), 80))])])
    assert several.dropped.reason == left_out.dropped.reason.replace("the crop", "the best crop")
    (gone,) = skips.run([frame(photo, [placed((-60, 100), 80)])])
    assert gone.dropped.reason == "both eyes lie outside"
    (kept,) = opened(FaceAlign, tmp_path).run([frame(photo, [out])])
    assert len(kept.faces) == 1


def shown(face: Face, side: float) -> float:
    """The margin of a crop: its side in the photo, over the side at margin 1."""
    assert face.matrix is not None
    assert face.crop is not None
    return face.crop.shape[0] / float(np.hypot(*face.matrix[:, 0])) / side


@pytest.mark.parametrize(("most", "allowed"), [(0.1, 0.1), (None, 0.0)])
def test_near_the_border_less_is_shown_and_as_much_as_can_be(
    rng: np.random.Generator, most: float | None, allowed: float
) -> None:
    photo = smooth(rng, 200, 300)
    config = FaceAlignConfig(minimum_margin=0.6, maximum_outside=most)
    for x, degrees in ((150, 20), (49, 0), (38, 10), (36, -5)):
        face = placed((x, 100), 100, degrees)
        (near,) = align(photo, [face], config)
        assert near.mask is not None
        outside = 1 - (near.mask > 0).mean()
        margin = shown(near, 100)
        assert outside <= allowed
        marks = apply(near.matrix.astype(float), face.landmarks.astype(float))
        assert np.abs(marks - template(margin) * len(near.mask)).max() < 0.03, "the middle stays in its place"
        if margin < 0.999:
            (wider,) = align(photo, [face], FaceAlignConfig(margin=margin * 1.02))
            assert wider.mask is not None
            assert 1 - (wider.mask > 0).mean() > allowed
        assert (margin > 0.999) == (x == 150 or (x == 49 and most is not None))


def test_a_face_too_near_to_the_border_is_dropped_or_shown_with_the_least_margin(rng: np.random.Generator) -> None:
    photo, face = smooth(rng, 200, 300), placed((5, 100), 100)
    assert align(photo, [face], FaceAlignConfig(minimum_margin=0.6, maximum_outside=0.1)) == []
    (kept,) = align(photo, [face], FaceAlignConfig(minimum_margin=0.6))
    assert shown(kept, 100) == pytest.approx(0.6, abs=1e-3)
    (usual,) = align(photo, [face], FaceAlignConfig())
    assert shown(usual, 100) == pytest.approx(1, abs=1e-3)
    with pytest.raises(ValidationError, match=r"minimum_margin must not exceed margin \(0\.9\)"):
        FaceAlignConfig(margin=0.9, minimum_margin=1)


def test_a_face_without_extent_is_none(rng: np.random.Generator) -> None:
    face = Face(np.zeros(4, np.float32), 1.0, np.full((5, 2), 40, np.float32))
    assert align(smooth(rng, 80, 80), [face], FaceAlignConfig()) == []


def test_the_same_photo_gives_the_same_bytes(rng: np.random.Generator) -> None:
    photo, face = smooth(rng, 300, 300), placed((150, 140), 210, 7)
    crops = [align(photo, [face], FaceAlignConfig(size=128))[0].crop for _ in range(3)]
    assert all(np.array_equal(crops[0], crop) for crop in crops)


def test_a_face_whose_eyes_lie_beyond_the_photo_is_none(rng: np.random.Generator) -> None:
    photo = smooth(rng, 100, 100)
    eyes_out, one_eye_out, whole = placed((50, -30), 80), placed((4, 50), 80), placed((50, 50), 80)
    assert (eyes_out.landmarks[:2, 1] < 0).all()
    assert (one_eye_out.landmarks[:2, 0] < 0).sum() == 1
    kept = align(photo, [eyes_out, one_eye_out, whole], FaceAlignConfig())
    assert [face.box.tolist() for face in kept] == [one_eye_out.box.tolist(), whole.box.tolist()]


@pytest.mark.parametrize("name", ["selfie2anime", "selfie2anime-portrait"])
def test_the_ready_pipelines_leave_half_faces_alone(name: str, rng: np.random.Generator) -> None:
    text = (ROOT / "pipelines" / f"{name}.yaml").read_text()
    (options,) = [stage for stage in yaml.safe_load(text)["stages"] if stage["use"] == "face_align"]
    del options["use"]
    config = FaceAlignConfig.model_validate(options)
    photo = smooth(rng, 200, 200)
    chin_cut, half = placed((100, 170), 80), placed((2, 100), 80)
    assert [face.box.tolist() for face in align(photo, [chin_cut, half], config)] == [chin_cut.box.tolist()]
    close_up = placed((100, 80), 310)
    (kept,) = align(photo, [close_up], config)
    assert kept.mask is not None
    assert (kept.mask == 0).mean() > 0.5
    assert shown(kept, 310) == pytest.approx(1, abs=1e-3), "a generator draws faces of the size it was trained on"


@pytest.mark.parametrize("degrees", [0, 25])
@pytest.mark.parametrize("margin", [1.0, 2.0])
def test_the_share_of_a_face_is_that_of_its_ellipse(degrees: float, margin: float) -> None:
    """Against a count of the pixels of an ellipse drawn into a large canvas."""
    side, photo = 200.0, np.zeros((400, 400, 3), np.uint8)
    for centre in ((200, 200), (20, 200), (60, 330), (200, 370)):
        face = placed(centre, side, degrees)
        x, y = np.meshgrid(np.arange(-300, 700) + 0.5, np.arange(-300, 700) + 0.5)
        turn = np.radians(degrees)
        right, down = ((x - centre[0]) / side, (y - centre[1]) / side)
        right, down = right * np.cos(turn) + down * np.sin(turn), down * np.cos(turn) - right * np.sin(turn)
        ellipse = np.hypot(right / 0.275, (down - 0.097) / 0.268) <= 1
        share = (ellipse & (x > 0) & (x < 400) & (y > 0) & (y < 400)).sum() / ellipse.sum()
        below, above = (FaceAlignConfig(margin=margin, minimum_visible=min(1, share + by)) for by in (-0.01, 0.01))
        assert len(align(photo, [face], below)) == 1
        assert len(align(photo, [face], above)) == (share > 0.999)


def test_a_face_that_is_not_visible_is_told_with_its_share(rng: np.random.Generator, tmp_path: Path) -> None:
    photo, half = smooth(rng, 200, 200), placed((0, 100), 100)
    stage = opened(FaceAlign, tmp_path, minimum_visible=0.7, without_faces="skip")
    (left_out,) = stage.run([frame(photo, [half])])
    assert left_out.dropped.kind == "beyond the border"
    assert left_out.dropped.reason == "50.0 % of the face lie in the photo, at least 70 % wanted"
    (both,) = stage.run([frame(photo, [half, placed((4, 100), 100)])])
    assert re.fullmatch(r"5\d\.\d % of the best face lie .*", both.dropped.reason)
    # a close-up that is visible enough, and left out for its crop, is not the one that the reason is about
    stage = opened(FaceAlign, tmp_path, minimum_visible=0.7, maximum_outside=0.55, without_faces="skip")
    (mixed,) = stage.run([frame(photo, [half, placed((100, 100), 400)])])
    assert mixed.dropped.reason == "50.0 % of the best face lie in the photo, at least 70 % wanted"


def test_a_face_by_its_box_is_what_the_box_holds(rng: np.random.Generator) -> None:
    photo = smooth(rng, 200, 200)
    face = Face(np.array([-30, 50, 70, 150], np.float32), 1.0)
    assert align(photo, [face], FaceAlignConfig(minimum_visible=0.73))
    assert not align(photo, [face], FaceAlignConfig(minimum_visible=0.77)), "a disc lacks 25 % at 0.3 of its width"
