"""Networks with fixed weights: precomputed terms, and results of a row that are bitwise independent of the batch.

Over hundreds of steps of an optimisation a difference in the last bit of a sum grows to many grey levels. On a CPU the
order of summation in a matrix product or a convolution depends on the number of rows: a single row is computed by
another kernel than several. Here every row is computed by the same kernel; in StyleGAN2's form and in plain networks,
while the first StyleGAN's convolutions are unchanged.
"""

from __future__ import annotations

import math
from copy import deepcopy
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from henshin.train.networks.stylegan2_layers import (
    SLOPE,
    EqualLinear,
    ModulatedConv,
    Noise,
    StyledConv,
    scaled_leaky_relu,
)

SMALL = 20480
"""Greatest number of values of a single row for which PyTorch on a CPU convolves by another kernel."""

GAIN = math.sqrt(2)
"""Gain of `scaled_leaky_relu`."""

NetworkT = TypeVar("NetworkT", bound=nn.Module)


@torch.no_grad()
def freeze(network: NetworkT, dtype: torch.dtype = torch.float32) -> NetworkT:
    """Return an equivalent, faster copy of a network in evaluation mode, with fixed weights and independent rows.

    Convolutions, StyleGAN2's and plain ones, are computed in `dtype`. Gradients reach the inputs. Call it on the
    device where the network is to stay: terms computed from the weights are not part of its state.
    """
    return _replaced(deepcopy(network).eval().requires_grad_(False), dtype)  # type: ignore[return-value]


def _replaced(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    if isinstance(module, EqualLinear):
        return _Linear(module)
    if isinstance(module, StyledConv):
        return _Styled(module, dtype)
    if isinstance(module, ModulatedConv):
        plain = module.weight.shape[2] == 1 and not module.demodulate and not module.up
        # in bf16 the bits of the product depend on the number of rows, those of the convolution do not
        return _Colours(module) if plain and dtype == torch.float32 else _Modulated(module, dtype)
    if type(module) is nn.Conv2d:
        return _Convolution(module, dtype)
    for name, child in module.named_children():
        setattr(module, name, _replaced(child, dtype))
    return module


def rows_times(x: Tensor, matrix: Tensor) -> Tensor:
    """Return (N, I) times (I, O) as a separate product for each row, (N, O)."""
    return torch.bmm(x[:, None], matrix.expand(len(x), -1, -1))[:, 0]


def convolved(x: Tensor, weight: Tensor, bias: Tensor | None = None, padding: int = 0) -> Tensor:
    """Return a convolution of stride 1 in which a single row is computed by the same kernel as several."""
    if len(x) == 1 and x.numel() <= SMALL and x.device.type == "cpu":
        return F.conv2d(x.expand(2, -1, -1, -1), weight, bias, padding=padding)[:1]
    return F.conv2d(x, weight, bias, padding=padding)


def _order(dtype: torch.dtype) -> torch.memory_format:
    """Return the memory format in which convolutions are fastest."""
    return torch.channels_last if dtype == torch.bfloat16 else torch.contiguous_format


class _Linear(nn.Module):
    """An `EqualLinear` with prescaled weights."""

    def __init__(self, layer: EqualLinear) -> None:
        super().__init__()
        self.active = layer.active
        self.matrix = (layer.weight * layer.scale).t().contiguous()
        self.bias = layer.bias * layer.rate

    def forward(self, x: Tensor) -> Tensor:
        y = rows_times(x, self.matrix) + self.bias
        return scaled_leaky_relu(y) if self.active else y


class _Convolution(nn.Module):
    """A plain convolution of stride 1; any other one is called unchanged."""

    def __init__(self, layer: nn.Conv2d, dtype: torch.dtype) -> None:
        super().__init__()
        self.given = layer.to(dtype=dtype).to(memory_format=_order(dtype))
        simple = layer.stride == layer.dilation == (1, 1) and layer.groups == 1 and layer.padding_mode == "zeros"
        padding = layer.padding
        self.padding = padding[0] if simple and isinstance(padding[0], int) and padding[0] == padding[1] else None

    def forward(self, x: Tensor) -> Tensor:
        dtype = self.given.weight.dtype
        x = x.to(dtype).contiguous(memory_format=_order(dtype))  # another format changes the order of summation
        if self.padding is None:
            y: Tensor = self.given(x)
            return y
        return convolved(x, self.given.weight, self.given.bias, self.padding)


class _Modulated(nn.Module):
    """A `ModulatedConv` with prescaled weights and precomputed sums of their squares."""

    def __init__(self, layer: ModulatedConv, dtype: torch.dtype) -> None:
        super().__init__()
        weight = layer.weight * layer.scale
        self.style = _Linear(layer.style)
        self.demodulate, self.padding, self.blur = layer.demodulate, layer.padding, layer.blur
        self.energy = weight.square().sum((2, 3)).t().contiguous()
        weight = weight if layer.blur is None else weight.transpose(0, 1)
        self.weight = weight.to(dtype).contiguous(memory_format=_order(dtype))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        y, norms = self.parts(x, w)
        return y * norms.to(y.dtype)

    def parts(self, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        """Return the convolution, and the demodulation factors to multiply it by."""
        style = self.style(w)
        x = x.to(self.weight.dtype) * style.to(self.weight.dtype)[:, :, None, None]
        if self.blur is None:
            y = convolved(x, self.weight, padding=self.padding)
        else:
            alone = len(x) == 1 and x.numel() <= SMALL and x.device.type == "cpu"
            y = F.conv_transpose2d(x.expand(2, -1, -1, -1) if alone else x, self.weight, stride=2)
            y = self.blur(y[:1] if alone else y)
        if not self.demodulate:
            return y, torch.ones_like(y[:1, :, :1, :1])
        norms = (rows_times(style.square(), self.energy) + 1e-8).rsqrt()
        return y, norms[:, :, None, None]


class _Styled(nn.Module):
    """A `StyledConv` with demodulation, noise, bias and the gain of the leaky ReLU in one operation."""

    def __init__(self, layer: StyledConv, dtype: torch.dtype) -> None:
        super().__init__()
        self.conv = _Modulated(layer.conv, dtype)
        self.add = layer.add  # the fixed noise is read from here
        still = GAIN * (layer.add.strength * layer.add.noise + layer.bias[:, None, None])
        self.still = still.to(dtype).contiguous(memory_format=_order(dtype))
        self.noisy = GAIN * layer.add.strength
        self.bias = GAIN * layer.bias[:, None, None]

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | Noise) -> Tensor:
        if isinstance(noise, Tensor):
            shift = self.noisy * noise + self.bias
        elif noise == "fixed":
            shift = self.still
        elif noise == "none":
            shift = self.bias
        else:
            shift = self.noisy * torch.randn(len(x), 1, *self.still.shape[2:], device=x.device) + self.bias
        y, norms = self.conv.parts(x, w)
        return F.leaky_relu(torch.addcmul(shift.to(y.dtype), y, (GAIN * norms).to(y.dtype)), SLOPE)


class _Colours(nn.Module):
    """A modulated 1x1 convolution as a matrix product for each row, in which the style scales the weights."""

    def __init__(self, layer: ModulatedConv) -> None:
        super().__init__()
        self.style = _Linear(layer.style)
        self.weight = (layer.weight * layer.scale)[:, :, 0, 0].contiguous()

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        y = torch.bmm(self.weight * self.style(w)[:, None], x.flatten(2))
        return y.reshape(*y.shape[:2], *x.shape[2:])
