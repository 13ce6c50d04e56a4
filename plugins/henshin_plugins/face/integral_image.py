"""Exact means over rectangles of a picture, from an integral image (summed-area table: Crow 1984).

A crop of 24 x 24 cells costs the same for rectangles of 20 and of 2000 pixels, and hundreds of crops are one gather.
Beyond the border the picture is black. This is MTCNN's training input: area interpolation with zero padding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    import numpy.typing as npt

    from henshin import Picture
    from henshin_plugins.face.geometry import Array

    Pixels: TypeAlias = npt.NDArray[np.float32]

CHUNK = 256
"""Rectangles looked up at once: their gather needs less than 20 MB."""


class IntegralImage:
    """Integral image of `picture` (H, W, 3), first reduced by `factor` to save memory."""

    def __init__(self, picture: Picture, factor: int = 1) -> None:
        self.height, self.width = picture.shape[:2]
        self.factor = factor
        if factor > 1:
            picture = np.asarray(Image.fromarray(picture).reduce(factor))
        rows, columns = picture.shape[:2]
        self.sums: Array = np.zeros((rows + 1, columns + 1, 3))
        np.cumsum(picture, axis=0, dtype=np.float64, out=self.sums[1:, 1:])
        np.cumsum(self.sums[1:, 1:], axis=1, out=self.sums[1:, 1:])

    def whole(self, width: int, height: int) -> Picture:
        """Return the whole picture resized to (height, width, 3) uint8."""
        x, y = (np.linspace(0.0, side / self.factor, n + 1) for side, n in ((self.width, width), (self.height, height)))
        row, part = _split(y, self.sums.shape[0])
        strips = np.diff(_mix(self.sums[row], self.sums[row + 1], part[:, None, None]), axis=0)
        column, part = _split(x, self.sums.shape[1])
        cells = np.diff(_mix(strips[:, column], strips[:, column + 1], part[:, None]), axis=1)
        means = cells / ((x[1] - x[0]) * (y[1] - y[0]))
        picture: Picture = np.rint(means).astype(np.uint8)
        return picture

    def crops(self, boxes: Array, side: int) -> Pixels:
        """Return (N, side, side, 3) means, 0 to 255, of `boxes` (N, 4) x0 y0 x1 y1; black beyond the border."""
        parts = [self._crops(boxes[i : i + CHUNK] / self.factor, side) for i in range(0, len(boxes), CHUNK)]
        return np.concatenate(parts) if parts else np.zeros((0, side, side, 3), np.float32)

    def _crops(self, boxes: Array, side: int) -> Pixels:
        steps = np.linspace(0.0, 1.0, side + 1)
        x = boxes[:, :1] + (boxes[:, 2:3] - boxes[:, :1]) * steps
        y = boxes[:, 1:2] + (boxes[:, 3:] - boxes[:, 1:2]) * steps
        column, across = _split(np.clip(x, 0.0, self.width / self.factor), self.sums.shape[1])
        row, down = _split(np.clip(y, 0.0, self.height / self.factor), self.sums.shape[0])
        row, column = row[:, :, None], column[:, None, :]
        across, down = across[:, None, :, None], down[:, :, None, None]
        upper = _mix(self.sums[row, column], self.sums[row, column + 1], across)
        lower = _mix(self.sums[row + 1, column], self.sums[row + 1, column + 1], across)
        cells = np.diff(np.diff(_mix(upper, lower, down), axis=1), axis=2)
        area = (x[:, 1] - x[:, 0]) * (y[:, 1] - y[:, 0])
        return (cells / area[:, None, None, None]).astype(np.float32)


def face_crops(picture: Picture, boxes: Array, side: int) -> Pixels:
    """Return crops as `IntegralImage.crops` does, from a table for each box: exact for any size, for few boxes."""
    height, width = picture.shape[:2]
    crops = [np.zeros((0, side, side, 3), np.float32)]
    for box in boxes:
        low = np.floor(box[:2]).clip(0, [width - 1, height - 1]).astype(int)
        high = np.ceil(box[2:]).clip(low + 1, [width, height]).astype(int)
        part = np.ascontiguousarray(picture[low[1] : high[1], low[0] : high[0]])
        factor = max(1, int((box[2:] - box[:2]).min()) // (4 * side))
        crops.append(IntegralImage(part, factor).crops((box - np.tile(low, 2))[None], side))
    return np.concatenate(crops)


def _split(position: Array, length: int) -> tuple[npt.NDArray[np.int64], Array]:
    whole = np.minimum(position.astype(np.int64), length - 2)
    return whole, position - whole


def _mix(first: Array, second: Array, share: Array) -> Array:
    mixed = second - first
    mixed *= share  # in place: the tables of a large photo are many megabytes
    mixed += first
    return mixed
