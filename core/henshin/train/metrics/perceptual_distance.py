"""Perceptual distances of two pictures by the features of a network.

Paper: Zhang, Isola, Efros, Shechtman, Wang, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric",
CVPR 2018. LPIPS has weights for every channel that were fitted to people's judgements; its network is AlexNet.
"""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from henshin.errors import MissingError, PictureError
from henshin.metrics.figures import Better
from henshin.train.losses.perceptual import Vgg19

if TYPE_CHECKING:
    from henshin.images.picture import Picture
    from henshin.models import ModelStore

ALEXNET_MODEL = "alexnet"
"""Name of AlexNet's weights in the list of models."""

VGG_LAYERS = ("conv1_2", "conv2_2", "conv3_4", "conv4_4", "conv5_4")
"""The last convolution of each block, after its ReLU."""

LEAST_SIDE = 32
"""Side below which neither network has a feature left in its last layer."""


class Lpips:
    """LPIPS, version 0.1 with AlexNet, by torchmetrics.

    Errors: MissingError without torchmetrics or AlexNet's weights; HenshinError for weights with another hash than the
    listed one.
    """

    key, title = "lpips", "LPIPS (AlexNet)"
    better: Better = "lower"
    same_size = True

    def __init__(self, store: ModelStore) -> None:
        if find_spec("torchmetrics") is None:
            raise MissingError("LPIPS needs torchmetrics: pip install 'henshin[train]'")
        self._network = _lpips(store.verify(ALEXNET_MODEL))

    @torch.inference_mode()
    def measure(self, picture: Picture, partner: Picture, /) -> float:
        """Return the distance of a pair of one size. Errors: PictureError for pictures that are too small."""
        return float(self._network(_batch(picture), _batch(partner)))


def _lpips(weights: Path) -> torch.nn.Module:
    """Return torchmetrics' LPIPS. torchvision would download AlexNet: it is shown the file in a hub of its own."""
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    before = torch.hub.get_dir()
    with tempfile.TemporaryDirectory(prefix="henshin-") as hub:
        (Path(hub) / "checkpoints").mkdir()
        (Path(hub) / "checkpoints" / weights.name).symlink_to(weights.resolve())
        torch.hub.set_dir(hub)
        try:
            return LearnedPerceptualImagePatchSimilarity("alex").eval()
        finally:
            torch.hub.set_dir(before)


class VggDistance:
    """The distance of Zhang et al. by VGG-19 without fitted weights: it is not LPIPS.

    At each of `VGG_LAYERS` the features of every place are brought to length 1, and the squared distance of the two
    vectors is averaged over the places; the distance is the sum over layers: 0, at most 4 for each. Errors:
    MissingError without the package of the weights.
    """

    key, title = "vgg19-distance", "perceptual distance (VGG-19)"
    better: Better = "lower"
    same_size = True

    def __init__(self) -> None:
        self._network = Vgg19(VGG_LAYERS, activated=True)

    @torch.inference_mode()
    def measure(self, picture: Picture, partner: Picture, /) -> float:
        """Return the distance of a pair of one size. Errors: PictureError for pictures that are too small."""
        layers = self._network(torch.cat([_batch(picture), _batch(partner)]))
        return float(sum(_unit_distance(layer) for layer in layers))


def _unit_distance(layer: Tensor) -> float:
    """Return the mean over places of the squared distance of the unit vectors of two pictures (2, C, H, W)."""
    one, other = F.normalize(layer.double(), dim=1)
    return float((one - other).square().sum(0).mean())


def _batch(picture: Picture) -> Tensor:
    """Return (1, 3, H, W) in [-1, 1]. Errors: PictureError."""
    height, width = picture.shape[:2]
    if min(height, width) < LEAST_SIDE:
        raise PictureError(f"{width}x{height} pixels are too few: it takes {LEAST_SIDE}x{LEAST_SIDE}")
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
