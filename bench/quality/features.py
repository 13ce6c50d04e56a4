"""Feature vectors of pictures by two networks that know ImageNet, and a cache of what was computed for pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    from torch import Tensor

    from henshin import Picture

    Array: TypeAlias = npt.NDArray[np.float64]

SIDE = 224
"""Side to which every picture is brought, by a bicubic filter; both networks were trained on it."""

AT_ONCE = 10


class Cache:
    """Arrays of numbers for pictures: a file for each, named by what was computed and by the hash of the pixels."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, kind: str, pictures: Sequence[Picture], compute: Callable[[Sequence[Picture]], Array]) -> Array:
        """Return (N, ...), a row for each picture; `compute` gives the rows of those that no earlier run measured."""
        from henshin.files import write_atomic

        paths = [self.folder / kind / f"{pixel_hash(picture)}.npy" for picture in pictures]
        new = {path: picture for path, picture in zip(paths, pictures, strict=True) if not path.is_file()}
        for path, row in zip(new, compute(list(new.values())) if new else [], strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            with write_atomic(path) as part, part.open("wb") as file:
                np.save(file, row)
        return np.stack([np.load(path) for path in paths])


def pixel_hash(picture: Picture) -> str:
    """Return 32 digits of the SHA-256 of a picture's size and pixels."""
    return hashlib.sha256(repr(picture.shape).encode() + picture.tobytes()).hexdigest()[:32]


@dataclass(frozen=True)
class FeatureNetwork:
    """A network by which sets are compared. `letter` names its ratio; `unit_scale` brings drawings to a mean norm.

    `network` is what a training is told to have used; `kind` is the name in the cache. `load` gives the function from
    (N, 3, 224, 224), RGB in [-1, 1], to (N, D). Errors of `load`: MissingError without the package of the weights.
    """

    letter: str
    network: str
    title: str
    kind: str
    unit_scale: bool
    load: Callable[[], Callable[[Tensor], Tensor]]

    def features(self, pictures: Sequence[Picture]) -> Array:
        """Return (N, D) of pictures (H, W, 3) uint8 of any sizes."""
        import torch

        pooled = self.load()
        parts = []
        with torch.inference_mode():
            for start in range(0, len(pictures), AT_ONCE):
                values = np.stack([_sized(picture) for picture in pictures[start : start + AT_ONCE]])
                batch = torch.from_numpy(values).permute(0, 3, 1, 2).float() / 127.5 - 1
                parts.append(pooled(batch).numpy().astype(np.float64))
        return np.concatenate(parts)

    def scale(self, drawings: Array) -> float:
        """Return what features are divided by: 1, or what gives the drawings (M, D) a mean norm of the root of D."""
        if not self.unit_scale:
            return 1.0
        return float(np.linalg.norm(drawings, axis=1).mean() / drawings.shape[1] ** 0.5)


def _sized(picture: Picture) -> Picture:
    from PIL import Image

    return np.asarray(Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def _efficientnet() -> Callable[[Tensor], Tensor]:
    from henshin.train.networks.efficientnet_lite import PooledEfficientNetLite0

    return PooledEfficientNetLite0().pooled


def _vgg() -> Callable[[Tensor], Tensor]:
    from torch import channels_last

    from henshin.train.losses.perceptual import Vgg19

    network = Vgg19(("conv5_4",), activated=True).to(memory_format=channels_last)

    def pooled(pictures: Tensor) -> Tensor:
        features: Tensor = network(pictures.contiguous(memory_format=channels_last))[0]
        return features.mean((2, 3))

    return pooled


NETWORKS = (
    FeatureNetwork("R", "efficientnet", "EfficientNet-Lite0", "efficientnet-lite0-224", False, _efficientnet),
    FeatureNetwork("V", "vgg", "VGG-19 conv5_4", "vgg19-conv5_4-224", True, _vgg),
)
