"""The residual generator of CycleGAN (Zhu et al. 2017, after Johnson et al. 2016)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from torch import Tensor, nn

from henshin.train.networks import PictureOutput, ResidualBlock, initialise, reflected_convolution, resize_convolution
from henshin.train.weights import canonicalize_state_dict, match_tensors, rename_layers

Norm = Literal["instance", "none"]

SMALL = 0.1
"""Factor on the initial weights of the last convolution, and of the last one of each residual block, without norm."""


def normalisation(norm: Norm, channels: int) -> nn.Module:
    """Return instance norm without parameters, or nothing in its place."""
    return nn.InstanceNorm2d(channels) if norm == "instance" else nn.Identity()


def convolution(before: int, after: int, kernel: int, norm: Norm) -> list[nn.Module]:
    """Return a reflected convolution that keeps the size, the norm and ReLU."""
    return [*reflected_convolution(before, after, kernel), normalisation(norm, after), nn.ReLU(inplace=True)]


def enlargement(before: int, after: int, upsample: Literal["transposed", "resize"], norm: Norm) -> list[nn.Module]:
    """Return layers that double the size: the paper's transposed convolution, or a resize and a convolution."""
    layers = (
        resize_convolution(before, after)
        if upsample == "resize"
        else [nn.ConvTranspose2d(before, after, 3, 2, 1, output_padding=1)]
    )
    return [*layers, normalisation(norm, after), nn.ReLU(inplace=True)]


class ResNetGenerator(nn.Module):
    """7x7-width, `downs` halvings that double the width, `blocks` residual blocks, as many doublings, 7x7-3, tanh.

    `colour_skip` is the number of cells of a `PictureOutput`, `photo_skip` its `photo`. `encoder` ends after the
    residual blocks; contrastive recipes use features between its children. Convolutions have biases, as in the authors'
    code, although instance norm cancels them. Without norm the weights start as He et al. (ICCV 2015) say, and the
    residual blocks near the identity (after Zhang et al., "Fixup initialization", ICLR 2019), so that the signal keeps
    its size through any depth.
    """

    def __init__(
        self,
        width: int,
        blocks: int,
        downs: int,
        upsample: Literal["transposed", "resize"],
        colour_skip: int = 0,
        strided_padding: Literal["zeros", "reflect"] = "zeros",
        norm: Norm = "instance",
        photo_skip: bool = False,
    ) -> None:
        super().__init__()
        encoder = [nn.Sequential(*convolution(3, width, 7, norm))]
        for i in range(downs):
            before = width * 2**i
            encoder.append(
                nn.Sequential(
                    nn.Conv2d(before, before * 2, 3, 2, 1, padding_mode=strided_padding),
                    normalisation(norm, before * 2),
                    nn.ReLU(inplace=True),
                )
            )
        widest = width * 2**downs
        self.encoder = nn.Sequential(*encoder, *(ResidualBlock(widest, normed=norm != "none") for _ in range(blocks)))
        decoder = []
        for i in reversed(range(downs)):
            decoder.append(nn.Sequential(*enlargement(width * 2 ** (i + 1), width * 2**i, upsample, norm)))
        self.decoder = nn.Sequential(*decoder, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7))
        self.output = PictureOutput(colour_skip, photo_skip)
        initialise(self)
        if norm == "none":
            self._start_without_norm()

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] -> the same; H and W multiples of 2**downs."""
        output: Tensor = self.output(self.decoder(self.encoder(pictures)), pictures)
        return output

    def features(self, pictures: Tensor, taps: tuple[int, ...]) -> list[Tensor]:
        """Return the outputs of the encoder's children numbered `taps` (0 = the 7x7 layer), computing no later ones."""
        return self._encoded(pictures, taps, max(taps) + 1)[1]

    def trace(self, pictures: Tensor, taps: tuple[int, ...]) -> tuple[Tensor, list[Tensor]]:
        """Return the translated pictures and, from the same pass, the features at `taps`."""
        code, found = self._encoded(pictures, taps, len(self.encoder))
        return self.output(self.decoder(code), pictures), found

    def inner_layers(self, smaller: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
        """Return the weights of the layers that this network shares with one of a halving less and twice the width.

        `smaller` is that one's state: all its layers but the first and the last, by their names here. None if it is
        another network's.
        """
        own, found = self.state_dict(), {}
        doublings = sum(isinstance(layer, nn.Sequential) for layer in self.decoder) - 1
        for name, tensor in smaller.items():
            part, _, rest = name.partition(".")
            number, _, rest = rest.partition(".")
            if part == "encoder" and int(number) >= 1:
                found[f"encoder.{int(number) + 1}.{rest}"] = tensor
            elif part == "decoder" and int(number) < doublings:
                found[name] = tensor
        outer = {name for name in own if name.startswith(("encoder.0.", "encoder.1."))}
        outer |= {name for name in own if name.startswith("decoder.") and int(name.split(".")[1]) >= doublings}
        if not found or {*found} != {*own} - outer or any(own[name].shape != found[name].shape for name in found):
            return None
        return found

    def _start_without_norm(self) -> None:
        small = {self.decoder[-1], *(block.body[5] for block in self.encoder if isinstance(block, ResidualBlock))}
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                shared = 4 if isinstance(layer, nn.ConvTranspose2d) else 1  # output pixels of a 2x2 share the kernel
                inputs = layer.in_channels * layer.kernel_size[0] ** 2 / shared
                nn.init.normal_(layer.weight, 0, (2 / inputs) ** 0.5 * (SMALL if layer in small else 1))

    def _encoded(self, pictures: Tensor, taps: tuple[int, ...], count: int) -> tuple[Tensor, list[Tensor]]:
        found = []
        for i, child in enumerate(self.encoder[:count]):
            pictures = child(pictures)
            if i in taps:
                found.append(pictures)
        return pictures, found


def from_published(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """Return options and our tensors for weights of the authors' PyTorch code (resnet_9blocks, resnet_6blocks).

    Its layout is one nn.Sequential, `model`, whose residual blocks hold another, `conv_block`; with dropout in a block
    its second convolution comes one place later. None for other names or shapes.
    """
    tensors = canonicalize_state_dict(tensors)
    outer = sum(re.fullmatch(r"model\.\d+\.weight", name) is not None for name in tensors)
    blocks = len({name.split(".")[1] for name in tensors if re.match(r"model\.\d+\.conv_block\.", name)})
    if "model.1.weight" not in tensors or blocks == 0 or outer % 2 or outer < 4:
        return None
    downs, width = outer // 2 - 1, len(tensors["model.1.weight"])
    second = 6 if any(name.endswith("conv_block.6.weight") for name in tensors) else 5
    network = ResNetGenerator(width, blocks, downs, "transposed")
    ours = match_tensors(tensors, rename_layers(_layers(blocks, downs, second), tensors), network)
    return None if ours is None else ({"width": width, "blocks": blocks, "downs": downs}, ours)


def _layers(blocks: int, downs: int, second: int) -> dict[str, str]:
    """Return {authors' name: our name} of the convolutions; each layer is a convolution, a norm and a ReLU."""
    first_block, first_up = 4 + 3 * downs, 4 + 3 * downs + blocks
    names = {"model.1": "encoder.0.1", f"model.{first_up + 3 * downs + 1}": f"decoder.{downs + 1}"}
    for i in range(downs):
        names[f"model.{4 + 3 * i}"] = f"encoder.{i + 1}.0"
        names[f"model.{first_up + 3 * i}"] = f"decoder.{i}.0"
    for i in range(blocks):
        names[f"model.{first_block + i}.conv_block.1"] = f"encoder.{downs + 1 + i}.body.1"
        names[f"model.{first_block + i}.conv_block.{second}"] = f"encoder.{downs + 1 + i}.body.5"
    return names
