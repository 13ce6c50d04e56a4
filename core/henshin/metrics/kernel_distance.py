"""KID between sets of feature vectors, the ratio of two of them, and variety, each with its resamples.

Paper: Bińkowski, Sutherland, Arbel, Gretton, "Demystifying MMD GANs", ICLR 2018.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from henshin.metrics.bootstrap import RESAMPLES, Estimate, draw_counts, with_whole

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[np.float64]
    Compare: TypeAlias = Callable[[Array, Array], Array]

_VALUES = 1 << 24
"""Values of a kernel that are held at once: 128 MiB."""


def kernel(x: Array, y: Array) -> Array:
    """Return (N, M) the cubic kernel of KID between features (N, D) and (M, D)."""
    values: Array = (x @ y.T / x.shape[1] + 1) ** 3
    return values


def kid(x: Array, y: Array) -> float:
    """Return the unbiased squared MMD between features (N, D) and (M, D) of two sets; it may be a little below 0."""
    return float(Pair(x, y).distances(np.ones((1, len(x))), np.ones((1, len(y))))[0])


class Pair:
    """The kernel within and between two sets of features; a KID for any weights of their pictures costs little.

    Kernels are computed in blocks of rows, so that large sets need no matrix of all their pairs.
    """

    def __init__(self, x: Array, y: Array) -> None:
        self.x, self.y = x, y

    def distances(self, wx: Array, wy: Array) -> Array:
        """Return (K,) the KID for K weightings (K, N) and (K, M) of the pictures.

        A weight is how often a picture was drawn. A pair of a picture with itself counts in none, also where it was
        drawn twice: those pairs would make every resample look further away than the sets are. NaN for a weighting
        that leaves no pair.
        """
        between = _weighted_sum(self.x, self.y, kernel, wx, wy) / (wx.sum(axis=1) * wy.sum(axis=1))
        distances: Array = _within(self.x, kernel, wx) + _within(self.y, kernel, wy) - 2 * between
        return distances


def _weighted_sum(x: Array, y: Array, values: Compare, wx: Array, wy: Array) -> Array:
    """Return (K,) the sums of the values (N, M) between two sets, each times the weights of its row and column."""
    rows = max(1, _VALUES // len(y))
    blocks = [slice(start, start + rows) for start in range(0, len(x), rows)]
    total: Array = np.sum([((wx[:, rows] @ values(x[rows], y)) * wy).sum(axis=1) for rows in blocks], axis=0)
    return total


def _within(x: Array, values: Compare, weights: Array) -> Array:
    """Return (K,) the weighted means of the values of two different pictures of a set."""
    squares = weights**2
    own = np.array([float(values(row[None], row[None])[0, 0]) for row in x])
    total = _weighted_sum(x, x, values, weights, weights) - squares @ own
    pairs = weights.sum(axis=1) ** 2 - squares.sum(axis=1)
    # of a few pictures a resample may draw a single one, which has no pair
    mean: Array = np.divide(total, pairs, out=np.full_like(total, np.nan), where=pairs > 0)
    return mean


def kid_estimate(x: Array, y: Array, seed: int = 0, resamples: int = RESAMPLES) -> Estimate:
    """Return the KID of features (N, D) and (M, D). The bootstrap draws pictures of both sets; features stay."""
    values = Pair(x, y).distances(*_both_counts(len(x), len(y), seed, resamples))
    return Estimate(float(values[0]), values[1:])


def ratio(photos: Array, drawn: Array, drawings: Array, seed: int = 0, resamples: int = RESAMPLES) -> Estimate:
    """Return KID(drawn, drawings) / KID(photos, drawings) for features (N, D), (N, D) and (M, D).

    1: as far from drawings as the photos are; 0: drawings. Row i of the drawn is what was drawn of photo i. The
    bootstrap draws photos with what was drawn of them, and drawings, with replacement; features stay.
    """
    wx, wy = _both_counts(len(photos), len(drawings), seed, resamples)
    values = Pair(drawn, drawings).distances(wx, wy) / Pair(photos, drawings).distances(wx, wy)
    return Estimate(float(values[0]), values[1:])


def _both_counts(n: int, m: int, seed: int, resamples: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    return with_whole(draw_counts(n, resamples, rng)), with_whole(draw_counts(m, resamples, rng))


def variety(drawn: Array, drawings: Array) -> float:
    """Return the mean distance of two of the drawn (N, D) over that of two drawings (M, D); below .8: much alike."""
    return variety_estimate(drawn, drawings, resamples=0).value


def variety_estimate(drawn: Array, drawings: Array, seed: int = 0, resamples: int = RESAMPLES) -> Estimate:
    """Return the `variety` of features (N, D) and (M, D) with its resamples."""
    wx, wy = _both_counts(len(drawn), len(drawings), seed, resamples)
    values = _within(drawn, _distances, wx) / _within(drawings, _distances, wy)
    return Estimate(float(values[0]), values[1:])


def mean_distance(x: Array) -> float:
    """Return the mean Euclidean distance of two different rows of (N, D)."""
    return float(_within(x, _distances, np.ones((1, len(x))))[0])


def _distances(x: Array, y: Array) -> Array:
    squares = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1)[None, :] - 2 * x @ y.T
    distances: Array = np.sqrt(squares.clip(0))
    return distances
