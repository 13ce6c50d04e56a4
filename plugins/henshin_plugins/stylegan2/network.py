"""The generator of StyleGAN2 (Karras et al. 2020), and the first StyleGAN's form of it (Karras et al. 2019).

A mapping turns noise z into a style w; a synthesis makes a picture from a constant, block by block from 4x4 pixels up,
with one w for every layer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn

from henshin.errors import WrongWeightsError
from henshin.train.networks.stylegan2_layers import (
    AdaIN,
    EqualConv,
    EqualLinear,
    Noise,
    StyledConv,
    ToRgb,
    Upsample,
    blur_kernel,
    no_autocast,
    pixel_norm,
)
from henshin.train.weights import state_dict_mismatch

Form = Literal["stylegan2", "adain"]
Still = Literal["fixed", "none"]
FIRST = 4
"""Side of the constant input of the synthesis, pixels."""


def widths(size: int, width: int, maximum: int) -> list[int]:
    """Return the channels at 4, 8, ..., `size` pixels: `width` at 64, halved at each doubling, at most `maximum`."""
    sides = [FIRST * 2**i for i in range((size // FIRST).bit_length())]
    return [max(1, min(maximum, width * 64 // side)) for side in sides]


class MappingNetwork(nn.Module):
    """Equalised linear layers from z (N, D), of which only the direction counts, to w (N, D).

    `mean` is the moving average of w, for truncation; `follow` updates it.
    """

    mean: Tensor

    def __init__(self, latent: int = 512, layers: int = 8, rate: float = 0.01) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EqualLinear(latent, latent, rate=rate, active=True) for _ in range(layers))
        self.register_buffer("mean", torch.zeros(latent))

    def forward(self, z: Tensor) -> Tensor:
        """z (N, D) -> w (N, D), in fp32 also under autocast."""
        with no_autocast(z):
            w = pixel_norm(z.float())
            for layer in self.layers:
                w = layer(w)
        return w

    def truncated(self, w: Tensor, share: float) -> Tensor:
        """Return w, (N, D) or (N, L, D), truncated towards the mean: a `share` of 1 is w itself, 0 the mean."""
        return self.mean + (w - self.mean) * share

    @torch.no_grad()
    def follow(self, w: Tensor, decay: float = 0.995) -> None:
        """Update the moving average by a batch of w, (N, D)."""
        self.mean.lerp_(w.detach().float().mean(0), 1 - decay)


class Block(nn.Module):
    """The layers at one size of picture: one that doubles the size, a second one, and the output to RGB.

    StyleGAN2's first block has one layer; the `rgb` of a block takes the same w as the next block's first layer. In the
    AdaIN form the first block has two layers, and only the last block has an `rgb`, without style.
    """

    def __init__(self, inputs: int, outputs: int, side: int, latent: int, form: Form, last: bool) -> None:
        super().__init__()
        begins = side == FIRST
        layer = StyledConv if form == "stylegan2" else AdaIN
        self.first: StyledConv | AdaIN | None
        if not begins:
            self.first = layer(inputs, outputs, side, latent, up=True)
        else:
            self.first = AdaIN(outputs, outputs, side, latent, without_conv=True) if form == "adain" else None
        self.second = layer(outputs, outputs, side, latent)
        self.rgb: ToRgb | EqualConv | None = ToRgb(outputs, latent) if form == "stylegan2" else None
        if form == "adain" and last:
            self.rgb = EqualConv(outputs, 3, 1)

    @property
    def layers(self) -> list[StyledConv | AdaIN]:
        """The layers with noise."""
        return [self.second] if self.first is None else [self.first, self.second]

    def colours(self, x: Tensor, w: Tensor) -> Tensor:
        """Return RGB (N, 3, side, side) of the features; only for a block with `rgb`."""
        assert self.rgb is not None
        rgb: Tensor = self.rgb(x, w) if isinstance(self.rgb, ToRgb) else self.rgb(x).float()
        return rgb


class SynthesisNetwork(nn.Module):
    """w+ to a picture: blocks of 4, 8, ..., `size` pixels (7 at 256) with 2 log2(size) - 2 layers.

    Block b, from 0, uses the rows 2b - 1 and 2b of w+, and 2b + 1 for RGB (AdaIN: 2b and 2b + 1). `still` is the noise
    outside of training: the fixed one of each layer, or none.
    """

    def __init__(
        self,
        size: int = 256,
        latent: int = 512,
        channels: Sequence[int] | None = None,
        form: Form = "stylegan2",
        still: Still = "fixed",
    ) -> None:
        super().__init__()
        channels = channels or widths(size, 512, 512)
        self.size, self.form, self.still = size, form, still
        self.latent_shape = (2 * len(channels), latent)
        sides = [FIRST * 2**i for i in range(len(channels))]
        self.constant = nn.Parameter(torch.randn(1, channels[0], FIRST, FIRST))
        self.blocks = nn.ModuleList(
            Block(before, after, side, latent, form, side == size)
            for (before, after), side in zip(pairwise([channels[0], *channels]), sides, strict=True)
        )
        self.upsample = Upsample()

    def forward(self, w: Tensor, noise: Noise | None = None) -> Tensor:
        """w+ (N, L, D) -> pictures (N, 3, size, size), about [-1, 1], fp32.

        `noise` is "random" (None in training mode), "fixed" or "none" (None otherwise, by `still`), or a tensor
        (N or 1, 1, side, side) for each of `noises`.
        """
        chosen = noise if noise is not None else "random" if self.training else self.still
        noises = iter(chosen if not isinstance(chosen, str) else [chosen] * len(self.noises()))
        x = self.constant.expand(w.shape[0], -1, -1, -1)
        pictures: Tensor | None = None
        number = 0
        for block in self._blocks():
            for layer in block.layers:
                x = layer(x, w[:, number], next(noises))
                number += 1
            if block.rgb is not None:
                colours = block.colours(x, w[:, min(number, w.shape[1] - 1)])
                pictures = colours if pictures is None else self._enlarged(pictures) + colours
        assert pictures is not None
        return pictures

    def noises(self) -> list[Tensor]:
        """Return the fixed noise of every layer, in their order, (1, 1, side, side) each."""
        return [layer.add.noise for block in self._blocks() for layer in block.layers]

    def _blocks(self) -> Iterator[Block]:
        for block in self.blocks:
            assert isinstance(block, Block)
            yield block

    def _enlarged(self, pictures: Tensor) -> Tensor:
        with no_autocast(pictures):
            enlarged: Tensor = self.upsample(pictures)
        return enlarged


class StyleGan2Network(nn.Module):
    """Mapping and synthesis: noise to pictures."""

    def __init__(self, mapping: MappingNetwork, synthesis: SynthesisNetwork) -> None:
        super().__init__()
        self.mapping, self.synthesis = mapping, synthesis
        self.latent_shape = synthesis.latent_shape[1:]

    def forward(self, z: Tensor, truncation: float = 1.0, noise: Noise | None = None) -> Tensor:
        """z (N, D), from a normal distribution -> pictures (N, 3, size, size), about [-1, 1]."""
        w = self.mapping(z)
        if truncation != 1:
            w = self.mapping.truncated(w, truncation)
        pictures: Tensor = self.synthesis(self.broad(w), noise)
        return pictures

    def broad(self, w: Tensor) -> Tensor:
        """Return w+ (N, L, D), w (N, D) repeated for every layer."""
        return w[:, None].expand(-1, self.synthesis.latent_shape[0], -1)


class BroadcastMapping(nn.Module):
    """The exported mapping, z (N, D) -> w+ (N, L, D) with equal layers."""

    def __init__(self, mapping: MappingNetwork, layers: int) -> None:
        super().__init__()
        self.mapping, self.layers = mapping, layers

    def forward(self, z: Tensor) -> Tensor:
        """z (N, D) -> w+ (N, L, D)."""
        w: Tensor = self.mapping(z)
        return w[:, None].expand(-1, self.layers, -1)

    @property
    def mean(self) -> Tensor:
        """The mean w, (D,)."""
        return self.mapping.mean


_SIGNS = ("input.input", "conv1.conv.weight", "to_rgb1.conv.weight", "style.1.weight")
"""Tensors that identify the common layout of published weights; if one of them is missing, the error names it."""
_FILTER = re.compile(r"(convs\.\d+\.conv\.blur|to_rgbs\.\d+\.upsample)\.kernel")


def from_published(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """Return options and our tensors for weights in the common PyTorch layout of StyleGAN2; None for others.

    The mean w is `latent_avg` or, without it, computed from 10,000 z. Old weights without fixed noise get random noise.
    Errors: WrongWeightsError if the layout is this one, but a tensor is missing, too many or of a shape that does not
    match the others.
    """
    if sum(name in tensors for name in _SIGNS) < len(_SIGNS) - 1:
        return None
    given = {name: tensor for name, tensor in tensors.items() if name != "latent_avg" and not _FILTER.fullmatch(name)}
    options = _options(given)
    with torch.device("meta"):
        state = _network(options).state_dict()
    published = {name: _published_name(name) for name in state if name != "mapping.mean"}
    expected = {published[name]: _in_published_shape(name, state[name]) for name in published}
    noise = {name for name in published if name.endswith(".noise")}
    if not any(published[name] in given for name in noise):
        generator = torch.Generator().manual_seed(0)
        given.update({published[name]: torch.randn(state[name].shape, generator=generator) for name in sorted(noise)})
    problem = state_dict_mismatch(expected, given, f"StyleGAN2 of {options['size']} pixels") or _other_filter(tensors)
    if problem is not None:
        raise WrongWeightsError(problem)
    ours = {name: given[published[name]].reshape(state[name].shape) for name in published}
    mean = tensors.get("latent_avg")
    if mean is None:
        mean = _mean_style(ours, options)
    elif mean.numel() != options["latent"]:
        raise WrongWeightsError(
            f"tensor 'latent_avg' is {tuple(mean.shape)}, the styles have {options['latent']} numbers"
        )
    return options, {**ours, "mapping.mean": mean.flatten()}


def _options(given: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return size, latent, depth of the mapping and channels, from the names and from a few shapes."""

    def length(name: str, axis: int) -> int:
        shape = given[name].shape if name in given else ()
        return shape[axis] if axis < len(shape) else 0

    doublings = 1 + max((int(name.split(".")[1]) for name in given if re.match(r"to_rgbs\.\d+\.", name)), default=-1)
    if not 1 <= doublings <= 8:
        raise WrongWeightsError(f"is StyleGAN2 with {doublings} doublings (to_rgbs.N), and from 1 to 8 can be")
    size = FIRST * 2**doublings
    most = _commonest(length("input.input", 1), length("conv1.conv.weight", 1), length("conv1.activate.bias", 0))
    final = f"convs.{2 * doublings - 1}"
    rgb_inputs = length(f"to_rgbs.{doublings - 1}.conv.weight", 2)
    last = _commonest(length(f"{final}.conv.weight", 1), length(f"{final}.activate.bias", 0), rgb_inputs) or most
    return {
        "size": size,
        "latent": length("conv1.conv.modulation.weight", 1) or length("style.1.weight", 1) or 1,
        "mapping_layers": max(
            (int(name.split(".")[1]) for name in given if re.match(r"style\.\d+\.", name)), default=1
        ),
        "width": max(1, -(-last * size // 64)),
        "maximum_width": max(1, most),
    }


def _commonest(*counts: int) -> int:
    """Return the most frequent positive count, so that errors name the tensor that differs; 0 if there is none."""
    there = [count for count in counts if count]
    return max(there, key=there.count, default=0)


def _network(options: Mapping[str, Any]) -> StyleGan2Network:
    channels = widths(options["size"], options["width"], options["maximum_width"])
    return StyleGan2Network(
        MappingNetwork(options["latent"], options["mapping_layers"]),
        SynthesisNetwork(options["size"], options["latent"], channels),
    )


def _published_name(name: str) -> str:
    """Return the published name: `synthesis.blocks.1.first.conv.style.bias` -> `convs.0.conv.modulation.bias`."""
    if name == "synthesis.constant":
        return "input.input"
    if match := re.fullmatch(r"mapping\.layers\.(\d+)\.(\w+)", name):
        return f"style.{int(match[1]) + 1}.{match[2]}"
    match = re.fullmatch(r"synthesis\.blocks\.(\d+)\.(first|second|rgb)\.(.+)", name)
    assert match is not None
    block, layer, rest = int(match[1]), match[2], match[3]
    if rest == "add.noise":
        return f"noises.noise_{max(0, 2 * block - (layer == 'first'))}"
    if layer == "rgb":
        where = f"to_rgbs.{block - 1}" if block else "to_rgb1"
    else:
        where = f"convs.{2 * block - 2 + (layer == 'second')}" if block else "conv1"
        rest = {"bias": "activate.bias", "add.strength": "noise.weight"}.get(rest, rest)
    return f"{where}.{rest.replace('conv.style', 'conv.modulation')}"


def _in_published_shape(name: str, tensor: Tensor) -> Tensor:
    """Return our tensor in the published shape."""
    if name.endswith("rgb.bias"):
        return tensor.view(1, 3, 1, 1)
    return tensor[None] if name.endswith(("conv.weight", "strength")) else tensor


def _other_filter(tensors: Mapping[str, Tensor]) -> str | None:
    right = blur_kernel(4.0)[0, 0]
    for name, tensor in tensors.items():
        if _FILTER.fullmatch(name) and not (tensor.shape == right.shape and torch.allclose(tensor, right, atol=1e-4)):
            return f"tensor '{name}' is another filter than [1, 3, 3, 1]"
    return None


@torch.no_grad()
def _mean_style(ours: Mapping[str, Tensor], options: Mapping[str, Any], count: int = 10_000) -> Tensor:
    whole = _network(options)
    whole.load_state_dict({**ours, "mapping.mean": whole.mapping.mean})
    z = torch.randn(count, options["latent"], generator=torch.Generator().manual_seed(0))
    mean: Tensor = whole.mapping(z).mean(0)
    return mean
