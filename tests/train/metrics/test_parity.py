"""KID, FID, precision and recall against other libraries, on the same features."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from henshin.metrics.frechet import frechet_distance
from henshin.metrics.kernel_distance import kid
from henshin.metrics.precision_recall import share_within

pytest.importorskip("torchmetrics")


class Identity(torch.nn.Module):
    """Features as they are."""

    num_features = 24

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features


@pytest.fixture
def sets() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.gamma(1, 1, (120, 24)), rng.gamma(1.2, 1, (120, 24))


def test_fid_is_that_of_torchmetrics(sets: tuple[np.ndarray, np.ndarray]) -> None:
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(feature=Identity()).set_dtype(torch.float64)
    for features, real in zip(sets, (True, False), strict=True):
        metric.update(torch.from_numpy(features), real=real)
    assert frechet_distance(*sets) == pytest.approx(float(metric.compute()), rel=1e-9)


def test_kid_is_that_of_torchmetrics_for_one_subset_of_all(sets: tuple[np.ndarray, np.ndarray]) -> None:
    from torchmetrics.image.kid import KernelInceptionDistance

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of the memory that it takes
        metric = KernelInceptionDistance(feature=Identity(), subsets=1, subset_size=120)
    for features, real in zip(sets, (True, False), strict=True):
        metric.update(torch.from_numpy(features), real=real)
    assert kid(*sets) == pytest.approx(float(metric.compute()[0]), rel=1e-6)


def test_precision_and_recall_are_those_of_torch_fidelity(sets: tuple[np.ndarray, np.ndarray]) -> None:
    fidelity = pytest.importorskip("torch_fidelity.metric_prc")
    fake, real = sets
    found = fidelity.calculate_precision_recall_full(torch.from_numpy(fake), torch.from_numpy(real))
    wanted = [share_within(fake, real).mean(), share_within(real, fake).mean()]
    assert [float(value) for value in found[:2]] == pytest.approx(wanted, abs=1e-6)
