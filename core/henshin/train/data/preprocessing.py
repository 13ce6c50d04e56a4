"""Preprocessing of one training picture: decoding, resizing, cropping, and a thumbnail for finding duplicates."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from henshin.errors import PictureError
from henshin.images import read
from henshin.images.measures.perceptual_hash import THUMB

Crop = Literal["middle", "random", "whole"]
"""`middle`: the middle square, at `side`; `random`: the shorter side at `side`; `whole`: reduced `side` times."""

MAX_ASPECT = 4
"""Greatest ratio of the sides of a picture that is not square; it keeps strips of one pixel from filling the disk."""


@dataclass(frozen=True, slots=True, eq=False)
class PreprocessedImage:
    """A picture of the cache: `pixels` uint8 (3, h, w), `size` (height, width) of its file, `thumb` (16, 16, 3)."""

    pixels: np.ndarray
    size: tuple[int, int]
    thumb: np.ndarray


def cached_size(height: int, width: int, side: int, crop: Crop) -> tuple[int, int]:
    """Return the (height, width) of a preprocessed picture by `Crop`, each at least 1."""
    if crop == "middle":
        return side, side
    if crop == "whole":
        return max(1, height // side), max(1, width // side)
    box = _crop_box(height, width, crop)
    scale = side / min(height, width)
    return max(side, round((box[3] - box[1]) * scale)), max(side, round((box[2] - box[0]) * scale))


def resize_and_crop(picture: np.ndarray, side: int, crop: Crop) -> np.ndarray:
    """Bring a picture (H, W, 3) uint8 RGB to its `cached_size`, by a Lanczos filter or for `whole` by `downscale`."""
    height, width = picture.shape[:2]
    if crop == "whole":
        return downscale(picture, side)
    to_height, to_width = cached_size(height, width, side, crop)
    image = Image.fromarray(picture)
    return np.asarray(image.resize((to_width, to_height), Image.Resampling.LANCZOS, _crop_box(height, width, crop)))


def downscale(picture: np.ndarray, scale: int) -> np.ndarray:
    """Reduce a picture (H, W, 3) uint8 to (H // scale, W // scale, 3), each at least 1, by Pillow's bicubic filter.

    It is cut to a multiple of `scale` from its upper left, as papers on super-resolution do.
    """
    if scale == 1:
        return picture
    height, width = cached_size(picture.shape[0], picture.shape[1], scale, "whole")
    part = Image.fromarray(np.ascontiguousarray(picture[: height * scale, : width * scale]))
    return np.asarray(part.resize((width, height), Image.Resampling.BICUBIC))


def load_preprocessed(file: Path, side: int, crop: Crop) -> PreprocessedImage | str:
    """Read and preprocess a file; return the reason as a string if it cannot be read."""
    try:
        picture = read(file).picture
    except PictureError as error:
        return error.reason
    height, width = picture.shape[:2]
    resized = resize_and_crop(picture, side, crop)
    square = _crop_box(resized.shape[0], resized.shape[1], "middle")
    thumb = Image.fromarray(resized).resize((THUMB, THUMB), Image.Resampling.BOX, square)
    return PreprocessedImage(np.ascontiguousarray(resized.transpose(2, 0, 1)), (height, width), np.asarray(thumb))


def _crop_box(height: int, width: int, crop: Crop) -> tuple[float, float, float, float]:
    """Return the middle part of a picture that `crop` takes, (left, top, right, bottom)."""
    longest = min(height, width) * (1 if crop == "middle" else MAX_ASPECT)
    box_height, box_width = min(height, longest), min(width, longest)
    left, top = (width - box_width) / 2, (height - box_height) / 2
    return left, top, left + box_width, top + box_height
