"""Networks whose weights stay as they are: what only depends on them is computed once, and each row is for itself.

An optimisation over hundreds of steps makes of the last bit of a sum a picture that is many grey levels apart. On a
CPU the sums of a matrix product or of a convolution depend on how many rows there are: one row goes another way than
several. Here every row goes the same way, so that it comes to the same bits whatever is beside it; in StyleGAN2's form
and in plain networks, while the first StyleGAN's convolutions are left as they are.
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
"""A single row of so many numbers at most is convolved otherwise than several are, by PyTorch on a CPU."""

GAIN = math.sqrt(2)
"""What `leaky` multiplies by."""

NetworkT = TypeVar("NetworkT", bound=nn.Module)


@torch.no_grad()
def freeze(network: NetworkT, dtype: torch.dtype = torch.float32) -> NetworkT:
    """A copy of a network, in evaluation mode, with fixed weights, that draws the same faster and row by row alike.

    Convolutions, StyleGAN2's and plain ones, are computed in `dtype`. Gradients reach what goes in. To be called on the
    device where the network is to stay, for what was computed of the weights is not a part of its state.
    """
    return _swapped(deepcopy(network).eval().requires_grad_(False), dtype)  # type: ignore[return-value]


def _swapped(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    if isinstance(module, EqualLinear):
        return _Linear(module)
    if isinstance(module, StyledConv):
        return _Styled(module, dtype)
    if isinstance(module, ModulatedConv):
        plain = module.weight.shape[2] == 1 and not module.demodulate and not module.up
        # in bf16 it is the product whose bits depend on how many rows there are, and not the convolution
        return _Colours(module) if plain and dtype == torch.float32 else _Modulated(module, dtype)
    if type(module) is nn.Conv2d:
        return _Convolution(module, dtype)
    for name, child in module.named_children():
        setattr(module, name, _swapped(child, dtype))
    return module


def rows_times(x: Tensor, matrix: Tensor) -> Tensor:
    """(N, I) times (I, O): each row a product of its own, (N, O)."""
    return torch.bmm(x[:, None], matrix.expand(len(x), -1, -1))[:, 0]


def convolved(x: Tensor, weight: Tensor, bias: Tensor | None = None, padding: int = 0) -> Tensor:
    """A convolution of stride 1 in which a single row goes the way of several."""
    if len(x) == 1 and x.numel() <= SMALL and x.device.type == "cpu":
        return F.conv2d(x.expand(2, -1, -1, -1), weight, bias, padding=padding)[:1]
    return F.conv2d(x, weight, bias, padding=padding)


def _order(dtype: torch.dtype) -> torch.memory_format:
    """The order of values that convolutions are fastest in."""
    return torch.channels_last if dtype == torch.bfloat16 else torch.contiguous_format


class _Linear(nn.Module):
    """What `EqualLinear` is, with its weights scaled beforehand."""

    def __init__(self, given: EqualLinear) -> None:
        super().__init__()
        self.active = given.active
        self.matrix = (given.weight * given.scale).t().contiguous()
        self.bias = given.bias * given.rate

    def forward(self, x: Tensor) -> Tensor:
        y = rows_times(x, self.matrix) + self.bias
        return scaled_leaky_relu(y) if self.active else y


class _Convolution(nn.Module):
    """A plain convolution of stride 1, or any other one left as it is."""

    def __init__(self, given: nn.Conv2d, dtype: torch.dtype) -> None:
        super().__init__()
        self.given = given.to(dtype=dtype).to(memory_format=_order(dtype))
        simple = given.stride == given.dilation == (1, 1) and given.groups == 1 and given.padding_mode == "zeros"
        padding = given.padding
        self.padding = padding[0] if simple and isinstance(padding[0], int) and padding[0] == padding[1] else None

    def forward(self, x: Tensor) -> Tensor:
        dtype = self.given.weight.dtype
        x = x.to(dtype).contiguous(memory_format=_order(dtype))  # in another order the same sums are taken otherwise
        if self.padding is None:
            y: Tensor = self.given(x)
            return y
        return convolved(x, self.given.weight, self.given.bias, self.padding)


class _Modulated(nn.Module):
    """What `ModulatedConv` is: the norms' squares are summed once, and the weights scaled once."""

    def __init__(self, given: ModulatedConv, dtype: torch.dtype) -> None:
        super().__init__()
        weight = given.weight * given.scale
        self.style = _Linear(given.style)
        self.demodulate, self.padding, self.blur = given.demodulate, given.padding, given.blur
        self.energy = weight.square().sum((2, 3)).t().contiguous()
        weight = weight if given.blur is None else weight.transpose(0, 1)
        self.weight = weight.to(dtype).contiguous(memory_format=_order(dtype))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        y, norms = self.parts(x, w)
        return y * norms.to(y.dtype)

    def parts(self, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        """What is convolved, and what it is to be multiplied by."""
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
    """What `StyledConv` is: norms, noise and bias in one go, and the gain of the leaky ReLU within them."""

    def __init__(self, given: StyledConv, dtype: torch.dtype) -> None:
        super().__init__()
        self.conv = _Modulated(given.conv, dtype)
        self.add = given.add  # whoever asks for the fixed noise finds it there
        still = GAIN * (given.add.strength * given.add.noise + given.bias[:, None, None])
        self.still = still.to(dtype).contiguous(memory_format=_order(dtype))
        self.noisy = GAIN * given.add.strength
        self.bias = GAIN * given.bias[:, None, None]

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
    """A modulated convolution of one pixel: a matrix product for each row, in which the style scales the weights."""

    def __init__(self, given: ModulatedConv) -> None:
        super().__init__()
        self.style = _Linear(given.style)
        self.weight = (given.weight * given.scale)[:, :, 0, 0].contiguous()

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        y = torch.bmm(self.weight * self.style(w)[:, None], x.flatten(2))
        return y.reshape(*y.shape[:2], *x.shape[2:])
