"""CARN once more, as the paper and the names in its authors' files have it: functions of a dictionary of tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from henshin.models import read_contract
from henshin.registry import build_registry
from henshin.runtime import Device, Model, OnnxSession
from henshin.train.weights.from_published import ImportOptions, from_published
from henshin.train.weights.trained_network import TrainedNetwork

MEAN = torch.tensor([0.4488, 0.4371, 0.4040])

Tensors = dict[str, Tensor]


def _layers(width: int, group: int, recursive: bool) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "entry", (width, 3, 3, 3)
    for b in (1, 2, 3):
        for inner in (1,) if recursive else (1, 2, 3):
            yield f"b{b}.b{inner}.body.0", (width, width // group, 3, 3)
            yield f"b{b}.b{inner}.body.2", (width, width // group, 3, 3)
            if group > 1:
                yield f"b{b}.b{inner}.body.4", (width, width, 1, 1)
        for c in (1, 2, 3):
            yield f"b{b}.c{c}.body.0", (width, width * (c + 1), 1, 1)
    for c in (1, 2, 3):
        yield f"c{c}.body.0", (width, width * (c + 1), 1, 1)


def _ends(width: int, group: int, scales: Sequence[int], single: bool) -> Iterator[tuple[str, tuple[int, ...]]]:
    for scale in scales:
        up = "upsample.up" if single else f"upsample.up{scale}"
        if scale == 3:
            yield f"{up}.body.0", (9 * width, width // group, 3, 3)
        else:
            for place in (0, 3)[: scale // 2]:
                yield f"{up}.body.{place}", (4 * width, width // group, 3, 3)
    yield "exit", (3, width, 3, 3)


def published(
    width: int = 8, group: int = 4, recursive: bool = True, scales: Sequence[int] = (2, 3, 4), single: bool = False
) -> Tensors:
    """Random weights under the names that the authors' code saves; strong enough that every layer shows."""
    random = torch.Generator().manual_seed(5)
    tensors: Tensors = {}
    for side, sign in (("sub", -1), ("add", 1)):
        tensors[f"{side}_mean.shifter.weight"] = torch.eye(3).view(3, 3, 1, 1)
        tensors[f"{side}_mean.shifter.bias"] = sign * MEAN
    for name, shape in (*_layers(width, group, recursive), *_ends(width, group, scales, single)):
        fan = shape[1] * shape[2] * shape[3]
        tensors[f"{name}.weight"] = torch.randn(shape, generator=random) * (1.3 / fan) ** 0.5
        tensors[f"{name}.bias"] = torch.randn(shape[0], generator=random) * 0.1
    return tensors


def enlarged(tensors: Tensors, pictures: Tensor, scale: int) -> Tensor:
    """What a network with these weights makes of (N, 3, H, W) in [0, 1]: (N, 3, H * scale, W * scale)."""

    def convolved(name: str, x: Tensor, relu: bool = False) -> Tensor:
        weight = tensors[f"{name}.weight"]
        groups = x.shape[1] // weight.shape[1]
        x = F.conv2d(x, weight, tensors[f"{name}.bias"], padding=weight.shape[2] // 2, groups=groups)
        return F.relu(x) if relu else x

    def residual(name: str, x: Tensor) -> Tensor:
        y = convolved(f"{name}.body.0", x, relu=True)
        y = convolved(f"{name}.body.2", y)
        if f"{name}.body.4.weight" in tensors:
            y = convolved(f"{name}.body.4", F.relu(y))
        return F.relu(y + x)

    def block(name: str, x: Tensor) -> Tensor:
        b1 = residual(f"{name}.b1", x)
        o1 = convolved(f"{name}.c1.body.0", torch.cat([x, b1], 1), relu=True)
        b2 = residual(f"{name}.b2" if f"{name}.b2.body.0.weight" in tensors else f"{name}.b1", o1)
        o2 = convolved(f"{name}.c2.body.0", torch.cat([x, b1, b2], 1), relu=True)
        b3 = residual(f"{name}.b3" if f"{name}.b3.body.0.weight" in tensors else f"{name}.b1", o2)
        return convolved(f"{name}.c3.body.0", torch.cat([x, b1, b2, b3], 1), relu=True)

    x = convolved("entry", convolved("sub_mean.shifter", pictures))
    b1 = block("b1", x)
    o1 = convolved("c1.body.0", torch.cat([x, b1], 1), relu=True)
    b2 = block("b2", o1)
    o2 = convolved("c2.body.0", torch.cat([x, b1, b2], 1), relu=True)
    b3 = block("b3", o2)
    x = convolved("c3.body.0", torch.cat([x, b1, b2, b3], 1), relu=True)
    up = f"upsample.up{scale}" if f"upsample.up{scale}.body.0.weight" in tensors else "upsample.up"
    x = F.pixel_shuffle(convolved(f"{up}.body.0", x, relu=True), 3 if scale == 3 else 2)
    if scale == 4:
        x = F.pixel_shuffle(convolved(f"{up}.body.3", x, relu=True), 2)
    return convolved("add_mean.shifter", convolved("exit", x))


def imported(path: Path, **wanted: object) -> TrainedNetwork:
    """A file of weights as `henshin import` reads it."""
    return from_published(path, build_registry(), ImportOptions(**wanted))


def model(path: Path) -> Model:
    """An exported model on the CPU."""
    contract = read_contract(path)
    assert contract is not None
    return Model(contract, OnnxSession(path, Device("cpu")))


def drawn(tensors: Tensors, one: np.ndarray, scale: int) -> np.ndarray:
    """What the restated network makes of a picture (H, W, 3) uint8, as floats in grey levels."""
    with torch.inference_mode():
        x = torch.from_numpy(one.copy()).permute(2, 0, 1)[None] / 255
        return (enlarged(tensors, x, scale)[0].permute(1, 2, 0) * 255).clamp(0, 255).numpy()
