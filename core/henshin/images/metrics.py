"""How near one picture is to another: PSNR and SSIM, as papers on super-resolution state them. numpy alone.

    on_luma = psnr(shaved(luma(result), scale), shaved(luma(truth), scale))

Papers differ by tenths of a decibel where they differ in any of these: the luma (ITU-R BT.601 in its studio range, as
MATLAB's ``rgb2ycbcr`` has it, but not rounded), the border left out (as many pixels as the scale), the window of SSIM
(a Gaussian, only where it lies wholly on the picture).
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
"""The largest value there is, of which PSNR is the ratio; also for luma, which itself ends at 235."""
WINDOW, SIGMA = 11, 1.5
_K1, _K2 = 0.01, 0.03
_BAND = 1 << 20
"""Pixels at once: SSIM takes a dozen planes of float64, which for a whole photo of 24 megapixels would be 2.5 GB."""
_LUMA = (65.481 / 255, 128.553 / 255, 24.966 / 255)


def luma(picture: Picture) -> Plane:
    """Return the luma (H, W) in float64, 16 to 235, of a picture (H, W, 3) uint8."""
    if picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(f"luma is of a picture (H, W, 3), and not of an array {picture.shape}")
    red, green, blue = (picture[..., channel].astype(np.float64) for channel in range(3))
    return 16.0 + _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue


def crop_border(array: NDArray[Any], border: int) -> NDArray[Any]:
    """Return a view of an array (H, W, ...) without ``border`` pixels at each side.

    Errors: ValueError when nothing would be left.
    """
    height, width = array.shape[:2]
    if border < 0 or min(height, width) <= 2 * border:
        raise ValueError(f"{width}x{height} pixels have no border of {border} to be cut off")
    return array[border : height - border, border : width - border]


def psnr(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the peak signal-to-noise ratio of two arrays of one shape in dB, its peak 255; inf where all is equal.

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

    Of a picture it is the mean of its channels. Z. Wang et al., "Image quality assessment: from error visibility to
    structural similarity", 2004: a Gaussian window of 11 x 11 with sigma 1.5, K1 = 0.01, K2 = 0.03, and of the map
    only what no border has touched. 1 where all is equal.

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
    """Return the map of similarity, of (H, W) the (H - 10, W - 10) where the window is whole."""
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
    """Weigh a plane with the Gaussian window: of (H, W), the (H - 10, W - 10) where the window is whole.

    The window is the product of a column and a row, so two sums of 11 shifted views do what 121 would.
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
