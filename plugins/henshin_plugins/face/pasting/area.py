"""The area of a crop that is pasted: the distance of each point to its border."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from henshin_plugins.face.integral_image import Pixels

Area: TypeAlias = Literal["crop", "face", "head"]

ELLIPSES = {"face": ((0.0, 0.0), (0.36, 0.44)), "head": ((0.0, -0.03), (0.47, 0.53))}
"""Middles, from the crop's, and radii, all in sides of the crop, across and down.

The first reaches from the fringe to the chin and from ear to ear; the second holds the hair as well.
"""


def depth(area: Area, across: Pixels, down: Pixels, roundness: float) -> Pixels:
    """Return the distance to the border, in sides of the crop: positive within, never too large, and continuous.

    `across` and `down` (H, W) are the distances from the middle of the crop, in its sides.
    """
    if area == "crop":
        return _rounded_square(across, down, roundness)
    (right, low), radii = ELLIPSES[area]
    inward = 1 - np.hypot((across - right) / radii[0], (down - low) / radii[1])
    distance: Pixels = np.minimum(inward * np.float32(min(radii)), _rounded_square(across, down, 0))
    return distance


def smoothstep(ramp: Pixels) -> Pixels:
    """Return 0 below 0, 1 above 1, and 3 x^2 - 2 x^3 between them."""
    ramp = np.clip(ramp, 0, 1)
    smooth: Pixels = ramp * ramp * (3 - 2 * ramp)
    return smooth


def _rounded_square(across: Pixels, down: Pixels, roundness: float) -> Pixels:
    """Return the distance to the border of a square with rounded corners, whose half side is 0.5."""
    across, down, radius = np.abs(across), np.abs(down), 0.5 * roundness
    beyond = np.hypot(np.maximum(across - (0.5 - radius), 0), np.maximum(down - (0.5 - radius), 0))
    distance: Pixels = radius - beyond - np.minimum(np.maximum(across, down) - (0.5 - radius), 0)
    return distance
