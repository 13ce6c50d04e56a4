"""The adjustments of `postprocess` on (H, W, 3) uint8 pictures. Each returns a picture of the same shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from kornia_rs import imgproc
from PIL import Image, ImageEnhance, ImageFilter

if TYPE_CHECKING:
    from henshin.images.picture import Floats, Picture

MOST_GAIN = 3.0
"""Greatest factor on a channel's standard deviation in a match: more would amplify the noise of a flat picture."""

STRIP = 256
"""Rows converted at a time, so that a large photo needs no large float copies."""


class Statistics(NamedTuple):
    """Mean and standard deviation of L*, a*, b*: (3,) each."""

    mean: Floats
    spread: Floats


def median(picture: Picture, side: int) -> Picture:
    """Replace each value by the median of the square of ``side`` (3 or 5) around it; borders repeat."""
    return np.asarray(imgproc.median_blur(np.ascontiguousarray(picture), side))


def statistics(picture: Picture) -> Statistics:
    """Return the statistics of a picture's colours in CIELAB (D65)."""
    count, total, squares = 0, np.zeros(3), np.zeros(3)
    for top in range(0, len(picture), STRIP):
        lab = _lab(picture[top : top + STRIP]).astype(np.float64).reshape(-1, 3)
        count += len(lab)
        total += lab.sum(0)
        squares += (lab**2).sum(0)
    mean = total / count
    spread = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return Statistics(mean.astype(np.float32), spread.astype(np.float32))


def match(picture: Picture, wanted: Statistics, strength: float) -> Picture:
    """Shift and scale L*, a*, b* to the wanted mean and standard deviation (Reinhard et al. 2001).

    ``strength`` is 0..1. A flat channel is only shifted; colours outside sRGB are clipped.
    """
    own = statistics(picture)
    flat = own.spread < 1e-2
    gain = np.where(flat, 1, wanted.spread / np.where(flat, 1, own.spread)).clip(1 / MOST_GAIN, MOST_GAIN)
    gain = (1 + strength * (gain - 1)).astype(np.float32)
    middle = own.mean + np.float32(strength) * (wanted.mean - own.mean)
    result = np.empty_like(picture, order="C")
    for top in range(0, len(picture), STRIP):
        lab = (_lab(picture[top : top + STRIP]) - own.mean) * gain + middle
        lab[..., 0].clip(0, 100, out=lab[..., 0])
        rgb = np.asarray(imgproc.rgb_from_lab(np.ascontiguousarray(lab, dtype=np.float32)))
        result[top : top + STRIP] = (rgb.clip(0, 1) * 255 + 0.5).astype(np.uint8)
    return result


def _lab(picture: Picture) -> Floats:
    """Convert (H, W, 3) uint8 sRGB to float32 L* (0..100), a*, b*."""
    return np.asarray(imgproc.lab_from_rgb(picture.astype(np.float32) / np.float32(255)))


def curve(brightness: float, contrast: float, gamma: float) -> Picture | None:
    """Return a table (256,) uint8 of brightness, contrast and gamma, rounded once; None if it changes nothing."""
    values = np.arange(256) / 255 * brightness
    values = ((values - 0.5) * contrast + 0.5).clip(0, 1) ** (1 / gamma)
    table = (values * 255 + 0.5).astype(np.uint8)
    return None if np.array_equal(table, np.arange(256)) else table


def apply_curve(picture: Picture, table: Picture) -> Picture:
    """Map every value by a table (256,) uint8."""
    return np.asarray(Image.fromarray(picture).point(table.tolist() * 3))


def saturate(picture: Picture, factor: float) -> Picture:
    """Multiply every pixel's distance from its own gray (ITU-R BT.601 luma)."""
    return np.asarray(ImageEnhance.Color(Image.fromarray(picture)).enhance(factor))


def sharpen(picture: Picture, amount: float, radius: float) -> Picture:
    """Add ``amount`` times the difference from the picture blurred by ``radius`` pixels."""
    mask = ImageFilter.UnsharpMask(radius=radius, percent=round(amount * 100), threshold=0)
    return np.asarray(Image.fromarray(picture).filter(mask))


def same_if_equal(result: Picture, picture: Picture) -> Picture:
    """Return the original object if no pixel changed, so that its file can be copied."""
    return picture if result is picture or np.array_equal(result, picture) else result
