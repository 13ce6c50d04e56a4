"""The networks of U-GAT-IT, with class-activation attention and AdaLIN (Kim et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from henshin.train.networks import PictureOutput, ResidualBlock, reflected_convolution, resize_convolution

Attended = tuple[Tensor, Tensor, Tensor]
"""The output of a network, its attention's two logits (N, 2), and the attention map (N, 1, h, w)."""


class LayerInstanceNorm(nn.Module):
    """rho times the instance-normed features plus (1 - rho) times the layer-normed ones; rho (C,) is learned in 0..1.

    Adaptive (AdaLIN) if it has no affine weights: scale and shift come with each call. With `nested` the variance is
    that of the authors' PyTorch code, for weights trained with it.
    """

    def __init__(self, channels: int, rho: float, affine: bool, nested: bool) -> None:
        super().__init__()
        self.nested = nested
        self.rho = nn.Parameter(torch.full((1, channels, 1, 1), rho))
        self.gamma = nn.Parameter(torch.ones(1, channels, 1, 1)) if affine else None
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1)) if affine else None

    def forward(self, x: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None) -> Tensor:
        """(N, C, H, W) -> the same; gamma and beta (N, C, 1, 1) for a norm without affine weights."""
        instance_normed, layer_normed = _normed(x, (2, 3), self.nested), _normed(x, (1, 2, 3), self.nested)
        mixed = self.rho * instance_normed + (1 - self.rho) * layer_normed
        scale, shift = (self.gamma, self.beta) if gamma is None else (gamma, beta)
        return mixed if scale is None or shift is None else mixed * scale + shift


def _normed(x: Tensor, axes: tuple[int, ...], nested: bool) -> Tensor:
    """Return features of zero mean and unit (unbiased) variance over these axes, in fp32 for any precision.

    `nested`: the variance along one axis of the variance along the one before, and so on.
    """
    x = x.float()
    mean = x.mean(axes, keepdim=True)
    if nested:
        variance = x
        for axis in axes:
            variance = variance.var(axis, keepdim=True)
    else:
        variance = x.var(axes, keepdim=True)
    return (x - mean) * torch.rsqrt(variance + 1e-5)


def convolution(before: int, after: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    """Return a reflected convolution without bias."""
    return reflected_convolution(before, after, kernel, stride, bias=False)


class AdaptiveResidual(nn.Module):
    """x + F(x), F two 3x3 convolutions, each normed by AdaLIN, a ReLU between them."""

    def __init__(self, width: int, nested: bool) -> None:
        super().__init__()
        self.first = nn.Sequential(*convolution(width, width, 3))
        self.first_norm = LayerInstanceNorm(width, 0.9, affine=False, nested=nested)
        self.second = nn.Sequential(*convolution(width, width, 3))
        self.second_norm = LayerInstanceNorm(width, 0.9, affine=False, nested=nested)

    def forward(self, x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        y = F.relu(self.first_norm(self.first(x), gamma, beta))
        total: Tensor = x + self.second_norm(self.second(y), gamma, beta)
        return total


class Attention(nn.Module):
    """Class activation maps (Zhou et al. 2016): features weighted by a classifier of the domains.

    Two linear classifiers, of mean-pooled and of max-pooled features; their weights scale the features, and a 1x1
    convolution reduces both to `channels`.
    """

    def __init__(self, channels: int, slope: float = 0.0, spectral: bool = False) -> None:
        super().__init__()
        self.mean, self.peak = nn.Linear(channels, 1, bias=False), nn.Linear(channels, 1, bias=False)
        if spectral:
            spectral_norm(self.mean)
            spectral_norm(self.peak)
        self.mix = nn.Conv2d(2 * channels, channels, 1)
        self.slope = slope

    def forward(self, x: Tensor) -> Attended:
        """(N, C, h, w) -> the same, weighted; logits (N, 2); the attention map (N, 1, h, w)."""
        logits = torch.cat([self.mean(x.mean((2, 3))), self.peak(x.amax((2, 3)))], 1)
        weights = [linear.weight[:, :, None, None] for linear in (self.mean, self.peak)]
        mixed = F.leaky_relu(self.mix(torch.cat([x * weight for weight in weights], 1)), self.slope)
        return mixed, logits, mixed.sum(1, keepdim=True)


class UGatItGenerator(nn.Module):
    """7x7-width, two halvings, `blocks` residual blocks, attention, `blocks` AdaLIN blocks, two doublings, 7x7-3, tanh.

    `grid_of` None is the light network: AdaLIN's scales come from the pooled features. Else it is the side of the
    training pictures, and the scales come from all features on its grid (side / 4); a picture of another size is
    resampled to that grid for them alone. `nested`: see LayerInstanceNorm;
    `colour_skip` is the number of cells of a `PictureOutput`.
    """

    def __init__(
        self,
        width: int = 64,
        blocks: int = 4,
        grid_of: int | None = None,
        nested: bool = False,
        colour_skip: int = 0,
    ) -> None:
        super().__init__()
        wide = 4 * width
        encoder = [*convolution(3, width, 7), nn.InstanceNorm2d(width), nn.ReLU(inplace=True)]
        for before in (width, 2 * width):
            encoder += [*convolution(before, 2 * before, 3, 2), nn.InstanceNorm2d(2 * before), nn.ReLU(inplace=True)]
        self.encoder = nn.Sequential(*encoder, *(ResidualBlock(wide, bias=False) for _ in range(blocks)))
        self.attention = Attention(wide)
        self.grid = None if grid_of is None else grid_of // 4
        inputs = wide if self.grid is None else wide * self.grid**2
        self.scales = nn.Sequential(
            nn.Linear(inputs, wide, bias=False),
            nn.ReLU(inplace=True),
            nn.Linear(wide, wide, bias=False),
            nn.ReLU(inplace=True),
        )
        self.gamma, self.beta = nn.Linear(wide, wide, bias=False), nn.Linear(wide, wide, bias=False)
        self.blocks = nn.ModuleList(AdaptiveResidual(wide, nested) for _ in range(blocks))
        decoder: list[nn.Module] = []
        for before, after in pairwise((wide, 2 * width, width)):
            decoder += resize_convolution(before, after, bias=False)
            decoder += [LayerInstanceNorm(after, 0.0, affine=True, nested=nested), nn.ReLU(inplace=True)]
        self.decoder = nn.Sequential(*decoder, *convolution(width, 3, 7))
        self.output = PictureOutput(colour_skip)

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] -> the same; H and W multiples of 4."""
        return self.attend(pictures)[0]

    def attend(self, pictures: Tensor) -> Attended:
        """Return the translations, the attention's logits (positive: of the source domain), and the attention map."""
        x, logits, attention_map = self.attention(self.encoder(pictures))
        if self.grid is None:
            features = x.mean((2, 3))
        else:
            features = F.interpolate(x, (self.grid, self.grid), mode="bilinear", align_corners=False).flatten(1)
        scales = self.scales(features)
        gamma, beta = self.gamma(scales)[:, :, None, None], self.beta(scales)[:, :, None, None]
        for block in self.blocks:
            x = block(x, gamma, beta)
        return self.output(self.decoder(x), pictures), logits, attention_map

    @torch.no_grad()
    def clip(self) -> None:
        """Clamp the rho of every norm to 0..1, after each step of an optimiser."""
        for module in self.modules():
            if isinstance(module, LayerInstanceNorm):
                module.rho.clamp_(0, 1)


class AttentiveDiscriminator(nn.Module):
    """A patch discriminator with attention: `layers` counts 4x4 convolutions as the paper does (5 local, 7 global).

    All but the last two of them halve the size; spectral norm on every layer but the 1x1 (Miyato et al. 2018).
    """

    def __init__(self, width: int = 64, layers: int = 5) -> None:
        super().__init__()
        widths = [3, *(width * 2**i for i in range(layers - 1))]
        body: list[nn.Module] = []
        for i, (before, after) in enumerate(pairwise(widths)):
            stride = 2 if i < layers - 2 else 1
            body += [
                nn.ReflectionPad2d(1),
                spectral_norm(nn.Conv2d(before, after, 4, stride)),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        self.body = nn.Sequential(*body)
        self.attention = Attention(widths[-1], 0.2, spectral=True)
        self.score = nn.Sequential(nn.ReflectionPad2d(1), spectral_norm(nn.Conv2d(widths[-1], 1, 4, bias=False)))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) in [-1, 1] -> scores (N, 1, h, w) and the attention's logits (N, 2)."""
        x, logits, _ = self.attention(self.body(pictures))
        return self.score(x), logits


class Discriminators(nn.Module):
    """The global and the local discriminators of one domain."""

    def __init__(self, width: int = 64, layers: tuple[int, ...] = (7, 5)) -> None:
        super().__init__()
        self.discriminators = nn.ModuleList(AttentiveDiscriminator(width, count) for count in layers)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """(N, 3, H, W) -> the scores and attention logits of every discriminator."""
        return [value for discriminator in self.discriminators for value in discriminator(pictures)]


_PARTS = {
    "gap_fc": "attention.mean",
    "gmp_fc": "attention.peak",
    "conv1x1": "attention.mix",
    "FC": "scales",
    "gamma": "gamma",
    "beta": "beta",
}
_BLOCK = {"conv1": "first.1", "norm1": "first_norm", "conv2": "second.1", "norm2": "second_norm"}


def from_published(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return options and our tensors for those of the authors' `genA2B` or `genB2A`."""
    width = tensors["DownBlock.1.weight"].shape[0]
    blocks = len({name.split(".")[0] for name in tensors if name.startswith("UpBlock1_")})
    options: dict[str, Any] = {"width": width, "blocks": blocks, "nested_variance": True}
    features = tensors["FC.0.weight"].shape[1]
    if features != 4 * width:
        options |= {"light": False, "size": 4 * round((features / (4 * width)) ** 0.5)}
    return options, {_renamed(name): tensor for name, tensor in tensors.items()}


def _renamed(name: str) -> str:
    part, _, rest = name.partition(".")
    if part == "DownBlock":
        return f"encoder.{rest.replace('conv_block', 'body')}"
    if part.startswith("UpBlock1_"):
        inner, _, leaf = rest.partition(".")
        return f"blocks.{int(part.removeprefix('UpBlock1_')) - 1}.{_BLOCK[inner]}.{leaf}"
    if part == "UpBlock2":
        return f"decoder.{rest}"
    return f"{_PARTS[part]}.{rest}"
