"""StyleGAN2 a second time, as the paper has it, one sample after another, with weights in the common layout."""

from __future__ import annotations

import argparse
import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

TINY = {"size": 16, "latent": 6, "layers": 2, "width": 2, "maximum": 8}
"""Channels at 4, 8 and 16 pixels: 8, 8, 8; with `width` 1: 8, 8, 4."""


def channels(size: int, width: int, maximum: int) -> list[int]:
    return [min(maximum, width * 64 // 2**i) for i in range(2, size.bit_length())]


def published(size: int, latent: int, layers: int, width: int, maximum: int, seed: int = 0) -> dict[str, Tensor]:
    """Random weights in the common layout: `style.N`, `input`, `conv1`, `to_rgb1`, `convs.N`, `to_rgbs.N`, `noises`."""
    draw = torch.Generator().manual_seed(seed)
    found: dict[str, Tensor] = {}

    def normal(name: str, *shape: int, mean: float = 0.0, spread: float = 1.0) -> None:
        found[name] = mean + spread * torch.randn(*shape, generator=draw)

    def convolution(name: str, before: int, after: int, kernel: int) -> None:
        normal(f"{name}.conv.weight", 1, after, before, kernel, kernel)
        normal(f"{name}.conv.modulation.weight", before, latent)
        normal(f"{name}.conv.modulation.bias", before, mean=1.0, spread=0.3)

    def styled(name: str, before: int, after: int, up: bool) -> None:
        convolution(name, before, after, 3)
        if up:
            found[f"{name}.conv.blur.kernel"] = kernel(4.0)
        normal(f"{name}.noise.weight", 1, spread=0.3)
        normal(f"{name}.activate.bias", after, spread=0.3)

    def colours(name: str, before: int, up: bool) -> None:
        convolution(name, before, 3, 1)
        normal(f"{name}.bias", 1, 3, 1, 1, spread=0.1)
        if up:
            found[f"{name}.upsample.kernel"] = kernel(4.0)

    for i in range(1, layers + 1):
        normal(f"style.{i}.weight", latent, latent, spread=100.0)
        normal(f"style.{i}.bias", latent, spread=10.0)
    first, *others = channels(size, width, maximum)
    normal("input.input", 1, first, 4, 4)
    styled("conv1", first, first, False)
    colours("to_rgb1", first, False)
    normal("noises.noise_0", 1, 1, 4, 4)
    before = first
    for i, after in enumerate(others):
        styled(f"convs.{2 * i}", before, after, True)
        styled(f"convs.{2 * i + 1}", after, after, False)
        colours(f"to_rgbs.{i}", after, True)
        for number in (2 * i + 1, 2 * i + 2):
            normal(f"noises.noise_{number}", 1, 1, 8 * 2**i, 8 * 2**i)
        before = after
    return found


def kernel(gain: float) -> Tensor:
    line = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return torch.outer(line, line) / 64 * gain


WEIGHTS = published(**TINY, seed=3)
MEAN = torch.linspace(-1, 1, TINY["latent"])


def training_state(**more: object) -> dict[str, Any]:
    """A training state as it is published: the network twice, its discriminator, a mean style, a script's options."""
    discriminator = {"convs.0.0.weight": torch.zeros(4, 3, 1, 1)}
    states = {"g": published(**TINY, seed=9), "d": discriminator, "g_ema": WEIGHTS, "latent_avg": MEAN}
    return {**states, "args": argparse.Namespace(size=16, latent=6, path="/data/faces"), **more}


def filtered(x: Tensor, taps: Tensor, up: int, before: int, after: int) -> Tensor:
    """(C, H, W): zeros between the pixels, zeros around, and every output a sum over its window, written out."""
    count, height, width = x.shape
    spread = torch.zeros(count, height * up, width * up, dtype=x.dtype)
    spread[:, ::up, ::up] = x
    padded = F.pad(spread, [before, after, before, after])
    size = len(taps)
    rows, columns = padded.shape[1] - size + 1, padded.shape[2] - size + 1
    out = torch.zeros(count, rows, columns, dtype=x.dtype)
    for i in range(size):
        for j in range(size):
            out += padded[:, i : i + rows, j : j + columns] * taps[size - 1 - i, size - 1 - j]
    return out


def modulated(x: Tensor, weight: Tensor, style: Tensor, demodulate: bool, up: bool) -> Tensor:
    """(N, I, H, W), weight (O, I, K, K), style (N, I): each sample with weights of its own."""
    scale = 1 / math.sqrt(weight[0].numel())
    results = []
    for one, own in zip(x, style, strict=True):
        mine = weight * scale * own[None, :, None, None]
        if demodulate:
            mine = mine / (mine.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if up:
            large = F.conv_transpose2d(one[None], mine.transpose(0, 1), stride=2)[0]
            results.append(filtered(large, kernel(4.0), 1, 1, 1))
        else:
            results.append(F.conv2d(one[None], mine, padding=weight.shape[-1] // 2)[0])
    return torch.stack(results)


def affine(x: Tensor, tensors: dict[str, Tensor], name: str, rate: float = 1.0) -> Tensor:
    weight = tensors[f"{name}.weight"] * rate / math.sqrt(x.shape[1])
    return x @ weight.T + tensors[f"{name}.bias"] * rate


def leaky(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.2 * x) * math.sqrt(2)


def styles(tensors: dict[str, Tensor], z: Tensor) -> Tensor:
    """z (N, D) -> w (N, D)."""
    w = z / (z.square().mean(1, keepdim=True) + 1e-8).sqrt()
    number = 1
    while f"style.{number}.weight" in tensors:
        w = leaky(affine(w, tensors, f"style.{number}", 0.01))
        number += 1
    return w


def drawn(tensors: dict[str, Tensor], w: Tensor, noise: bool = True) -> Tensor:
    """w+ (N, L, D) -> (N, 3, size, size), with the weights' own noise or with none."""

    def layer(name: str, x: Tensor, w: Tensor, number: int, up: bool) -> Tensor:
        style = affine(w, tensors, f"{name}.conv.modulation")
        x = modulated(x, tensors[f"{name}.conv.weight"][0], style, True, up)
        if noise:
            x = x + tensors[f"{name}.noise.weight"] * tensors[f"noises.noise_{number}"]
        return leaky(x + tensors[f"{name}.activate.bias"][:, None, None])

    def colours(name: str, x: Tensor, w: Tensor) -> Tensor:
        style = affine(w, tensors, f"{name}.conv.modulation")
        return modulated(x, tensors[f"{name}.conv.weight"][0], style, False, False) + tensors[f"{name}.bias"]

    x = layer("conv1", tensors["input.input"].repeat(len(w), 1, 1, 1), w[:, 0], 0, False)
    picture = colours("to_rgb1", x, w[:, 1])
    for i in range((w.shape[1] - 2) // 2):
        x = layer(f"convs.{2 * i}", x, w[:, 2 * i + 1], 2 * i + 1, True)
        x = layer(f"convs.{2 * i + 1}", x, w[:, 2 * i + 2], 2 * i + 2, False)
        larger = torch.stack([filtered(one, kernel(4.0), 2, 2, 1) for one in picture])
        picture = larger + colours(f"to_rgbs.{i}", x, w[:, 2 * i + 3])
    return picture
