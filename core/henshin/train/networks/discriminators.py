"""Discriminators that more than one recipe plays against."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from henshin.train.losses import GanLoss

Norm = Literal["instance", "spectral", "none"]
Kind = Literal["patch", "plain"]


def initialise(module: nn.Module, gain: float = 0.02) -> None:
    """Weights from N(0, gain), those of batch norm from N(1, gain), biases 0 (Zhu et al. 2017; Radford et al. 2016)."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(layer.weight, 0.0, gain)
        elif isinstance(layer, nn.BatchNorm2d) and layer.affine:
            nn.init.normal_(layer.weight, 1.0, gain)
        else:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def _wrap(layer: nn.Conv2d | nn.Linear, norm: Norm) -> nn.Module:
    """A layer with its initial weights, under spectral norm where that is asked for."""
    initialise(layer)
    wrapped: nn.Module = spectral_norm(layer) if norm == "spectral" else layer
    return wrapped


def _after_each(body: nn.Sequential, x: Tensor) -> list[Tensor]:
    """What comes out of each activation."""
    found = []
    for layer in body:
        x = layer(x)
        if isinstance(layer, nn.LeakyReLU):
            found.append(x)
    return found


class PatchDiscriminator(nn.Module):
    """Scores overlapping patches: 4x4 convolutions, width, 2 width, 4 width (stride 2), 8 width and 1 (stride 1).

    With three strided layers each score sees 70x70 pixels, and 256x256 pixels give 30x30 scores (Isola et al. 2017).
    `norm` "instance" is CycleGAN's (not on the first layer); "spectral" bounds every layer (Miyato et al. 2018).
    `channels` 6 discriminators a picture together with the one that it was made from (Isola et al. 2017).
    """

    def __init__(self, width: int = 64, layers: int = 3, norm: Norm = "instance", channels: int = 3) -> None:
        super().__init__()
        widths = [channels, *(width * min(2**i, 8) for i in range(layers + 1))]
        body: list[nn.Module] = []
        for i, (before, after) in enumerate(pairwise(widths)):
            stride = 2 if i < layers else 1
            convolution = nn.Conv2d(before, after, 4, stride, 1)
            body.append(_wrap(convolution, norm))
            if norm == "instance" and i > 0:
                body.append(nn.InstanceNorm2d(after))
            body.append(nn.LeakyReLU(0.2))
        body.append(_wrap(nn.Conv2d(widths[-1], 1, 4, 1, 1), norm))
        self.body = nn.Sequential(*body)

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, channels, H, W) in [-1, 1] -> scores (N, 1, h, w), before any sigmoid."""
        scores: Tensor = self.body(pictures)
        return scores

    def features(self, pictures: Tensor) -> list[Tensor]:
        """What comes out of each activation, for `feature_matching_loss`; `score` makes the scores of it."""
        return _after_each(self.body[:-1], pictures)

    def score(self, features: list[Tensor]) -> Tensor:
        """The scores that `forward` gives, from features that are there already."""
        scores: Tensor = self.body[-1](features[-1])
        return scores


class ImageDiscriminator(nn.Module):
    """Scores whole pictures: four 3x3 convolutions of stride 2 (width, 2, 4, 8 width), global average, a linear layer.

    At width 64 these are 64-128-256-512 and 512 -> 1. `norm` and `channels` are those of `PatchDiscriminator`.
    """

    def __init__(self, width: int = 64, norm: Norm = "instance", channels: int = 3) -> None:
        super().__init__()
        body: list[nn.Module] = []
        for i, (before, after) in enumerate(pairwise((channels, width, width * 2, width * 4, width * 8))):
            body.append(_wrap(nn.Conv2d(before, after, 3, 2, 1), norm))
            if norm == "instance" and i > 0:
                body.append(nn.InstanceNorm2d(after))
            body.append(nn.LeakyReLU(0.2))
        self.body = nn.Sequential(*body)
        self.last = _wrap(nn.Linear(width * 8, 1), norm)

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, channels, H, W) in [-1, 1] -> one score each, (N, 1), before any sigmoid; H and W 17 px at least."""
        scores: Tensor = self.last(self.body(pictures).mean((2, 3)))
        return scores

    def features(self, pictures: Tensor) -> list[Tensor]:
        """As `PatchDiscriminator.features`."""
        return _after_each(self.body, pictures)

    def score(self, features: list[Tensor]) -> Tensor:
        """As `PatchDiscriminator.score`."""
        scores: Tensor = self.last(features[-1].mean((2, 3)))
        return scores


def make_discriminator(kind: Kind, width: int, layers: int, norm: Norm, channels: int = 3) -> nn.Module:
    """A discriminator by the words of a recipe's options; `layers` is the patch discriminator's alone."""
    if kind == "plain":
        return ImageDiscriminator(width, norm, channels)
    return PatchDiscriminator(width, layers, norm, channels)


def mean_score(kind: GanLoss, scores: Sequence[Tensor]) -> Tensor:
    """The mean of scores as one watches it: how real a discriminator takes the pictures to be, 1 real and 0 fake.

    Those of "hinge" are as they are: real ones above 0, fake ones below.
    """
    mean = torch.stack([(score.sigmoid() if kind == "vanilla" else score).mean() for score in scores]).mean()
    return mean.detach()


class MultiScaleDiscriminator(nn.Module):
    """Discriminators at several scales: each sees the pictures at half the size of the one before (Wang et al. 2018).

    `gain` multiplies the scores: under spectral norm they are at most as steep as the pictures themselves, and a
    discriminator that can only whisper is soon overheard.
    """

    def __init__(
        self, scales: int = 2, width: int = 64, layers: int = 3, norm: Norm = "spectral", gain: float = 1.0
    ) -> None:
        super().__init__()
        self.gain = gain
        self.discriminators = nn.ModuleList(PatchDiscriminator(width, layers, norm) for _ in range(scales))

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """(N, 3, H, W) -> one tensor of scores for each scale, the finest first."""
        scores = []
        for i, discriminator in enumerate(self.discriminators):
            scores.append(discriminator(pictures) * self.gain)
            if i + 1 < len(self.discriminators):
                pictures = F.avg_pool2d(pictures, 2)
        return scores

    def features(self, pictures: Tensor) -> list[list[Tensor]]:
        """The features of each scale, the finest first; see `PatchDiscriminator.features`."""
        discriminators = cast("list[PatchDiscriminator]", list(self.discriminators))
        return [
            discriminator.features(F.avg_pool2d(pictures, 2**i) if i else pictures)
            for i, discriminator in enumerate(discriminators)
        ]

    def score(self, features: list[list[Tensor]]) -> list[Tensor]:
        """The scores that `forward` gives, from features that are there already."""
        discriminators = cast("list[PatchDiscriminator]", list(self.discriminators))
        return [
            discriminator.score(found) * self.gain
            for discriminator, found in zip(discriminators, features, strict=True)
        ]


def set_requires_grad(module: nn.Module, required: bool) -> None:
    """Say whether a network's weights need gradients; a discriminator's do not while the generator learns from it."""
    for parameter in module.parameters():
        parameter.requires_grad_(required)


__all__ = [
    "ImageDiscriminator",
    "Kind",
    "MultiScaleDiscriminator",
    "Norm",
    "PatchDiscriminator",
    "initialise",
    "make_discriminator",
    "mean_score",
    "set_requires_grad",
]
