"""The residual generator of CycleGAN (Zhu et al. 2017, after Johnson et al. 2016)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from henshin.train.discriminators import initialise


def convolution(before: int, after: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    """Convolution, instance norm, ReLU; 'same' size by reflection for stride 1."""
    return [
        nn.ReflectionPad2d(kernel // 2),
        nn.Conv2d(before, after, kernel, stride),
        nn.InstanceNorm2d(after),
        nn.ReLU(inplace=True),
    ]


def enlargement(before: int, after: int, upsample: Literal["transposed", "resize"]) -> list[nn.Module]:
    """Twice the size: the paper's transposed convolution, or nearest resize + convolution, free of chequers
    (Odena et al. 2016)."""
    if upsample == "resize":
        return [nn.Upsample(scale_factor=2, mode="nearest"), *convolution(before, after, 3)]
    return [
        nn.ConvTranspose2d(before, after, 3, 2, 1, output_padding=1),
        nn.InstanceNorm2d(after),
        nn.ReLU(inplace=True),
    ]


class Residual(nn.Module):
    """x + F(x), F two 3x3 convolutions with instance norm, a ReLU between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*convolution(width, width, 3), *convolution(width, width, 3)[:-1])

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        total: Tensor = x + self.body(x)
        return total


class ResNetGenerator(nn.Module):
    """7x7-width, `downs` halvings that double the width, `blocks` residual blocks, as many doublings, 7x7-3, tanh.

    `encoder` ends after the residual blocks; contrastive recipes read features between its children. Convolutions
    keep the biases that the authors' code gives them, though instance norm takes them away again.
    """

    def __init__(self, width: int, blocks: int, downs: int, upsample: Literal["transposed", "resize"]) -> None:
        super().__init__()
        encoder = [nn.Sequential(*convolution(3, width, 7))]
        for i in range(downs):
            before = width * 2**i
            encoder.append(
                nn.Sequential(
                    nn.Conv2d(before, before * 2, 3, 2, 1),
                    nn.InstanceNorm2d(before * 2),
                    nn.ReLU(inplace=True),
                )
            )
        widest = width * 2**downs
        self.encoder = nn.Sequential(*encoder, *(Residual(widest) for _ in range(blocks)))
        decoder = []
        for i in reversed(range(downs)):
            decoder.append(nn.Sequential(*enlargement(width * 2 ** (i + 1), width * 2**i, upsample)))
        self.decoder = nn.Sequential(*decoder, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())
        initialise(self)

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] -> the same; H and W multiples of 2**downs."""
        drawn: Tensor = self.decoder(self.encoder(pictures))
        return drawn

    def features(self, pictures: Tensor, taps: tuple[int, ...]) -> list[Tensor]:
        """What leaves the encoder's children numbered `taps` (0 = the 7x7 layer); none after the last is computed."""
        return self._encoded(pictures, taps, max(taps) + 1)[1]

    def trace(self, pictures: Tensor, taps: tuple[int, ...]) -> tuple[Tensor, list[Tensor]]:
        """The drawn pictures and, from the same pass, the features at `taps`."""
        code, found = self._encoded(pictures, taps, len(self.encoder))
        return self.decoder(code), found

    def _encoded(self, pictures: Tensor, taps: tuple[int, ...], count: int) -> tuple[Tensor, list[Tensor]]:
        found = []
        for i, child in enumerate(self.encoder[:count]):
            pictures = child(pictures)
            if i in taps:
                found.append(pictures)
        return pictures, found
