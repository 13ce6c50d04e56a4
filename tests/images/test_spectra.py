"""Spectra: Parseval, waves of known frequency, patterns of up-sampling, and edges."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from henshin.images.measures.spectra import (
    Pattern,
    PatternFinder,
    grey,
    high_pass,
    high_share,
    log_magnitude,
    middle,
    near_edges,
    power,
    radial_curve,
    radius,
)


def wave(side: int, x: float, y: float) -> np.ndarray:
    """A wave of frequency (x, y) in units of Nyquist around middle grey."""
    row, column = np.mgrid[:side, :side]
    return np.asarray(0.5 + 0.3 * np.cos(np.pi * (x * column + y * row)))


@settings(max_examples=25, deadline=None)
@given(st.integers(4, 40), st.integers(0, 2**32 - 1))
def test_the_power_of_all_frequencies_is_that_of_all_pixels(side: int, seed: int) -> None:
    plane = np.random.default_rng(seed).random((side, side))
    assert power(plane).sum() == pytest.approx((plane**2).sum())


def test_it_is_the_transform_of_the_definition(rng: np.random.Generator) -> None:
    plane, side = rng.random((6, 6)), 6
    x = np.arange(side)
    basis = np.exp(-2j * np.pi * np.outer(x, x) / side) / np.sqrt(side)
    wanted = np.abs(basis @ plane @ basis.T) ** 2
    assert np.allclose(np.fft.ifftshift(power(plane)), wanted)
    assert power(plane)[3, 3] == pytest.approx(side**2 * plane.mean() ** 2), "the zero frequency is in the middle"


@pytest.mark.parametrize(("x", "y"), [(0.25, 0), (0, 0.75), (0.5, 0.5), (1, 0)])
def test_a_wave_lies_at_its_frequency(x: float, y: float) -> None:
    powers = power(wave(32, x, y))
    powers[16, 16] = 0
    row, column = np.unravel_index(powers.argmax(), powers.shape)
    assert radius(32)[row, column] == pytest.approx(np.hypot(x, y))
    assert high_share(power(wave(32, x, y))) == pytest.approx(float(np.hypot(x, y) > 0.5))
    curve = radial_curve(powers)
    if np.hypot(x, y) < 1:
        assert curve.argmax() == round(np.hypot(x, y) * 16)


def test_rings_hold_their_mean() -> None:
    assert np.allclose(radial_curve(np.full((20, 20), 7.0)), 7)
    assert len(radial_curve(np.ones((20, 20)))) == 10


def test_noise_is_flat_and_a_flat_picture_has_nothing(rng: np.random.Generator) -> None:
    powers = np.mean([power(rng.normal(0.5, 0.1, (32, 32))) for _ in range(200)], axis=0)
    curve = radial_curve(powers)[1:]
    assert np.abs(curve / 0.01 - 1).max() < 0.2
    share = (radius(32) > 0.5).sum() / (32 * 32 - 1)
    assert high_share(powers) == pytest.approx(share, rel=0.02)
    assert high_share(power(np.zeros((16, 16)))) == 0


def test_the_high_pass_keeps_what_is_above_half(rng: np.random.Generator) -> None:
    low, high = wave(32, 0.25, 0.25) - 0.5, wave(32, 0.75, 0) - 0.5
    assert np.allclose(high_pass(low + high + 0.5), high)
    plane = rng.random((24, 24))
    shares = (high_pass(plane) ** 2).sum() / ((plane - plane.mean()) ** 2).sum()
    assert shares == pytest.approx(high_share(power(plane)))


def test_edges_reach_two_pixels() -> None:
    plane = np.zeros((12, 20))
    plane[:, 10:] = 1
    assert np.flatnonzero(near_edges(plane)[5]).tolist() == list(range(7, 13))
    assert not near_edges(np.full((8, 8), 0.7)).any()
    assert np.array_equal(near_edges(plane.T), near_edges(plane).T)


def test_the_middle_and_grey(rng: np.random.Generator) -> None:
    picture = rng.integers(0, 256, (10, 15, 3), dtype=np.uint8)
    assert np.array_equal(middle(picture, 6), picture[2:8, 4:10])
    with pytest.raises(ValueError, match="15x10 pixels hold no square of 11"):
        middle(picture, 11)
    assert grey(np.full((2, 2, 3), 255, np.uint8)) == pytest.approx(1)
    assert log_magnitude(np.array([[100.0, 0.0]])).tolist() == [[20.0, -120.0]]


def patterns(planes: list[np.ndarray]) -> list[Pattern] | None:
    finder = PatternFinder()
    for plane in planes:
        finder.add(plane)
    return finder.patterns()


def natural(rng: np.random.Generator, side: int = 128) -> np.ndarray:
    """Noise whose power falls with the square of the frequency, as that of photos does."""
    spectrum = np.fft.fft2(rng.normal(size=(side, side))) / np.maximum(np.fft.ifftshift(radius(side)), 1 / side)
    plane = np.fft.ifft2(spectrum).real
    return np.asarray(np.clip(0.5 + 0.15 * plane / plane.std(), 0, 1))


def transposed(plane: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Up-sample by 2 as a transposed convolution does: zeros between the pixels, then a kernel."""
    wide = np.zeros((2 * plane.shape[0], 2 * plane.shape[1]))
    wide[::2, ::2] = plane
    reach = len(kernel) // 2
    padded = np.pad(wide, reach)
    return np.asarray(
        sum(
            kernel[i, j] * padded[i : i + wide.shape[0], j : j + wide.shape[1]]
            for i in range(len(kernel))
            for j in range(len(kernel))
        )
    )


UNEVEN = np.ones((3, 3)) / 2
EVEN = np.outer([1, 2, 1], [1, 2, 1]) / 4
"""A kernel of 3 overlaps unevenly with stride 2; the weights of a bilinear filter make up for it."""


def test_uneven_up_sampling_leaves_a_pattern_and_even_does_not(rng: np.random.Generator) -> None:
    photos = [natural(rng, 64) for _ in range(6)]
    (found,) = patterns([transposed(photo, UNEVEN) for photo in photos])
    assert found.period == 2
    assert found.decibels > 20
    assert max(np.abs(found.place)) == 1
    assert patterns([transposed(photo, EVEN) for photo in photos]) == []
    assert patterns([natural(rng) for _ in range(6)]) == []


def test_up_sampling_twice_leaves_a_pattern_of_four_too(rng: np.random.Generator) -> None:
    twice = [transposed(transposed(natural(rng, 64), UNEVEN), UNEVEN)[:192, :192] for _ in range(3)]
    assert [one.period for one in patterns(twice)][:2] == [2, 4]


@pytest.mark.parametrize("period", [2, 4, 8])
def test_a_faint_grid_is_found_with_its_period(rng: np.random.Generator, period: int) -> None:
    grid = np.zeros((128, 128))
    grid[::period, ::period] = 0.05 * period
    (found, *rest) = patterns([natural(rng) + grid for _ in range(6)])
    assert max([found, *rest], key=lambda one: one.period).period == period
    assert str(found).startswith(f"a pattern with a period of {found.period} pixels, ")


def test_too_few_pixels_tell_nothing(rng: np.random.Generator) -> None:
    assert patterns([natural(rng)]) is None
    assert patterns([natural(rng, 63)] * 50) is None
    assert patterns([]) is None
    assert patterns([natural(rng, 160)]) == []


def test_no_picture_is_kept(rng: np.random.Generator) -> None:
    finder, plane = PatternFinder(), natural(rng)
    kept = weakref.ref(plane)
    finder.add(plane)
    del plane
    assert kept() is None
