"""CartoonGAN's published network a second time, flat and in plain functions, and weights in its layout."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


def published(width: int = 8, blocks: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random weights under the names of the authors' networks."""
    rng = np.random.default_rng(seed)
    made: dict[str, Tensor] = {}

    def conv(name: str, after: int, before: int, kernel: int = 3, bias: int | None = None) -> None:
        size = (after, before, kernel, kernel)
        made[f"{name}.weight"] = torch.from_numpy(rng.normal(0, (2 / (before * kernel**2)) ** 0.5, size)).float()
        made[f"{name}.bias"] = torch.from_numpy(rng.normal(0, 0.1, bias or after)).float()

    def norm(name: str, channels: int) -> None:
        made[f"{name}.scale"] = torch.from_numpy(rng.uniform(0.3, 1, channels)).float()
        made[f"{name}.shift"] = torch.from_numpy(rng.normal(0, 0.1, channels)).float()

    w = width
    conv("conv01_1", w, 3, 7)
    norm("in01_1", w)
    for i, (before, after) in enumerate(((w, 2 * w), (2 * w, 4 * w)), 2):
        conv(f"conv{i:02d}_1", after, before)
        conv(f"conv{i:02d}_2", after, after)
        norm(f"in{i:02d}_1", after)
    for i in range(4, 4 + blocks):
        for half in (1, 2):
            conv(f"conv{i:02d}_{half}", 4 * w, 4 * w)
            norm(f"in{i:02d}_{half}", 4 * w)
    for i, (before, after) in enumerate(((4 * w, 2 * w), (2 * w, w)), 1):
        conv(f"deconv{i:02d}_1", before, after, bias=after)  # (in, out, 3, 3), as transposed convolutions have it
        conv(f"deconv{i:02d}_2", after, after)
        norm(f"in{i + 3 + blocks:02d}_1", after)
    conv("deconv03_1", 3, w, 7)
    return made


def draw(weights: dict[str, Tensor], pictures: np.ndarray) -> np.ndarray:
    """(N, H, W, 3) uint8 RGB -> floats of 0..255, as the authors' network draws them: it wants BGR in [-1, 1]."""
    blocks = sum(name.startswith("conv") and name.endswith("_1.weight") for name in weights) - 3

    def norm(x: Tensor, name: str) -> Tensor:
        apart = x - x.mean((2, 3), keepdim=True)
        variance = apart.square().mean((2, 3), keepdim=True)
        scale, shift = (weights[f"{name}.{kind}"][:, None, None] for kind in ("scale", "shift"))
        return apart / (variance + 1e-9).sqrt() * scale + shift

    def conv(x: Tensor, name: str, **how: int) -> Tensor:
        return F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], **how)

    def mirrored(x: Tensor, name: str, pad: int) -> Tensor:
        return conv(F.pad(x, (pad,) * 4, "reflect"), name)

    x = (
        torch.from_numpy(pictures[..., ::-1].copy()).permute(0, 3, 1, 2).to(next(iter(weights.values())).dtype)
        / 255
        * 2
        - 1
    )
    x = norm(mirrored(x, "conv01_1", 3), "in01_1").relu()
    for i in (2, 3):
        x = conv(conv(x, f"conv{i:02d}_1", stride=2, padding=1), f"conv{i:02d}_2", padding=1)
        x = norm(x, f"in{i:02d}_1").relu()
    for i in range(4, 4 + blocks):
        y = norm(mirrored(x, f"conv{i:02d}_1", 1), f"in{i:02d}_1").relu()
        x = x + norm(mirrored(y, f"conv{i:02d}_2", 1), f"in{i:02d}_2")
    for i in (1, 2):
        name = f"deconv{i:02d}"
        x = F.conv_transpose2d(x, weights[f"{name}_1.weight"], weights[f"{name}_1.bias"], 2, 1, 1)
        x = norm(conv(x, f"{name}_2", padding=1), f"in{i + 3 + blocks:02d}_1").relu()
    drawn = mirrored(x, "deconv03_1", 3).tanh().permute(0, 2, 3, 1).numpy()[..., ::-1]
    return (drawn + 1) * 127.5
