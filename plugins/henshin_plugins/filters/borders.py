"""Measurement of even borders around a picture, on each side."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from henshin.api.frame import Dropped

if TYPE_CHECKING:
    from henshin.api.frame import Frame
    from henshin.images.picture import Picture
    from henshin_plugins.filters.config import BordersConfig

    Mask = np.ndarray[Any, np.dtype[np.bool_]]

DARK = 40
"""Greatest grey level of a dark border's colour."""

SPECKS = 0.01
"""Share of a line's pixels that may have another colour: specks of dust, and compression."""

LIT = 0.4
"""Least share of pixels of another colour in the line after a border, for a step."""

SMEAR = 16
"""Most lines of the step itself, and no more than the border has: compression spreads it over a block of so many. They
count as border."""

BLEND = 2
"""Most lines behind a border that are mixed with it, after scaling with the border; they count as border."""

MIXED = 0.85
"""Greatest share of the next line in a mixed line; the rest is border."""

UNMIXED = 0.15
"""Greatest share of a mixed line that is neither border nor the next line."""

RINGING = 4
"""Multiple of the tolerance that ringing of the compression may reach before the step."""

SUDDEN = 2
"""Most lines between a deviation beyond ringing and the step; roofs before a night sky rise more slowly."""

_OPAQUE = 128
_AT_ONCE = 64


class Margins(NamedTuple):
    """Pixels of border on each side."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0

    def __str__(self) -> str:
        return ", ".join(f"{side} {wide}" for side, wide in self._asdict().items() if wide)


def check(frame: Frame, config: BordersConfig) -> None:
    """Drop, or trim, crops with borders, or the picture of a frame without crops."""
    crops = [(face, face.crop) for face in frame.faces if face.crop is not None]
    for face, crop in crops:
        face.dropped = _verdict(crop, margins(crop, None, config))
    if crops:
        return
    found = margins(frame.picture, frame.alpha, config)
    if found is not None and config.action == "trim":
        height, width = frame.picture.shape[:2]
        if any(found):
            frame.cut(found.left, found.top, width - found.right, height - found.bottom)
    elif found is None and frame.alpha is not None and frame.alpha.max() < _OPAQUE:
        frame.dropped = Dropped("transparent", "transparent all over")
    else:
        frame.dropped = _verdict(frame.picture, found)


def _verdict(picture: Picture, found: Margins | None) -> Dropped | None:
    if found is None:
        return Dropped("of one colour", "one even colour all over")
    size = f"{picture.shape[1]}x{picture.shape[0]}"
    return Dropped("bordered", f"border of {found} px in {size}") if any(found) else None


def margins(picture: Picture, alpha: Picture | None, config: BordersConfig) -> Margins | None:
    """Return the borders of a picture (H, W, 3) uint8 with alpha (H, W) or None; None if it has a single colour.

    Top and bottom are measured first, then the sides of the rest, so that frames on all sides are found too.
    """
    height, width = picture.shape[:2]
    hidden = None if alpha is None else alpha < _OPAQUE
    top = _border(picture, hidden, config)
    if top == height:
        return None
    bottom = _border(picture[::-1], None if hidden is None else hidden[::-1], config)
    # the lines of the sides are the columns of the rest
    middle = picture[top : height - bottom].transpose(1, 0, 2)
    side_hidden = None if hidden is None else hidden[top : height - bottom].T
    left = _border(middle, side_hidden, config)
    right = _border(middle[::-1], None if side_hidden is None else side_hidden[::-1], config)
    least = [max(1, config.minimum * side) for side in (width, height)]
    wide = (left, top, right, bottom)
    return Margins(*(one if one >= least[side % 2] else 0 for side, one in enumerate(wide)))


def _border(lines: Picture, hidden: Mask | None, config: BordersConfig) -> int:
    """Return the number of border lines, from the first on; all of them if no other colour follows."""
    colour = np.median(lines[0], axis=0)
    if config.colour == "dark" and colour.max() > DARK:
        return 0
    even = 0
    for begin in range(0, len(lines), _AT_ONCE):
        deviating = _deviating_share(lines, hidden, slice(begin, begin + _AT_ONCE), colour, config)
        ends = np.flatnonzero(deviating > SPECKS)
        if len(ends):
            even = begin + int(ends[0])
            break
    else:
        return len(lines)
    if even == 0:
        return 0
    near = slice(even, even + max(SUDDEN, min(SMEAR, even)))
    steps = np.flatnonzero(_deviating_share(lines, hidden, near, colour, config) >= LIT)
    first_deviation = np.flatnonzero(_deviating_share(lines, hidden, near, colour, config, RINGING) > 5 * SPECKS)
    if not len(steps) or steps[0] > (first_deviation[0] if len(first_deviation) else 0) + SUDDEN:
        return 0
    last = even + int(steps[0])
    return last + _blended(lines[last : last + BLEND + 1], colour)


def _blended(lines: Picture, colour: np.ndarray) -> int:
    """Return how many of the lines (n + 1, L, 3) behind a border are a mixture of it and of the next line."""
    deviation = lines - colour
    for count, (one, behind) in enumerate(pairwise(deviation)):
        share = (one * behind).sum() / max((behind * behind).sum(), 1)
        if share > MIXED or np.abs(one - share * behind).sum() > UNMIXED * np.abs(behind).sum():
            return count
    return max(0, len(deviation) - 1)


def _deviating_share(
    lines: Picture, hidden: Mask | None, part: slice, colour: np.ndarray, config: BordersConfig, times: int = 1
) -> np.ndarray:
    """Return (N,) the share of each line's pixels that differ from the border's colour by ``times`` the tolerance."""
    difference = np.abs(lines[part].astype(np.int16) - colour.astype(np.int16)).max(axis=2)
    off = difference > times * config.tolerance
    if hidden is not None:
        # transparent pixels are no dark border, but part of a border of any colour
        off = off | hidden[part] if config.colour == "dark" else off & ~hidden[part]
    share: np.ndarray = off.mean(axis=1)
    return share
