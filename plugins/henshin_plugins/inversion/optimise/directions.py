"""In which directions of its styles a network's pictures change, and how far: coordinates for whoever seeks a style."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from henshin.files import write_atomic

AT_ONCE = 16
"""Styles that are looked at in one go: always so many, for what is measured must not depend on memory or options."""
SHORT = 0.7
"""Part of the way from the mean at which is measured: where photos lie, rather than far out."""
PACE = 0.5
"""Length of the direction in which pictures change most; of the others up to ten times that."""
WEAK = 1e-4
"""Energy, as a part of the highest, below which directions get no longer."""
NOTHING = 1e-6
"""Energy, as a part of the highest, below which a direction counts as one in which nothing changes."""


def probes(network: Any, shape: tuple[int, int], device: torch.device, told: Callable[[str], None]) -> Tensor:
    """How the pictures of random styles change with their styles, each along one random change of all pixels.

    `network` has `mapping` (with its `mean`) and `synthesis`, which takes styles of `shape` (L, D). Returns
    (N, L, D) with an N of 512 and twice D at least: the mean of their outer products is that of J^T J over the number
    of pixels, J being the Jacobian (Hutchinson 1990), the Gauss-Newton matrix of the mean square apart.
    """
    count = -(-max(512, 2 * shape[1]) // AT_ONCE) * AT_ONCE
    told(f"measuring once how the model's pictures change with its styles ({count} of them)")
    rng = np.random.default_rng(0)
    mean = network.mapping.mean
    found = []
    for _ in range(count // AT_ONCE):
        z = torch.from_numpy(rng.standard_normal((AT_ONCE, shape[1]), np.float32)).to(device)
        with torch.no_grad():
            w = torch.lerp(mean, network.mapping(z), SHORT)[:, None].repeat(1, shape[0], 1)
        drawn = network.synthesis(w.requires_grad_())
        change = torch.from_numpy(rng.standard_normal(drawn.shape, np.float32)).to(device)
        (slope,) = torch.autograd.grad((drawn * change).sum() / drawn[0].numel() ** 0.5, w)
        found.append(slope)
    return torch.cat(found)


def turned(slopes: Tensor) -> Tensor:
    """Coordinates of styles, from probes (N, L, D): (L, D, D), whose rows are directions in the style of each layer.

    They are the eigenvectors of the mean outer product, so that one does not change what another does. Their length
    goes with the fourth root of one over their energy: an optimiser that gives every number the same pace then goes
    farther where pictures change less, half of the way to Gauss-Newton's. Where nothing changes it is 0, for there it
    would go astray.
    """
    by_layer = slopes.double().cpu().transpose(0, 1)
    energy, vectors = torch.linalg.eigh(by_layer.mT @ by_layer / by_layer.shape[1])
    most = energy.max().clamp(min=1e-30)
    share = energy.clamp(min=0) / most
    length = PACE * (share + WEAK) ** -0.25 * (share / (share + NOTHING))
    found: Tensor = (vectors * length[:, None]).mT.float()
    return found.contiguous()


def directions(
    network: Any, shape: tuple[int, int], device: torch.device, told: Callable[[str], None], file: Path | None
) -> Tensor:
    """(L + 1, D, D): the directions of each layer's style, and last those of one style for all. Kept in `file`.

    A file that is damaged or of another shape is measured again; one that cannot be written is none.
    """
    wanted = (shape[0] + 1, shape[1], shape[1])
    if file is not None:
        try:
            held = np.load(file)
            if held.shape == wanted and held.dtype == np.float32:
                return torch.from_numpy(held).to(device)
        except (OSError, ValueError, EOFError):
            pass
    slopes = probes(network, shape, device, told)
    found = torch.cat([turned(slopes), turned(slopes.sum(1, keepdim=True))])
    if file is not None:
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            with write_atomic(file) as part, part.open("wb") as stream:
                np.save(stream, found.numpy())
    return found.to(device)
