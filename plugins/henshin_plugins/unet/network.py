"""The U-Net of pix2pix and CycleGAN (Isola et al. 2017, after Ronneberger et al. 2015)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from henshin.train.networks import PictureOutput, initialise, resize_convolution
from henshin.train.weights import canonicalize_state_dict, match_tensors, rename_layers

Norm = Literal["instance", "batch"]
Upsample = Literal["transposed", "resize"]


def normalisation(norm: Norm, channels: int) -> nn.Module:
    """Return instance norm without parameters, or batch norm with them."""
    return nn.BatchNorm2d(channels) if norm == "batch" else nn.InstanceNorm2d(channels)


def enlargement(before: int, after: int, upsample: Upsample, bias: bool) -> list[nn.Module]:
    """Return layers that double the size: the paper's 4x4 transposed convolution, or a resize and a convolution."""
    if upsample == "resize":
        return resize_convolution(before, after, bias)
    return [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=bias)]


class UNetGenerator(nn.Module):
    """`downs` halvings, to 1, 2, 4, 8, 8, ... times `width` channels, and as many doublings; tanh at the end.

    Every upward layer but the innermost gets the output of the layer below and of the downward layer of its resolution.
    A layer is 4x4, stride 2, after LeakyReLU(0.2) in the encoder and ReLU in the decoder. Before batch norm
    convolutions have no bias, which the norm would cancel; before instance norm they have one, as in the authors' code.
    The innermost layer has no norm: at 256 px it is 1x1, and the norm of a single value is 0.
    `colour_skip` is the number of cells of a `PictureOutput`.
    """

    def __init__(
        self,
        width: int = 64,
        downs: int = 8,
        norm: Norm = "instance",
        dropout: float = 0.0,
        upsample: Upsample = "transposed",
        colour_skip: int = 0,
    ) -> None:
        super().__init__()
        widths = [width * min(2**i, 8) for i in range(downs)]
        bias = norm == "instance"
        self.downs = nn.ModuleList([nn.Sequential(nn.Conv2d(3, width, 4, 2, 1, bias=bias))])
        for i in range(1, downs):
            layer = [nn.LeakyReLU(0.2), nn.Conv2d(widths[i - 1], widths[i], 4, 2, 1, bias=bias)]
            if i < downs - 1:
                layer.append(normalisation(norm, widths[i]))
            self.downs.append(nn.Sequential(*layer))
        self.ups = nn.ModuleList()
        for i in reversed(range(1, downs)):
            before = widths[i] * (1 if i == downs - 1 else 2)
            layer = [nn.ReLU(), *enlargement(before, widths[i - 1], upsample, bias), normalisation(norm, widths[i - 1])]
            if dropout and len(self.ups) < 3:
                layer.append(nn.Dropout(dropout))
            self.ups.append(nn.Sequential(*layer))
        self.ups.append(nn.Sequential(nn.ReLU(), *enlargement(width * 2, 3, upsample, bias=True)))
        self.output = PictureOutput(colour_skip)
        initialise(self)

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] -> the same; H and W multiples of 2**downs."""
        skipped: list[Tensor] = []
        x = pictures
        for down in self.downs:
            x = down(x)
            skipped.append(x)
        x = self.ups[0](skipped.pop())
        for up in self.ups[1:]:
            x = up(torch.cat([skipped.pop(), x], 1))
        output: Tensor = self.output(x, pictures)
        return output


def from_published(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """Return options and our tensors for weights of the authors' PyTorch code (unet_256, unet_128).

    There each resolution is a block `model` that contains the next one: `model.model.1.model.3.model...`. Weights of
    norms mean batch norm. Dropout has no weights and is not detected. None for other names or shapes.
    """
    tensors = canonicalize_state_dict(tensors)
    first = tensors.get("model.model.0.weight")
    if first is None:
        return None
    downs, place = 1, "model.model.1.model"
    while f"{place}.1.weight" in tensors:
        downs, place = downs + 1, f"{place}.3.model"
    if downs < 3:
        return None
    norm: Norm = "batch" if "model.model.1.model.2.weight" in tensors else "instance"
    network = UNetGenerator(len(first), downs, norm)
    ours = match_tensors(tensors, rename_layers(_layers(downs), tensors), network)
    return None if ours is None else ({"width": len(first), "downs": downs, "norm": norm}, ours)


def _layers(downs: int) -> dict[str, str]:
    """Return {authors' name: our name} of the convolutions and norms, from the outermost block to the innermost."""
    names = {"model.model.0": "downs.0.0", "model.model.3": f"ups.{downs - 1}.1"}
    place = "model.model.1.model"
    for i in range(1, downs - 1):
        names |= {f"{place}.1": f"downs.{i}.1", f"{place}.2": f"downs.{i}.2"}
        names |= {f"{place}.5": f"ups.{downs - 1 - i}.1", f"{place}.6": f"ups.{downs - 1 - i}.2"}
        place += ".3.model"
    return names | {f"{place}.1": f"downs.{downs - 1}.1", f"{place}.3": "ups.0.1", f"{place}.4": "ups.0.2"}
