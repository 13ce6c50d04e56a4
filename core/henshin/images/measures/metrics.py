"""Image metrics: PSNR and SSIM, as papers on super-resolution compute them. Only numpy is needed.

    on_luma = psnr(crop_border(luma(result), scale), crop_border(luma(truth), scale))

Papers differ by tenths of a decibel if they differ in one of these. Here the luma is that of ITU-R BT.601 in studio
range, as in MATLAB's ``rgb2ycbcr`` but not rounded; the border cut off is as wide as the scale; the window of SSIM is a
Gaussian that lies wholly within the picture.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from henshin.images.picture import Picture

Plane = NDArray[np.float64]

PEAK = 255.0
"""Peak value of PSNR and SSIM, also for luma, whose own maximum is 235."""
WINDOW, SIGMA = 11, 1.5
_K1, _K2 = 0.01, 0.03
_BAND = 1 << 20
"""Pixels that are measured at once: SSIM needs a dozen planes of float64, 2.5 GB for a photo of 24 megapixels."""
_LUMA = (65.481 / 255, 128.553 / 255, 24.966 / 255)


def luma(picture: Picture) -> Plane:
    """Return the luma (H, W) float64, from 16 to 235, of a picture (H, W, 3) uint8. Errors: ValueError."""
    if picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(f"luma is of a picture (H, W, 3), and not of an array {picture.shape}")
    red, green, blue = (picture[..., channel].astype(np.float64) for channel in range(3))
    return 16.0 + _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue


def crop_border(array: NDArray[Any], border: int) -> NDArray[Any]:
    """Return a view of an array (H, W, ...) without ``border`` pixels at each side.

    Errors: ValueError if nothing would be left.
    """
    height, width = array.shape[:2]
    if border < 0 or min(height, width) <= 2 * border:
        raise ValueError(f"{width}x{height} pixels have no border of {border} to be cut off")
    return array[border : height - border, border : width - border]


def psnr(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the peak signal-to-noise ratio in dB of two arrays of the same shape, with peak 255; inf for equal arrays.

    Errors: ValueError for arrays of different shapes or without elements.
    """
    _same_shape(one, other)
    if not one.size:
        raise ValueError("there is nothing to compare in arrays without elements")
    step = max(1, _BAND * one.shape[0] // one.size)
    bands = [(one[top : top + step], other[top : top + step]) for top in range(0, one.shape[0], step)]
    error = sum(float(np.square(np.subtract(x, y, dtype=np.float64)).sum()) for x, y in bands) / one.size
    return math.inf if error == 0 else 10 * math.log10(PEAK**2 / error)


def ssim(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the mean structural similarity of two planes (H, W) or pictures (H, W, C), of values from 0 to 255.

    For a picture it is the mean over the channels; 1 for equal arrays. Z. Wang et al., "Image quality assessment: from
    error visibility to structural similarity", 2004: a Gaussian window of 11 x 11 with sigma 1.5, K1 = 0.01, K2 = 0.03,
    averaged where the window lies wholly within the picture.

    Errors: ValueError for arrays of different shapes, or smaller than the window.
    """
    _same_shape(one, other)
    if one.ndim not in (2, 3) or min(one.shape[:2]) < WINDOW:
        raise ValueError(f"SSIM needs at least {WINDOW}x{WINDOW} pixels, and not an array {one.shape}")
    if one.ndim == 3:
        return float(np.mean([ssim(one[..., channel], other[..., channel]) for channel in range(one.shape[2])]))
    total, height, width = 0.0, one.shape[0] - WINDOW + 1, one.shape[1] - WINDOW + 1
    step = max(1, _BAND // width)
    for top in range(0, height, step):
        rows = slice(top, min(top + step, height) + WINDOW - 1)
        total += float(_similarity(one[rows].astype(np.float64), other[rows].astype(np.float64)).sum())
    return float(total / (height * width))


def _similarity(x: Plane, y: Plane) -> Plane:
    """Return the similarity map (H - 10, W - 10) of two planes (H, W): where the window lies within them."""
    mean_x, mean_y = _blur(x), _blur(y)
    energy, product = mean_x**2 + mean_y**2, mean_x * mean_y
    variances = _blur(x * x + y * y) - energy
    covariance = _blur(x * y) - product
    c1, c2 = (_K1 * PEAK) ** 2, (_K2 * PEAK) ** 2
    return ((2 * product + c1) * (2 * covariance + c2)) / ((energy + c1) * (variances + c2))


def _same_shape(one: NDArray[Any], other: NDArray[Any]) -> None:
    if one.shape != other.shape:
        raise ValueError(f"arrays of different shapes cannot be compared: {one.shape} and {other.shape}")


def _blur(plane: Plane) -> Plane:
    """Filter a plane (H, W) with the Gaussian window; the result is (H - 10, W - 10), without padding.

    The window is separable: two sums of 11 shifted views replace one of 121.
    """
    offsets = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-(offsets**2) / (2 * SIGMA**2))
    weights /= weights.sum()
    height, width = plane.shape[0] - WINDOW + 1, plane.shape[1] - WINDOW + 1
    rows = np.zeros((height, plane.shape[1]))
    for first, weight in enumerate(weights):
        rows += weight * plane[first : first + height]
    result = np.zeros((height, width))
    for first, weight in enumerate(weights):
        result += weight * rows[:, first : first + width]
    return result
