"""The generator of StyleGAN2 (Karras et al. 2020), and the first StyleGAN's form of it (Karras et al. 2019).

A mapping turns noise z into a style w; a synthesis draws a picture from a constant, block by block from 4x4 pixels
up, and takes one w for every layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from henshin.train.equalised import Blur, EqualConv, EqualLinear, ModulatedConv, Upsample, exactly, leaky, pixel_norm

Form = Literal["stylegan2", "adain"]
Still = Literal["fixed", "none"]
Noise = Literal["random", "fixed", "none"] | Sequence[Tensor]
FIRST = 4
"""Side of the constant that everything is drawn from, pixels."""


def widths(size: int, width: int, maximum: int) -> list[int]:
    """Channels at 4, 8, ..., `size` pixels: `width` at 64, half as many at each doubling, never above `maximum`."""
    sides = [FIRST * 2**i for i in range((size // FIRST).bit_length())]
    return [max(1, min(maximum, width * 64 // side)) for side in sides]


class Mapping(nn.Module):
    """z (N, D), of which only the direction counts, through equalised linear layers to w (N, D).

    `mean` is the mean w, which `follow` keeps up to date and truncation goes towards.
    """

    mean: Tensor

    def __init__(self, latent: int = 512, layers: int = 8, rate: float = 0.01) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EqualLinear(latent, latent, rate=rate, active=True) for _ in range(layers))
        self.register_buffer("mean", torch.zeros(latent))

    def forward(self, z: Tensor) -> Tensor:
        """z (N, D) -> w (N, D), in fp32 also under autocast."""
        with exactly(z):
            w = pixel_norm(z.float())
            for layer in self.layers:
                w = layer(w)
        return w

    def truncated(self, w: Tensor, share: float) -> Tensor:
        """W, (N, D) or (N, L, D), of which only this share of the way from the mean is gone: 1 w itself, 0 the mean."""
        return self.mean + (w - self.mean) * share

    @torch.no_grad()
    def follow(self, w: Tensor, decay: float = 0.995) -> None:
        """Move the running mean towards that of a batch of w, (N, D)."""
        self.mean.lerp_(w.detach().float().mean(0), 1 - decay)


class NoiseAdded(nn.Module):
    """One noise value a pixel, the same for all channels, times a learned strength that starts at 0.

    `noise` is the fixed one, with which a picture is always the same.
    """

    noise: Tensor

    def __init__(self, side: int) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(()))
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
        return _biased(self.add(self.conv(x, w), noise), self.bias)


class Normed(nn.Module):
    """A layer of the first StyleGAN: convolution (none on the constant), noise, bias, leaky ReLU, AdaIN.

    AdaIN (Huang and Belongie 2017) gives every channel of every picture the deviation and the mean that w says.
    """

    def __init__(self, inputs: int, outputs: int, side: int, latent: int, up: bool = False, bare: bool = False) -> None:
        super().__init__()
        self.conv = None if bare else EqualConv(inputs, outputs, 3, padding=1, bias=False)
        self.blur = Blur(1, 1, gain=4.0) if up else None
        self.add = NoiseAdded(side)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.style = EqualLinear(latent, 2 * outputs)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | Noise) -> Tensor:
        """(N, inputs, ...) and w (N, D) -> (N, outputs, side, side)."""
        style: Tensor = self.style(w)
        if self.conv is not None and self.blur is not None:
            x = self.blur(F.conv_transpose2d(x, (self.conv.weight * self.conv.scale).transpose(0, 1), stride=2))
        elif self.conv is not None:
            x = self.conv(x)
        x = _biased(self.add(x, noise), self.bias)
        scale, shift = style.float()[:, :, None, None].chunk(2, 1)
        with exactly(x):
            x32 = x.float()
            apart = x32 - x32.mean((2, 3), keepdim=True)
            unit = apart * (apart.square().mean((2, 3), keepdim=True) + 1e-8).rsqrt()
            return (unit * (scale + 1) + shift).to(x.dtype)


def _biased(x: Tensor, bias: Tensor) -> Tensor:
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


class Block(nn.Module):
    """Everything at one size of picture: a layer that doubles, a second layer, and the way to RGB.

    StyleGAN2's first block has one layer; its blocks' `rgb` takes the w that the next block's first layer takes. In
    the AdaIN form the constant goes through a layer of its own, and only the last block has an `rgb`, without style.
    """

    def __init__(self, inputs: int, outputs: int, side: int, latent: int, form: Form, last: bool) -> None:
        super().__init__()
        begins = side == FIRST
        layer = Styled if form == "stylegan2" else Normed
        self.first: Styled | Normed | None
        if not begins:
            self.first = layer(inputs, outputs, side, latent, up=True)
        else:
            self.first = Normed(outputs, outputs, side, latent, bare=True) if form == "adain" else None
        self.second = layer(outputs, outputs, side, latent)
        self.rgb: ToRgb | EqualConv | None = ToRgb(outputs, latent) if form == "stylegan2" else None
        if form == "adain" and last:
            self.rgb = EqualConv(outputs, 3, 1)

    @property
    def layers(self) -> list[Styled | Normed]:
        """Those that take noise."""
        return [self.second] if self.first is None else [self.first, self.second]

    def colours(self, x: Tensor, w: Tensor) -> Tensor:
        """(N, 3, side, side) of the features; only where the block has an `rgb`."""
        assert self.rgb is not None
        drawn: Tensor = self.rgb(x, w) if isinstance(self.rgb, ToRgb) else self.rgb(x).float()
        return drawn


class Synthesis(nn.Module):
    """A picture from one w for every layer: blocks of 4, 8, ..., `size` pixels (7 at 256), 2 log2(size) - 2 layers.

    Block b, from 0, has the layers 2b - 1 and 2b of w+, its way to RGB 2b + 1 (AdaIN: 2b and 2b + 1). `still` is what
    noise is outside of training: the fixed one of each layer, or none.
    """

    def __init__(
        self,
        size: int = 256,
        latent: int = 512,
        channels: Sequence[int] | None = None,
        form: Form = "stylegan2",
        still: Still = "fixed",
    ) -> None:
        super().__init__()
        channels = channels or widths(size, 512, 512)
        self.size, self.form, self.still = size, form, still
        self.latent_shape = (2 * len(channels), latent)
        sides = [FIRST * 2**i for i in range(len(channels))]
        self.constant = nn.Parameter(torch.randn(1, channels[0], FIRST, FIRST))
        self.blocks = nn.ModuleList(
            Block(before, after, side, latent, form, side == size)
            for (before, after), side in zip(pairwise([channels[0], *channels]), sides, strict=True)
        )
        self.upsample = Upsample()

    def forward(self, w: Tensor, noise: Noise | None = None) -> Tensor:
        """w+ (N, L, D) -> pictures (N, 3, size, size), about [-1, 1], fp32.

        `noise` is "random" (None in training mode), "fixed" or "none" (None otherwise, by `still`), or a tensor
        (N or 1, 1, side, side) for each of `noises`.
        """
        chosen = noise if noise is not None else "random" if self.training else self.still
        noises = iter(chosen if not isinstance(chosen, str) else [chosen] * len(self.noises()))
        x = self.constant.expand(w.shape[0], -1, -1, -1)
        drawn: Tensor | None = None
        number = 0
        for block in self._blocks():
            for layer in block.layers:
                x = layer(x, w[:, number], next(noises))
                number += 1
            if block.rgb is not None:
                colours = block.colours(x, w[:, min(number, w.shape[1] - 1)])
                drawn = colours if drawn is None else self._enlarged(drawn) + colours
        assert drawn is not None
        return drawn

    def noises(self) -> list[Tensor]:
        """The fixed noise of every layer, in their order, (1, 1, side, side) each: what inversion may start from."""
        return [layer.add.noise for block in self._blocks() for layer in block.layers]

    def _blocks(self) -> Iterator[Block]:
        for block in self.blocks:
            assert isinstance(block, Block)
            yield block

    def _enlarged(self, drawn: Tensor) -> Tensor:
        with exactly(drawn):
            enlarged: Tensor = self.upsample(drawn)
        return enlarged


class StyleGan2(nn.Module):
    """Mapping and synthesis: noise to pictures."""

    def __init__(self, mapping: Mapping, synthesis: Synthesis) -> None:
        super().__init__()
        self.mapping, self.synthesis = mapping, synthesis
        self.latent_shape = synthesis.latent_shape[1:]

    def forward(self, z: Tensor, truncation: float = 1.0, noise: Noise | None = None) -> Tensor:
        """z (N, D), from a normal distribution -> pictures (N, 3, size, size), about [-1, 1]."""
        w = self.mapping(z)
        if truncation != 1:
            w = self.mapping.truncated(w, truncation)
        drawn: Tensor = self.synthesis(self.broad(w), noise)
        return drawn

    def broad(self, w: Tensor) -> Tensor:
        """W (N, D) for every layer alike: w+ (N, L, D)."""
        return w[:, None].expand(-1, self.synthesis.latent_shape[0], -1)


class Broad(nn.Module):
    """The mapping as it is exported: z (N, D) -> w+ (N, L, D), every layer alike."""

    def __init__(self, mapping: Mapping, layers: int) -> None:
        super().__init__()
        self.mapping, self.layers = mapping, layers

    def forward(self, z: Tensor) -> Tensor:
        """See above."""
        w: Tensor = self.mapping(z)
        return w[:, None].expand(-1, self.layers, -1)

    @property
    def mean(self) -> Tensor:
        """The mean w, (D,)."""
        return self.mapping.mean
