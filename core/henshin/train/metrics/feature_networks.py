"""Feature vectors of pictures, by networks that know ImageNet: Inception, EfficientNet-Lite0 and VGG-19."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from henshin.errors import MissingError
from henshin.metrics.toolbox import EFFICIENTNET, INCEPTION, VGG

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    from torch import Tensor

    from henshin.images.picture import Picture
    from henshin.models import ModelStore

    Array: TypeAlias = npt.NDArray[np.float64]
    Extract: TypeAlias = Callable[[Tensor], Tensor]

SIDE = 224
"""Side to which every picture is brought, by a bicubic filter; EfficientNet-Lite0 and VGG-19 were trained on it."""

AT_ONCE = 10

INCEPTION_MODEL = "inception-fid"
"""Name of Inception's weights in the list of models."""


@dataclass(frozen=True)
class TorchFeatures:
    """A network by which sets are compared: the `FeatureNetwork` of `henshin.metrics`.

    `load` gives the function from pictures (N, 3, 224, 224), RGB in [-1, 1], to (N, D). With `whole` it takes them as
    they are, (N, 3, H, W) uint8, and resizes them itself. Errors of `load`: MissingError without the weights.
    """

    key: str
    title: str
    kind: str
    unit_scale: bool
    load: Callable[[], Extract]
    whole: bool = False

    def features(self, pictures: Sequence[Picture], /) -> Array:
        """Return (N, D) of pictures (H, W, 3) uint8 of any sizes. Errors: those of `load`."""
        import torch

        extract = self.load()
        rows: list[Array | None] = [None] * len(pictures)
        with torch.inference_mode():
            for places in self._batches(pictures):
                values = np.stack([self._sized(pictures[i]) for i in places])
                batch = torch.from_numpy(values).permute(0, 3, 1, 2)
                found = extract(batch if self.whole else batch.float() / 127.5 - 1).numpy().astype(np.float64)
                for i, row in zip(places, found, strict=True):
                    rows[i] = row
        return np.stack([row for row in rows if row is not None])

    def _batches(self, pictures: Sequence[Picture]) -> list[list[int]]:
        """Return the places of pictures that go through the network together: those of one size."""
        by_size: dict[tuple[int, ...], list[int]] = {}
        for i, picture in enumerate(pictures):
            by_size.setdefault(picture.shape if self.whole else (), []).append(i)
        return [one[start : start + AT_ONCE] for one in by_size.values() for start in range(0, len(one), AT_ONCE)]

    def _sized(self, picture: Picture) -> Picture:
        from PIL import Image

        if self.whole:
            return picture
        return np.asarray(Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


@cache
def _efficientnet() -> Extract:
    from henshin.train.networks.efficientnet_lite import PooledEfficientNetLite0

    return PooledEfficientNetLite0().pooled


@cache
def _vgg() -> Extract:
    from torch import channels_last

    from henshin.train.losses.perceptual import Vgg19

    network = Vgg19(("conv5_4",), activated=True).to(memory_format=channels_last)

    def pooled(pictures: Tensor) -> Tensor:
        features: Tensor = network(pictures.contiguous(memory_format=channels_last))[0]
        return features.mean((2, 3))

    return pooled


@cache
def _inception(weights: Path) -> Extract:
    from torchmetrics.image.fid import NoTrainInceptionV3

    network = NoTrainInceptionV3("inception-v3-compat", ["2048"], str(weights))

    def pooled(pictures: Tensor) -> Tensor:
        features: Tensor = network(pictures).reshape(len(pictures), -1)
        return features

    return pooled


EFFICIENTNET_FEATURES = TorchFeatures(
    EFFICIENTNET, "EfficientNet-Lite0", "efficientnet-lite0-224", False, _efficientnet
)
VGG_FEATURES = TorchFeatures(VGG, "VGG-19 conv5_4", "vgg19-conv5_4-224", True, _vgg)


def inception_features(store: ModelStore) -> TorchFeatures:
    """Return the Inception of FID: that of 2015 in TensorFlow, with TensorFlow's own resizing to 299 x 299.

    Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016. Errors: MissingError
    without torchmetrics, torch-fidelity or the weights; HenshinError for weights with another hash than the listed one.
    """
    for package, name in (("torchmetrics", "torchmetrics"), ("torch_fidelity", "torch-fidelity")):
        if find_spec(package) is None:
            raise MissingError(f"Inception needs {name}: pip install 'henshin[inception]'")
    weights = store.verify(INCEPTION_MODEL)
    return TorchFeatures(INCEPTION, "Inception", "inception-2015-12-05", False, lambda: _inception(weights), whole=True)
