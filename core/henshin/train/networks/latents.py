"""Noise that the sample grids of recipes are drawn from."""

from __future__ import annotations

import torch
from torch import Tensor

from henshin.runtime.latents import numbered_noise


def fixed_noise(count: int, latent: int, seed: int) -> Tensor:
    """Return (count, latent): the noise from which a `sample` stage of the same seed draws its first pictures."""
    return torch.from_numpy(numbered_noise(seed, range(count), latent))
