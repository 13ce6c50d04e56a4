"""Principal directions of a network's styles: coordinates of style space scaled by the change of the pictures."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from henshin.files import write_atomic

BATCH = 16
"""Styles in one batch; constant, because the measurement must not depend on memory or options."""
TRUNCATION = 0.7
"""Truncation of the measured styles: styles of photos lie nearer to the mean than random ones."""
SHORTEST = 0.5
"""Length of the direction in which pictures change most; others are up to ten times as long."""
WEAK_ENERGY = 1e-4
"""Energy, relative to the greatest, below which directions become no longer."""
NO_ENERGY = 1e-6
"""Energy, relative to the greatest, below which a direction counts as one without change."""


def probes(network: Any, shape: tuple[int, int], device: torch.device, report: Callable[[str], None]) -> Tensor:
    """Return gradients of random projections of pictures with respect to their random styles.

    `network` has `mapping` (with its `mean`) and `synthesis`, which takes styles of `shape` (L, D). The result is
    (N, L, D), N at least 512 and 2 D: the mean of their outer products estimates J^T J over the number of pixels, with
    the Jacobian J (Hutchinson 1990), which is the Gauss-Newton matrix of the mean squared error.
    """
    count = -(-max(512, 2 * shape[1]) // BATCH) * BATCH
    report(f"measuring once how the model's pictures change with its styles ({count} of them)")
    rng = np.random.default_rng(0)
    mean = network.mapping.mean
    gradients = []
    for _ in range(count // BATCH):
        z = torch.from_numpy(rng.standard_normal((BATCH, shape[1]), np.float32)).to(device)
        with torch.no_grad():
            w = torch.lerp(mean, network.mapping(z), TRUNCATION)[:, None].repeat(1, shape[0], 1)
        pictures = network.synthesis(w.requires_grad_())
        projection = torch.from_numpy(rng.standard_normal(pictures.shape, np.float32)).to(device)
        (gradient,) = torch.autograd.grad((pictures * projection).sum() / pictures[0].numel() ** 0.5, w)
        gradients.append(gradient)
    return torch.cat(gradients)


def scaled_eigenvectors(gradients: Tensor) -> Tensor:
    """Return the directions of each layer's style as rows, (L, D, D), from probes (N, L, D).

    They are the eigenvectors of the mean outer product, so that their effects are independent. Their length is
    proportional to the inverse fourth root of their energy: an optimiser with equal steps for every number then takes
    larger steps where pictures change less, halfway to Gauss-Newton. Directions without change have length 0.
    """
    by_layer = gradients.double().cpu().transpose(0, 1)
    energy, vectors = torch.linalg.eigh(by_layer.mT @ by_layer / by_layer.shape[1])
    greatest = energy.max().clamp(min=1e-30)
    share = energy.clamp(min=0) / greatest
    length = SHORTEST * (share + WEAK_ENERGY) ** -0.25 * (share / (share + NO_ENERGY))
    scaled: Tensor = (vectors * length[:, None]).mT.float()
    return scaled.contiguous()


def directions(
    network: Any, shape: tuple[int, int], device: torch.device, report: Callable[[str], None], file: Path | None
) -> Tensor:
    """Return (L + 1, D, D), cached in `file`: the directions of each layer's style, and last those of one for all.

    If the file is damaged or of another shape, they are measured again; a file that cannot be written is ignored.
    """
    wanted = (shape[0] + 1, shape[1], shape[1])
    if file is not None:
        try:
            cached = np.load(file)
            if cached.shape == wanted and cached.dtype == np.float32:
                return torch.from_numpy(cached).to(device)
        except (OSError, ValueError, EOFError):
            pass
    gradients = probes(network, shape, device, report)
    result = torch.cat([scaled_eigenvectors(gradients), scaled_eigenvectors(gradients.sum(1, keepdim=True))])
    if file is not None:
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            with write_atomic(file) as part, part.open("wb") as stream:
                np.save(stream, result.numpy())
    return result.to(device)
