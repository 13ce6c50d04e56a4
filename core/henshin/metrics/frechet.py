"""The Fréchet distance of two sets of feature vectors, each taken as a normal distribution: FID, by its definition.

Paper: Heusel, Ramsauer, Unterthiner, Nessler, Hochreiter, "GANs Trained by a Two Time-Scale Update Rule Converge to a
Local Nash Equilibrium", NeurIPS 2017. Only on the features of Inception is it the FID of papers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from henshin.metrics.bootstrap import Estimate, draw_counts

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[np.float64]

MOST_RESAMPLES = 100
"""Resamples suffice that give a deviation: each takes as long as the distance itself."""


def frechet_distance(x: Array, y: Array) -> float:
    """Return |m_x - m_y|² + tr(S_x + S_y - 2 (S_x S_y)^½) of features (N, D) and (M, D), N and M at least 2.

    m are the means, S the unbiased covariances. For centred features X and Y the trace of the root is the sum of the
    singular values of X Yᵀ, divided by the root of (N - 1)(M - 1); so no root of a singular matrix is taken.
    """
    return _distance(x, y, np.ones(len(x)), np.ones(len(y)))


def frechet_estimate(x: Array, y: Array, seed: int = 0, resamples: int = MOST_RESAMPLES) -> Estimate:
    """Return the distance with its resamples, `MOST_RESAMPLES` at most.

    The distance grows as pictures become fewer, and a resample has fewer different ones: take the `normal_interval`.
    """
    rng, count = np.random.default_rng(seed), min(resamples, MOST_RESAMPLES)
    wx, wy = draw_counts(len(x), count, rng), draw_counts(len(y), count, rng)
    values = [_distance(x, y, one, other) for one, other in zip(wx, wy, strict=True)]
    return Estimate(frechet_distance(x, y), np.array(values))


def _distance(x: Array, y: Array, wx: Array, wy: Array) -> float:
    """Return the distance where picture i of a set counts ``w[i]`` times."""
    (mean_x, root_x), (mean_y, root_y) = _moments(x, wx), _moments(y, wy)
    cross = np.linalg.svd(root_x @ root_y.T, compute_uv=False).sum()
    return float(((mean_x - mean_y) ** 2).sum() + (root_x**2).sum() + (root_y**2).sum() - 2 * cross)


def _moments(x: Array, weights: Array) -> tuple[Array, Array]:
    """Return the mean (D,), and a matrix R (at most D, D) with Rᵀ R = the unbiased covariance."""
    drawn = weights > 0
    x, weights = x[drawn], weights[drawn]
    total = float(weights.sum())
    mean = weights @ x / total
    root = np.sqrt(weights)[:, None] * (x - mean) / math.sqrt(total - 1)
    if len(root) > root.shape[1]:
        root = np.asarray(np.linalg.qr(root, mode="r"))
    return mean, root
