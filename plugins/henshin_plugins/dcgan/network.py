"""Generator and discriminator of DCGAN (Radford et al. 2016): convolutions alone, in mirrored order."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from henshin.train.networks import initialise

Activation = Literal["leaky_relu", "relu"]
DiscriminatorNorm = Literal["batch", "spectral", "none"]
SLOPE = 0.2


def widths(size: int, width: int) -> list[int]:
    """Return the channels from 4x4 pixels up to half the size: 512, 256, 128, 64 at 64 px and width 64."""
    return [width * 2**i for i in reversed(range((size // 8).bit_length()))]


class DcganGenerator(nn.Module):
    """Noise -> 4x4 -> doublings that halve the channels -> (a layer that keeps the size) -> the last doubling, tanh.

    At 64 px and width 64: 512x4x4, 256x8x8, 128x16x16, 64x32x32, 64x32x32, 3x64x64. Batch norm and activation after
    all layers but the last.
    """

    def __init__(
        self,
        latent: int = 100,
        size: int = 64,
        width: int = 64,
        activation: Activation = "leaky_relu",
        extra: bool = True,
    ) -> None:
        super().__init__()
        self.latent_shape = (latent,)
        channels = widths(size, width)
        layers: list[nn.Module] = [nn.ConvTranspose2d(latent, channels[0], 4, 1, 0, bias=False)]
        layers += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False) for before, after in pairwise(channels)]
        if extra:
            layers.append(nn.Conv2d(width, width, 3, 1, 1, bias=False))
        body: list[nn.Module] = []
        for layer in layers:
            after = layer.out_channels
            act = nn.ReLU(inplace=True) if activation == "relu" else nn.LeakyReLU(SLOPE, inplace=True)
            body.append(nn.Sequential(layer, nn.BatchNorm2d(after), act))  # type: ignore[arg-type]
        body.append(nn.Sequential(nn.ConvTranspose2d(width, 3, 4, 2, 1), nn.Tanh()))
        self.body = nn.Sequential(*body)
        initialise(self)

    def forward(self, noise: Tensor) -> Tensor:
        """(N, latent), from a normal distribution -> pictures (N, 3, size, size) in [-1, 1]."""
        output: Tensor = self.body(noise[:, :, None, None])
        return output


class DcganDiscriminator(nn.Module):
    """Halvings that double the channels down to 4x4, (a layer that keeps the size), and one number.

    At 64 px and width 64: 64x32x32, 128x16x16, 256x8x8, 512x4x4, 512x4x4, 1x1x1. No fully connected layer; no batch
    norm on the first and the last. With `probability` the network ends in a sigmoid.
    """

    def __init__(
        self,
        size: int = 64,
        width: int = 64,
        norm: DiscriminatorNorm = "batch",
        extra: bool = True,
        probability: bool = False,
    ) -> None:
        super().__init__()
        self.probability = probability
        channels = [3, *reversed(widths(size, width))]
        biased = norm != "batch"
        layers = [nn.Conv2d(before, after, 4, 2, 1, bias=biased or before == 3) for before, after in pairwise(channels)]
        if extra:
            layers.append(nn.Conv2d(channels[-1], channels[-1], 3, 1, 1, bias=biased))
        body: list[nn.Module] = []
        for i, layer in enumerate(layers):
            normed = [nn.BatchNorm2d(layer.out_channels)] if norm == "batch" and i > 0 else []
            body.append(nn.Sequential(layer, *normed, nn.LeakyReLU(SLOPE, inplace=True)))
        body.append(nn.Conv2d(channels[-1], 1, 4, 1, 0))
        self.body = nn.Sequential(*body)
        initialise(self)
        if norm == "spectral":
            for convolution in [*layers, body[-1]]:
                spectral_norm(convolution)

    def logits(self, pictures: Tensor) -> Tensor:
        """(N, 3, size, size) in [-1, 1] -> (N, 1, 1, 1), before any sigmoid, for the loss."""
        scores: Tensor = self.body(pictures)
        return scores

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, 3, size, size) in [-1, 1] -> (N, 1, 1, 1): logits, or probabilities of being real."""
        scores = self.logits(pictures)
        return scores.sigmoid() if self.probability else scores
