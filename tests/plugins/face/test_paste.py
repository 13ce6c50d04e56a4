"""Crops go back where they came from, and nothing else in the photo changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.face import frame, placed, smooth
from support.stages import opened

from henshin import Face
from henshin_plugins.face import PasteBack, SplitFaces
from henshin_plugins.face.align import align
from henshin_plugins.face.config import FaceAlignConfig, PasteBackConfig
from henshin_plugins.face.geometry import apply
from henshin_plugins.face.pasting.paste import paste


def painted(photo: Any, face: Face, colour: Any, size: int = 256) -> Face:
    """The face, cut out and painted over."""
    (cut,) = align(photo, [face], FaceAlignConfig(size=size))
    assert cut.crop is not None
    crop = np.ascontiguousarray(np.broadcast_to(np.array(colour, np.uint8), cut.crop.shape))
    return replace(cut, crop=crop)


def resized(face: Face, width: int, height: int) -> Face:
    """The face as the engine leaves it when a stage gave its crop another size."""
    assert face.crop is not None
    assert face.matrix is not None
    assert face.mask is not None
    factors = np.array([[width / face.crop.shape[1]], [height / face.crop.shape[0]]], np.float32)
    parts = (Image.fromarray(part) for part in (face.crop, face.mask))
    crop, mask = (np.asarray(part.resize((width, height), Image.Resampling.BILINEAR)) for part in parts)
    return replace(face, crop=crop, mask=mask, matrix=face.matrix * factors)


def depth(face: Face, photo: Any) -> Any:
    """How far each pixel of the photo lies within the face's crop, in sides of it; negative outside."""
    assert face.crop is not None
    assert face.matrix is not None
    row, column = np.indices(photo.shape[:2]) + 0.5
    points = apply(face.matrix.astype(float), np.stack([column, row], axis=-1)) / face.crop.shape[0]
    return np.minimum(points, 1 - points).min(axis=-1)


@pytest.mark.parametrize("degrees", [0, 33])
@pytest.mark.parametrize("size", [20, 64, 256])
@pytest.mark.parametrize("roundness", [0.0, 1.0])
def test_the_face_changes_and_the_rest_stays(
    size: int, degrees: int, roundness: float, rng: np.random.Generator
) -> None:
    photo = smooth(rng, 200, 260)
    face = painted(photo, placed((130.4, 90.7), 100, degrees), (255, 0, 128), size)
    config = PasteBackConfig(roundness=roundness)
    result = paste(photo, [face], config)
    inward = depth(face, photo)
    assert np.array_equal(result[inward <= 0], photo[inward <= 0])
    if roundness == 0:
        assert (result[inward > config.feather + 0.01] == (255, 0, 128)).all()
    assert tuple(result[90, 130]) == (255, 0, 128)
    assert not result.flags.writeable


@pytest.mark.parametrize("size", [(50, 50), (100, 100), (300, 300), (260, 140)])
def test_a_crop_goes_back_to_its_place_in_any_size(size: tuple[int, int], rng: np.random.Generator) -> None:
    photo = smooth(rng, 220, 240, 16)
    (face,) = align(photo, [placed((121.3, 108.8), 130, 21)], FaceAlignConfig())
    result = paste(photo, [resized(face, *size)], PasteBackConfig())
    change = np.abs(result.astype(int) - photo)
    assert change.mean() < 1
    assert np.percentile(change, 99.5) <= 8, "half a pixel of shift would show here"


def test_a_finer_crop_is_reduced_without_aliasing(rng: np.random.Generator) -> None:
    photo = smooth(rng, 120, 120)
    face = resized(painted(photo, placed((60, 60), 60, 10), (0, 0, 0)), 512, 512)
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    middle = paste(photo, [replace(face, crop=stripes)], PasteBackConfig(feather=0))[45:75, 45:75]
    assert np.abs(middle.astype(int) - 127.5).max() < 10


def test_at_the_border_of_the_photo_no_rim_is_left(rng: np.random.Generator) -> None:
    photo = np.full((120, 120, 3), 255, np.uint8)
    for centre in ((4.0, 60.0), (60.3, 118.6), (4.0, 14.0)):  # an eye at least is in the photo
        for size in (20, 90):
            face = painted(photo, placed(centre, 90, 14), (0, 0, 0), size)
            result = paste(photo, [face], PasteBackConfig(roundness=0))
            inner = depth(face, photo) > 0.15
            assert inner[0].any() or inner[:, 0].any() or inner[-1].any()
            assert result[inner].max() <= 6


def test_what_the_mask_calls_invented_is_not_pasted(rng: np.random.Generator) -> None:
    photo = smooth(rng, 160, 160)
    face = painted(photo, placed((80, 80), 100), (0, 255, 0))
    assert face.mask is not None
    mask = face.mask.copy()
    mask[:, :50] = 0
    result = paste(photo, [replace(face, mask=mask)], PasteBackConfig())
    assert np.array_equal(result[:, :78], photo[:, :78])
    assert tuple(result[80, 84]) == (0, 255, 0)


def test_near_faces_keep_their_middles_in_any_order(rng: np.random.Generator) -> None:
    photo = smooth(rng, 200, 300)
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    centres = [(100.0, 100.0), (155.0, 104.0), (128.0, 60.0)]
    faces = [painted(photo, placed(centre, 90, 5), colour) for centre, colour in zip(centres, colours, strict=True)]
    result = paste(photo, faces, PasteBackConfig())
    for (x, y), colour in zip(centres, colours, strict=True):
        assert np.abs(result[int(y), int(x)].astype(int) - colour).max() <= 8
    for order in ((2, 1, 0), (1, 0, 2)):
        assert np.array_equal(paste(photo, [faces[index] for index in order], PasteBackConfig()), result)
    alone = paste(photo, faces[:1], PasteBackConfig())
    far = depth(faces[1], photo) <= 0
    far &= depth(faces[2], photo) <= 0
    assert np.array_equal(result[far], alone[far])


def test_faces_of_which_only_the_boxes_overlap_are_pasted_as_if_each_were_alone(rng: np.random.Generator) -> None:
    photo = smooth(rng, 240, 300)
    centres, colours = ((100.0, 80.0), (160.0, 150.0)), ((255, 0, 90), (0, 200, 30))
    faces = [painted(photo, placed(at, 100, 40), colour) for at, colour in zip(centres, colours, strict=True)]
    config = PasteBackConfig(area="face", strength=0.8)
    together, alone = paste(photo, faces, config).astype(int), [paste(photo, [face], config) for face in faces]
    changed = [(one != photo).any(axis=-1) for one in alone]
    assert not (changed[0] & changed[1]).any()
    assert changed[0].any(axis=1)[changed[1].any(axis=1)].any(), "their boxes share rows"
    expected = np.where(changed[0][..., None], alone[0], alone[1])
    assert np.abs(together - expected).max() <= 1


def test_large_groups_are_blended_in_strips(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = smooth(rng, 200, 300)
    faces = [painted(photo, placed((100 + 60 * i, 100), 90, 10 * i), (255, 60 * i, 0)) for i in range(3)]
    whole = paste(photo, faces, PasteBackConfig(colour_match="mean"))
    monkeypatch.setattr("henshin_plugins.face.pasting.paste.STRIP", 1000)
    assert np.array_equal(paste(photo, faces, PasteBackConfig(colour_match="mean")), whole)


def test_strength_mixes(rng: np.random.Generator) -> None:
    photo = np.full((100, 100, 3), 100, np.uint8)
    face = painted(photo, placed((50, 50), 60), (200, 0, 100))
    assert tuple(paste(photo, [face], PasteBackConfig(strength=0.5))[50, 50]) == (150, 50, 100)
    assert paste(photo, [face], PasteBackConfig(strength=0)) is photo


@pytest.mark.parametrize("match", ["mean", "mean_std"])
def test_colours_match_those_of_the_photo(match: str, rng: np.random.Generator) -> None:
    photo = (smooth(rng, 160, 160).astype(float) * 0.4 + [90, 60, 30]).astype(np.uint8)
    (face,) = align(photo, [placed((80, 80), 100)], FaceAlignConfig())
    assert face.crop is not None
    pale = (face.crop.astype(float) * 0.6 + [20, 60, 90]).clip(0, 255).astype(np.uint8)
    wanted = PasteBackConfig.model_validate({"colour_match": match})
    off = np.abs(paste(photo, [replace(face, crop=pale)], PasteBackConfig()).astype(float) - photo)
    left = np.abs(paste(photo, [replace(face, crop=pale)], wanted).astype(float) - photo)
    inner = np.s_[60:100, 60:100]
    assert left[inner].mean() < off[inner].mean() / 3
    if match == "mean_std":
        assert left[inner].mean() < 2, "an affine change of colour is undone"


def test_frames_without_crops_pass_as_they_are(rng: np.random.Generator, tmp_path: Path) -> None:
    photo = smooth(rng, 90, 90)
    whole, cut = frame(photo, name="whole"), frame(photo, [painted(photo, placed((45, 45), 40), (9, 9, 9))])
    stage = opened(PasteBack, tmp_path)
    first, second = stage.run([whole, cut])
    assert first is whole
    assert second.decoded is photo
    assert not np.array_equal(second.picture, photo)
    assert all(face.crop is None and face.mask is None for face in second.faces)
    assert cut.faces[0].crop is not None, "the frame that came in is not changed"


def test_a_crop_beside_the_photo_changes_nothing(rng: np.random.Generator) -> None:
    photo = smooth(rng, 90, 400)
    face = painted(photo, placed((300, 45), 40), (9, 9, 9))
    part = np.ascontiguousarray(photo[:, :90])
    assert paste(part, [face], PasteBackConfig()) is part


def test_every_face_becomes_a_picture_of_its_own(rng: np.random.Generator, tmp_path: Path) -> None:
    photo = smooth(rng, 120, 200)
    faces = [painted(photo, placed((x, 60), side), (x, 0, 0)) for x, side in ((40, 60), (140, 80))]
    several, whole = frame(photo, faces, "tree/group"), frame(photo, name="tree/none")
    first, second, third = opened(SplitFaces, tmp_path).run([several, whole])
    assert [part.name for part in (first, second, third)] == ["tree/group-1", "tree/group-2", "tree/none"]
    assert first.source == several.source
    assert first.picture is faces[0].crop
    assert (first.alpha, first.decoded, first.faces) == (None, None, [])
    assert second.metadata.size == (80, 80)
    assert third is whole


def drawn(photo: Any, colour: Any) -> tuple[Any, Any]:
    """The photo with a drawing of one colour and dark lines put into its surroundings, and where it was put."""
    (face,) = align(photo, [placed((100, 100), 80)], FaceAlignConfig())
    assert face.crop is not None
    crop = np.ascontiguousarray(np.broadcast_to(np.array(colour, np.uint8), face.crop.shape)).copy()
    crop[:, ::16] = 20
    config = PasteBackConfig(colour_match="surroundings", roundness=1, feather=0.25)
    return paste(photo, [replace(face, crop=crop)], config), depth(face, photo)


def test_a_pale_drawing_does_not_glow_in_a_dark_photo() -> None:
    photo = np.full((200, 200, 3), (50, 40, 30), np.uint8)
    result, inward = drawn(photo, (250, 240, 230))
    assert result.astype(int).max() < 75, "no lighter than the photo"
    lines = result[inward > 0.3]
    assert lines.min() < 20, "but a drawing still"


def test_at_its_border_a_drawing_has_the_colours_of_either_side() -> None:
    photo = np.zeros((200, 200, 3), np.uint8)
    photo[:, :100], photo[:, 100:] = (200, 60, 40), (30, 70, 210)
    result, inward = drawn(photo, (240, 240, 240))
    off = np.abs(result.astype(int) - photo)
    rim = (inward > 0) & (inward < 0.2) & (np.abs(np.arange(200) - 100) > 15)
    assert off[rim].mean() < 4
    assert off[inward > 0.4].mean() > 20, "the middle is the drawing's"


def test_what_was_not_drawn_over_keeps_its_colours(rng: np.random.Generator) -> None:
    photo = smooth(rng, 200, 200)
    faces = align(photo, [placed((100, 100), 80), placed((10, 100), 80)], FaceAlignConfig())
    config = PasteBackConfig(colour_match="surroundings")
    same, plain = paste(photo, faces, config).astype(int), paste(photo, faces, PasteBackConfig()).astype(int)
    assert np.abs(same - plain).max() <= 3, "a crop that nothing changed fits in already, also at the photo's border"
