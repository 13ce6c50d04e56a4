"""Discriminators that more than one recipe plays against."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

Norm = Literal["instance", "spectral", "none"]


def initialise(module: nn.Module, gain: float = 0.02) -> None:
    """Weights of convolutions from N(0, gain), biases 0 (Zhu et al. 2017; Radford et al. 2016)."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(layer.weight, 0.0, gain)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class PatchGan(nn.Module):
    """Judges overlapping patches: 4x4 convolutions, width, 2 width, 4 width (stride 2), 8 width and 1 (stride 1).

    With three strided layers each score sees 70x70 pixels, and 256x256 pixels give 30x30 scores (Isola et al. 2017).
    `norm` "instance" is CycleGAN's (not on the first layer); "spectral" bounds every layer (Miyato et al. 2018).
    """

    def __init__(self, width: int = 64, layers: int = 3, norm: Norm = "instance") -> None:
        super().__init__()
        widths = [3, *(width * min(2**i, 8) for i in range(layers + 1))]
        body: list[nn.Module] = []
        for i, (before, after) in enumerate(pairwise(widths)):
            stride = 2 if i < layers else 1
            convolution = nn.Conv2d(before, after, 4, stride, 1)
            body.append(self._wrap(convolution, norm))
            if norm == "instance" and i > 0:
                body.append(nn.InstanceNorm2d(after))
            body.append(nn.LeakyReLU(0.2))
        body.append(self._wrap(nn.Conv2d(widths[-1], 1, 4, 1, 1), norm))
        self.body = nn.Sequential(*body)

    @staticmethod
    def _wrap(convolution: nn.Conv2d, norm: Norm) -> nn.Module:
        nn.init.normal_(convolution.weight, 0.0, 0.02)
        if convolution.bias is not None:
            nn.init.zeros_(convolution.bias)
        wrapped: nn.Module = spectral_norm(convolution) if norm == "spectral" else convolution
        return wrapped

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] -> scores (N, 1, h, w), before any sigmoid."""
        scores: Tensor = self.body(pictures)
        return scores


class MultiScale(nn.Module):
    """Judges at several scales: each sees the pictures at half the size of the one before (Wang et al. 2018).

    `gain` multiplies the scores: under spectral norm they are at most as steep as the pictures themselves, and a
    judge that can only whisper is soon overheard.
    """

    def __init__(
        self, scales: int = 2, width: int = 64, layers: int = 3, norm: Norm = "spectral", gain: float = 1.0
    ) -> None:
        super().__init__()
        self.gain = gain
        self.judges = nn.ModuleList(PatchGan(width, layers, norm) for _ in range(scales))

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """(N, 3, H, W) -> one tensor of scores for each scale, the finest first."""
        scores = []
        for i, judge in enumerate(self.judges):
            scores.append(judge(pictures) * self.gain)
            if i + 1 < len(self.judges):
                pictures = F.avg_pool2d(pictures, 2)
        return scores


def frozen(module: nn.Module, frozen: bool) -> None:
    """Hold (or free) the weights of a judge while the generator learns from it: no gradients are computed in vain."""
    for parameter in module.parameters():
        parameter.requires_grad_(not frozen)


__all__ = ["MultiScale", "Norm", "PatchGan", "frozen", "initialise"]
