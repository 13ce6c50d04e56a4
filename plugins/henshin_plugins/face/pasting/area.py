"""The area of a crop that is pasted: its bounds, and the distance of each point to its border."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from henshin_plugins.face.geometry import apply, bounds

if TYPE_CHECKING:
    from henshin_plugins.face.geometry import Array, Pixels

Area: TypeAlias = Literal["crop", "face", "head"]

ELLIPSES = {"face": ((0.0, 0.0), (0.36, 0.44)), "head": ((0.0, -0.03), (0.47, 0.53))}
"""Middles, from the crop's, and radii, all in sides of the crop, across and down.

The first reaches from the fringe to the chin and from ear to ear; the second holds the hair as well.
"""


def extent(area: Area, matrix: Array) -> tuple[float, float, float, float]:
    """Return x0, y0, x1, y1 around the area where the map `matrix` (2, 3) takes it, from the crop's unit square."""
    square = bounds(matrix, 1.0, 1.0)
    if area == "crop":
        return square
    middle, radii = ELLIPSES[area]
    centre = apply(matrix, np.array([middle]) + 0.5)[0]
    half = np.hypot(*(matrix[:, :2] * radii).T)
    low, high = np.maximum(centre - half, square[:2]), np.minimum(centre + half, square[2:])
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def depth(area: Area, across: Pixels, down: Pixels, roundness: float) -> Pixels:
    """Return the distance to the border, in sides of the crop: positive within, never too large, and continuous.

    `across` and `down` (H, W) are the distances from the middle of the crop, in its sides.
    """
    if area == "crop":
        return _rounded_square(across, down, roundness)
    (right, low), radii = ELLIPSES[area]
    least = np.float32(min(radii))
    inward = least - _length((across - right) * (least / radii[0]), (down - low) * (least / radii[1]))
    distance: Pixels = np.minimum(inward, _square(across, down), out=inward)
    return distance


def smoothstep(ramp: Pixels) -> Pixels:
    """Return 0 below 0, 1 above 1, and 3 x^2 - 2 x^3 between them."""
    ramp = np.clip(ramp, 0, 1)
    smooth: Pixels = 3 - 2 * ramp
    smooth *= ramp
    smooth *= ramp
    return smooth


def _square(across: Pixels, down: Pixels) -> Pixels:
    """Return the distance to the border of a square whose half side is 0.5; too small beyond its corners."""
    farthest: Pixels = np.maximum(np.abs(across), np.abs(down))
    distance: Pixels = np.subtract(0.5, farthest, out=farthest)
    return distance


def _rounded_square(across: Pixels, down: Pixels, roundness: float) -> Pixels:
    """Return the same of a square with rounded corners."""
    inner = np.float32(0.5 * (1 - roundness))
    across, down = np.abs(across) - inner, np.abs(down) - inner
    inward = np.minimum(np.maximum(across, down), 0)
    distance: Pixels = np.float32(0.5 * roundness) - inward - _length(np.maximum(across, 0), np.maximum(down, 0))
    return distance


def _length(across: Pixels, down: Pixels) -> Pixels:
    """Return the lengths of vectors, as `np.hypot` does, which is slow because it guards against overflow."""
    squares = across * across
    squares += down * down
    length: Pixels = np.sqrt(squares, out=squares)
    return length
