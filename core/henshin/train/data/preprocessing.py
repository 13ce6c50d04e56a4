"""One training picture as it is kept: scaled to the side that a run wants, with a thumbnail to tell it by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from henshin.errors import PictureError
from henshin.images import read
from henshin.images.perceptual_hash import THUMB

Crop = Literal["middle", "random", "whole"]
"""`middle`: a square of `side`; `random`: the shorter side brought to `side`; `whole`: reduced `side` times."""

LONGEST = 4
"""A picture that is kept whole is at most so many times longer than wide: a strip of one pixel must not fill a disk."""


@dataclass(frozen=True, slots=True, eq=False)
class PreprocessedImage:
    """A picture ready to be kept: `pixels` uint8 (3, h, w), `size` its own (height, width), `thumb` (16, 16, 3)."""

    pixels: np.ndarray
    size: tuple[int, int]
    thumb: np.ndarray


def kept_size(height: int, width: int, side: int, crop: Crop) -> tuple[int, int]:
    """(height, width) at which a picture is kept, as `Crop` says; none is below 1."""
    if crop == "middle":
        return side, side
    if crop == "whole":
        return max(1, height // side), max(1, width // side)
    box = _box(height, width, crop)
    scale = side / min(height, width)
    return max(side, round((box[3] - box[1]) * scale)), max(side, round((box[2] - box[0]) * scale))


def resize_and_crop(picture: np.ndarray, side: int, crop: Crop) -> np.ndarray:
    """Bring a picture (H, W, 3) uint8 to its `kept_size`, antialiased, from its middle; uint8 RGB.

    A whole one is cut to a multiple of `side`, from its upper left as papers on super-resolution do, and reduced by
    Pillow's bicubic filter: the small pictures that super-resolution learns from.
    """
    height, width = picture.shape[:2]
    if crop == "whole":
        return reduced(picture, side)
    to_height, to_width = kept_size(height, width, side, crop)
    image = Image.fromarray(picture)
    return np.asarray(image.resize((to_width, to_height), Image.Resampling.LANCZOS, _box(height, width, crop)))


def reduced(picture: np.ndarray, scale: int) -> np.ndarray:
    """A picture (H, W, 3) uint8 reduced to (H // scale, W // scale, 3), none below 1, by Pillow's bicubic filter."""
    if scale == 1:
        return picture
    height, width = kept_size(picture.shape[0], picture.shape[1], scale, "whole")
    part = Image.fromarray(np.ascontiguousarray(picture[: height * scale, : width * scale]))
    return np.asarray(part.resize((width, height), Image.Resampling.BICUBIC))


def load_fitted(file: Path, side: int, crop: Crop) -> PreprocessedImage | str:
    """Read a file and fit it, or return why it cannot be read."""
    try:
        picture = read(file).picture
    except PictureError as error:
        return error.reason
    height, width = picture.shape[:2]
    fitted = resize_and_crop(picture, side, crop)
    square = _box(fitted.shape[0], fitted.shape[1], "middle")
    thumb = Image.fromarray(fitted).resize((THUMB, THUMB), Image.Resampling.BOX, square)
    return PreprocessedImage(np.ascontiguousarray(fitted.transpose(2, 0, 1)), (height, width), np.asarray(thumb))


def _box(height: int, width: int, crop: Crop) -> tuple[float, float, float, float]:
    """The part of a picture that is kept, (left, top, right, bottom): its middle."""
    most = min(height, width) * (1 if crop == "middle" else LONGEST)
    high, wide = min(height, most), min(width, most)
    left, top = (width - wide) / 2, (height - high) / 2
    return left, top, left + wide, top + high
