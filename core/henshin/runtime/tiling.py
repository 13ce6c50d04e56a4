"""Tiling: overlapping windows of a picture for a network of finite reach (receptive field)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import isqrt

BUDGET = {"cpu": 3 << 18, "cuda": 1 << 22}
"""Pixels of output of one window, or of a batch of windows on a GPU. The layers of 64 channels of CARN need about 1100
bytes for each: 0.8 GiB, and 4.5 GiB on a GPU. On a CPU a third more pixels save 3 % of the time."""

FADE = 8
"""Pixels of the input over which the results of two windows are blended. Both are exact there if the reach is right;
if a contract understates it, the blend hides the seam. It costs 3 % more work."""


@dataclass(frozen=True, slots=True)
class Span:
    """One window along one axis: it covers [start, start + size), and its result is used in [low, high).

    In the first ``fade`` pixels of that it is blended with the window before, whose result is used up to their end.
    """

    start: int
    size: int
    low: int
    high: int
    fade: int = 0


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of a picture for the network, and the part of it whose result is used."""

    rows: Span
    columns: Span

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the window."""
        return self.rows.size, self.columns.size


@dataclass(frozen=True, slots=True)
class _Cut:
    """Parameters of a tiling, in units of the size multiple: a strided network has the same grid everywhere."""

    reach: int
    fade: int
    multiple: int

    @property
    def overlap(self) -> int:
        return 2 * self.reach + self.fade

    def count(self, length: int, side: int) -> int:
        """Return the number of windows of at most ``side`` that cover a length."""
        return 1 if length <= side else -(-(length - self.overlap) // (side - self.overlap))

    def size(self, length: int, count: int) -> int:
        """Return the smallest side with which ``count`` windows cover a length."""
        return -(-(length + (count - 1) * self.overlap) // count)

    def spans(self, length: int, count: int) -> list[Span]:
        """Return ``count`` windows of one size, evenly spaced over a length."""
        size, m = self.size(length, count), self.multiple
        starts = [i * (length - size) // max(1, count - 1) for i in range(count)]
        # The results of two windows are both exact in a band; the fade lies in its middle.
        lows = [0, *((start + last + size - self.fade) // 2 for last, start in pairwise(starts))]
        highs = [*(low + self.fade for low in lows[1:]), length]
        fades = [0, *[self.fade] * (count - 1)]
        return [
            Span(start * m, size * m, low * m, high * m, fade * m)
            for start, low, high, fade in zip(starts, lows, highs, fades, strict=True)
        ]


def round_up(value: int, multiple: int) -> int:
    """Round ``value`` up to a multiple."""
    return -(-value // multiple) * multiple


def default_side(kind: str, scale: int, reach: int) -> int:
    """Return the side in input pixels of the square window for a kind of device ("cpu", "cuda") and a network.

    It follows from the budget. It is at least four times the reach, where three quarters of the work are overlap, and
    also at least twelve times the reach, where a third is overlap, up to 256 pixels (CARN at x4).
    """
    return max(isqrt(BUDGET[kind]) // scale, 4 * reach, min(12 * reach, 256))


def smallest_side(reach: int, multiple: int) -> int:
    """Return the smallest side of a window that has a part whose result is used."""
    return 2 * round_up(reach, multiple) + multiple


def windows(height: int, width: int, side: int, reach: int, multiple: int, longest: int | None = None) -> list[Window]:
    """Cut a picture whose height and width are multiples of ``multiple`` into windows of one shape, row by row.

    No window has more than side x side pixels, or a side above ``longest`` if that is given (unless ``smallest_side``
    is larger). A picture within these limits is one window of its own shape. The used part of a window lies at least
    ``reach`` from its edges inside the picture, so its result equals that of the whole picture. Among all such tilings
    the one with the least work is returned.
    """
    if longest is not None:
        longest = round_up(max(longest, smallest_side(reach, multiple)), multiple)
    if height * width <= side * side and (longest is None or max(height, width) <= longest):
        return [Window(Span(0, height, 0, height), Span(0, width, 0, width))]
    cut, side = _plan_cut(side if longest is None else min(side, longest), reach, multiple)
    rows, columns = height // multiple, width // multiple
    grids = _grids(cut, rows, columns, side, longest and longest // multiple)
    down, across = min(grids, key=lambda grid: _cost(cut, rows, columns, *grid))
    return [Window(row, column) for row in cut.spans(rows, down) for column in cut.spans(columns, across)]


def _plan_cut(side: int, reach: int, multiple: int) -> tuple[_Cut, int]:
    """Return the parameters, and the side in units. The fade is at most a quarter of the used part of a window."""
    side = round_up(max(side, smallest_side(reach, multiple)), multiple) // multiple
    reach = -(-reach // multiple)
    return _Cut(reach, min(-(-FADE // multiple), (side - 2 * reach) // 4), multiple), side


def _grids(cut: _Cut, rows: int, columns: int, side: int, longest: int | None) -> Iterator[tuple[int, int]]:
    """Yield the numbers of windows (down, across) that give windows neither too large nor very narrow.

    There is always at least one: as many down as square windows need.
    """
    least = max(cut.overlap + 1, side // 3)
    for down in range(1, cut.count(rows, least) + 1):
        height = cut.size(rows, down)
        width = min(side * side // height, longest or columns)
        if height > (longest or height) or width < min(columns, least):
            continue
        yield down, cut.count(columns, width)


def _cost(cut: _Cut, rows: int, columns: int, down: int, across: int) -> tuple[int, int]:
    height, width = cut.size(rows, down), cut.size(columns, across)
    return down * across * height * width, height + width
