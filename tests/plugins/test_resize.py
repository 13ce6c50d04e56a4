"""resize and crop: sizes, filters, what stays the same, and where faces end up."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from henshin import Face, Frame
from henshin.images.resizing import Filter, resample
from henshin.testing import check_plugin, check_stage
from henshin_plugins.resize import Crop, CropConfig, Resize, ResizeConfig


def config_of(**options: Any) -> ResizeConfig:
    return ResizeConfig(**options)


def crop_of(**options: Any) -> CropConfig:
    return CropConfig(**options)


@pytest.mark.parametrize(
    ("options", "source", "expected"),
    [
        ({"size": 256}, (512, 384), (256, 192)),
        ({"size": 256}, (384, 512), (192, 256)),
        ({"size": 256}, (100, 50), (256, 128)),
        ({"size": 256, "enlarge": False}, (100, 50), (100, 50)),
        ({"size": 256, "enlarge": False}, (300, 150), (256, 128)),
        ({"width": 100}, (333, 222), (100, 67)),
        ({"height": 100}, (333, 222), (150, 100)),
        ({"width": 100, "height": 100}, (400, 200), (100, 50)),
        ({"width": 100, "height": 100, "fit": "stretch"}, (400, 200), (100, 100)),
        ({"width": 100, "height": 300, "fit": "stretch", "enlarge": False}, (400, 200), (100, 200)),
        ({"width": 800, "height": 300}, (400, 200), (600, 300)),
        ({"width": 800, "height": 300, "enlarge": False}, (400, 200), (400, 200)),
        ({"size": 1}, (4000, 3), (1, 1)),
        ({"size": 64}, (4000, 1), (64, 1)),
        ({"size": 16}, (1, 1), (16, 16)),
    ],
)
def test_target(options: dict[str, Any], source: tuple[int, int], expected: tuple[int, int]) -> None:
    config = config_of(**options)
    assert config.target(*source) == expected
    picture = np.zeros((source[1], source[0], 3), np.uint8)
    (result,) = Resize(config).run([picture])
    assert result.shape == (expected[1], expected[0], 3)
    assert (result is picture) == (source == expected)


def test_longest_side_is_exact_for_every_shape(rng: np.random.Generator) -> None:
    for width, height in rng.integers(1, 5000, (300, 2)):
        got = config_of(size=257).target(int(width), int(height))
        assert max(got) == 257
        assert min(got) >= 1
        exact = min(width, height) * 257 / max(width, height)
        assert abs(min(got) - exact) <= max(0.5, 1 - exact) + 1e-6


@pytest.mark.parametrize("name", ["lanczos", "bicubic", "bilinear", "box", "nearest"])
def test_pixels_are_pillows(rng: np.random.Generator, name: str) -> None:
    picture = rng.integers(0, 256, (37, 53, 3), dtype=np.uint8)
    picture.flags.writeable = False
    (result,) = Resize(config_of(width=31, height=60, fit="stretch", filter=name)).run([picture])
    expected = np.asarray(Image.fromarray(picture).resize((31, 60), Image.Resampling[name.upper()]))
    assert result.dtype == np.uint8
    assert result.flags.c_contiguous
    assert np.array_equal(result, expected)


def test_there_is_one_resampler(rng: np.random.Generator) -> None:
    picture = rng.integers(0, 256, (400, 300, 3), dtype=np.uint8)
    for name in get_args(Filter):
        (result,) = Resize(config_of(size=40, filter=name)).run([picture])
        assert np.array_equal(result, resample(picture, 40, 30, name))


def test_filters_differ_and_box_is_the_mean(rng: np.random.Generator) -> None:
    picture = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    results = [Resize(config_of(size=16, filter=n)).run([picture])[0] for n in ("lanczos", "bicubic", "box", "nearest")]
    assert len({r.tobytes() for r in results}) == 4
    mean = picture.reshape(16, 4, 16, 4, 3).mean((1, 3))
    assert np.abs(results[2] - mean).max() <= 1  # Pillow rounds after each direction


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "give either size"),
        ({"size": 10, "width": 10}, "give either size"),
        ({"size": 10, "fit": "stretch"}, "fit needs both"),
        ({"width": 10, "fit": "contain"}, "fit needs both"),
        ({"size": 0}, "size"),
        ({"size": 99999}, "size"),
        ({"size": 10, "filter": "cubic"}, "bicubic"),
        ({"sise": 10}, "sise"),
    ],
)
def test_wrong_options_are_told(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ResizeConfig(**options)


@pytest.mark.parametrize(
    ("options", "source", "expected"),
    [
        ({"aspect": "1/1"}, (400, 300), (50, 0, 350, 300)),
        ({"aspect": "1/1", "anchor": "left"}, (400, 300), (0, 0, 300, 300)),
        ({"aspect": "1:1", "anchor": "top"}, (300, 400), (0, 0, 300, 300)),
        ({"aspect": "1/1", "anchor": "bottom"}, (300, 400), (0, 100, 300, 400)),
        ({"aspect": "16/9"}, (1600, 1200), (0, 150, 1600, 1050)),
        ({"aspect": "1/9"}, (1, 1), (0, 0, 1, 1)),
        ({"width": 100}, (400, 300), (150, 0, 250, 300)),
        ({"width": 500, "height": 200}, (400, 300), (0, 50, 400, 250)),
        ({"aspect": "1/1", "width": 100}, (400, 300), (150, 100, 250, 200)),
    ],
)
def test_window(options: dict[str, Any], source: tuple[int, int], expected: tuple[int, int, int, int]) -> None:
    assert crop_of(**options).window(*source) == expected


def test_crop_cuts_picture_and_alpha_and_moves_the_faces(rng: np.random.Generator) -> None:
    picture = rng.integers(0, 256, (60, 100, 3), dtype=np.uint8)
    alpha = rng.integers(0, 256, (60, 100), dtype=np.uint8)
    picture.flags.writeable = alpha.flags.writeable = False
    landmarks = np.array([[50, 20], [60, 20], [55, 25], [51, 30], [59, 30]], np.float32)
    matrix = np.array([[2.0, 0.5, 3.0], [-0.5, 2.0, 7.0]], np.float32)
    face = Face(np.array([45, 10, 65, 35], np.float32), 0.9, landmarks.copy(), matrix.copy())
    frame = Frame("a.png", "a", picture, alpha, faces=[face], decoded=picture)
    (result,) = Crop(crop_of(aspect="1/1")).run([frame])
    assert np.array_equal(result.picture, picture[:, 20:80])
    assert result.alpha is not None
    assert np.array_equal(result.alpha, alpha[:, 20:80])
    assert result.picture.flags.c_contiguous
    assert np.allclose(face.box, [25, 10, 45, 35])
    assert np.allclose(face.landmarks, landmarks - [20, 0])
    assert face.matrix is not None
    before = landmarks @ matrix[:, :2].T + matrix[:, 2]
    assert np.allclose(face.landmarks @ face.matrix[:, :2].T + face.matrix[:, 2], before, atol=1e-4)


def test_crop_leaves_what_fits_already() -> None:
    picture = np.zeros((30, 30, 3), np.uint8)
    frame = Frame("a.png", "a", picture, decoded=picture)
    (result,) = Crop(crop_of(aspect="1/1", width=64)).run([frame])
    assert result.picture is picture


@pytest.mark.parametrize("options", [{}, {"aspect": "wide"}, {"aspect": "0/1"}, {"aspect": 969}, {"width": 0}])
def test_wrong_cuts_are_told(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CropConfig(**options)


def test_they_keep_the_rules_of_a_stage() -> None:
    check_stage(Resize, {"size": 21})
    check_stage(Resize, {"width": 13, "height": 64, "fit": "stretch", "filter": "bilinear"})
    check_stage(Crop, {"aspect": "4/3", "anchor": "top"})


def test_plugin_is_light_and_described() -> None:
    check_plugin("henshin_plugins.resize")
