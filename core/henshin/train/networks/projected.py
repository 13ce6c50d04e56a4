"""The projected discriminator: small heads on frozen, randomly mixed features (Sauer et al., NeurIPS 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from henshin.train.networks.efficientnet_lite import CHANNELS, EfficientNetLite0, FrozenConvolution

LEAST_SIZE = 128
"""Pictures with a smaller side are enlarged to this one."""

HEAD_STRIDES = (2, 1, 1, 0)
"""Strided convolutions of the heads at strides 4, 8, 16 and 32."""


class RandomMixing(nn.Module):
    """Fixed random projections that mix features over channels and over scales (Sauer et al. 2021, section 3.2).

    Each scale is projected to `width` channels by a 1x1 convolution; from the coarsest on, a 3x3 convolution of the
    mixed features, enlarged, is added to the next finer ones. `calibrate` sets the mean and the standard deviation by
    which each mixed channel is normalised. All weights are buffers.
    """

    means: Tensor
    deviations: Tensor

    def __init__(self, channels: Sequence[int], width: int = 64) -> None:
        super().__init__()
        self.across_channels = nn.ModuleList(_random_convolution(count, width, 1) for count in channels)
        self.across_scales = nn.ModuleList(_random_convolution(width, width, 3) for _ in channels[1:])
        self.register_buffer("means", torch.zeros(len(channels), width))
        self.register_buffer("deviations", torch.ones(len(channels), width))
        self.to(memory_format=torch.channels_last)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Return normalised mixed features, (N, width, h, w) for each scale, the finest first."""
        return [
            (mixed - mean[:, None, None].to(mixed.dtype)) / deviation[:, None, None].to(mixed.dtype)
            for mixed, mean, deviation in zip(self._mixed(features), self.means, self.deviations, strict=True)
        ]

    @torch.no_grad()
    def calibrate(self, features: Sequence[Tensor]) -> None:
        """Set means and deviations so that these features come out with mean 0 and variance 1 in each channel."""
        for i, mixed in enumerate(self._mixed(features)):
            self.means[i] = mixed.mean((0, 2, 3))
            self.deviations[i] = mixed.std((0, 2, 3)) + 1e-4

    def _mixed(self, features: Sequence[Tensor]) -> list[Tensor]:
        projected = [convolution(one) for convolution, one in zip(self.across_channels, features, strict=True)]
        mixed = [projected[-1]]
        for finer, convolution in zip(projected[-2::-1], list(self.across_scales)[::-1], strict=True):
            coarser = F.interpolate(convolution(mixed[0]), finer.shape[2:], mode="nearest")
            mixed.insert(0, (finer + coarser) * 0.5**0.5)
        return mixed


class ProjectedDiscriminator(nn.Module):
    """Heads that score what EfficientNet-Lite0 sees in pictures, at four depths (Sauer et al. 2021).

    Its parameters are those of the heads, of `width` channels at the first layer. The frozen network and the mixing are
    buffers: they are in checkpoints, and get no gradient. Before training, `calibrate` takes some training pictures.
    Real and fake pictures must come in batches of their own, because the heads have batch norm.
    Errors: MissingError, HenshinError as `EfficientNetLite0`.
    """

    def __init__(self, width: int = 96, mixed_width: int = 64) -> None:
        super().__init__()
        self.network = EfficientNetLite0()
        self.mixing = RandomMixing(CHANNELS, mixed_width)
        self.heads = nn.ModuleList(_head(mixed_width, width, strided) for strided in HEAD_STRIDES)
        self.heads.to(memory_format=torch.channels_last)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Return one tensor of scores (N, 1, h, w) of (N, 3, H, W) in [-1, 1] for each depth, the finest first."""
        features = self.mixing(self.network(_enlarged(pictures)))
        return [head(one) for head, one in zip(self.heads, features, strict=True)]

    @torch.no_grad()
    def calibrate(self, pictures: Tensor) -> None:
        """Normalise the mixed features by those of some training pictures (N, 3, H, W) in [-1, 1]."""
        self.mixing.calibrate(self.network(_enlarged(pictures.to(self.mixing.means.device))))


def _random_convolution(before: int, after: int, kernel: int) -> FrozenConvolution:
    """Return a convolution with weights of variance 1 / fan-in (He et al. 2015, without an activation)."""
    weight = torch.empty(after, before, kernel, kernel)
    return FrozenConvolution(nn.init.kaiming_normal_(weight, nonlinearity="linear"))


def _head(before: int, width: int, strided: int) -> nn.Sequential:
    """Return 4x4 convolutions of stride 2 with width, 2 width, ... channels, a 3x3 one, and one to a single channel."""
    layers: list[nn.Module] = []
    channels = before
    for after in (width * 2**i for i in range(strided)):
        layers += _normalised(nn.Conv2d(channels, after, 4, 2, 1))
        channels = after
    last = max(channels, width)
    layers += _normalised(nn.Conv2d(channels, last, 3, 1, 1))
    return nn.Sequential(*layers, spectral_norm(nn.Conv2d(last, 1, 3, 1, 1)))


def _normalised(convolution: nn.Conv2d) -> list[nn.Module]:
    """Return a convolution under spectral norm, batch norm by the batch at hand, and an activation."""
    norm = nn.BatchNorm2d(convolution.out_channels, track_running_stats=False)
    return [spectral_norm(convolution), norm, nn.LeakyReLU(0.2)]


def _enlarged(pictures: Tensor) -> Tensor:
    """Return pictures with a smaller side of `LEAST_SIZE` pixels at least."""
    least = min(pictures.shape[2:])
    if least >= LEAST_SIZE:
        return pictures
    size = [round(side * LEAST_SIZE / least) for side in pictures.shape[2:]]
    return F.interpolate(pictures, size, mode="bilinear", align_corners=False)
