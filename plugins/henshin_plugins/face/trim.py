"""Squares of crops that show the photo: without what was mirrored beyond its border."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from henshin import Picture
    from henshin_plugins.face.geometry import Array

CORE = (0.24, 0.28, 0.76, 0.88)
"""Left, top, right and bottom, as shares of a crop's side at margin 1, of what every square holds: brow to chin."""

LEAST = 0.6
"""Least side of a square, as a share of the crop's."""

SHOWN = 0.99
"""Share of a square's pixels that must lie in the photo; slanted borders may take a corner."""


def shown_square(mask: Picture) -> tuple[int, int, int]:
    """Return top, left and side of the largest square of a mask (S, S) that holds the face and lies in the photo.

    The mask is 255 where a crop shows the photo. If no square of at least `LEAST` of the side does, the one of that
    side that shows most of the photo.
    """
    side = len(mask)
    sums = np.zeros((side + 1, side + 1))
    sums[1:, 1:] = (mask > 127).cumsum(axis=0, dtype=np.float64).cumsum(axis=1)
    least = max(1, round(LEAST * side))
    for length in range(side, least - 1, -1):
        share, top, left = _best(sums, length)
        if share >= SHOWN or length == least:
            return top, left, length
    raise AssertionError("the loop ends with the least square")


def _best(sums: Array, length: int) -> tuple[float, int, int]:
    """Return the greatest share in the photo of a square of that length, and its top and left; the most central."""
    side = len(sums) - 1
    shares = sums[length:, length:] - sums[:-length, length:] - sums[length:, :-length] + sums[:-length, :-length]
    tops, lefts = (_places(side, length, CORE[i], CORE[i + 2]) for i in (1, 0))
    part = shares[tops, lefts] / length**2
    middle = (side - length) / 2
    down, across = np.arange(side - length + 1)[tops], np.arange(side - length + 1)[lefts]
    # of equal shares the square nearest to the crop's middle
    distance = np.abs(down - middle)[:, None] + np.abs(across - middle)[None, :]
    row, column = np.unravel_index(int((np.round(part, 6) - 1e-9 * distance).argmax()), part.shape)
    return float(part[row, column]), int(down[row]), int(across[column])


def _places(side: int, length: int, low: float, high: float) -> slice:
    """Return the places of a square of that length which hold the part from `low` to `high` of the side."""
    first = max(0, round(high * side) - length)
    last = min(side - length, round(low * side))
    return slice(min(first, last), max(first, last) + 1)
