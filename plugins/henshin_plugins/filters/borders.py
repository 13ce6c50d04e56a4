"""Even borders around a picture: how wide they are on each side."""

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
"""The lightest that the colour of a dark border may be, grey levels."""

SPECKS = 0.01
"""Share of a line's pixels that may be of another colour: specks of dust, and compression."""

LIT = 0.4
"""Share of pixels that must be of another colour where the border ends, for it to end in a step."""

SMEAR = 16
"""Lines within which it must end, but no more than it has even ones: compression smears the step over a block of so
many. They count as border."""

BLEND = 2
"""Lines behind a border that may be half border, where the picture was scaled with it; they count as border too."""

MIXED = 0.85
"""How much of the line behind it such a line holds at most; the rest is border."""

UNMIXED = 0.15
"""Share of such a line that is neither, at most."""

RINGING = 4
"""Times the tolerance that compression may reach before the step."""

SUDDEN = 2
"""Lines within which a border ends after more than that has come: roofs before a night sky rise more slowly."""

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
    """Drop, or trim, what has borders: the crops of a frame, or its picture where it has none."""
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
    """Return the borders of a picture (H, W, 3) uint8 with alpha (H, W) or None; None if it has one colour all over.

    First above and below, then at the sides of what is left: a frame all around is found so too.
    """
    height, width = picture.shape[:2]
    hidden = None if alpha is None else alpha < _OPAQUE
    top = _border(picture, hidden, config)
    if top == height:
        return None
    bottom = _border(picture[::-1], None if hidden is None else hidden[::-1], config)
    # the lines of the sides are the columns of what is left
    middle = picture[top : height - bottom].transpose(1, 0, 2)
    beside = None if hidden is None else hidden[top : height - bottom].T
    left = _border(middle, beside, config)
    right = _border(middle[::-1], None if beside is None else beside[::-1], config)
    least = [max(1, config.minimum * side) for side in (width, height)]
    wide = (left, top, right, bottom)
    return Margins(*(one if one >= least[side % 2] else 0 for side, one in enumerate(wide)))


def _border(lines: Picture, hidden: Mask | None, config: BordersConfig) -> int:
    """Return how many lines from the first on are border: all, where no other colour comes."""
    colour = np.median(lines[0], axis=0)
    if config.colour == "dark" and colour.max() > DARK:
        return 0
    even = 0
    for begin in range(0, len(lines), _AT_ONCE):
        strange = _strange(lines, hidden, slice(begin, begin + _AT_ONCE), colour, config)
        ends = np.flatnonzero(strange > SPECKS)
        if len(ends):
            even = begin + int(ends[0])
            break
    else:
        return len(lines)
    if even == 0:
        return 0
    near = slice(even, even + max(SUDDEN, min(SMEAR, even)))
    steps = np.flatnonzero(_strange(lines, hidden, near, colour, config) >= LIT)
    begun = np.flatnonzero(_strange(lines, hidden, near, colour, config, RINGING) > 5 * SPECKS)
    if not len(steps) or steps[0] > (begun[0] if len(begun) else 0) + SUDDEN:
        return 0
    last = even + int(steps[0])
    return last + _blended(lines[last : last + BLEND + 1], colour)


def _blended(lines: Picture, colour: np.ndarray) -> int:
    """Return how many of the first lines (n + 1, L, 3) behind a border are a mixture of it and of the line behind."""
    away = lines - colour
    for count, (one, behind) in enumerate(pairwise(away)):
        share = (one * behind).sum() / max((behind * behind).sum(), 1)
        if share > MIXED or np.abs(one - share * behind).sum() > UNMIXED * np.abs(behind).sum():
            return count
    return max(0, len(away) - 1)


def _strange(
    lines: Picture, hidden: Mask | None, part: slice, colour: np.ndarray, config: BordersConfig, times: int = 1
) -> np.ndarray:
    """Return the share of each line's pixels that are off the border's colour, by ``times`` the tolerance; (N,)."""
    apart = np.abs(lines[part].astype(np.int16) - colour.astype(np.int16)).max(axis=2)
    off = apart > times * config.tolerance
    if hidden is not None:
        # What is transparent is no dark border, and part of one of any colour.
        off = off | hidden[part] if config.colour == "dark" else off & ~hidden[part]
    share: np.ndarray = off.mean(axis=1)
    return share
