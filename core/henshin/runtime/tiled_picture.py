"""A picture as windows for a translator: reduction, padding, cutting, and blending of the results."""

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
"""Side to which a picture of a few pixels is padded for a second try: networks with reflection padding fail on it."""


@dataclass(slots=True, eq=False)
class TiledPicture:
    """A picture with its windows, and the result that is composed of theirs.

    ``size`` is (height, width) of the picture, ``network_size`` that of the picture for the network, which differs if
    it is above a maximum. ``source`` is the picture of that size, padded; ``minimum_side`` is the least side after
    padding. ``target`` is the result before the reduction is undone. ``band`` is the result of the row of windows
    above, where the present row is blended into it. ``out_of_memory``: the network ran out of memory on a window;
    ``no_memory_for_result``: the result does not fit into memory.
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
        """Whether a second try with padding may help: the picture is small, and the failure was not one of memory."""
        if self.out_of_memory or self.no_memory_for_result:
            return False
        return self.minimum_side < RETRY_SIDE and min(self.source.shape[:2]) < RETRY_SIDE

    def cut(self, window: Window) -> Picture:
        """Return the view of the source that this window covers."""
        rows, columns = window.rows, window.columns
        return self.source[rows.start : rows.start + rows.size, columns.start : columns.start + columns.size]

    def take(self, result: npt.NDArray[Any], scale: int) -> bool:
        """Take the result of the only window as ``target``, without a copy; False if part of it is cut off or blended.

        Not for a result among others in one array, all of which would stay in memory.
        """
        height, width = self.network_size
        if len(self.windows) > 1 or result.shape != (height * scale, width * scale, 3):
            return False
        self.target = result
        return True

    def paste(self, window: Window, result: npt.NDArray[Any], scale: int) -> None:
        """Paste the used part of one window's result into ``target``, blended with its neighbours.

        Windows must come row by row, each row from left to right. The result of the padding is cut off.
        """
        if self.target is None:
            height, width = self.network_size
            self.target = np.empty((height * scale, width * scale, 3), np.uint8)
        rows, columns = window.rows, window.columns
        top, left = rows.low * scale, columns.low * scale
        place = self.target[top : rows.high * scale, left : columns.high * scale]
        if rows.fade and columns.start == 0:
            # This row is first blended horizontally, in place; the result of the row above is saved for later.
            self.band = self.target[top : top + rows.fade * scale].copy()
        piece = result[top - rows.start * scale :, left - columns.start * scale :][: place.shape[0], : place.shape[1]]
        fade = columns.fade * scale
        place[:, fade:] = piece[:, fade:]
        if fade:
            blend(place[:, :fade], piece[:, :fade], ramp(fade)[:, None])
        if self.band is not None and columns.start + columns.size == self.source.shape[1]:
            row = self.target[top : top + len(self.band)].copy()
            self.target[top : top + len(self.band)] = self.band
            blend(self.target[top : top + len(self.band)], row, ramp(rows.fade * scale)[:, None, None])
            self.band = None

    def result(self, scale: int) -> Picture:
        """Return the finished result, (H * scale, W * scale, 3), with the reduction undone."""
        assert self.target is not None
        return resample(self.target, self.size[0] * scale, self.size[1] * scale)

    def smaller_side(self, reach: int, multiple: int) -> int | None:
        """Return the side of windows with a quarter of the pixels, for less memory; None if they are the smallest."""
        height, width = self.windows[0].shape
        side = max(round_up(isqrt(height * width) // 2, multiple), smallest_side(reach, multiple))
        return side if side * side < height * width else None


def plan_tiles(
    index: int, picture: Picture, contract: Contract, side: int, fixed: tuple[int, int] | None, minimum_side: int
) -> TiledPicture:
    """Reduce a picture that is above the maximum, pad it to the size multiple and cut it into windows.

    ``side`` limits the windows of a network with finite reach; ``fixed`` is the only size that the network takes, or
    None; each side is padded to at least ``minimum_side``.
    """
    size = (picture.shape[0], picture.shape[1])
    reduced_size = network_size(*size, contract, fixed)
    reduced = resample(picture, *reduced_size)
    height, width = (round_up(max(length, minimum_side), contract.size_multiple) for length in reduced_size)
    source = pad(reduced, height, width) if fixed is None else reduced
    if fixed is None and isinstance(contract.reach, int):
        pieces = windows(height, width, side, contract.reach, contract.size_multiple, contract.maximum_size)
    else:
        pieces = [Window(Span(0, source.shape[0], 0, source.shape[0]), Span(0, source.shape[1], 0, source.shape[1]))]
    return TiledPicture(index, picture, size, reduced_size, minimum_side, source, pieces)


def network_size(height: int, width: int, contract: Contract, fixed: tuple[int, int] | None) -> tuple[int, int]:
    """Return (height, width) of a picture for the network, before padding: reduced to the contract's maximum."""
    if fixed is not None:
        return fixed
    longest = contract.whole_limit
    if longest is None or max(height, width) <= longest:
        return height, width
    return fit_longest_side(height, width, longest)


def pad(picture: Picture, height: int, width: int) -> Picture:
    """Pad a picture at the bottom and right by reflection, or with its edge if it is too small for a reflection."""
    for axis, length in ((0, height), (1, width)):
        missing = length - picture.shape[axis]
        if missing > 0:
            pairs = [(0, 0)] * 3
            pairs[axis] = (0, missing)
            mode = "reflect" if missing < picture.shape[axis] else "edge"
            picture = np.pad(picture, pairs, mode=mode)  # type: ignore[call-overload]
    return picture


def ramp(length: int) -> npt.NDArray[np.uint16]:
    """Return rising weights of a linear blend over ``length`` pixels, (length,) uint16 in 256ths."""
    return ((2 * np.arange(length) + 1) * 128 // length).astype(np.uint16)


def blend(old: Picture, new: Picture, share: npt.NDArray[np.uint16]) -> None:
    """Blend ``new`` into ``old`` (H, W, 3) uint8, in place. ``share`` is the weight of ``new`` in 256ths.

    It is (W, 1), or (H, 1, 1) with three axes; it may be longer and is cut. Equal pixels stay as they are.
    """
    share = share[: old.shape[0]] if share.ndim == 3 else share[: old.shape[1]]
    mixed = new.astype(np.uint16) * share
    mixed += old.astype(np.uint16) * (256 - share)
    mixed += 128
    old[...] = mixed >> 8
