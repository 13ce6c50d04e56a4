"""One picture on its way through a translator: what is fed, where each result goes, what it was."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from henshin.images.resizing import fit_longest_side, resample
from henshin.runtime.tiling import Span, Window, round_up, smallest_side, windows

if TYPE_CHECKING:
    from henshin.errors import PictureError
    from henshin.images.picture import Picture
    from henshin.models import Contract


RETRY_SIDE = 32
"""A network that reflects inside itself fails on a picture of a few pixels: it is tried again, padded to this."""


@dataclass(slots=True, eq=False)
class TiledPicture:
    """A picture with its windows. ``size`` is its own height and width, ``inner`` what the network is to see of it.

    Between the two lies the reduction above a maximum size; between ``inner`` and ``source`` the padding. ``too_big``:
    the network ran out of memory on a window; ``hopeless``: there is none for the result. ``band`` is what the windows
    above drew where those of the row at work take over.
    """

    index: int
    picture: Picture
    size: tuple[int, int]
    network_size: tuple[int, int]
    minimum_side: int
    source: Picture
    windows: list[Window]
    target: Picture | None = None
    band: Picture | None = None
    error: PictureError | None = None
    out_of_memory: bool = False
    no_memory_for_result: bool = False

    @property
    def can_retry_padded(self) -> bool:
        """Whether the picture is so small that padding it may let the network take it. That gives no memory."""
        if self.out_of_memory or self.no_memory_for_result:
            return False
        return self.minimum_side < RETRY_SIDE and min(self.source.shape[:2]) < RETRY_SIDE

    def cut(self, window: Window) -> Picture:
        """Return the view of the source that this window covers."""
        rows, columns = window.rows, window.columns
        return self.source[rows.start : rows.start + rows.size, columns.start : columns.start + columns.size]

    def paste(self, window: Window, result: npt.NDArray[Any], scale: int) -> None:
        """Put what is used of one window's result where it belongs, blended into its neighbours'.

        Windows must come row by row, each row from left to right. What only padding was for is left out.
        """
        if self.target is None:
            height, width = self.network_size
            self.target = np.empty((height * scale, width * scale, 3), np.uint8)
        rows, columns = window.rows, window.columns
        top, left = rows.low * scale, columns.low * scale
        place = self.target[top : rows.high * scale, left : columns.high * scale]
        if rows.fade and columns.start == 0:
            # Sideways this row of windows is blended first, in place; what the row above it drew is kept aside.
            self.band = self.target[top : top + rows.fade * scale].copy()
        piece = result[top - rows.start * scale :, left - columns.start * scale :][: place.shape[0], : place.shape[1]]
        fade = columns.fade * scale
        place[:, fade:] = piece[:, fade:]
        if fade:
            blend(place[:, :fade], piece[:, :fade], ramp(fade)[:, None])
        if self.band is not None and columns.start + columns.size == self.source.shape[1]:
            drawn = self.target[top : top + len(self.band)].copy()
            self.target[top : top + len(self.band)] = self.band
            blend(self.target[top : top + len(self.band)], drawn, ramp(rows.fade * scale)[:, None, None])
            self.band = None

    def result(self, scale: int) -> Picture:
        """Undo the reduction: (H * scale, W * scale, 3)."""
        assert self.target is not None
        return resample(self.target, self.size[0] * scale, self.size[1] * scale)

    def smaller_side(self, reach: int, multiple: int) -> int | None:
        """Return the side of a window with a quarter of the pixels, after memory was short; None at the smallest."""
        height, width = self.windows[0].shape
        side = max(round_up(isqrt(height * width) // 2, multiple), smallest_side(reach, multiple))
        return side if side * side < height * width else None


def plan_tiles(
    index: int, picture: Picture, contract: Contract, side: int, fixed: tuple[int, int] | None, least: int
) -> TiledPicture:
    """Plan one picture: reduce it if it is above the maximum, pad it to the size multiple, cut it into windows.

    ``side`` bounds a window of a network with finite reach; ``fixed`` is the only size the network takes, if it has
    one; ``least`` is what each side is padded to at least.
    """
    size = (picture.shape[0], picture.shape[1])
    inner = network_size(*size, contract, fixed)
    small = resample(picture, *inner)
    height, width = (round_up(max(length, least), contract.size_multiple) for length in inner)
    source = pad(small, height, width) if fixed is None else small
    if fixed is None and isinstance(contract.reach, int):
        pieces = windows(height, width, side, contract.reach, contract.size_multiple, contract.maximum_size)
    else:
        pieces = [Window(Span(0, source.shape[0], 0, source.shape[0]), Span(0, source.shape[1], 0, source.shape[1]))]
    return TiledPicture(index, picture, size, inner, least, source, pieces)


def network_size(height: int, width: int, contract: Contract, fixed: tuple[int, int] | None) -> tuple[int, int]:
    """Return the height and width that the network is to see of a picture, before padding."""
    if fixed is not None:
        return fixed
    longest = contract.whole_limit
    if longest is None or max(height, width) <= longest:
        return height, width
    return fit_longest_side(height, width, longest)


def pad(picture: Picture, height: int, width: int) -> Picture:
    """Lengthen a picture below and to the right by reflection; by its edge where it is too short to be reflected."""
    for axis, length in ((0, height), (1, width)):
        missing = length - picture.shape[axis]
        if missing > 0:
            pairs = [(0, 0)] * 3
            pairs[axis] = (0, missing)
            mode = "reflect" if missing < picture.shape[axis] else "edge"
            picture = np.pad(picture, pairs, mode=mode)  # type: ignore[call-overload]
    return picture


def ramp(length: int) -> npt.NDArray[np.uint16]:
    """Return the shares, in 256ths, with which something new comes in over ``length`` pixels: (length,), rising."""
    return ((2 * np.arange(length) + 1) * 128 // length).astype(np.uint16)


def blend(old: Picture, new: Picture, share: npt.NDArray[np.uint16]) -> None:
    """Mix ``new`` into ``old`` (H, W, 3) uint8, in place: 256ths, (..., 1) or as long as what is mixed, or longer.

    Where both are the same nothing changes, whatever the share.
    """
    share = share[: old.shape[0]] if share.ndim == 3 else share[: old.shape[1]]
    mixed = new.astype(np.uint16) * share
    mixed += old.astype(np.uint16) * (256 - share)
    mixed += 128
    old[...] = mixed >> 8
