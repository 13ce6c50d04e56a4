"""postprocess: nothing by default, and each touch against its definition or an independent reference."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError
from skimage.color import rgb2lab

from henshin import HenshinError
from henshin.testing import check_plugin, check_stage
from henshin_plugins.postprocess import Postprocess, adjust
from henshin_plugins.postprocess.config import PostprocessConfig


def process(picture: np.ndarray, base: Any = Path(), **options: Any) -> np.ndarray:
    config: Any = PostprocessConfig(**options)
    stage = Postprocess(config)
    stage.open(SimpleNamespace(base=base))  # type: ignore[arg-type]
    picture.flags.writeable = False
    (result,) = stage.run([picture])
    stage.close()
    assert result.shape == picture.shape
    assert result.dtype == np.uint8
    assert result.flags.c_contiguous
    return result


@pytest.fixture
def photo(rng: np.random.Generator) -> np.ndarray:
    """Soft colours with some noise, nowhere near the ends of the range."""
    soft = cv2.GaussianBlur(rng.integers(0, 256, (60, 90, 3)).astype(np.float32), (0, 0), 5) - 127.5
    return (110 + soft * 5 + rng.normal(0, 3, soft.shape)).clip(30, 220).astype(np.uint8)


SHAPES = [(1, 1), (1, 40), (40, 1), (2, 2), (5, 3)]
EVERYTHING = {
    "median": 3,
    "brightness": 1.2,
    "contrast": 1.1,
    "gamma": 0.9,
    "saturation": 1.4,
    "sharpen": 1.0,
}


def test_nothing_by_default(photo: np.ndarray) -> None:
    assert process(photo) is photo


@pytest.mark.parametrize("options", [{"brightness": 1.0, "gamma": 1.0}, {"sharpen": 0.0}, {"brightness": 1.0001}])
def test_options_that_change_nothing(photo: np.ndarray, options: dict[str, float]) -> None:
    assert process(photo, **options) is photo


@pytest.mark.parametrize("options", [{"median": 5}, {"saturation": 0}, {"sharpen": 2}, {"brightness": 1, "median": 3}])
def test_a_flat_gray_picture_stays_the_same_object(options: dict[str, float]) -> None:
    flat = np.full((12, 9, 3), 97, np.uint8)
    assert process(flat, **options) is flat


@pytest.mark.parametrize("shape", SHAPES)
def test_odd_sizes(rng: np.random.Generator, shape: tuple[int, int]) -> None:
    process(rng.integers(0, 256, (*shape, 3), dtype=np.uint8), **EVERYTHING)


def test_all_of_it_does_something(photo: np.ndarray) -> None:
    for name, value in EVERYTHING.items():
        assert not np.array_equal(process(photo, **{name: value}), photo), name


@pytest.mark.parametrize("side", [3, 5])
def test_median_is_opencvs(rng: np.random.Generator, side: int) -> None:
    picture = rng.integers(0, 256, (31, 23, 3), dtype=np.uint8)
    assert np.array_equal(process(picture, median=side), cv2.medianBlur(picture, side))


@pytest.mark.parametrize(
    ("options", "formula"),
    [
        ({"brightness": 1.5}, lambda v: v * 1.5),
        ({"brightness": 0}, lambda v: v * 0),
        ({"contrast": 0}, lambda v: v * 0 + 0.5),
        ({"contrast": 2}, lambda v: 2 * v - 0.5),
        ({"gamma": 2.2}, lambda v: v ** (1 / 2.2)),
        (
            {"brightness": 0.8, "contrast": 1.3, "gamma": 1.5},
            lambda v: np.clip((v * 0.8 - 0.5) * 1.3 + 0.5, 0, 1) ** (1 / 1.5),
        ),
    ],
)
def test_tone(rng: np.random.Generator, options: dict[str, float], formula: Any) -> None:
    picture = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    expected = formula(picture / 255).clip(0, 1) * 255
    assert np.abs(process(picture, **options) - expected).max() <= 0.5 + 1e-9


def test_saturation(photo: np.ndarray) -> None:
    gray = process(photo, saturation=0)
    luma = photo @ np.array([0.299, 0.587, 0.114])
    assert (gray == gray[..., :1]).all()
    assert np.abs(gray[..., 0] - luma).max() <= 1
    vivid = process(photo, saturation=1.5)
    expected = (luma[..., None] + 1.5 * (photo - luma[..., None])).clip(0, 255)
    assert np.abs(vivid - expected).max() <= 1.5


def test_sharpening_raises_contrast_at_an_edge_and_leaves_flat_parts() -> None:
    step = np.full((20, 40, 3), 80, np.uint8)
    step[:, 20:] = 160
    sharp = process(step, sharpen=1.0, sharpen_radius=2)
    assert sharp[10, 19, 0] < 70
    assert sharp[10, 20, 0] > 170
    assert np.array_equal(sharp[:, :8], step[:, :8])
    assert np.array_equal(sharp[:, 32:], step[:, 32:])
    stronger = process(step, sharpen=2.0, sharpen_radius=2)
    assert stronger[10, 20, 0] > sharp[10, 20, 0]


def test_statistics_are_those_of_scikit_image(rng: np.random.Generator) -> None:
    picture = rng.integers(0, 256, (adjust.STRIP + 44, 30, 3), dtype=np.uint8)
    lab = rgb2lab(picture).reshape(-1, 3)
    found = adjust.statistics(picture)
    assert np.allclose(found.mean, lab.mean(0), atol=0.02)
    assert np.allclose(found.spread, lab.std(0), atol=0.02)


def test_match_takes_on_mean_and_spread(photo: np.ndarray, tmp_path: Path) -> None:
    other = (photo[::-1].astype(np.float32) * [0.8, 0.6, 0.7] + [60, 60, 20]).clip(0, 255).astype(np.uint8)
    Image.fromarray(other).save(tmp_path / "other.png")
    wanted, own = rgb2lab(other).reshape(-1, 3), rgb2lab(photo).reshape(-1, 3)
    result = rgb2lab(process(photo, tmp_path, match="other.png")).reshape(-1, 3)
    assert np.abs(own.mean(0) - wanted.mean(0)).max() > 5
    assert np.allclose(result.mean(0), wanted.mean(0), atol=0.5)
    assert np.allclose(result.std(0), wanted.std(0), atol=0.5)
    half = rgb2lab(process(photo, tmp_path, match="other.png", match_strength=0.5)).reshape(-1, 3)
    assert np.allclose(half.mean(0), (wanted.mean(0) + own.mean(0)) / 2, atol=0.5)
    assert process(photo, tmp_path, match="other.png", match_strength=0) is photo


def test_matching_a_picture_with_itself_changes_next_to_nothing(photo: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(photo).save(tmp_path / "same.png")
    assert np.abs(process(photo, tmp_path, match="same.png").astype(int) - photo).max() <= 1


@pytest.mark.parametrize("shape", SHAPES)
def test_match_of_flat_and_tiny_pictures(photo: np.ndarray, tmp_path: Path, shape: tuple[int, int]) -> None:
    Image.fromarray(photo).save(tmp_path / "other.png")
    result = process(np.full((*shape, 3), 250, np.uint8), tmp_path, match="other.png")
    assert np.ptp(result.reshape(-1, 3), axis=0).max() == 0
    assert np.allclose(rgb2lab(result).reshape(-1, 3).mean(0), rgb2lab(photo).reshape(-1, 3).mean(0), atol=0.6)


def test_a_reference_that_cannot_be_read_is_named(photo: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(HenshinError, match=r"postprocess.match: .*nowhere\.png"):
        process(photo, tmp_path, match="nowhere.png")
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    with pytest.raises(HenshinError, match=r"broken\.png"):
        process(photo, tmp_path, match="broken.png")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"median": 4}, "median"),
        ({"saturation": -1}, "saturation"),
        ({"gamma": 0}, "gamma"),
        ({"match_strength": 0.5}, "match_strength needs match"),
        ({"sharpness": 1}, "sharpness"),
    ],
)
def test_wrong_options_are_told(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        PostprocessConfig(**options)


def test_it_keeps_the_rules_of_a_stage() -> None:
    check_stage(Postprocess)
    check_stage(Postprocess, EVERYTHING)


def test_plugin_is_light_and_described() -> None:
    check_plugin("henshin_plugins.postprocess")
