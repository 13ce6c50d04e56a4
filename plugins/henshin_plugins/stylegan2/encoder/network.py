"""An encoder that predicts the w+ of a picture in a few passes (ReStyle: Alaluf, Patashnik and Cohen-Or 2021).

From the picture and the reconstruction of the present guess by the frozen synthesis, a small network predicts a
correction of each style. The first guess is the mean style.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from henshin_plugins.stylegan2.network import FIRST, SynthesisNetwork

DIVISORS = (4, 8, 16)
"""Divisors of the channels of the features of 4, 8 and 16 pixels, from which the styles are predicted."""
GREATEST_CORRECTION = 4.0
"""Greatest correction of a style in one pass, in standard deviations: far from the mean there is no way back."""
INITIAL_FACTOR = 0.1
"""Factor on the initial weights of the last layer, so that training begins near the mean."""


def side_widths(size: int, width: int, maximum: int) -> list[int]:
    """Return the channels at size / 2, size / 4, ..., 4 pixels: `width`, doubled at each halving, at most `maximum`."""
    count = (size // FIRST).bit_length() - 1
    return [min(maximum, width * 2**i) for i in range(count)]


class EncoderResidual(nn.Module):
    """Two convolutions and a shortcut, at half the size if `down`."""

    def __init__(self, inputs: int, outputs: int, down: bool) -> None:
        super().__init__()
        self.down = down
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1, stride=2 if down else 1)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.norm = nn.GroupNorm(1, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H, W), or half of that."""
        y = self.second(F.leaky_relu(self.first(x), 0.2))
        x = self.shortcut(F.avg_pool2d(x, 2) if self.down else x)
        return F.leaky_relu(self.norm(x + y), 0.2)


class Guess(nn.Module):
    """Two pictures to a correction of every style, in standard deviations, from features of 4, 8 and 16 pixels."""

    def __init__(self, latent_shape: Sequence[int], widths: Sequence[int], hidden: int) -> None:
        super().__init__()
        self.latent_shape = tuple(latent_shape)
        layers, latent = latent_shape
        # four pixels become channels, because the first convolution at full size would be the most expensive
        self.enter = nn.Conv2d(6 * 4, widths[0], 3, padding=1)
        self.down = nn.ModuleList(EncoderResidual(before, after, True) for before, after in pairwise(widths))
        pooled_widths = list(reversed(widths))[: len(DIVISORS)]
        outputs = [max(1, width // share) for width, share in zip(pooled_widths, DIVISORS, strict=False)]
        self.look = nn.ModuleList(
            nn.Conv2d(width, output, 1) for width, output in zip(pooled_widths, outputs, strict=True)
        )
        inputs = sum(output * _pooled_side(level) ** 2 for level, output in enumerate(outputs))
        self.think = nn.Linear(inputs, hidden)
        self.say = nn.Linear(hidden, layers * latent)
        with torch.no_grad():
            self.say.weight.mul_(INITIAL_FACTOR)
            self.say.bias.zero_()

    def forward(self, pictures: Tensor, reconstructed: Tensor) -> Tensor:
        """(N, 3, S, S) twice, in [-1, 1] -> (N, L, D), within `MOST`, fp32."""
        x = F.leaky_relu(self.enter(F.pixel_unshuffle(torch.cat([pictures, reconstructed - pictures], 1), 2)), 0.2)
        features = [x]
        for layer in self.down:
            features.append(layer(features[-1]))
        pooled = []
        for level, (look, x) in enumerate(zip(self.look, reversed(features), strict=False)):
            y, smaller = look(x), x.shape[2] // _pooled_side(level)
            pooled.append((F.avg_pool2d(y, smaller) if smaller > 1 else y).flatten(1))
        y = F.leaky_relu(self.think(torch.cat(pooled, 1)), 0.2)
        change: Tensor = self.say(y)
        return GREATEST_CORRECTION * (change.float() / GREATEST_CORRECTION).tanh().reshape(-1, *self.latent_shape)


def _pooled_side(level: int) -> int:
    """Return the side to which the features of a level are pooled: 4, then 8."""
    return FIRST if level == 0 else 2 * FIRST


class Encoder(nn.Module):
    """Pictures to w+, in `passes` passes from the mean; the synthesis is frozen, and part of the network.

    `mean` is the mean style and `deviation` the standard deviation of its numbers, (D,) each, the unit of corrections.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, synthesis: SynthesisNetwork, widths: Sequence[int], hidden: int, passes: int) -> None:
        super().__init__()
        self.synthesis = synthesis.requires_grad_(False)
        self.passes = passes
        self.guess = Guess(synthesis.latent_shape, widths, hidden)
        latent = synthesis.latent_shape[1]
        self.register_buffer("mean", torch.zeros(latent))
        self.register_buffer("deviation", torch.ones(latent))

    def draw(self, w: Tensor) -> Tensor:
        """w+ (N, L, D) -> pictures of the synthesis, (N, 3, S, S), deterministic in training too."""
        reconstructed: Tensor = self.synthesis(w, self.synthesis.still)
        return reconstructed

    def begin(self, count: int) -> Tensor:
        """Return the mean style for so many pictures, w+ (N, L, D)."""
        return self.mean.expand(count, *self.synthesis.latent_shape)

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, 3, S, S) in [-1, 1] -> w+ (N, L, D), fp32."""
        w = self.begin(pictures.shape[0])  # len() would become a constant in the exported graph
        for _ in range(self.passes):
            w = w + self.deviation * self.guess(pictures, self.draw(w))
        return w
