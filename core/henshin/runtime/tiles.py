"""How a picture is cut into windows that a network of finite reach can take one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

_BUDGET = {"cpu": 1 << 20, "cuda": 1 << 22}
"""Pixels of output that one window may have. A layer of 64 channels then takes 256 MiB, or 1 GiB on a GPU."""


@dataclass(frozen=True, slots=True)
class Span:
    """One window along one axis: it covers [start, start + size), and its result is kept on [low, high)."""

    start: int
    size: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of a picture that is fed to the network, and the part of it whose result is kept."""

    rows: Span
    columns: Span

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of what the network is fed."""
        return self.rows.size, self.columns.size


def up(value: int, multiple: int) -> int:
    """Round ``value`` up to a multiple."""
    return -(-value // multiple) * multiple


def budget_side(kind: str, scale: int) -> int:
    """Return the side in input pixels of the square window that the budget of a device allows."""
    return isqrt(_BUDGET[kind]) // scale


def smallest_side(reach: int, multiple: int) -> int:
    """Return the smallest side of a window that still has a part whose result is kept."""
    return 2 * up(reach, multiple) + multiple


def spans(length: int, side: int, reach: int, multiple: int) -> list[Span]:
    """Cut ``length`` (a multiple of ``multiple``) into windows of one size, at least ``side`` where it must be.

    Every window starts at a multiple of ``multiple``, so that a network with strides sees the same grid, and keeps
    only what lies at least ``reach`` from those of its edges that are not the picture's: there the result is that
    of the whole picture. The last window is pushed back inside instead of being smaller: all are one batch.
    """
    reach = up(reach, multiple)
    side = up(max(side, smallest_side(reach, multiple)), multiple)
    if length <= side:
        return [Span(0, length, 0, length)]
    step = side - 2 * reach
    starts = [*range(0, length - side, step), length - side]
    cuts = [0, *(start + reach for start in starts[1:]), length]
    return [Span(start, side, low, high) for start, low, high in zip(starts, cuts, cuts[1:], strict=False)]


def windows(height: int, width: int, side: int, reach: int, multiple: int, longest: int | None = None) -> list[Window]:
    """Cut a picture of ``height`` x ``width`` into windows whose kept parts cover it once.

    A picture of no more than side x side pixels is one window, whatever its shape; if a ``longest`` side is given,
    only when neither side is above it.
    """
    if height * width <= side * side and (longest is None or max(height, width) <= up(longest, multiple)):
        return [Window(Span(0, height, 0, height), Span(0, width, 0, width))]
    rows = spans(height, side, reach, multiple)
    columns = spans(width, side, reach, multiple)
    return [Window(row, column) for row in rows for column in columns]
