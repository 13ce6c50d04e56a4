"""Edge promotion on arrays: Canny, dilation, and a Gaussian blur that is computed only where it is needed.

Canny is kornia-rs's, equal to OpenCV's byte for byte. Dilation and blur are plain numpy: kornia-rs's dilation is a
hundred times slower than a few shifted maxima, and its 3x3 blur uses another kernel than this Gaussian.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from kornia_rs import imgproc

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from henshin.images.picture import Floats, Picture

STRIP = 32
"""Rows blurred at a time: the working set stays in the processor's cache for any size of picture."""


def promote(
    picture: Picture, *, low: float, high: float, dilate: int, kernel: int, sigma: float, step: float
) -> Picture:
    """Move the pixels near edges towards their Gaussian blur, or away from it.

    ``picture`` is (H, W, 3) uint8; ``low`` and ``high`` are Canny's thresholds, ``dilate`` the side of the zone's
    square, ``kernel`` (odd) and ``sigma`` the Gaussian in pixels. ``step`` 1 replaces pixels by
    blurred ones, -1 is an unsharp mask. Returns a new picture, or the same object if no pixel changes.
    """
    zone = edge_zone(picture, low, high, dilate) if step else None
    if zone is None or not zone.any():
        return picture
    weights = gaussian(kernel, sigma)
    result = picture.copy()
    for top in range(0, len(picture), STRIP):
        near = zone[top : top + STRIP]
        if near.any():
            blurred = blur_rows(picture, top, top + len(near), weights)
            mixed = _mix(picture[top : top + len(near)], blurred, step)
            np.copyto(result[top : top + len(near)], mixed, where=near[..., None])
    return picture if np.array_equal(result, picture) else result


def edge_zone(picture: Picture, low: float, high: float, side: int) -> NDArray[np.bool_]:
    """Return the dilated edges of an (H, W, 3) uint8 picture: (H, W), True near an edge."""
    gray = imgproc.gray_from_rgb(np.ascontiguousarray(picture))
    edges = np.asarray(imgproc.canny(gray, low, high))[..., 0]
    return dilated(dilated(edges, side, 0), side, 1) > 0


def dilated(mask: Picture, side: int, axis: int) -> Picture:
    """Return the maximum of ``side`` neighbours along one axis of an (H, W) uint8 mask of 0 and 255.

    A window of even side reaches one further to the left and to the top, as OpenCV's does. Its maximum is built by
    doubling: two windows of 4 that overlap make one of 7.
    """
    padding = [(0, 0), (0, 0)]
    padding[axis] = (side // 2, side - 1 - side // 2)
    mask = np.pad(mask, padding)
    width = 1
    while width < side:
        shift = min(width, side - width)
        mask = mask[:-shift] | mask[shift:] if axis == 0 else mask[:, :-shift] | mask[:, shift:]
        width += shift
    return mask


def gaussian(size: int, sigma: float) -> Floats:
    """Return a Gaussian sampled at ``size`` pixels around its centre; the weights add up to 1."""
    distance = np.arange(size) - (size - 1) / 2
    weights = np.exp(-0.5 * (distance / sigma) ** 2)
    normalised: Floats = (weights / weights.sum()).astype(np.float32)
    return normalised


def blur_rows(picture: Picture, top: int, bottom: int, weights: Floats) -> Floats:
    """Return the blurred rows ``top`` to ``bottom`` of an (H, W, 3) picture: float32 of 0..255, borders repeated."""
    radius = len(weights) // 2
    rows = np.arange(top - radius, bottom + radius).clip(0, len(picture) - 1)
    around = picture[rows].astype(np.float32)
    columns = ((0, 0), (radius, radius), (0, 0))
    return _weigh(np.pad(_weigh(around, weights, 0), columns, "edge"), weights, 1)


def _weigh(values: Floats, weights: Floats, axis: int) -> Floats:
    """Correlate with symmetric weights along an axis, which becomes len(weights) - 1 shorter."""
    radius = len(weights) // 2
    length = values.shape[axis] - 2 * radius

    def shifted(start: int) -> Any:
        return values[start : start + length] if axis == 0 else values[:, start : start + length]

    total: Floats = shifted(radius) * weights[radius]
    pair = np.empty_like(total)
    for i in range(radius):
        np.add(shifted(i), shifted(2 * radius - i), out=pair)
        pair *= weights[i]
        total += pair
    return total


def _mix(original: Picture, blurred: Floats, step: float) -> Picture:
    """Return original + ``step`` * (blurred - original), rounded to uint8."""
    if step == 1:
        mixed = blurred + np.float32(0.5)
    else:
        mixed = (blurred - original) * np.float32(step) + original + np.float32(0.5)
        mixed.clip(0, 255, out=mixed)
    return mixed.astype(np.uint8)
