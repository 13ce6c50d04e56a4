"""The filters `drop_tiny`, `drop_blurred` and `borders`: what they measure, what they leave out and what stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter, ImageOps
from support.engine import Bench, Crop, Faces
from support.filters import array, compressed, save, scene

from henshin.api.frame import Dropped, Face, Frame
from henshin.api.stage import Stage
from henshin.errors import HenshinError, PipelineError
from henshin.models import ModelStore
from henshin.pipeline import load
from henshin.registry import build_registry
from henshin.testing import check_stage
from henshin_plugins.filters import Borders, DropBlurred, DropDuplicates, DropTiny
from henshin_plugins.filters.borders import margins
from henshin_plugins.filters.sharpness import edge_width


def run(stage: type[Stage[Any]], *pictures: Any, **options: Any) -> list[Any]:
    return list(stage(stage.Config.model_validate(options)).run(list(pictures)))


@pytest.mark.parametrize("stage", [DropTiny, DropBlurred, Borders, DropDuplicates])
def test_every_filter_keeps_the_rules_of_a_stage(stage: type[Stage[Any]]) -> None:
    check_stage(stage)


# -- Tiny ------------------------------------------------------------------------------------------------------------


@given(st.integers(1, 99), st.integers(1, 99), st.integers(1, 99))
def test_the_shorter_side_decides(width: int, height: int, minimum: int) -> None:
    picture = np.zeros((height, width, 3), np.uint8)
    (found,) = run(DropTiny, picture, minimum=minimum)
    if min(width, height) < minimum:
        assert found == Dropped("tiny", f"{width}x{height} pixels, at least {minimum} wanted")
    else:
        assert found is picture


def test_strips_are_left_out_where_that_is_asked_for() -> None:
    strip = np.zeros((70, 281, 3), np.uint8)
    assert run(DropTiny, strip) == [strip]
    assert run(DropTiny, strip, longest=4) == [Dropped("long", "281x70 pixels, at most 1:4 wanted")]
    assert run(DropTiny, strip[:, :280], longest=4)[0].shape == (70, 280, 3)


# -- Blurred ---------------------------------------------------------------------------------------------------------


def edge(sigma: float, angle: float, side: int = 128) -> Any:
    """A straight edge through the middle, blurred by a Gaussian: the integral of one."""
    from math import erf

    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    distance = x * np.cos(angle) + y * np.sin(angle)
    values = np.vectorize(erf)(distance / (sigma * np.sqrt(2)))
    return np.repeat((128 + 100 * values).round().astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("angle", [0.0, 0.5, 0.8, 1.57, 2.2, 3.0])
@pytest.mark.parametrize("sigma", [0.8, 1.2, 1.7, 2.5, 3.5])
def test_the_width_of_an_edge_is_that_of_the_blur_that_made_it(sigma: float, angle: float) -> None:
    width = edge_width(edge(sigma, angle), 256)
    assert width is not None
    assert width == pytest.approx(np.hypot(sigma, 0.6), rel=0.17)  # the pixels themselves have a width


def test_a_larger_picture_is_measured_at_the_size_it_will_be_used_at() -> None:
    large = edge(3.0, 0.5, 512)
    assert edge_width(large, 512) == pytest.approx(3.0, rel=0.1)
    assert edge_width(large, 256) == pytest.approx(1.6, rel=0.12)
    assert edge_width(edge(3.0, 0.5, 128), 512) == pytest.approx(3.0, rel=0.1)  # nothing is enlarged


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_sharp_drawings_pass_and_their_blurred_and_enlarged_copies_do_not(seed: int) -> None:
    picture = scene(seed, 128, 128)
    blurred = picture.filter(ImageFilter.GaussianBlur(2.5))
    enlarged = picture.resize((26, 26), Image.Resampling.BICUBIC).resize((128, 128), Image.Resampling.BICUBIC)
    sharp, *soft = run(DropBlurred, *map(array, (picture, blurred, enlarged)))
    assert not isinstance(sharp, Dropped)
    assert all(isinstance(one, Dropped) and one.kind == "blurred" for one in soft)
    assert "at most 1.7 wanted" in soft[0].reason


def test_a_shaken_picture_is_blurred_though_it_is_sharp_along_its_movement() -> None:
    picture = array(scene(4, 128, 128)).astype(np.float32)
    for axis in (0, 1):
        shaken = np.mean([np.roll(picture, shift, axis) for shift in range(9)], axis=0).astype(np.uint8)
        (found,) = run(DropBlurred, shaken)
        assert isinstance(found, Dropped)


def test_what_has_no_edge_is_empty() -> None:
    grey = np.full((64, 64, 3), 90, np.uint8)
    slope = np.repeat(np.arange(0, 192, 3, dtype=np.uint8)[None, :, None], 64, axis=0).repeat(3, axis=2)
    assert run(DropBlurred, grey, grey[:2, :2], slope) == [Dropped("empty", "no edge in it")] * 3


def test_real_drawings_and_photos_are_told_from_their_blurred_copies(shared_data: Path) -> None:
    """The flat areas of drawings do not count: they measure no wider than photos."""
    for folder, limit in (("selfie2anime/testB", 1.3), ("sr/train-bsds", 1.7)):
        files = sorted((shared_data / folder).iterdir())[:24]
        pictures = [Image.open(file).convert("RGB") for file in files]
        soft = [picture.filter(ImageFilter.GaussianBlur(3)) for picture in pictures]  # of 321 pixels, measured at 256
        kept = [not isinstance(one, Dropped) for one in run(DropBlurred, *map(array, pictures), maximum=limit)]
        gone = [isinstance(one, Dropped) for one in run(DropBlurred, *map(array, soft), maximum=limit)]
        assert sum(kept) >= 23
        assert all(gone)


# -- Borders ---------------------------------------------------------------------------------------------------------


def found(picture: Any, alpha: Any = None, **options: Any) -> Any:
    return margins(picture, alpha, Borders.Config.model_validate(options))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 999), st.tuples(*[st.one_of(st.just(0), st.integers(3, 40))] * 4), st.integers(0, 35))
def test_borders_are_found_to_the_pixel_or_the_two_that_may_be_blended(
    seed: int, wide: tuple[int, int, int, int], level: int
) -> None:
    bordered = array(ImageOps.expand(scene(seed, 80, 60), wide, (level, level, level)))
    one, other = found(bordered), found(bordered[:, ::-1])
    assert all(side <= told <= side + 2 if side else told == 0 for side, told in zip(wide, one, strict=True))
    assert other == (one[2], one[1], one[0], one[3])


def test_lines_that_blend_with_a_border_go_with_it() -> None:
    bordered = ImageOps.expand(scene(5, 160, 120), (0, 30, 0, 30), 0)
    halved = array(bordered.resize((120, 135), Image.Resampling.BOX))  # 22.5 lines of border
    assert found(halved) == (0, 23, 0, 23)
    assert halved[22].max() > 40
    sharp = array(bordered)
    assert found(sharp) == (0, 30, 0, 30)


def test_compression_costs_no_more_than_a_few_pixels() -> None:
    for seed in range(10):
        bordered = ImageOps.expand(scene(seed, 160, 120), (0, 24, 0, 24), 0)
        for quality in (50, 75, 90):
            left, top, right, bottom = found(array(compressed(bordered, quality)))
            assert (left, right) == (0, 0)
            assert 22 <= top <= 29
            assert 22 <= bottom <= 29


def test_white_frames_are_borders_where_any_colour_is_asked_for() -> None:
    framed = array(ImageOps.expand(scene(1, 80, 60), 9, (250, 250, 250)))
    assert not any(found(framed))
    assert found(framed, colour="any") == (9, 9, 9, 9)


def test_narrow_borders_stay() -> None:
    framed = array(ImageOps.expand(scene(1, 196, 96), 2, 0))
    assert found(framed, minimum=0.01) == (2, 2, 2, 2)
    assert found(framed, minimum=0.011) == (0, 2, 0, 2)
    assert not any(found(framed, minimum=0.1))


def test_a_night_sky_and_the_ground_of_a_drawing_are_no_borders() -> None:
    night = np.full((100, 100, 3), 6, np.uint8)
    night[60:] = array(scene(3, 100, 40))
    for column in range(100):  # roofs
        night[60 : 60 + (column * 7) % 23, column] = 6
    assert not any(found(night))
    drawing = np.full((100, 100, 3), 255, np.uint8)
    rows, columns = np.mgrid[:100, :100] - 50
    drawing[np.hypot(rows, columns) < 35] = (200, 30, 60)
    assert not any(found(drawing, colour="any"))


def test_a_picture_of_one_colour_is_left_out_and_one_pixel_is_no_trouble() -> None:
    assert found(np.full((9, 9, 3), 4, np.uint8)) is None
    assert not any(found(np.full((9, 9, 3), 200, np.uint8)))
    assert found(np.zeros((1, 1, 3), np.uint8)) is None
    assert not any(found(np.full((1, 50, 3), 99, np.uint8)))


def test_what_is_transparent_is_no_dark_border() -> None:
    picture = array(ImageOps.expand(scene(7, 40, 40), 10, 0))
    alpha = np.zeros((60, 60), np.uint8)
    alpha[10:50, 10:50] = 255
    assert not any(found(picture, alpha))
    assert found(picture, alpha, colour="any") == (10, 10, 10, 10)


def test_a_picture_that_is_transparent_all_over_is_told_so() -> None:
    frame = Frame("a.png", "a", array(scene(7, 40, 40)), alpha=np.zeros((40, 40), np.uint8))
    Borders(Borders.Config.model_validate({"action": "trim", "colour": "any"})).run([frame])
    assert frame.dropped == Dropped("transparent", "transparent all over")


def test_trimming_takes_alpha_and_faces_along() -> None:
    inner = scene(7, 40, 30)
    picture = array(ImageOps.expand(inner, (5, 8, 3, 4), 0))
    frame = Frame("a.png", "a", picture, alpha=np.full(picture.shape[:2], 255, np.uint8))
    frame.alpha[8, 5] = 200
    box = np.array([10, 12, 20, 25], np.float32)
    frame.faces = [Face(box, 1.0, np.zeros((5, 2), np.float32))]
    run(Borders, frame, action="trim")
    assert np.array_equal(frame.picture, array(inner))
    assert (frame.alpha[0, 0], frame.alpha.shape) == (200, (30, 40))
    assert frame.faces[0].box.tolist() == [5, 4, 15, 17]
    assert frame.dropped is None


def test_borders_in_a_run_and_no_trimming_of_crops(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    save(ImageOps.expand(scene(1, 40, 40), (0, 6), 0), bench.photos / "a.png")
    save(scene(2, 40, 40), bench.photos / "b.png")
    summary = bench.run(Borders)
    assert bench.files() == ["b.png"]
    assert ("a.png", "skipped", "border of top 6, bottom 6 px in 40x52") in bench.told.ended
    assert summary.dropped == {"borders": {"bordered": 1}}
    trim = Borders(Borders.Config.model_validate({"action": "trim"}))
    bench.run(trim, output=tmp_path / "trimmed")
    assert Image.open(tmp_path / "trimmed" / "a.png").size == (40, 40)
    with pytest.raises(HenshinError, match="put it before face_align"):
        bench.run(Faces, Crop, trim, output=tmp_path / "crops")


def test_trimming_of_crops_is_told_by_the_check(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    stages = ["{use: face_detect}", "{use: face_align}", "{use: borders, action: trim}", "{use: split_faces}"]
    path.write_text("stages:\n" + "".join(f"- {one}\n" for one in stages))
    store = ModelStore(local=tmp_path, user=tmp_path, packaged=tmp_path)
    with pytest.raises(PipelineError, match=r"p\.yaml:4: borders: 'action: trim' is for whole pictures; put it before"):
        load(str(path), build_registry(), store)
    assert load(str(path), build_registry(), store, ["borders.action=drop"]).labels[2] == "borders"
