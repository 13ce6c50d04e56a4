"""Edge-preserving smoothing of a photo, with more saturated colours, so that drawing and photo become one picture.

Papers: He, Sun, Tang, "Guided Image Filtering", ECCV 2010; He, Sun, "Fast Guided Filter", arXiv 2015. The guide is the
photo's own luma. In each window a colour is an affine function of luma, nearly constant where luma varies by less than
EDGE; the coefficients are computed in a reduced copy and interpolated. The photo itself is processed in strips, so that
little more than the result is held of a photo of any size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from henshin import Picture
    from henshin_plugins.face.geometry import Array, Pixels

LONGEST = 700
"""Longest side of the reduced copy, less than twice as long."""
RADIUS = 0.008
"""Half the side of a window, as a share of the photo's longest side."""
EDGE = 20.0
"""Standard deviation of luma, of 255, above which a window is kept rather than smoothed."""
SATURATION = 1.2
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
STRIP = 1_000_000
"""Pixels processed at once."""


def softened(photo: Picture) -> Picture:
    """Return the smoothed photo (H, W, 3); it may be written to."""
    height, width = photo.shape[:2]
    factor = max(1, max(height, width) // LONGEST)
    gain, offset = _coefficients(np.asarray(Image.fromarray(photo).reduce(factor), np.float64))
    result = np.empty_like(photo)
    step = max(1, STRIP // width)
    for top in range(0, height, step):
        rows = slice(top, min(top + step, height))
        strip = photo[rows].astype(np.float32)
        box = (0.0, top / factor, width / factor, rows.stop / factor)
        smooth = _enlarged(gain, strip.shape, box) * (strip @ LUMA)[..., None] + _enlarged(offset, strip.shape, box)
        luma = (smooth @ LUMA)[..., None]
        result[rows] = np.clip(np.rint(luma + (smooth - luma) * np.float32(SATURATION)), 0, 255)
    return result


def _coefficients(small: Array) -> tuple[Pixels, Pixels]:
    """Return (h, w, 3) gains and offsets: a smooth colour is gain * luma + offset."""
    radius = max(1, round(RADIUS * max(small.shape[:2])))
    luma = (small @ LUMA)[..., None]
    mean, colours = _mean(luma, radius), _mean(small, radius)
    variance = _mean(luma**2, radius) - mean**2
    gain = (_mean(small * luma, radius) - colours * mean) / (variance + EDGE**2)
    offset = colours - gain * mean
    return _mean(gain, radius).astype(np.float32), _mean(offset, radius).astype(np.float32)


def _mean(values: Array, radius: int) -> Array:
    """Return the mean of (h, w, C) values over windows of 2 * radius + 1 pixels, within the picture."""
    for axis in (0, 1):
        values = np.moveaxis(values, axis, 0)
        sums = np.concatenate([np.zeros_like(values[:1]), np.cumsum(values, axis=0)])
        place = np.arange(len(values))
        low, high = np.maximum(place - radius, 0), np.minimum(place + radius + 1, len(values))
        values = np.moveaxis((sums[high] - sums[low]) / (high - low)[:, None, None], 0, axis)
    return values


def _enlarged(values: Pixels, shape: tuple[int, ...], box: tuple[float, float, float, float]) -> Pixels:
    """Return the part `box` of (h, w, 3) values, interpolated to `shape`. Values beside the box count at its border."""
    planes = (Image.fromarray(np.ascontiguousarray(values[..., channel])) for channel in range(3))
    size = shape[1], shape[0]
    return np.stack([np.asarray(one.resize(size, Image.Resampling.BILINEAR, box=box)) for one in planes], axis=-1)
