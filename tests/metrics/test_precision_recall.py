"""Precision and recall against the paper's definition, written out picture by picture."""

from __future__ import annotations

import numpy as np
import pytest

from henshin.metrics import precision_recall
from henshin.metrics.precision_recall import share_within


def written_out(judged: np.ndarray, reference: np.ndarray, k: int = 3) -> list[float]:
    """Kynkäänniemi et al. 2019, equations 1 and 2."""
    radii = []
    for i, one in enumerate(reference):
        others = sorted(float(np.linalg.norm(one - other)) for j, other in enumerate(reference) if j != i)
        radii.append(others[k - 1])
    return [
        float(any(np.linalg.norm(one - other) <= radius for other, radius in zip(reference, radii, strict=True)))
        for one in judged
    ]


@pytest.mark.parametrize("rows", [1024, 7])
def test_it_is_the_definition_of_the_paper(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision_recall, "_ROWS", rows)
    rng = np.random.default_rng(rows)
    x, y = rng.normal(0, 1, (40, 3)), rng.normal(0.8, 1.2, (31, 3))
    precision, recall = share_within(x, y), share_within(y, x)
    assert precision.tolist() == written_out(x, y)
    assert recall.tolist() == written_out(y, x)
    assert 0 < precision.mean() < 1


def test_copies_are_precise_and_a_few_of_them_recall_little() -> None:
    rng = np.random.default_rng(2)
    real = rng.normal(0, 1, (200, 5))
    fake = np.repeat(real[:4], 10, 0)
    assert share_within(fake, real).mean() == 1
    assert share_within(real, fake).mean() < 0.1
