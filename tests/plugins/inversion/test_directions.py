"""Directions of styles along which pictures change: measured, put in order, and kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch: Any = pytest.importorskip("torch")
nn: Any = torch.nn

from henshin_plugins.inversion.optimise.directions import directions, probes, scaled_eigenvectors  # noqa: E402

LAYERS, LATENT, PIXELS = 2, 5, 48


class Linear(nn.Module):
    """Pictures (N, 3, 4, 4) that are a known matrix times the styles; of the second layer two numbers do nothing."""

    def __init__(self) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(1)
        self.matrices = torch.randn(LAYERS, PIXELS, LATENT, generator=draw)
        self.matrices[1, :, 3:] = 0
        self.matrices[0] = self.matrices[0] * torch.tensor([3.0, 1.0, 1.0, 0.3, 0.1]) + self.matrices[0, :, :1]
        self.mapping = nn.Linear(LATENT, LATENT)
        self.mapping.mean = torch.zeros(LATENT)

    def synthesis(self, w: Any) -> Any:
        return torch.einsum("lpd,nld->np", self.matrices, w).reshape(-1, 3, 4, 4)


def measured(file: Path | None = None) -> tuple[Any, list[str]]:
    told: list[str] = []
    return directions(Linear(), (LAYERS, LATENT), torch.device("cpu"), told.append, file), told


def test_probes_have_the_energy_of_the_jacobian() -> None:
    network = Linear()
    slopes = probes(network, (LAYERS, LATENT), torch.device("cpu"), lambda _: None)
    assert slopes.shape == (512, LAYERS, LATENT)
    for layer in range(LAYERS):
        energy = slopes[:, layer].T @ slopes[:, layer] / len(slopes)
        wanted = network.matrices[layer].T @ network.matrices[layer] / PIXELS
        assert float((energy - wanted).abs().max()) < 0.2 * float(wanted.abs().max())


def test_directions_are_orthogonal_and_do_not_meet_in_the_picture() -> None:
    found, _ = measured()
    assert found.shape == (LAYERS + 1, LATENT, LATENT)
    for layer in (0, 2):
        lengths = found[layer].norm(dim=1)
        assert float(lengths[-1]) == pytest.approx(0.5, rel=1e-3)  # of the one that changes most
        products = (found[layer] @ found[layer].T) / lengths / lengths[:, None]
        assert torch.allclose(products, torch.eye(LATENT), atol=1e-4)
    network = Linear()
    for matrix, layer in ((network.matrices[0], 0), (network.matrices.sum(0), 2)):  # the last one: a style for all
        changes = matrix @ found[layer].T
        alike = torch.corrcoef(changes.T) - torch.eye(LATENT)
        assert float((alike[-2:, -2:]).abs().max()) < 0.2
        energy, lengths = changes.norm(dim=0).square(), found[layer].norm(dim=1)
        energy = energy / lengths.square()
        share = energy / energy[-1]
        assert torch.allclose(lengths, 0.5 * share**-0.25, rtol=0.1)  # a fourth root of one over the energy


def test_what_changes_nothing_is_left_alone() -> None:
    found, _ = measured()
    lengths = found[1].norm(dim=1)
    assert float(lengths[:2].max()) < 0.05
    assert float(lengths[2:].min()) >= 0.49
    assert float(found[1][2:, 3:].abs().max()) < 1e-3


def test_all_at_rest_is_no_error() -> None:
    assert bool(scaled_eigenvectors(torch.zeros(8, 1, 3)).isfinite().all())


def test_they_are_measured_once_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "directions.npy"
    first, told = measured(file)
    assert "512 of them" in told[0]
    again, told = measured(file)
    assert told == []
    assert torch.equal(first, again)
    for damaged in (b"", file.read_bytes()[:200]):
        file.write_bytes(damaged)
        third, told = measured(file)
        assert len(told) == 1
        assert torch.equal(first, third)
    np.save(file, np.zeros((1, 2, 2), np.float32))
    assert torch.equal(measured(file)[0], first)
    assert [one.name for one in file.parent.iterdir()] == ["directions.npy"]
    (tmp_path / "file").write_text("")
    assert torch.equal(measured(tmp_path / "file" / "directions.npy")[0], first)  # cannot be written, is measured
