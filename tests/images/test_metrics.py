"""PSNR and SSIM against independent restatements, and against scikit-image where it is installed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from henshin.images.measures.metrics import crop_border, luma, psnr, ssim


def _pair(height: int = 37, width: int = 29, noise: float = 12.0, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """A smooth picture and a noisy version of it."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    base = np.stack([128 + 90 * np.sin(x / 5 + c) * np.cos(y / (3 + c)) for c in range(3)], -1)
    noisy = base + rng.normal(0, noise, base.shape)
    return base.round().astype(np.uint8), noisy.clip(0, 255).round().astype(np.uint8)


def _plain_ssim(x: np.ndarray, y: np.ndarray) -> float:
    """Wang et al. window by window, with the two-dimensional Gaussian written out."""
    at = np.arange(11) - 5
    window = np.exp(-(at[:, None] ** 2 + at[None, :] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    values = []
    for top in range(x.shape[0] - 10):
        for left in range(x.shape[1] - 10):
            a = x[top : top + 11, left : left + 11].astype(float)
            b = y[top : top + 11, left : left + 11].astype(float)
            ma, mb = (window * a).sum(), (window * b).sum()
            va, vb = (window * (a - ma) ** 2).sum(), (window * (b - mb) ** 2).sum()
            cov = (window * (a - ma) * (b - mb)).sum()
            c1, c2 = 2.55**2, 7.65**2
            values.append((2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2)))
    return float(np.mean(values))


def test_luma_is_that_of_bt601_in_the_studio_range() -> None:
    picture = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [10, 20, 30]]], np.uint8)
    expected = [16.0, 235.0, 16 + 65.481, 16 + (65.481 * 10 + 128.553 * 20 + 24.966 * 30) / 255]
    result = luma(picture)
    assert result.dtype == np.float64
    assert result.shape == (1, 4)
    np.testing.assert_allclose(result[0], expected, atol=1e-12)


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 4), (4, 5, 1)])
def test_luma_is_of_rgb_only(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\(H, W, 3\)"):
        luma(np.zeros(shape, np.uint8))


def test_shaved_cuts_every_side_and_copies_nothing() -> None:
    array = np.arange(7 * 9 * 3).reshape(7, 9, 3)
    cut = crop_border(array, 2)
    assert cut.shape == (3, 5, 3)
    assert cut[0, 0, 0] == array[2, 2, 0]
    assert np.shares_memory(cut, array)
    assert crop_border(array, 0).shape == array.shape


@pytest.mark.parametrize("border", [-1, 4, 100])
def test_shaved_refuses_to_leave_nothing(border: int) -> None:
    with pytest.raises(ValueError, match="no border of"):
        crop_border(np.zeros((8, 8)), border)


def test_psnr_in_numbers_known_by_hand() -> None:
    zeros = np.zeros((4, 4), np.uint8)
    assert psnr(zeros, zeros) == math.inf
    assert psnr(zeros, zeros + np.uint8(255)) == pytest.approx(0.0)
    assert psnr(zeros, zeros + np.uint8(1)) == pytest.approx(48.1308036)


def test_psnr_does_not_wrap_around_in_uint8_and_is_symmetric() -> None:
    one, other = np.full((3, 3), 3, np.uint8), np.full((3, 3), 250, np.uint8)
    assert psnr(one, other) == psnr(other, one) == pytest.approx(20 * math.log10(255 / 247))


def test_ssim_is_that_of_the_paper() -> None:
    one, other = _pair()
    assert ssim(luma(one), luma(other)) == pytest.approx(_plain_ssim(luma(one), luma(other)), abs=1e-10)
    assert 0.2 < ssim(luma(one), luma(other)) < 0.99


@pytest.mark.parametrize("noise", [1.0, 12.0, 60.0])
def test_ssim_agrees_with_scikit_image(noise: float) -> None:
    metrics = pytest.importorskip("skimage.metrics")
    one, other = (luma(picture) for picture in _pair(64, 83, noise))
    # its window is as wide with sigma 1.5; the map's border, which it pads, is what we never compute
    _, full = metrics.structural_similarity(
        one, other, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    assert ssim(one, other) == pytest.approx(full[5:-5, 5:-5].mean(), abs=1e-9)


def test_psnr_agrees_with_scikit_image() -> None:
    metrics = pytest.importorskip("skimage.metrics")
    one, other = _pair()
    assert psnr(one, other) == pytest.approx(metrics.peak_signal_noise_ratio(one, other, data_range=255), abs=1e-9)


def test_large_pictures_are_measured_band_by_band(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = _pair(64, 40)
    whole = psnr(one, other), ssim(luma(one), luma(other))
    for band in (1, 200, 333):
        monkeypatch.setattr("henshin.images.measures.metrics._BAND", band)
        assert (psnr(one, other), ssim(luma(one), luma(other))) == pytest.approx(whole, abs=1e-10)


def test_ssim_of_equals_is_one_and_falls_with_noise() -> None:
    one, slightly = _pair(noise=4)
    _, strongly = _pair(noise=40)
    assert ssim(one, one) == pytest.approx(1.0)
    assert 1 > ssim(one, slightly) > ssim(one, strongly)


def test_ssim_of_a_picture_is_the_mean_of_its_channels() -> None:
    one, other = _pair()
    channels = [ssim(one[..., c], other[..., c]) for c in range(3)]
    assert ssim(one, other) == pytest.approx(np.mean(channels))


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="different shapes"):
        psnr(np.zeros((4, 4)), np.zeros((4, 5)))
    with pytest.raises(ValueError, match="without elements"):
        psnr(np.zeros((0, 4)), np.zeros((0, 4)))
    with pytest.raises(ValueError, match="different shapes"):
        ssim(np.zeros((14, 14)), np.zeros((14, 15)))
    with pytest.raises(ValueError, match="11x11"):
        ssim(np.zeros((10, 40)), np.zeros((10, 40)))
