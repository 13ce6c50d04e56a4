"""Changing the size of a picture with Pillow's antialiased filters, in 8 bits and sRGB as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from henshin.frame import Picture

Filter = Literal["lanczos", "bicubic", "bilinear", "box", "nearest"]

_REDUCING_GAP = 3.0
"""First shrink by whole boxes to no less than three times the size aimed at: many times faster, to the eye the same."""


def resample(picture: Picture, height: int, width: int, filter: Filter = "lanczos") -> Picture:
    """Bring a picture (H, W, 3) uint8 to (height, width, 3). The very same array comes back if it has that size."""
    if picture.shape[:2] == (height, width):
        return picture
    import numpy as np
    from PIL import Image

    method = Image.Resampling[filter.upper()]
    small = Image.fromarray(picture).resize((width, height), method, reducing_gap=_REDUCING_GAP)
    return np.asarray(small, dtype=np.uint8)


def fitted(height: int, width: int, longest: int) -> tuple[int, int]:
    """Return the height and width, in the same proportion, whose longer one is ``longest``; neither is below 1."""
    factor = longest / max(height, width)
    return max(1, round(height * factor)), max(1, round(width * factor))
