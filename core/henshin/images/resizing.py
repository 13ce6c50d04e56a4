"""Resizing of pictures with Pillow's antialiased filters, in 8-bit sRGB without linearisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from henshin.errors import PictureError

if TYPE_CHECKING:
    from henshin.images.picture import Picture

Filter = Literal["lanczos", "bicubic", "bilinear", "box", "nearest"]

_REDUCING_GAP = 3.0
"""Pillow first reduces by whole boxes to at least three times the target size: much faster, without visible loss."""


def resample(picture: Picture, height: int, width: int, filter: Filter = "lanczos") -> Picture:
    """Resize a picture (H, W, 3) uint8 to (height, width, 3). A picture of that size is returned itself, not copied.

    Errors: PictureError for a result above the limit of pictures; see ``size_problem``.
    """
    if picture.shape[:2] == (height, width):
        return picture
    problem = size_problem(picture.shape[0], picture.shape[1], height, width)
    if problem is not None:
        raise problem
    import numpy as np
    from PIL import Image

    method = Image.Resampling[filter.upper()]
    resized = Image.fromarray(picture).resize((width, height), method, reducing_gap=_REDUCING_GAP)
    return np.asarray(resized, dtype=np.uint8)


def fit_longest_side(height: int, width: int, longest: int) -> tuple[int, int]:
    """Return (height, width) in the same proportion with ``longest`` as the longer side; each is at least 1."""
    factor = longest / max(height, width)
    return max(1, round(height * factor)), max(1, round(width * factor))


def size_problem(height: int, width: int, new_height: int, new_width: int) -> PictureError | None:
    """Return the error for a picture that would grow above MOST_PIXELS, the limit of reading; else None."""
    from henshin.images.picture import MOST_PIXELS

    if new_height * new_width <= max(MOST_PIXELS, height * width):
        return None
    megapixels = MOST_PIXELS // 1_000_000
    return PictureError(f"{width} x {height} would become {new_width} x {new_height}: above {megapixels} megapixels")


def scaled_size_problem(height: int, width: int, scale: int) -> PictureError | None:
    """Return ``size_problem`` for a picture that becomes ``scale`` times as high and as wide."""
    return size_problem(height, width, height * scale, width * scale)
