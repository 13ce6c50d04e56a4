"""Precision and recall of a set of pictures, by the neighbourhoods of feature vectors.

Paper: Kynkäänniemi, Karras, Laine, Lehtinen, Aila, "Improved Precision and Recall Metric for Assessing Generative
Models", NeurIPS 2019.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[np.float64]

NEIGHBOURS = 3
"""k of the paper: a neighbourhood reaches to the third nearest of the same set."""

LEAST = NEIGHBOURS + 1
"""Pictures that a set must have."""

_ROWS = 1024
"""Rows of distances that are held at once."""


def share_within(judged: Array, reference: Array) -> Array:
    """Return (N,) 1 where a feature vector of (N, D) lies in the manifold of the reference (M, D), else 0.

    The manifold is all balls around the vectors of the reference that reach to their third nearest neighbour there.
    The mean for (fake, real) is the precision, that for (real, fake) the recall. M is at least `LEAST`.
    """
    squares = _radii(reference)
    inside = [(_squares(part, reference) <= squares).any(axis=1) for part in _parts(judged)]
    return np.concatenate(inside).astype(np.float64)


def _radii(x: Array) -> Array:
    """Return (M,) the squared distance of each vector from its k-th nearest other one."""
    radii = []
    for start, part in zip(range(0, len(x), _ROWS), _parts(x), strict=True):
        squares = _squares(part, x)
        rows = np.arange(len(part))
        squares[rows, start + rows] = np.inf  # not a neighbour of itself
        radii.append(np.partition(squares, NEIGHBOURS - 1, axis=1)[:, NEIGHBOURS - 1])
    return np.concatenate(radii)


def _parts(x: Array) -> list[Array]:
    return [x[start : start + _ROWS] for start in range(0, len(x), _ROWS)]


def _squares(x: Array, y: Array) -> Array:
    squares: Array = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1)[None, :] - 2 * x @ y.T
    return squares.clip(0)
