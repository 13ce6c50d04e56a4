"""KID between sets of feature vectors, the ratio of two of them with its bootstrap interval, and variety.

Paper: Bińkowski, Sutherland, Arbel, Gretton, "Demystifying MMD GANs", ICLR 2018.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[np.float64]

RESAMPLES = 1000
LEVEL = 0.9
"""Share of the resamples that lie within an interval."""


@dataclass(frozen=True)
class Ratio:
    """KID(drawn, drawings) / KID(photos, drawings): 1 = as far from drawings as the photos, 0 = drawings.

    `resamples` (K,) are its values over resampled pictures: the k-th of each model is of the same pictures.
    """

    value: float
    resamples: Array

    @property
    def interval(self) -> tuple[float, float]:
        """The limits between which 90 % of the resamples lie, as many below as above."""
        low, high = np.quantile(self.resamples, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return float(low), float(high)


def kernel(x: Array, y: Array) -> Array:
    """Return (N, M) the cubic kernel of KID between features (N, D) and (M, D)."""
    values: Array = (x @ y.T / x.shape[1] + 1) ** 3
    return values


def kid(x: Array, y: Array) -> float:
    """Return the unbiased squared MMD between features (N, D) and (M, D) of two sets; it may be a little below 0."""
    return float(Pair(x, y).distances(np.ones((1, len(x))), np.ones((1, len(y))))[0])


class Pair:
    """The kernel within and between two sets of features; a KID for any weights of their pictures costs little."""

    def __init__(self, x: Array, y: Array) -> None:
        self.xx, self.yy, self.xy = kernel(x, x), kernel(y, y), kernel(x, y)

    def distances(self, wx: Array, wy: Array) -> Array:
        """Return (K,) the KID for K weightings (K, N) and (K, M) of the pictures.

        A weight is how often a picture was drawn. A pair of a picture with itself counts in none, also where it was
        drawn twice: those pairs would make every resample look further away than the sets are.
        """
        between = ((wx @ self.xy) * wy).sum(axis=1) / (wx.sum(axis=1) * wy.sum(axis=1))
        distances: Array = _within(self.xx, wx) + _within(self.yy, wy) - 2 * between
        return distances


def _within(values: Array, weights: Array) -> Array:
    squares = weights**2
    total = ((weights @ values) * weights).sum(axis=1) - squares @ np.diag(values)
    mean: Array = total / (weights.sum(axis=1) ** 2 - squares.sum(axis=1))
    return mean


def ratio(photos: Array, drawn: Array, drawings: Array, seed: int = 0, resamples: int = RESAMPLES) -> Ratio:
    """Return the ratio for features of photos (N, D), what was drawn of each (N, D), and drawings (M, D).

    The bootstrap draws photos with what was drawn of them, and drawings, with replacement; features stay.
    """
    rng = np.random.default_rng(seed)
    n, m = len(photos), len(drawings)
    wx = np.vstack([np.ones((1, n)), rng.multinomial(n, np.full(n, 1 / n), resamples)])
    wy = np.vstack([np.ones((1, m)), rng.multinomial(m, np.full(m, 1 / m), resamples)])
    values = Pair(drawn, drawings).distances(wx, wy) / Pair(photos, drawings).distances(wx, wy)
    return Ratio(float(values[0]), values[1:])


def variety(drawn: Array, drawings: Array) -> float:
    """Return the mean distance of two of the drawn (N, D) over that of two drawings (M, D); below .8: much alike."""
    return mean_distance(drawn) / mean_distance(drawings)


def mean_distance(x: Array) -> float:
    """Return the mean Euclidean distance of two different rows of (N, D)."""
    lengths = (x**2).sum(axis=1)
    squares = (lengths[:, None] + lengths[None, :] - 2 * x @ x.T).clip(0)
    np.fill_diagonal(squares, 0)
    return float(np.sqrt(squares).sum() / (len(x) * (len(x) - 1)))
