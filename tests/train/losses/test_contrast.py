"""The contrastive loss between the pictures of a batch, against a second writing and its limits."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from henshin.train.losses import patch_nce_loss, picture_nce_loss  # noqa: E402


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(*shape, generator=rng), dim=2)


def restated(query: np.ndarray, key: np.ndarray, temperature: float) -> float:
    """The loss by loops: for each picture and place the softmax over the pictures, at that place."""
    costs = []
    for n in range(query.shape[0]):
        for s in range(query.shape[1]):
            alike = [math.exp(float(query[n, s] @ other[s]) / temperature) for other in key]
            costs.append(-math.log(alike[n] / sum(alike)))
    return float(np.mean(costs))


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_the_loss_between_pictures_equals_a_second_writing(temperature):
    query, key = unit(3, 5, 8), unit(3, 5, 8, seed=1)
    expected = restated(query.double().numpy(), key.double().numpy(), temperature)
    assert picture_nce_loss(query, key, temperature).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("count", [2, 4, 7])
def test_distinct_pictures_cost_nothing_and_equal_ones_the_logarithm_of_their_number(count):
    own = torch.eye(count)[:, None].expand(count, 6, count)
    assert picture_nce_loss(own, own).item() == pytest.approx(0, abs=1e-5)
    same = unit(1, 6, 8).expand(count, 6, 8)
    assert picture_nce_loss(same, same).item() == pytest.approx(math.log(count), abs=1e-5)
    assert picture_nce_loss(own, own.roll(1, 0)).item() == pytest.approx(1 / 0.07, abs=1e-2)


def test_equal_pictures_of_distinct_places_cost_between_pictures_alone():
    same = torch.eye(6)[None].expand(4, 6, 6)
    assert patch_nce_loss(same, same).item() == pytest.approx(0, abs=1e-4)
    assert picture_nce_loss(same, same).item() == pytest.approx(math.log(4), abs=1e-5)


def test_gradients_reach_the_queries_alone():
    query, key = unit(3, 5, 8).requires_grad_(), unit(3, 5, 8, seed=1).requires_grad_()
    picture_nce_loss(query, key).backward()
    assert query.grad.abs().sum() > 0
    assert key.grad is None
