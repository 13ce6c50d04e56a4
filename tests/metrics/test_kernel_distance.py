"""KID against its formula written out, the bootstrap's intervals on sets whose ratio is known, variety."""

from __future__ import annotations

import numpy as np
import pytest

from henshin.metrics.kernel_distance import Pair, kid, mean_distance, ratio, variety


def gaussian(rng: np.random.Generator, n: int, mean: float, d: int = 4) -> np.ndarray:
    return rng.normal(mean, 1, (n, d))


def k(a: np.ndarray, b: np.ndarray) -> float:
    return (sum(float(one) * float(other) for one, other in zip(a, b, strict=True)) / len(a) + 1) ** 3


def written_out(x: list[tuple[int, np.ndarray]], y: list[tuple[int, np.ndarray]]) -> float:
    """The unbiased MMD of lists of (identity, vector): a vector is never compared with itself."""
    within = [
        np.mean([k(a, b) for p, (i, a) in enumerate(of) for q, (j, b) in enumerate(of) if p != q and i != j])
        for of in (x, y)
    ]
    return float(within[0] + within[1] - 2 * np.mean([k(a, b) for _, a in x for _, b in y]))


def test_kid_is_the_formula_of_the_paper() -> None:
    rng = np.random.default_rng(0)
    x, y = gaussian(rng, 7, 0.5, 6), gaussian(rng, 9, 0, 6)
    assert kid(x, y) == pytest.approx(written_out(list(enumerate(x)), list(enumerate(y))), rel=1e-9)


def test_a_weight_is_how_often_a_picture_was_drawn() -> None:
    rng = np.random.default_rng(1)
    x, y = gaussian(rng, 5, 1), gaussian(rng, 6, 0)
    wx, wy = np.array([2, 0, 1, 1, 1]), np.array([1, 1, 3, 0, 1, 0])
    drawn = [[(i, of[i]) for i in range(len(of)) for _ in range(w[i])] for of, w in ((x, wx), (y, wy))]
    assert Pair(x, y).distances(wx[None], wy[None])[0] == pytest.approx(written_out(*drawn), rel=1e-9)


def test_kid_of_two_halves_of_a_set_is_about_0_and_grows_with_the_distance() -> None:
    rng = np.random.default_rng(2)
    y = gaussian(rng, 400, 0)
    near, nearer, far = (kid(gaussian(rng, 400, mean), y) for mean in (0.0, 0.3, 1.0))
    assert abs(near) < 0.05 < nearer < far


def test_photos_have_ratio_1_and_drawings_themselves_about_0() -> None:
    rng = np.random.default_rng(3)
    photos, drawings = gaussian(rng, 80, 1), gaussian(rng, 80, 0)
    found = ratio(photos, photos, drawings, resamples=50)
    assert found.value == 1
    assert found.interval() == pytest.approx((1, 1))
    assert abs(ratio(photos, gaussian(rng, 80, 0), drawings, resamples=50).value) < 0.05


def test_nine_of_ten_intervals_hold_the_true_ratio() -> None:
    rng = np.random.default_rng(4)
    large = [[gaussian(rng, 1000, mean) for mean in (1.0, 0.6, 0.0)] for _ in range(6)]
    true = np.mean([kid(drawn, drawings) / kid(photos, drawings) for photos, drawn, drawings in large])
    found = []
    for seed in range(60):
        sets = gaussian(rng, 50, 1.0), gaussian(rng, 50, 0.6), gaussian(rng, 50, 0.0)
        low, high = ratio(*sets, seed=seed, resamples=150).interval(0.9)
        found.append((low <= true <= high, high - low))
    assert 0.8 <= np.mean([held for held, _ in found]) <= 0.98
    assert np.median([width for _, width in found]) < 0.5


def test_an_interval_holds_the_value_shrinks_with_the_set_and_is_the_same_again() -> None:
    rng = np.random.default_rng(5)
    widths = {}
    for n in (40, 360):
        sets = gaussian(rng, n, 1.0), gaussian(rng, n, 0.6), gaussian(rng, n, 0.0)
        found = ratio(*sets, resamples=300)
        low, high = found.interval(0.9)
        assert low < found.value < high
        assert abs(float(found.resamples.mean()) - found.value) < 0.35 * (high - low)
        assert (ratio(*sets, resamples=300).resamples == found.resamples).all()
        widths[n] = high - low
    assert widths[360] < 0.6 * widths[40]


def test_resamples_of_two_models_are_of_the_same_pictures() -> None:
    rng = np.random.default_rng(6)
    photos, drawings, drawn = gaussian(rng, 40, 1), gaussian(rng, 40, 0), gaussian(rng, 40, 0.6)
    worse = drawn + 0.02  # far less than an interval, and yet so in nearly every resample
    one, other = (ratio(photos, of, drawings, resamples=200).resamples for of in (drawn, worse))
    assert (one < other).mean() > 0.95


def test_variety_is_1_for_the_drawings_and_0_where_all_are_alike() -> None:
    rng = np.random.default_rng(7)
    drawings = gaussian(rng, 30, 0)
    assert variety(drawings, drawings) == 1
    assert variety(drawings * 0.5, drawings) == pytest.approx(0.5)
    assert variety(np.ones((10, 4)), drawings) == 0
    assert mean_distance(np.array([[0.0, 0], [3, 4], [0, 0]])) == pytest.approx(10 / 3)


def test_a_weighting_without_any_pair_has_no_distance() -> None:
    rng = np.random.default_rng(9)
    x, y = gaussian(rng, 3, 1), gaussian(rng, 3, 0)
    found = Pair(x, y).distances(np.array([[0.0, 3, 0], [1, 1, 1]]), np.ones((2, 3)))
    assert np.isnan(found).tolist() == [True, False]


def test_blocks_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    sets = gaussian(rng, 20, 1.0), gaussian(rng, 20, 0.6), gaussian(rng, 31, 0.0)
    whole, spread = ratio(*sets, resamples=9), mean_distance(sets[2])
    monkeypatch.setattr("henshin.metrics.kernel_distance._VALUES", 90)
    assert ratio(*sets, resamples=9).resamples == pytest.approx(whole.resamples, rel=1e-9)
    assert mean_distance(sets[2]) == pytest.approx(spread, rel=1e-12)
