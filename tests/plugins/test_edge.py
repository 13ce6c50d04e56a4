"""edge_promote: its definition, the blur's neighbourhood, pictures of odd sizes."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError
from support import edge as plain
from support.paths import ROOT

from henshin.models import ModelStore
from henshin.pipeline import load
from henshin.registry import build_registry
from henshin.testing import check_plugin, check_stage
from henshin_plugins.edge import EdgePromote
from henshin_plugins.edge.config import EdgePromoteConfig
from henshin_plugins.edge.promotion import blur_rows, edge_zone, gaussian


def config_of(**options: Any) -> EdgePromoteConfig:
    return EdgePromoteConfig(**options)


def promote(picture: np.ndarray, **options: Any) -> np.ndarray:
    stage = EdgePromote(config_of(**options))
    stage.open(None)  # type: ignore[arg-type]
    picture.flags.writeable = False
    (result,) = stage.run([picture])
    return result


def drawing(rng: np.random.Generator, height: int = 96, width: int = 128) -> np.ndarray:
    """Flat areas, lines of all directions, a soft gradient and some noise, as drawings and photos have them."""
    picture = np.full((height, width, 3), 200, np.uint8)
    cv2.circle(picture, (width // 3, height // 2), height // 4, (30, 60, 200), -1)
    cv2.line(picture, (5, 8), (width - 9, height - 20), (0, 0, 0), 2)
    cv2.line(picture, (width - 6, 3), (width // 2, height - 2), (255, 120, 0), 1)
    picture[:, width * 3 // 4 :] = np.linspace(40, 220, height, dtype=np.uint8)[:, None, None]
    picture[height // 2 :, : width // 2] += rng.integers(0, 40, (height - height // 2, width // 2, 3), dtype=np.uint8)
    return picture


def energy(picture: np.ndarray, where: np.ndarray) -> float:
    gx, gy = plain.sobel(plain.gray(picture))
    return float((gx[where] ** 2 + gy[where] ** 2).sum())


@pytest.mark.parametrize("mode", ["smooth", "crispen"])
@pytest.mark.parametrize(
    ("low", "high", "dilate", "kernel", "sigma", "amount"),
    [(100, 200, 5, 5, None, 1.0), (30, 90, 1, 3, None, 1.0), (0, 0, 4, 7, 0.4, 0.35), (150.5, 400.5, 9, 15, 6.0, 0.8)],
)
def test_it_is_what_its_definition_says(
    rng: np.random.Generator, mode: str, low: float, high: float, dilate: int, kernel: int, sigma: float, amount: float
) -> None:
    picture = drawing(rng)
    options: dict[str, Any] = {"low": low, "high": high, "dilate": dilate, "kernel": kernel, "amount": amount}
    config = config_of(mode=mode, sigma=sigma, **options)
    result = promote(picture, mode=mode, sigma=sigma, **options)
    expected, zone = plain.promoted(
        picture,
        **{k: options[k] for k in ("low", "high", "dilate", "kernel")},
        sigma=config.deviation,
        step=amount if mode == "smooth" else -amount,
    )
    assert 0.02 < zone.mean() < 0.99
    assert np.abs(result - expected).max() <= 0.5 + 1e-4
    assert np.array_equal(result[~zone], picture[~zone])


def test_zone_and_blur_equal_opencv(rng: np.random.Generator) -> None:
    picture = drawing(rng, 120, 90)
    edges = cv2.Canny(plain.gray(picture).astype(np.uint8), 80, 160)
    for side in (1, 2, 3, 5, 8, 21):
        widened = cv2.dilate(edges, np.ones((side, side), np.uint8))
        assert np.array_equal(edge_zone(picture, 80, 160, side), widened > 0)
    for size, sigma in ((3, 0.8), (5, 1.1), (9, 0.5), (31, 5.0)):
        expected = cv2.GaussianBlur(picture.astype(np.float64), (size, size), sigma, borderType=cv2.BORDER_REPLICATE)
        assert np.abs(blur_rows(picture, 0, 120, gaussian(size, sigma)) - expected).max() < 1e-3


def test_default_deviation_is_opencvs() -> None:
    for size in (11, 21, 63):  # below, OpenCV takes rounded tables instead of its rule
        config = config_of(kernel=size)
        assert np.allclose(gaussian(size, config.deviation), cv2.getGaussianKernel(size, 0)[:, 0], atol=1e-6)


def test_smooth_lowers_and_crispen_raises_the_gradient_near_edges_only(rng: np.random.Generator) -> None:
    picture = drawing(rng)
    zone = edge_zone(picture, 100, 200, 5)
    inside = zone & ~plain.widened(~zone, 3)
    smooth, crisp = promote(picture), promote(picture, mode="crispen")
    assert energy(smooth, inside) < 0.7 * energy(picture, inside)
    assert energy(crisp, inside) > 1.3 * energy(picture, inside)
    for result in (smooth, crisp):
        assert not np.array_equal(result[zone], picture[zone])
        assert np.array_equal(result[~zone], picture[~zone])


def test_a_stronger_amount_goes_further(rng: np.random.Generator) -> None:
    picture = drawing(rng)
    moved = [np.abs(promote(picture, amount=a).astype(int) - picture).sum() for a in (0.25, 0.5, 1.0)]
    assert moved[0] < moved[1] < moved[2]


def test_a_picture_that_does_not_change_is_the_same_object(rng: np.random.Generator) -> None:
    flat = np.full((20, 30, 3), 77, np.uint8)
    assert promote(flat) is flat
    picture = drawing(rng)
    assert promote(picture, amount=0) is picture
    assert promote(picture, low=2040, high=2040) is picture


@pytest.mark.parametrize("mode", ["smooth", "crispen"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (2, 3), (8, 8), (33, 7), (32, 64), (65, 40)])
def test_odd_sizes(rng: np.random.Generator, shape: tuple[int, int], mode: str) -> None:
    picture = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    result = promote(picture, mode=mode, kernel=31, dilate=9, low=20, high=40)
    expected, _ = plain.promoted(
        picture, low=20, high=40, dilate=9, kernel=31, sigma=5.0, step=1 if mode == "smooth" else -1
    )
    assert result.shape == picture.shape
    assert result.dtype == np.uint8
    assert result.flags.c_contiguous
    assert np.abs(result - expected).max() <= 0.5 + 1e-3


def test_any_size_with_any_options(rng: np.random.Generator) -> None:
    """Pictures smaller than the kernel or the square, of few levels (so that gradients tie) and read-only."""
    for _ in range(60):
        height, width = rng.integers(1, 24, 2)
        picture = (rng.integers(0, 4, (height, width, 3)) * 85).astype(np.uint8)
        before = picture.copy()
        low = float(rng.integers(0, 600))
        high = low + float(rng.integers(0, 400))
        dilate, kernel = int(rng.integers(1, 12)), int(2 * rng.integers(1, 32) + 1)
        sigma, step = float(rng.uniform(0.1, 20)), float(rng.choice([1, 0.5, -1, -2.5]))
        options: dict[str, Any] = {"low": low, "high": high, "dilate": dilate, "kernel": kernel, "sigma": sigma}
        result = promote(picture, mode="smooth" if step > 0 else "crispen", amount=abs(step), **options)
        expected, zone = plain.promoted(picture, step=step, **options)
        assert np.abs(result - expected).max() <= 0.5 + 1e-3
        assert np.array_equal(result[~zone], before[~zone])
        assert np.array_equal(picture, before)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (31, 40)])
def test_what_is_flat_has_no_edge(shape: tuple[int, int]) -> None:
    for level in (0, 77, 255):
        flat = np.full((*shape, 3), level, np.uint8)
        assert not edge_zone(flat, 0, 0, 63).any()
        assert promote(flat, low=0, high=0, dilate=63, kernel=63) is flat


def test_edges_of_photos_are_cannys_by_two_other_hands(rng: np.random.Generator) -> None:
    for path in sorted((ROOT / "examples").glob("*.jpg")):
        with Image.open(path) as photo:
            photo.thumbnail((150, 110))
            picture = np.ascontiguousarray(photo.convert("RGB"))
        for low, high in ((100, 200), (30, 300), (0, 50)):
            edges = edge_zone(picture, low, high, 1)
            assert 0.005 < edges.mean() < 0.6
            assert np.array_equal(edges, cv2.Canny(plain.gray(picture).astype(np.uint8), low, high) > 0)
        assert np.array_equal(edge_zone(picture, 100, 200, 1), plain.canny(plain.gray(picture), 100, 200))


@pytest.mark.parametrize("folder", ["selfie2anime/trainB", "selfie2anime/trainA", "scenes/anime-style"])
def test_edges_of_drawings_are_cannys_by_two_other_hands(shared_data: Path, folder: str) -> None:
    for i, path in enumerate(sorted((shared_data / folder).iterdir())[:12]):
        picture = np.ascontiguousarray(Image.open(path).convert("RGB"))
        edges = edge_zone(picture, 100, 200, 1)
        assert np.array_equal(edges, cv2.Canny(plain.gray(picture).astype(np.uint8), 100, 200) > 0)
        if i < 2:
            part = np.ascontiguousarray(picture[:140, :100])
            assert np.array_equal(edge_zone(part, 100, 200, 1), plain.canny(plain.gray(part), 100, 200))


def test_a_larger_kernel_and_a_larger_square_go_further(rng: np.random.Generator) -> None:
    picture = drawing(rng)
    zones = [edge_zone(picture, 100, 200, side) for side in (1, 3, 5, 9, 21)]
    assert all((a <= b).all() and a.sum() < b.sum() for a, b in pairwise(zones))
    left = [energy(promote(picture, kernel=k, dilate=9), zones[1]) for k in (3, 5, 9, 15)]
    assert left == sorted(left, reverse=True)


def test_many_pictures_keep_their_order_and_their_pixels(rng: np.random.Generator) -> None:
    pictures = [drawing(rng, 40 + 9 * i, 50) for i in range(4)]
    alone = [promote(picture) for picture in pictures]
    stage = EdgePromote(config_of())
    stage.open(None)  # type: ignore[arg-type]
    together = stage.run(pictures)
    assert len(together) == 4
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"low": 300}, "low must not exceed high"),
        ({"kernel": 4}, "must be odd, such as 3 or 5"),
        ({"amount": 2}, "at most 1 where mode is smooth"),
        ({"dilate": 0}, "dilate"),
        ({"sigma": 0}, "sigma"),
        ({"mode": "soft"}, "crispen"),
        ({"blur": 3}, "blur"),
    ],
)
def test_wrong_options_are_told(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        EdgePromoteConfig(**options)


@pytest.mark.parametrize("mode", ["smooth", "crispen"])
def test_it_keeps_the_rules_of_a_stage(mode: str) -> None:
    check_stage(EdgePromote, {"mode": mode, "kernel": 9, "low": 20, "high": 60})


def test_plugin_is_light_and_described() -> None:
    check_plugin("henshin_plugins.edge")


def test_the_packaged_pipeline_smooths(rng: np.random.Generator) -> None:
    pipeline = load("edge-promote", build_registry(), ModelStore(), [])
    (stage,) = pipeline.stages
    assert isinstance(stage, EdgePromote)
    stage.open(None)  # type: ignore[arg-type]
    picture = drawing(rng)
    assert np.array_equal(stage.run([picture])[0], promote(picture, mode="smooth", dilate=5, kernel=5))
