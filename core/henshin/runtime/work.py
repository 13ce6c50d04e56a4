"""One picture on its way through a translator: what is fed, where each result goes, what it was."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from henshin.resampling import fitted, resample
from henshin.runtime.arrays import padded
from henshin.runtime.tiles import Span, Window, smallest_side, up, windows

if TYPE_CHECKING:
    import numpy.typing as npt

    from henshin.errors import PictureError
    from henshin.frame import Picture
    from henshin.models import Contract

RESCUE_SIDE = 32
"""A network that reflects inside itself fails on a picture of a few pixels: it is tried again, padded to this."""


@dataclass(slots=True, eq=False)
class Work:
    """A picture with its windows. ``size`` is its own height and width, ``inner`` what the network is to see of it.

    Between the two lies the reduction above a maximum size; between ``inner`` and ``source`` the padding.
    """

    index: int
    picture: Picture
    size: tuple[int, int]
    inner: tuple[int, int]
    least: int
    source: Picture
    windows: list[Window]
    target: Picture | None = None
    error: PictureError | None = None
    too_big: bool = field(default=False)

    @property
    def rescuable(self) -> bool:
        """Whether the picture is so small that padding it may let the network take it."""
        return self.least < RESCUE_SIDE and min(self.source.shape[:2]) < RESCUE_SIDE

    def cut(self, window: Window) -> Picture:
        """Return the view of the source that this window covers."""
        rows, columns = window.rows, window.columns
        return self.source[rows.start : rows.start + rows.size, columns.start : columns.start + columns.size]

    def paste(self, window: Window, result: npt.NDArray[Any], scale: int) -> None:
        """Put the kept part of one window's result where it belongs."""
        if self.target is None:
            height, width = self.source.shape[:2]
            self.target = np.empty((height * scale, width * scale, 3), np.uint8)
        inside = [
            slice((span.low - span.start) * scale, (span.high - span.start) * scale)
            for span in (window.rows, window.columns)
        ]
        outside = [slice(span.low * scale, span.high * scale) for span in (window.rows, window.columns)]
        self.target[outside[0], outside[1]] = result[inside[0], inside[1]]

    def finished(self, scale: int) -> Picture:
        """Cut the padding off and undo the reduction: (H * scale, W * scale, 3)."""
        assert self.target is not None
        height, width = self.inner
        picture = np.ascontiguousarray(self.target[: height * scale, : width * scale])
        return resample(picture, self.size[0] * scale, self.size[1] * scale)

    def next_side(self, reach: int, multiple: int) -> int | None:
        """Return the side of a window with a quarter of the pixels, after memory was short; None at the smallest."""
        height, width = self.windows[0].shape
        side = max(up(isqrt(height * width) // 2, multiple), smallest_side(reach, multiple))
        return side if side * side < height * width else None


def prepared(
    index: int, picture: Picture, contract: Contract, side: int, fixed: tuple[int, int] | None, least: int
) -> Work:
    """Plan one picture: reduce it if it is above the maximum, pad it to the size multiple, cut it into windows.

    ``side`` bounds a window of a network with finite reach; ``fixed`` is the only size the network takes, if it has
    one; ``least`` is what each side is padded to at least.
    """
    size = (picture.shape[0], picture.shape[1])
    inner = inner_size(*size, contract, fixed)
    small = resample(picture, *inner)
    height, width = (up(max(length, least), contract.size_multiple) for length in inner)
    source = padded(small, height, width) if fixed is None else small
    if fixed is None and isinstance(contract.reach, int):
        pieces = windows(height, width, side, contract.reach, contract.size_multiple, contract.maximum_size)
    else:
        pieces = [Window(Span(0, source.shape[0], 0, source.shape[0]), Span(0, source.shape[1], 0, source.shape[1]))]
    return Work(index, picture, size, inner, least, source, pieces)


def inner_size(height: int, width: int, contract: Contract, fixed: tuple[int, int] | None) -> tuple[int, int]:
    """Return the height and width that the network is to see of a picture, before padding."""
    if fixed is not None:
        return fixed
    longest = contract.whole_limit
    if longest is None or max(height, width) <= longest:
        return height, width
    return fitted(height, width, longest)
