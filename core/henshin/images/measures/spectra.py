"""Fourier spectra of pictures: power by frequency, energy above half of the Nyquist frequency, checkerboard patterns.

Frequencies are in units of the Nyquist frequency, half a period per pixel: 1 is a pattern that changes with every
pixel. The transform is the unitary one, so that the power of all frequencies sums to that of all pixels (Parseval).
Only numpy is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from henshin.images.grey import LUMA_WEIGHTS

if TYPE_CHECKING:
    from henshin.images.picture import Picture

Plane = NDArray[np.float64]

HALF = 0.5
"""Half of the Nyquist frequency: detail of less than four pixels a period lies above it."""

PERIODS = (2, 4, 8)
"""Periods in pixels of the patterns that up-sampling by 2, once, twice or three times, leaves behind."""

PEAK_DB = 12.0
"""Decibels above its surroundings from which a peak is called a pattern. Photos and drawings stayed below 8, networks
with random weights that resize below 10; those with transposed convolutions had 17 and more."""

_SQUARE, _FEWEST = 64, 16
"""Side of the squares whose spectra are averaged, in pixels, and how many it takes."""

_INNER, _OUTER = 2, 3
"""Bins from a frequency at which its surroundings begin, and end."""


def grey(picture: Picture) -> Plane:
    """Return the luma (H, W) float64, from 0 to 1, of a picture (H, W, 3) uint8."""
    return np.asarray(picture.astype(np.float64) @ LUMA_WEIGHTS / 255)


def middle(plane: NDArray[Any], side: int) -> NDArray[Any]:
    """Return the middle square of an array (H, W, ...), a view. Errors: ValueError if it is smaller than the square."""
    height, width = plane.shape[:2]
    if min(height, width) < side:
        raise ValueError(f"{width}x{height} pixels hold no square of {side}")
    top, left = (height - side) // 2, (width - side) // 2
    return plane[top : top + side, left : left + side]


def power(plane: Plane) -> Plane:
    """Return the power of each frequency of a plane (H, W), the zero frequency in the middle: |unitary DFT|^2."""
    return np.asarray(np.abs(np.fft.fftshift(np.fft.fft2(plane, norm="ortho"))) ** 2)


def radius(side: int) -> Plane:
    """Return the frequency (side, side) of each place of a centred spectrum, 0 to the square root of 2."""
    axis = np.fft.fftshift(np.fft.fftfreq(side)) * 2
    return np.asarray(np.hypot(axis[:, None], axis[None, :]))


def log_magnitude(powers: Plane) -> Plane:
    """Return the magnitudes of a power spectrum in dB, 10 log10 of the power; nothing is shown as -120."""
    return np.asarray(10 * np.log10(np.maximum(powers, 1e-12)))


def radial_curve(powers: Plane) -> Plane:
    """Return the mean power in each ring of a centred spectrum (S, S), S/2 of them, from frequency 0 up to 1.

    Ring k is centred at frequency 2k / S; the corners beyond 1 are in none.
    """
    side = len(powers)
    ring = np.rint(radius(side) * side / 2).astype(np.int64).ravel()
    sums = np.bincount(ring, powers.ravel())
    counts = np.bincount(ring)
    return np.asarray(sums[: side // 2] / counts[: side // 2])


def high_share(powers: Plane) -> float:
    """Return the share of the power above half of the Nyquist frequency, the mean brightness left out; 0 without any.

    The mean brightness is the zero frequency, which holds nearly all power of most pictures.
    """
    frequencies = radius(len(powers))
    rest = float(powers[frequencies > 0].sum())
    # A flat picture has nothing but rounding there.
    return float(powers[frequencies > HALF].sum()) / rest if rest > 1e-12 * float(powers.sum()) else 0.0


def high_pass(plane: Plane) -> Plane:
    """Return what a plane (S, S) holds above half of the Nyquist frequency."""
    spectrum = np.fft.fftshift(np.fft.fft2(plane, norm="ortho"))
    spectrum[radius(len(plane)) <= HALF] = 0
    return np.asarray(np.fft.ifft2(np.fft.ifftshift(spectrum), norm="ortho").real)


def near_edges(plane: Plane, threshold: float = 0.1, reach: int = 2) -> NDArray[np.bool_]:
    """Return which pixels of a plane (H, W), 0 to 1, lie at most ``reach`` pixels from an edge.

    An edge is where the gradient by Sobel's operator, scaled to the change from one pixel to the next, exceeds
    ``threshold``.
    """
    padded = np.pad(plane, 1, "edge")
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    columns = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    edges = np.hypot(rows[:, 2:] - rows[:, :-2], columns[2:] - columns[:-2]) / 8 > threshold
    for axis in (0, 1):
        moved = np.pad(edges, [(reach, reach) if axis == one else (0, 0) for one in (0, 1)])
        length = edges.shape[axis]
        edges = np.any([np.take(moved, range(k, k + length), axis) for k in range(2 * reach + 1)], axis=0)
    return np.asarray(edges)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular pattern in pictures: its ``period`` in pixels, and by how many ``decibels`` it exceeds what is around.

    ``place`` is its frequency along x and y, in units of the Nyquist frequency.
    """

    period: int
    decibels: float
    place: tuple[float, float]

    def __str__(self) -> str:
        return f"a pattern with a period of {self.period} pixels, {self.decibels:.0f} dB above what is around it"


def windowed_power(plane: Plane) -> Plane:
    """Return the power spectrum of a plane (S, S) under a Hann window, its mean taken out.

    The window keeps what differs between opposite borders from lying on the axes of the spectrum.
    """
    window = np.hanning(len(plane) + 1)[:-1]
    return power((plane - plane.mean()) * window[:, None] * window[None, :])


class PatternFinder:
    """Looks for the patterns of up-sampling in pictures, one after the other; no picture is kept.

    Up-sampling by 2 that treats neighbouring pixels unequally (a transposed convolution whose stride does not divide
    its kernel) leaves a grid with a period of 2 pixels, twice in a row also one of 4, and so on: peaks at multiples of
    these frequencies (A. Odena et al., "Deconvolution and checkerboard artifacts", 2016). The blocks of a JPEG file
    have a period of 8 too. The spectra of overlapping squares of 64 pixels are averaged (Welch's method), so that what
    belongs to one place of one picture does not count.
    """

    def __init__(self) -> None:
        self._sum = np.zeros((_SQUARE, _SQUARE))
        self._count = 0

    def add(self, plane: Plane) -> None:
        """Add the squares of a plane (H, W), of any size."""
        for square in _squares(plane):
            self._sum += windowed_power(square)
            self._count += 1

    def patterns(self, least: float = PEAK_DB) -> list[Pattern] | None:
        """Return the strongest pattern of each period that is at least so many dB above what is around it.

        None if there were fewer than 16 squares, which is too few to tell.
        """
        if self._count < _FEWEST:
            return None
        mean = self._sum / self._count
        found = []
        for period in PERIODS:
            coarser = set(_coarser(period))
            best, place = max((_above(mean, place), place) for place in _grid(period) if place not in coarser)
            if best >= least:
                found.append(Pattern(period, best, (2 * place[1], 2 * place[0])))
        return found


def _squares(plane: Plane) -> Iterator[Plane]:
    """Yield the squares of a plane, each half a square from the next."""
    for top in range(0, plane.shape[0] - _SQUARE + 1, _SQUARE // 2):
        for left in range(0, plane.shape[1] - _SQUARE + 1, _SQUARE // 2):
            yield plane[top : top + _SQUARE, left : left + _SQUARE]


def _grid(period: int) -> Iterator[tuple[float, float]]:
    """Yield the frequencies (y, x) of a grid of this period, in periods per pixel; half of the plane holds them all."""
    steps = [step / period for step in range(period // 2 + 1)]
    yield from ((row, sign * column) for row in steps for column in steps for sign in (1, -1) if row or column)


def _coarser(period: int) -> Iterator[tuple[float, float]]:
    """Yield the frequencies of grids of smaller periods, which are not this one's own."""
    for smaller in PERIODS:
        if smaller < period:
            yield from _grid(smaller)


def _above(powers: Plane, place: tuple[float, float]) -> float:
    """Return by how many dB the power at a frequency exceeds the median around it, in a spectrum that is periodic."""
    side = len(powers)
    row, column = (round(value * side) + side // 2 for value in place)
    reach = np.arange(-_OUTER, _OUTER + 1)
    around = powers[np.ix_((row + reach) % side, (column + reach) % side)]
    distance = np.maximum(np.abs(reach)[:, None], np.abs(reach)[None, :])
    peak = float(around[distance <= 1].max())
    rest = float(np.median(around[distance >= _INNER]))
    # What is 140 dB below full contrast is rounding, and no pattern.
    return 10 * float(np.log10(max(peak, 1e-14) / max(rest, 1e-14)))
