"""Bootstrap intervals: how far a figure would differ if other pictures of the same kind had been taken.

Paper: Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of Statistics, 1979.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[np.float64]

RESAMPLES = 1000
LEVEL = 0.95
"""Share of the resamples that lie within an interval."""


@dataclass(frozen=True)
class Estimate:
    """A figure, and its values (K,) over resampled pictures: the k-th of each model is of the same pictures.

    Values that are NaN, of resamples that have no figure, count in no interval.
    """

    value: float
    resamples: Array

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Return the limits between which this share of the resamples lies, as many below as above."""
        low, high = np.nanquantile(self.resamples, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)

    def normal_interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Return the value plus and minus the deviation of the resamples, as wide as a normal distribution says.

        It is for figures that are systematically larger for a resample than for the pictures themselves.
        """
        from statistics import NormalDist

        width = NormalDist().inv_cdf((1 + level) / 2) * float(np.nanstd(self.resamples, ddof=1))
        return self.value - width, self.value + width


def draw_counts(pictures: int, resamples: int, rng: np.random.Generator) -> Array:
    """Return (K, N): how often each picture is drawn when N are drawn with replacement, K times."""
    counts = rng.multinomial(pictures, np.full(pictures, 1 / pictures), resamples)
    return counts.astype(np.float64)


def with_whole(counts: Array) -> Array:
    """Return counts (K, N) with a first row in which each picture is drawn once: (K + 1, N)."""
    return np.vstack([np.ones((1, counts.shape[1])), counts])


def mean_estimate(values: Array, seed: int = 0, resamples: int = RESAMPLES) -> Estimate:
    """Return the mean of values (N,), one for each picture or pair, with its resamples."""
    counts = draw_counts(len(values), resamples, np.random.default_rng(seed))
    return Estimate(float(values.mean()), counts @ values / len(values))
