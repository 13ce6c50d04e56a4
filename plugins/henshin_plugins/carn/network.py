"""CARN and CARN-M: residual networks whose every block sees all blocks before it (Ahn, Kang, Sohn, ECCV 2018)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from henshin.train.published import fitted, tidied

MEAN = (0.4488, 0.4371, 0.4040)
"""Mean colour of DIV2K, which the authors take from pictures in [0, 1] and add again."""


def convolution(before: int, after: int, group: int = 1) -> nn.Conv2d:
    """3x3, size-preserving; zeros beyond the border."""
    return nn.Conv2d(before, after, 3, padding=1, groups=group)


class Residual(nn.Module):
    """Two 3x3 convolutions beside the identity; a 1x1 one mixes groups again (the paper's efficient residual block)."""

    def __init__(self, width: int, group: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [convolution(width, width, group), nn.ReLU(), convolution(width, width, group)]
        if group > 1:
            layers += [nn.ReLU(), nn.Conv2d(width, width, 1)]
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> the same shape."""
        return torch.relu(self.body(x) + x)


class Cascade(nn.Module):
    """Three steps, each followed by a 1x1 convolution of everything so far: the input, and what every step gave.

    The paper cascades twice: residual blocks inside a block (local), and three such blocks in the network (global).
    One block in place of three is used three times (the paper's recursion).
    """

    def __init__(self, width: int, blocks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.fusions = nn.ModuleList(nn.Sequential(nn.Conv2d(width * n, width, 1), nn.ReLU()) for n in (2, 3, 4))

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> the same shape."""
        seen = x
        for i, fusion in enumerate(self.fusions):
            seen = torch.cat([seen, self.blocks[i % len(self.blocks)](x)], 1)
            x = fusion(seen)
        return x


def local(width: int, group: int, recursive: bool) -> Cascade:
    """A cascading block of residual blocks."""
    return Cascade(width, [Residual(width, group) for _ in range(1 if recursive else 3)])


def enlargement(width: int, scale: int, group: int) -> nn.Sequential:
    """Sub-pixel convolution (Shi et al. 2016): x2 or x3 at once, x4 in two steps of x2."""
    layers: list[nn.Module] = []
    for factor in (3,) if scale == 3 else (2,) * (scale // 2):
        layers += [convolution(width, width * factor**2, group), nn.ReLU(), nn.PixelShuffle(factor)]
    return nn.Sequential(*layers)


class Carn(nn.Module):
    """Pictures (N, 3, H, W) in [0, 1] -> (N, 3, H * scale, W * scale); all scales share everything but their end."""

    mean: Tensor

    def __init__(
        self, width: int = 64, group: int = 1, recursive: bool = False, scales: Sequence[int] = (2, 3, 4)
    ) -> None:
        super().__init__()
        self.scales = tuple(scales)
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1))
        self.entry = convolution(3, width)
        self.body = Cascade(width, [local(width, group, recursive) for _ in range(3)])
        self.enlarge = nn.ModuleDict({f"x{scale}": enlargement(width, scale, group) for scale in self.scales})
        self.exit = convolution(width, 3)

    def forward(self, pictures: Tensor, scale: int | None = None) -> Tensor:
        """Enlarge by `scale`, one of `scales`; without it by the first of them."""
        x = self.body(self.entry(pictures - self.mean))
        enlarged = self.enlarge[f"x{scale or self.scales[0]}"](x)
        drawn: Tensor = self.exit(enlarged) + self.mean
        return drawn


def from_published(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """Options and our tensors for weights in the layout of the authors' PyTorch code; None for others.

    There the mean is a 1x1 convolution before the network and another behind it; what neither takes just one mean from
    each colour is another network.
    """
    tensors = tidied(tensors)
    if not {"entry.weight", "exit.weight", "sub_mean.shifter.bias", "b1.c3.body.0.weight"} <= tensors.keys():
        return None
    body = {name: tensor for name, tensor in tensors.items() if not name.startswith(("sub_mean.", "add_mean."))}
    width = len(body["entry.weight"])
    inner = body.get("b1.b1.body.0.weight")
    mean = _mean(tensors)
    if inner is None or mean is None or inner.ndim != 4 or not inner.shape[1] or width % inner.shape[1]:
        return None
    recursive, single = "b1.b2.body.0.weight" not in body, "upsample.up.body.0.weight" in body
    scales = _scales(body, width, single)
    if not scales:
        return None
    options = {"width": width, "group": width // inner.shape[1], "recursive": recursive, "scales": scales}
    network = Carn(width, width // inner.shape[1], recursive, scales)
    names = {name: _ours(name, f"x{scales[0]}") for name in body}
    ours = fitted({**body, "mean": mean}, {**names, "mean": "mean"}, network)
    return None if ours is None else (options, ours)


def _mean(tensors: Mapping[str, Tensor]) -> Tensor | None:
    """The mean (3, 1, 1) that the first 1x1 convolution takes away and the last one adds; None if they do not."""
    for name, sign in (("sub_mean", -1), ("add_mean", 1)):
        weight, bias = (tensors.get(f"{name}.shifter.{kind}") for kind in ("weight", "bias"))
        if weight is None or bias is None or not torch.equal(weight.flatten(1), torch.eye(3)):
            return None
        if not torch.allclose(bias * sign, tensors["add_mean.shifter.bias"]):
            return None
    return tensors["add_mean.shifter.bias"].view(3, 1, 1)


def _scales(body: Mapping[str, Tensor], width: int, single: bool) -> list[int]:
    if not single:
        return [scale for scale in (2, 3, 4) if f"upsample.up{scale}.body.0.weight" in body]
    if len(body["upsample.up.body.0.weight"]) == 9 * width:
        return [3]
    return [4] if "upsample.up.body.3.weight" in body else [2]


def _ours(name: str, only: str) -> str:
    """`b2.c1.body.0.weight` -> `body.blocks.1.fusions.0.0.weight`, and so on; ours where it is the same."""
    layer, _, kind = name.rpartition(".")
    if match := re.fullmatch(r"b(\d)\.b(\d)\.body\.(\d)", layer):
        return f"body.blocks.{int(match[1]) - 1}.blocks.{int(match[2]) - 1}.body.{match[3]}.{kind}"
    if match := re.fullmatch(r"b(\d)\.c(\d)\.body\.0", layer):
        return f"body.blocks.{int(match[1]) - 1}.fusions.{int(match[2]) - 1}.0.{kind}"
    if match := re.fullmatch(r"c(\d)\.body\.0", layer):
        return f"body.fusions.{int(match[1]) - 1}.0.{kind}"
    if match := re.fullmatch(r"upsample\.up(\d?)\.body\.(\d)", layer):
        return f"enlarge.{f'x{match[1]}' if match[1] else only}.{match[2]}.{kind}"
    return name
