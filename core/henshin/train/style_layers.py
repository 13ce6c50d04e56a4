"""The layers of a synthesis: what turns features and a style into features twice as large, and into colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from henshin.train.equalised import Blur, EqualConv, EqualLinear, ModulatedConv, exactly, leaky

Noise = Literal["random", "fixed", "none"] | Sequence[Tensor]
"""What the layers of a synthesis add: new noise, each its own, nothing, or one tensor for each."""


class NoiseAdded(nn.Module):
    """One noise value a pixel, the same for all channels, times a learned strength that starts at 0.

    The strength is one number, or with `channels` one for each of them, as in the first StyleGAN.
    `noise` is the fixed one, with which a picture is always the same.
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
            drawn = self.noise if noise == "fixed" else torch.randn_like(x[:, :1])
        else:
            drawn = noise  # type: ignore[assignment]
        return x + (self.strength * drawn).to(x.dtype)


class Styled(nn.Module):
    """A layer of StyleGAN2: modulated convolution, noise, bias, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, side: int, latent: int, up: bool = False) -> None:
        super().__init__()
        self.conv = ModulatedConv(inputs, outputs, 3, latent, up=up)
        self.add = NoiseAdded(side)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | Noise) -> Tensor:
        """(N, inputs, ...) and w (N, D) -> (N, outputs, side, side)."""
        return biased(self.add(self.conv(x, w), noise), self.bias)


class Normed(nn.Module):
    """A layer of the first StyleGAN: convolution (none on the constant), noise, bias, leaky ReLU, AdaIN.

    AdaIN (Huang and Belongie 2017) gives every channel of every picture the deviation and the mean that w says.
    """

    def __init__(self, inputs: int, outputs: int, side: int, latent: int, up: bool = False, bare: bool = False) -> None:
        super().__init__()
        self.conv = None if bare else EqualConv(inputs, outputs, 3, padding=1, bias=False)
        self.blur = Blur(1, 1, gain=4.0) if up else None
        self.add = NoiseAdded(side, outputs)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.style = EqualLinear(latent, 2 * outputs)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | Noise) -> Tensor:
        """(N, inputs, ...) and w (N, D) -> (N, outputs, side, side)."""
        style: Tensor = self.style(w)
        if self.conv is not None and self.blur is not None:
            x = self.blur(F.conv_transpose2d(x, (self.conv.weight * self.conv.scale).transpose(0, 1), stride=2))
        elif self.conv is not None:
            x = self.conv(x)
        x = biased(self.add(x, noise), self.bias)
        scale, shift = style.float()[:, :, None, None].chunk(2, 1)
        with exactly(x):
            x32 = x.float()
            apart = x32 - x32.mean((2, 3), keepdim=True)
            unit = apart * (apart.square().mean((2, 3), keepdim=True) + 1e-8).rsqrt()
            return (unit * (scale + 1) + shift).to(x.dtype)


def biased(x: Tensor, bias: Tensor) -> Tensor:
    """The leaky ReLU of x (N, C, H, W) plus a bias (C,)."""
    return leaky(x + bias.to(x.dtype)[:, None, None])


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
