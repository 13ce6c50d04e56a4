"""Resampling and cutting of arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from henshin.frame import Frame, Picture

FILTERS = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "box": Image.Resampling.BOX,
    "nearest": Image.Resampling.NEAREST,
}


def resample(picture: Picture, width: int, height: int, name: str) -> Picture:
    """Resize an (H, W, 3) uint8 picture with the filter of this name; the same object where the size is right."""
    if picture.shape[:2] == (height, width):
        return picture
    return np.asarray(Image.fromarray(picture).resize((width, height), FILTERS[name]))


def cut(frame: Frame, window: tuple[int, int, int, int]) -> None:
    """Keep (x0, y0, x1, y1) of a frame's picture and alpha; its faces stay where they are in the scene."""
    x0, y0, x1, y1 = window
    frame.picture = np.ascontiguousarray(frame.picture[y0:y1, x0:x1])
    if frame.alpha is not None:
        frame.alpha = np.ascontiguousarray(frame.alpha[y0:y1, x0:x1])
    for face in frame.faces:
        face.shift(-x0, -y0)
