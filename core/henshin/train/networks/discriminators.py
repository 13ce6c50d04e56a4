"""Discriminators that several recipes share."""

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
    """Set weights from N(0, gain), those of batch norm from N(1, gain), biases to 0.

    (Zhu et al. 2017; Radford et al. 2016.)
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(layer.weight, 0.0, gain)
        elif isinstance(layer, nn.BatchNorm2d) and layer.affine:
            nn.init.normal_(layer.weight, 1.0, gain)
        else:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def _initialised(layer: nn.Conv2d | nn.Linear, norm: Norm) -> nn.Module:
    """Return a layer with initial weights, under spectral norm if `norm` says so."""
    initialise(layer)
    normalised: nn.Module = spectral_norm(layer) if norm == "spectral" else layer
    return normalised


def _activations(body: nn.Sequential, x: Tensor) -> list[Tensor]:
    """Return the output of each activation layer."""
    outputs = []
    for layer in body:
        x = layer(x)
        if isinstance(layer, nn.LeakyReLU):
            outputs.append(x)
    return outputs


class PatchDiscriminator(nn.Module):
    """PatchGAN: scores of overlapping patches (Isola et al. 2017).

    4x4 convolutions of width, 2 width, 4 width (stride 2), 8 width and 1 channels (stride 1). With three strided
    layers each score has a receptive field of 70x70 pixels, and 256x256 pixels give 30x30 scores.
    `norm` "instance" is CycleGAN's (not on the first layer); "spectral" is on every layer (Miyato et al. 2018).
    `channels` is 6 for a picture together with its source, as in pix2pix.
    """

    def __init__(self, width: int = 64, layers: int = 3, norm: Norm = "instance", channels: int = 3) -> None:
        super().__init__()
        widths = [channels, *(width * min(2**i, 8) for i in range(layers + 1))]
        body: list[nn.Module] = []
        for i, (before, after) in enumerate(pairwise(widths)):
            stride = 2 if i < layers else 1
            body.append(_initialised(nn.Conv2d(before, after, 4, stride, 1), norm))
            if norm == "instance" and i > 0:
                body.append(nn.InstanceNorm2d(after))
            body.append(nn.LeakyReLU(0.2))
        body.append(_initialised(nn.Conv2d(widths[-1], 1, 4, 1, 1), norm))
        self.body = nn.Sequential(*body)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return scores (N, 1, h, w), before any sigmoid, of (N, channels, H, W) in [-1, 1]."""
        scores: Tensor = self.body(pictures)
        return scores

    def features(self, pictures: Tensor) -> list[Tensor]:
        """Return the output of each activation, for `feature_matching_loss` and `score`."""
        return _activations(self.body[:-1], pictures)

    def score(self, features: list[Tensor]) -> Tensor:
        """Return the scores of `forward` from the pictures' `features`."""
        scores: Tensor = self.body[-1](features[-1])
        return scores


class ImageDiscriminator(nn.Module):
    """One score for each picture: four 3x3 convolutions of stride 2, global average pooling, a linear layer.

    The convolutions have width, 2 width, 4 width and 8 width channels. `norm` and `channels` are as in
    `PatchDiscriminator`.
    """

    def __init__(self, width: int = 64, norm: Norm = "instance", channels: int = 3) -> None:
        super().__init__()
        body: list[nn.Module] = []
        for i, (before, after) in enumerate(pairwise((channels, width, width * 2, width * 4, width * 8))):
            body.append(_initialised(nn.Conv2d(before, after, 3, 2, 1), norm))
            if norm == "instance" and i > 0:
                body.append(nn.InstanceNorm2d(after))
            body.append(nn.LeakyReLU(0.2))
        self.body = nn.Sequential(*body)
        self.last = _initialised(nn.Linear(width * 8, 1), norm)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return scores (N, 1), before any sigmoid, of (N, channels, H, W) in [-1, 1]; H and W at least 17 px."""
        scores: Tensor = self.last(self.body(pictures).mean((2, 3)))
        return scores

    def features(self, pictures: Tensor) -> list[Tensor]:
        """Return the output of each activation, as `PatchDiscriminator.features`."""
        return _activations(self.body, pictures)

    def score(self, features: list[Tensor]) -> Tensor:
        """Return the scores of `forward` from the pictures' `features`."""
        scores: Tensor = self.last(features[-1].mean((2, 3)))
        return scores


def make_discriminator(kind: Kind, width: int, layers: int, norm: Norm, channels: int = 3) -> nn.Module:
    """Return a discriminator by the options of a recipe; `layers` applies to "patch" alone."""
    if kind == "plain":
        return ImageDiscriminator(width, norm, channels)
    return PatchDiscriminator(width, layers, norm, channels)


def mean_score(kind: GanLoss, scores: Sequence[Tensor]) -> Tensor:
    """Return the mean score of pictures for the log, without gradient.

    For "lsgan" and "vanilla" 1 is real and 0 is fake; for "hinge" real is above 0 and fake below.
    """
    mean = torch.stack([(score.sigmoid() if kind == "vanilla" else score).mean() for score in scores]).mean()
    return mean.detach()


class MultiScaleDiscriminator(nn.Module):
    """Patch discriminators at several scales, each at half the size of the one before (Wang et al. 2018).

    `gain` multiplies the scores. Spectral norm bounds the slope of the scores; a gain above 1 gives the generator
    larger gradients.
    """

    def __init__(
        self, scales: int = 2, width: int = 64, layers: int = 3, norm: Norm = "spectral", gain: float = 1.0
    ) -> None:
        super().__init__()
        self.gain = gain
        self.discriminators = nn.ModuleList(PatchDiscriminator(width, layers, norm) for _ in range(scales))

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Return one tensor of scores of (N, 3, H, W) for each scale, the finest first."""
        scores = []
        for i, discriminator in enumerate(self.discriminators):
            scores.append(discriminator(pictures) * self.gain)
            if i + 1 < len(self.discriminators):
                pictures = F.avg_pool2d(pictures, 2)
        return scores

    def features(self, pictures: Tensor) -> list[list[Tensor]]:
        """Return the features of each scale, the finest first; see `PatchDiscriminator.features`."""
        discriminators = cast("list[PatchDiscriminator]", list(self.discriminators))
        return [
            discriminator.features(F.avg_pool2d(pictures, 2**i) if i else pictures)
            for i, discriminator in enumerate(discriminators)
        ]

    def score(self, features: list[list[Tensor]]) -> list[Tensor]:
        """Return the scores of `forward` from the pictures' `features`."""
        discriminators = cast("list[PatchDiscriminator]", list(self.discriminators))
        return [
            discriminator.score(scale_features) * self.gain
            for discriminator, scale_features in zip(discriminators, features, strict=True)
        ]


def set_requires_grad(module: nn.Module, required: bool) -> None:
    """Set whether a network's weights get gradients: a discriminator's do not during the generator's step."""
    for parameter in module.parameters():
        parameter.requires_grad_(required)
