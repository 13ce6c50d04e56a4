"""Intervals of the bootstrap: they hold the truth as often as they say, and are the same again."""

from __future__ import annotations

import numpy as np
import pytest

from henshin.metrics.bootstrap import Estimate, mean_estimate


def test_nineteen_of_twenty_intervals_hold_the_true_mean() -> None:
    rng = np.random.default_rng(0)
    held = []
    for seed in range(400):
        low, high = mean_estimate(rng.exponential(2.0, 60), seed, 300).interval()
        held.append(low <= 2.0 <= high)
    assert 0.90 <= np.mean(held) <= 0.98


def test_a_seed_gives_the_same_resamples_and_another_gives_others() -> None:
    values = np.random.default_rng(1).normal(0, 1, 20)
    one, same, other = (mean_estimate(values, seed).resamples for seed in (3, 3, 4))
    assert (one == same).all()
    assert (one != other).any()
    assert mean_estimate(values).value == pytest.approx(values.mean())


def test_the_normal_interval_is_as_wide_as_the_resamples_vary_around_the_value() -> None:
    resamples = np.random.default_rng(2).normal(7, 2, 5000)
    low, high = Estimate(5.0, resamples).normal_interval()
    assert (low, high) == pytest.approx((5 - 1.96 * 2, 5 + 1.96 * 2), abs=0.15)
