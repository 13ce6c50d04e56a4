"""Layers of StyleGAN and StyleGAN2 (Karras et al. 2018, 2019, 2020).

Their weights have an equalised learning rate: they are initialised from N(0, 1) and multiplied by 1 / sqrt(fan in)
at every call, so that an optimiser that normalises its steps (Adam) changes every layer by the same share.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.2

TAPS = (1.0, 3.0, 3.0, 1.0)
"""Low-pass filter of every change of size, in each direction."""


def scaled_leaky_relu(x: Tensor) -> Tensor:
    """Return leaky ReLU of slope 0.2 times sqrt(2), which about keeps the variance of a normal input."""
    return F.leaky_relu(x, SLOPE) * math.sqrt(2)


def no_autocast(x: Tensor) -> AbstractContextManager[object]:
    """Return a context without autocast; a null context where autocast is off, so that traced graphs stay plain."""
    device = x.device.type
    return torch.autocast(device, enabled=False) if torch.is_autocast_enabled(device) else nullcontext()


def pixel_norm(z: Tensor) -> Tensor:
    """Scale each row of (N, D) to a mean square of 1."""
    return z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()


class EqualLinear(nn.Module):
    """A linear layer, with `active` followed by a leaky ReLU.

    `rate` multiplies its learning rate; `bias` is the initial bias.
    """

    def __init__(self, inputs: int, outputs: int, bias: float = 0.0, rate: float = 1.0, active: bool = False) -> None:
        super().__init__()
        self.rate, self.active = rate, active
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate))
        self.scale = rate / math.sqrt(inputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs) -> (N, outputs)."""
        y = F.linear(x, self.weight * self.scale, self.bias * self.rate)
        return scaled_leaky_relu(y) if self.active else y


class EqualConv(nn.Module):
    """A convolution, with `active` followed by a leaky ReLU."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
        active: bool = False,
    ) -> None:
        super().__init__()
        self.stride, self.padding, self.active = stride, padding, active
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.scale = 1 / math.sqrt(inputs * kernel**2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, ...)."""
        y = F.conv2d(x, self.weight * self.scale, self.bias, self.stride, self.padding)
        return scaled_leaky_relu(y) if self.active else y


class Blur(nn.Module):
    """The filter [1, 3, 3, 1] in both directions on each channel, with a sum of `gain`.

    `before` and `after` are the zeros of padding on the two sides: a height h becomes h + before + after - 3, and
    half of that with `stride` 2.
    """

    kernel: Tensor

    def __init__(self, before: int, after: int, gain: float = 1.0, stride: int = 1) -> None:
        super().__init__()
        self.pad, self.stride = (before, after), stride
        self.register_buffer("kernel", blur_kernel(gain), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, ...) of the same dtype."""
        before, after = self.pad
        channels = x.shape[1]
        kernel = self.kernel.to(x.dtype).expand(channels, 1, -1, -1)
        if before == after:
            return F.conv2d(x, kernel, stride=self.stride, padding=before, groups=channels)
        return F.conv2d(F.pad(x, [before, after] * 2), kernel, stride=self.stride, groups=channels)


class Upsample(nn.Module):
    """Upsampling by 2: zeros between the pixels, then the filter [1, 3, 3, 1] with a sum of 4."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", blur_kernel(4.0), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, 2H, 2W)."""
        channels = x.shape[1]
        kernel = self.kernel.to(x.dtype).expand(channels, 1, -1, -1)
        return F.conv_transpose2d(x, kernel, stride=2, padding=1, groups=channels)


def blur_kernel(gain: float) -> Tensor:
    """Return the filter [1, 3, 3, 1] in two dimensions, (1, 1, 4, 4), with a sum of `gain`."""
    line = torch.tensor(TAPS)
    square = line[:, None] * line
    return (square * (gain / square.sum()))[None, None]


class ModulatedConv(nn.Module):
    """A convolution whose input channels are scaled by a style, with outputs normalised to unit variance.

    In the paper each sample has its own weights: w[o, i] * s[i], divided by their norm over i. Here the activations
    are scaled before and after one convolution with shared weights. That is the same, as a convolution is linear in
    each input channel, and it needs no groups, takes any batch size and exports to plain ONNX.
    `up` doubles the size by a transposed convolution and a blur; without `demodulate` (to RGB) the outputs are not
    normalised.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, latent: int, demodulate: bool = True, up: bool = False
    ) -> None:
        super().__init__()
        self.demodulate, self.up, self.padding = demodulate, up, kernel // 2
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.style = EqualLinear(latent, inputs, bias=1.0)
        self.scale = 1 / math.sqrt(inputs * kernel**2)
        self.blur = Blur(1, 1, gain=4.0) if up else None

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """(N or 1, inputs, H, W) and w (N, latent) -> (N, outputs, H, W), or twice as large with `up`."""
        style = self.style(w)
        weight = self.weight * self.scale
        x = x * style.to(x.dtype)[:, :, None, None]
        if self.blur is None:
            y = F.conv2d(x, weight, padding=self.padding)
        else:
            y = self.blur(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2))
        if not self.demodulate:
            return y
        return y * self.demodulation(style).to(y.dtype)[:, :, None, None]

    def demodulation(self, style: Tensor) -> Tensor:
        """Return the factors (N, outputs) that normalise the outputs under styles (N, inputs), fp32."""
        with no_autocast(style):
            energy = (self.weight * self.scale).square().sum((2, 3))
            return (F.linear(style.float().square(), energy) + 1e-8).rsqrt()


Noise = Literal["random", "fixed", "none"] | Sequence[Tensor]
"""Noise of the layers of a synthesis: new noise, each layer's stored noise, none, or a tensor for each layer."""


class NoiseInjection(nn.Module):
    """Noise injection: one value for each pixel, the same in all channels, times a learned strength that starts at 0.

    The strength is one number, or with `channels` one number for each channel, as in the first StyleGAN.
    `noise` is the stored noise of "fixed".
    """

    noise: Tensor

    def __init__(self, side: int, channels: int | None = None) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(() if channels is None else (channels, 1, 1)))
        self.register_buffer("noise", torch.randn(1, 1, side, side))

    def forward(self, x: Tensor, noise: Tensor | Noise) -> Tensor:
        """(N, C, H, W) and "random", "fixed", "none" or a noise (N or 1, 1, H, W) -> (N, C, H, W)."""
        if isinstance(noise, str):
            if noise == "none":
                return x
            values = self.noise if noise == "fixed" else torch.randn_like(x[:, :1])
        else:
            values = noise  # type: ignore[assignment]
        return x + (self.strength * values).to(x.dtype)


class StyledConv(nn.Module):
    """A layer of StyleGAN2: modulated convolution, noise, bias and leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, side: int, latent: int, up: bool = False) -> None:
        super().__init__()
        self.conv = ModulatedConv(inputs, outputs, 3, latent, up=up)
        self.add = NoiseInjection(side)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | Noise) -> Tensor:
        """(N, inputs, ...) and w (N, D) -> (N, outputs, side, side)."""
        return bias_leaky_relu(self.add(self.conv(x, w), noise), self.bias)


class AdaIN(nn.Module):
    """A layer of the first StyleGAN: convolution, noise, bias, leaky ReLU and AdaIN.

    AdaIN (Huang & Belongie 2017) sets the mean and the standard deviation of every channel of every picture, by w.
    The layer of the learned constant is `without_conv`.
    """

    def __init__(
        self, inputs: int, outputs: int, side: int, latent: int, up: bool = False, without_conv: bool = False
    ) -> None:
        super().__init__()
        self.conv = None if without_conv else EqualConv(inputs, outputs, 3, padding=1, bias=False)
        self.blur = Blur(1, 1, gain=4.0) if up else None
        self.add = NoiseInjection(side, outputs)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.style = EqualLinear(latent, 2 * outputs)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | Noise) -> Tensor:
        """(N, inputs, ...) and w (N, D) -> (N, outputs, side, side)."""
        style: Tensor = self.style(w)
        if self.conv is not None and self.blur is not None:
            x = self.blur(F.conv_transpose2d(x, (self.conv.weight * self.conv.scale).transpose(0, 1), stride=2))
        elif self.conv is not None:
            x = self.conv(x)
        x = bias_leaky_relu(self.add(x, noise), self.bias)
        scale, shift = style.float()[:, :, None, None].chunk(2, 1)
        with no_autocast(x):
            x32 = x.float()
            centred = x32 - x32.mean((2, 3), keepdim=True)
            normalised = centred * (centred.square().mean((2, 3), keepdim=True) + 1e-8).rsqrt()
            return (normalised * (scale + 1) + shift).to(x.dtype)


def bias_leaky_relu(x: Tensor, bias: Tensor) -> Tensor:
    """Return the scaled leaky ReLU of x (N, C, H, W) plus a bias (C,)."""
    return scaled_leaky_relu(x + bias.to(x.dtype)[:, None, None])


class ToRgb(nn.Module):
    """Features to colours: a modulated 1x1 convolution without demodulation, and a bias."""

    def __init__(self, inputs: int, latent: int) -> None:
        super().__init__()
        self.conv = ModulatedConv(inputs, 3, 1, latent, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """(N, inputs, H, W) and w (N, D) -> (N, 3, H, W), fp32."""
        y: Tensor = self.conv(x, w)
        return y.float() + self.bias[:, None, None]
