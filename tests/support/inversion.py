"""A tiny StyleGAN2, pictures that it drew, and what turns them back."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import numpy as np
import torch

from henshin.train.weights.trained_network import TrainedNetwork
from henshin_plugins.inversion.config import InversionConfig
from henshin_plugins.inversion.optimise.inverter import Inverter
from henshin_plugins.stylegan2 import StyleGan2
from henshin_plugins.stylegan2.config import StyleGan2Config
from support.stylegan2 import TINY, WEIGHTS, drawn, styles

LOG = logging.getLogger("henshin.testing.stages")
CACHE = tempfile.TemporaryDirectory(prefix="henshin-")
"""Where the directions of the tiny model are kept, once measured."""
QUICK = {"alpha": 0, "patience": None, "precision": "fp32"}


def source() -> TrainedNetwork:
    options, ours = StyleGan2.recognise(WEIGHTS)
    generator = StyleGan2(StyleGan2Config(**options))
    network = generator.build().eval()
    network.load_state_dict(ours)
    return TrainedNetwork(generator, network, 16, "", "", "")


def inverter(**options: object) -> Inverter:
    return Inverter(InversionConfig(model="face", **{**QUICK, **options}), source(), "cpu", LOG, Path(CACHE.name))


def targets(count: int, seed: int = 0) -> torch.Tensor:
    """Pictures that the second implementation draws of known noise, not rounded; (N, 3, 16, 16)."""
    z = torch.randn(count, TINY["latent"], generator=torch.Generator().manual_seed(seed))
    return drawn(WEIGHTS, styles(WEIGHTS, z)[:, None].repeat(1, 6, 1)).float()


def pictures(count: int, seed: int = 0) -> list[np.ndarray]:
    shown = ((targets(count, seed) + 1) * 127.5).clamp(0, 255).round().to(torch.uint8)
    return [np.ascontiguousarray(one) for one in shown.permute(0, 2, 3, 1).numpy()]
