"""One training picture as it is kept: scaled to the side that a run wants, with a thumbnail to tell it by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from henshin.errors import PictureError
from henshin.images import read

Crop = Literal["middle", "random"]

LONGEST = 4
"""A picture that is kept whole is at most so many times longer than wide: a strip of one pixel must not fill a disk."""

THUMB = 16
"""Side of the thumbnails, pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A picture ready to be kept: `pixels` uint8 (3, h, w), `size` its own (height, width), `thumb` (16, 16, 3)."""

    pixels: np.ndarray
    size: tuple[int, int]
    thumb: np.ndarray


def kept_size(height: int, width: int, side: int, crop: Crop) -> tuple[int, int]:
    """(height, width) at which a picture is kept: the square of `side`, or its shorter side brought to `side`."""
    if crop == "middle":
        return side, side
    box = _box(height, width, crop)
    scale = side / min(height, width)
    return max(side, round((box[3] - box[1]) * scale)), max(side, round((box[2] - box[0]) * scale))


def fit(picture: np.ndarray, side: int, crop: Crop) -> np.ndarray:
    """Bring a picture (H, W, 3) uint8 to its `kept_size`, antialiased, from its middle; uint8 RGB."""
    height, width = picture.shape[:2]
    to_height, to_width = kept_size(height, width, side, crop)
    image = Image.fromarray(picture)
    return np.asarray(image.resize((to_width, to_height), Image.Resampling.LANCZOS, _box(height, width, crop)))


def load_fitted(file: Path, side: int, crop: Crop) -> Fitted | str:
    """Read a file and fit it, or return why it cannot be read."""
    try:
        picture = read(file).picture
    except PictureError as error:
        return error.reason
    height, width = picture.shape[:2]
    fitted = fit(picture, side, crop)
    square = _box(fitted.shape[0], fitted.shape[1], "middle")
    thumb = Image.fromarray(fitted).resize((THUMB, THUMB), Image.Resampling.BOX, square)
    return Fitted(np.ascontiguousarray(fitted.transpose(2, 0, 1)), (height, width), np.asarray(thumb))


def _box(height: int, width: int, crop: Crop) -> tuple[float, float, float, float]:
    """The part of a picture that is kept, (left, top, right, bottom): its middle."""
    most = min(height, width) * (1 if crop == "middle" else LONGEST)
    high, wide = min(height, most), min(width, most)
    left, top = (width - wide) / 2, (height - high) / 2
    return left, top, left + wide, top + high
