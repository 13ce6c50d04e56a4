"""The Fréchet distance against its formula with a matrix root, and what its interval says."""

from __future__ import annotations

import numpy as np
import pytest

from henshin.metrics.frechet import frechet_distance, frechet_estimate

linalg = pytest.importorskip("scipy.linalg")


def by_formula(x: np.ndarray, y: np.ndarray) -> float:
    """Heusel et al. 2017, written out: |m - m'|² + tr(S + S' - 2 (S S')^½), unbiased covariances."""
    one, other = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = linalg.sqrtm(one @ other)
    return float(((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(one + other - 2 * root.real))


@pytest.mark.parametrize(("n", "m", "d"), [(50, 70, 6), (6, 200, 6), (40, 40, 1)])
def test_the_distance_is_the_formula_of_the_paper(n: int, m: int, d: int) -> None:
    rng = np.random.default_rng(n)
    x, y = rng.normal(0.3, 1.5, (n, d)), rng.normal(0, 1, (m, d)) @ rng.normal(0, 1, (d, d))
    wanted = by_formula(x, y) if d > 1 else (x.mean() - y.mean()) ** 2 + (x.std(ddof=1) - y.std(ddof=1)) ** 2
    assert frechet_distance(x, y) == pytest.approx(wanted, rel=1e-7)


def test_fewer_pictures_than_features_are_right_too() -> None:
    """A root of a singular matrix is inexact, so the formula is held against nearly singular covariances."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(0, 1, (8, 20)), rng.normal(1, 2, (11, 20))
    one, other = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    values = np.linalg.eigvalsh(_root(one) @ other @ _root(one)).clip(0)
    wanted = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(one + other) - 2 * np.sqrt(values).sum()
    assert frechet_distance(x, y) == pytest.approx(wanted, rel=1e-6)


def _root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(values.clip(0))) @ vectors.T


def test_a_set_is_at_distance_0_from_itself_and_both_directions_are_equal() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(0, 1, (30, 5)), rng.normal(1, 1, (40, 5))
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(x, y) == pytest.approx(frechet_distance(y, x))


def test_a_resample_is_the_distance_of_the_pictures_that_it_drew() -> None:
    rng = np.random.default_rng(5)
    x, y = rng.normal(0, 1, (12, 4)), rng.normal(1, 1, (15, 4))
    found = frechet_estimate(x, y, seed=7, resamples=3)
    again = np.random.default_rng(7)
    of_x, of_y = (again.multinomial(n, np.full(n, 1 / n), 3) for n in (12, 15))
    wanted = [by_formula(np.repeat(x, one, 0), np.repeat(y, other, 0)) for one, other in zip(of_x, of_y, strict=True)]
    assert found.resamples == pytest.approx(wanted, rel=1e-6)
    low, high = found.normal_interval()
    assert low < found.value < high
