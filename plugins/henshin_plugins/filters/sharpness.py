"""Width of the edges of a picture, in pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from henshin.images.resizing import resample

if TYPE_CHECKING:
    from henshin.images.picture import Picture

    Array = np.ndarray[Any, np.dtype[np.float32]]
    Mask = np.ndarray[Any, np.dtype[np.bool_]]

SECOND_BLUR = 1.0
"""Standard deviation of the second blur, by which edges are measured, in pixels."""

STRONG = 80
"""Percentile of the gradients on the edges of one direction above which they count."""

SHARPER = 60
"""Percentile of their sharpness that is the result: in a portrait the background may be soft."""

LEAST_GRADIENT = 4.0
"""Least gradient of an edge in grey levels per pixel; below it are compression and noise."""

LEAST_EDGES = 10
"""Least pixels on edges for a direction to count, and at least a tenth of all."""

WIDEST = 5.0
"""Width of an edge that the second blur hardly changes."""

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_STEPS = ((0, 1), (1, 1), (1, 0), (1, -1))
"""Steps in rows and columns across an edge, by the direction of its gradient: 0, 45, 90 and 135 degrees."""


def edge_width(picture: Picture, size: int) -> float | None:
    """Return the width of the sharper edges of a picture (H, W, 3) uint8, in pixels; None if it has no edges.

    A picture whose shorter side is longer than ``size`` is reduced first. An edge's width is the standard deviation s
    of the Gaussian that blurred it: a second blur by s1 weakens its gradient by a factor R, and s = s1 / sqrt(R^2 - 1)
    (Zhuo and Sim, 2011). Of four directions the one with the widest edges counts, because motion blur leaves edges
    along the movement sharp.
    """
    grey = _grey(picture, size)
    if min(grey.shape) < 3:
        return None
    across, down = _gradients(grey)
    blurred_across, blurred_down = _gradients(_blurred(grey))
    strength, blurred_strength = np.hypot(across, down), np.hypot(blurred_across, blurred_down)
    turns = np.arctan2(blurred_down, blurred_across) / (np.pi / len(_STEPS))
    direction = np.floor(turns + np.float32(0.5)).astype(np.int64) % len(_STEPS)
    edges = [(direction == one) & _ridge(blurred_strength, *step) for one, step in enumerate(_STEPS)]
    least = max(LEAST_EDGES, sum(int(np.count_nonzero(one)) for one in edges) // 10)
    widths = [_width(strength[one], blurred_strength[one]) for one in edges if np.count_nonzero(one) >= least]
    return max(widths, default=None)


def _ridge(blurred_strength: Array, down: int, right: int) -> Mask:
    """Return where the gradient is a maximum across its edge: the formula holds in the middle of an edge only."""
    height, width = blurred_strength.shape
    padded = np.pad(blurred_strength, 1)
    ahead = padded[1 + down : 1 + down + height, 1 + right : 1 + right + width]
    behind = padded[1 - down : 1 - down + height, 1 - right : 1 - right + width]
    found: Mask = (blurred_strength >= LEAST_GRADIENT) & (blurred_strength >= ahead) & (blurred_strength > behind)
    return found


def _width(strength: Array, blurred_strength: Array) -> float:
    """Return the width of the strong edges of one direction, pixels."""
    strong = blurred_strength >= np.percentile(blurred_strength, STRONG)
    ratio = float(np.percentile(strength[strong] / blurred_strength[strong], SHARPER))
    return min(WIDEST, SECOND_BLUR / float(np.sqrt(ratio * ratio - 1))) if ratio > 1 else WIDEST


def _grey(picture: Picture, size: int) -> Array:
    height, width = picture.shape[:2]
    scale = size / min(height, width)
    if scale < 1:
        picture = resample(picture, max(1, round(height * scale)), max(1, round(width * scale)))
    return picture.astype(np.float32) @ _LUMA


def _gradients(grey: Array) -> tuple[Array, Array]:
    half = np.float32(0.5)
    return (grey[1:-1, 2:] - grey[1:-1, :-2]) * half, (grey[2:, 1:-1] - grey[:-2, 1:-1]) * half


def _blurred(grey: Array) -> Array:
    """Blur by a Gaussian of `SECOND_BLUR` pixels; pixels are repeated at the border."""
    reach = round(3 * SECOND_BLUR)
    weights = np.exp(-((np.arange(-reach, reach + 1) / SECOND_BLUR) ** 2) / 2).astype(np.float32)
    weights /= weights.sum()
    for axis in (0, 1):
        padded = np.pad(grey, [(reach, reach) if axis == one else (0, 0) for one in (0, 1)], "edge")
        length = grey.shape[axis]
        parts = (padded[i : i + length] if axis == 0 else padded[:, i : i + length] for i in range(2 * reach + 1))
        grey = np.zeros_like(grey)
        for weight, part in zip(weights, parts, strict=True):
            grey += weight * part
    return grey
