"""Jitter of training pictures: where points go, how far, alike in pairs, and the same after a break."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from support.data import Reader, scenes  # noqa: E402
from support.train import different, domains, last_state, run_yaml, trained  # noqa: E402

from henshin.api.training_data import PairedData, SetData  # noqa: E402
from henshin.train.data import apply_stage, open_pairs, open_pictures  # noqa: E402
from henshin.train.data.jitter import Jitter, jitter  # noqa: E402

SIDE = 64
ALL = {"jitter_shift": 0.1, "jitter_zoom": 0.1, "jitter_turn": 0.2}


def spots(*places: tuple[float, float]) -> torch.Tensor:
    """A picture for each place (across, down), -1 to 1: a soft spot there."""
    axis = (torch.arange(SIDE) + 0.5) * 2 / SIDE - 1
    return torch.stack(
        [torch.exp(-((axis[None] - x) ** 2 + (axis[:, None] - y) ** 2) / 0.005)[None] for x, y in places]
    )


def centre(pictures: torch.Tensor) -> np.ndarray:
    """The mean place (N, 2) of what is bright."""
    axis = (torch.arange(SIDE) + 0.5) * 2 / SIDE - 1
    total = pictures.sum((1, 2, 3))
    across, down = (pictures.sum((1, 2)) * axis).sum(1) / total, (pictures.sum((1, 3)) * axis).sum(1) / total
    return torch.stack([across, down], 1).numpy()


@pytest.mark.parametrize(
    "change", [(0.1, -0.05, 0, 0), (0, 0, 0.2, 0), (0, 0, -0.2, 0), (0, 0, 0, 0.3), (0.05, 0.1, 0.1, -0.4)]
)
def test_points_are_zoomed_and_turned_about_the_middle_and_then_shifted(change):
    places = [(0.3, 0.1), (-0.2, 0.4), (0.0, -0.3)]
    found = centre(jitter(spots(*places), np.array([change] * 3, np.float32)))
    across, down, zoom, turn = change
    for (x, y), place in zip(places, found, strict=True):
        to_x = math.exp(zoom) * (x * math.cos(turn) - y * math.sin(turn)) + 2 * across
        to_y = math.exp(zoom) * (x * math.sin(turn) + y * math.cos(turn)) + 2 * down
        assert place == pytest.approx((to_x, to_y), abs=0.01)


def test_whole_pixels_stay_pixels_and_the_border_is_a_reflection():
    picture = torch.rand(1, 3, 8, 8)
    moved = jitter(picture, np.array([[2 / 8, 0, 0, 0]], np.float32))
    assert torch.allclose(moved[..., 2:], picture[..., :6], atol=1e-5)
    assert torch.allclose(moved[..., :2], picture[..., [1, 0]], atol=1e-5)


def test_changes_are_even_between_their_bounds():
    changes = Jitter(0.1, 0.2, 0.3).draw(4000, np.random.default_rng(0))
    for column, largest in zip(changes.T, (0.1, 0.1, 0.2, 0.3), strict=True):
        assert abs(column).max() <= largest
        assert abs(column).max() > 0.99 * largest
        assert column.mean() == pytest.approx(0, abs=0.05 * largest)
        assert column.std() == pytest.approx(largest / 3**0.5, rel=0.05)
    assert np.abs(np.corrcoef(changes.T) - np.eye(4)).max() < 0.06


def test_without_jitter_pictures_and_random_numbers_are_those_of_before(tmp_path):
    scenes(tmp_path / "set", 6, 32, 32)
    data = SetData(pictures="set", size=32, hold_out=0)
    pictures = open_pictures(Reader(tmp_path), data.pictures, data)
    rng, other = np.random.default_rng(2), np.random.default_rng(2)
    drawn = pictures.draw(5, rng)
    rows, mirrored = other.integers(6, size=5), other.random(5) < 0.5
    plain = pictures.training[rows].float() / 127.5 - 1
    assert torch.equal(drawn, torch.where(torch.from_numpy(mirrored)[:, None, None, None], plain.flip(3), plain))
    assert rng.bit_generator.state == other.bit_generator.state


def test_jittered_pictures_depend_on_the_random_state_alone_and_what_is_held_out_stays(tmp_path):
    scenes(tmp_path / "set", 6, 32, 32)
    data = SetData(pictures="set", size=32, hold_out=2, **ALL)
    pictures = open_pictures(Reader(tmp_path), data.pictures, data)
    rng = np.random.default_rng(2)
    pictures.draw(3, rng)
    state = rng.bit_generator.state
    first, second = pictures.draw(4, rng), pictures.draw(4, rng)
    other = np.random.default_rng(9)
    other.bit_generator.state = state
    assert torch.equal(pictures.draw(4, other), first)
    assert not torch.equal(first, second)
    known = torch.cat([pictures.training[:], pictures.training[:].flip(3)]).float() / 127.5 - 1
    assert all((known - one).abs().amax((1, 2, 3)).min() > 0.01 for one in first)
    assert first.abs().max() <= 1 + 1e-5
    assert pictures.held_out.dtype == torch.uint8


def test_both_pictures_of_a_pair_are_changed_alike(tmp_path):
    for name in "ab":
        scenes(tmp_path / name, 5, 32, 32)
    data = PairedData(a="a", b="b", size=32, hold_out=0, duplicates="ignore", **ALL)
    a, b = open_pairs(Reader(tmp_path), data).draw(4, np.random.default_rng(0))
    assert torch.equal(a, b)


def test_pictures_that_a_stage_processed_are_changed_like_those_before(tmp_path):
    from henshin.registry import build_registry

    scenes(tmp_path / "set", 4, 32, 32)
    run = Reader(tmp_path)
    run.registry = build_registry()
    data = SetData(pictures="set", size=32, hold_out=0, **ALL)
    pictures = open_pictures(run, data.pictures, data)
    same = apply_stage(run, pictures, "postprocess")
    one, other = pictures.draw(4, np.random.default_rng(1)), same.draw(4, np.random.default_rng(1))
    assert torch.allclose(one, other, atol=0.02)


def test_a_jittered_run_resumes_to_the_same_weights(tmp_path):
    domains(tmp_path)
    path = run_yaml(tmp_path, "cut", steps=4, scales=1, patches=16, taps=[1, 2])
    options = ", ".join(f"{name}: {value}" for name, value in ALL.items())
    path.write_text(path.read_text().replace("hold_out: 1}", f"hold_out: 1, {options}}}"))
    trained(path, tmp_path / "whole")
    trained(path, tmp_path / "parts", max_steps=2)
    trained(path, tmp_path / "parts", resume=True)
    assert different(last_state(tmp_path / "whole"), last_state(tmp_path / "parts")) == []
