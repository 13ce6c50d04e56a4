"""A photo and its halves: what a detector looks at in other sizes, and crops cut out of the size that is near.

Each half is the exact mean of 2x2 pixels; from the nearest one, at most twice too large, is sampled bilinearly, all by
kornia-rs. That takes two milliseconds where exact means over areas, from an integral image, took fifty.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from kornia_rs.imgproc import resize, warp_affine

from henshin_plugins.face.warp import bilinear

if TYPE_CHECKING:
    import numpy.typing as npt

    from henshin import Picture
    from henshin_plugins.face.geometry import Array


class Reductions:
    """`picture` (H, W, 3) and its halves, each made when it is first wanted."""

    def __init__(self, picture: Picture) -> None:
        self.height, self.width = picture.shape[:2]
        self.halves = [picture]

    def half(self, number: int) -> Picture:
        """Return the photo reduced by two, so many times. Of an odd side the last pixel is left out."""
        while number >= len(self.halves):
            last = self.halves[-1]
            height, width = last.shape[0] // 2, last.shape[1] // 2
            even = np.ascontiguousarray(last[: 2 * height, : 2 * width])
            # at exactly one half a bilinear sample lies in the middle of four pixels
            self.halves.append(np.asarray(resize(even, (height, width), "bilinear"), np.uint8))
        return self.halves[number]

    def resized(self, scale: float) -> Picture:
        """Return the whole photo at `scale`, at most 1; (H, W, 3) uint8, sides rounded up."""
        number = max(0, math.floor(-math.log2(scale) + 1e-9))
        rest = scale * 2**number
        source = self.half(number)
        if rest > 1 - 1e-9:
            return source
        height, width = (max(1, math.ceil(side * scale)) for side in (self.height, self.width))
        return bilinear(source, np.array([[rest, 0.0, 0.0], [0.0, rest, 0.0]]), width, height)

    def crops(self, boxes: Array, side: int) -> npt.NDArray[np.uint8]:
        """Return (N, side, side, 3) of `boxes` (N, 4) x0 y0 x1 y1, which are nearly square; black beyond the border.

        Each pixel is the mean of 2x2 samples.
        """
        fine = np.empty((len(boxes), 2 * side, 2 * side, 3), np.uint8)
        for crop, (x0, y0, x1, y1) in zip(fine, boxes.tolist(), strict=True):
            number = min(max(0, math.floor(math.log2(max(1.0, min(x1 - x0, y1 - y0) / len(crop))))), self._last)
            half, zoom = self.half(number), 2**number
            columns, across, left = _axis(x0 / zoom, x1 / zoom, half.shape[1], len(crop))
            rows, down, top = _axis(y0 / zoom, y1 / zoom, half.shape[0], len(crop))
            part = np.ascontiguousarray(half[rows, columns])  # not the whole, for kornia-rs copies its source
            crop[:] = warp_affine(part, (across, 0.0, left, 0.0, down, top), crop.shape[:2], "bilinear")
        pairs = fine[:, ::2].astype(np.uint16) + fine[:, 1::2]
        means: npt.NDArray[np.uint8] = ((pairs[:, :, ::2] + pairs[:, :, 1::2] + 2) >> 2).astype(np.uint8)
        return means

    @property
    def _last(self) -> int:
        """The last half that has two pixels along each side."""
        return max(0, int(math.log2(min(self.height, self.width))) - 1)


def _axis(start: float, end: float, length: int, side: int) -> tuple[slice, float, float]:
    """Return the part of an axis that a crop of `side` pixels needs, and the scale and shift from there to the crop.

    kornia-rs counts from the centres of pixels.
    """
    first = min(max(0, int(start) - 1), length - 1)
    scale = side / (end - start)
    return slice(first, max(first + 1, int(end) + 2)), scale, (first - start + 0.5) * scale - 0.5
