"""Changing the size of a picture with Pillow's antialiased filters, in 8 bits and sRGB as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from henshin.errors import PictureError

if TYPE_CHECKING:
    from henshin.images.picture import Picture

Filter = Literal["lanczos", "bicubic", "bilinear", "box", "nearest"]

_REDUCING_GAP = 3.0
"""First shrink by whole boxes to no less than three times the size aimed at: many times faster, to the eye the same."""


def resample(picture: Picture, height: int, width: int, filter: Filter = "lanczos") -> Picture:
    """Bring a picture (H, W, 3) uint8 to (height, width, 3). The very same array comes back if it has that size.

    Errors: PictureError when that would be larger than pictures may be.
    """
    if picture.shape[:2] == (height, width):
        return picture
    problem = size_problem(picture.shape[0], picture.shape[1], height, width)
    if problem is not None:
        raise problem
    import numpy as np
    from PIL import Image

    method = Image.Resampling[filter.upper()]
    small = Image.fromarray(picture).resize((width, height), method, reducing_gap=_REDUCING_GAP)
    return np.asarray(small, dtype=np.uint8)


def fit_longest_side(height: int, width: int, longest: int) -> tuple[int, int]:
    """Return the height and width, in the same proportion, whose longer one is ``longest``; neither is below 1."""
    factor = longest / max(height, width)
    return max(1, round(height * factor)), max(1, round(width * factor))


def size_problem(height: int, width: int, new_height: int, new_width: int) -> PictureError | None:
    """Say that a picture would become one that henshin itself could not read again, or None."""
    from henshin.images.picture import MOST_PIXELS

    if new_height * new_width <= max(MOST_PIXELS, height * width):
        return None
    megapixels = MOST_PIXELS // 1_000_000
    return PictureError(f"{width} x {height} would become {new_width} x {new_height}: above {megapixels} megapixels")


def scaled_size_problem(height: int, width: int, scale: int) -> PictureError | None:
    """The same for a picture that becomes ``scale`` times as high and as wide."""
    return size_problem(height, width, height * scale, width * scale)
