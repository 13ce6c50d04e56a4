"""What metrics need besides pictures: feature networks, and measures of pairs, each made when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from henshin.metrics.figures import Better

if TYPE_CHECKING:
    import numpy.typing as npt

    from henshin.images.picture import Picture
    from henshin.metrics.feature_cache import Cache

    Array: TypeAlias = npt.NDArray[np.float64]

INCEPTION, EFFICIENTNET, VGG = "inception", "efficientnet-lite0", "vgg19"

RULER = (EFFICIENTNET, VGG)
"""The networks of `variety` and `style-ratio`, so that a model's card is comparable with another's."""


class FeatureNetwork(Protocol):
    """A network that gives a vector for each picture. `key` names it for machines, `title` for people.

    `kind` is the name of its features in the cache; `unit_scale` says that kernels want its features scaled.
    """

    @property
    def key(self) -> str:
        """Its name for machines."""

    @property
    def title(self) -> str:
        """Its name for people."""

    @property
    def kind(self) -> str:
        """The name of its features in the cache."""

    @property
    def unit_scale(self) -> bool:
        """Whether kernels want its features scaled by `scale_of`."""

    def features(self, pictures: Sequence[Picture], /) -> Array:
        """Return (N, D) of pictures (H, W, 3) uint8 of any sizes. Errors: MissingError without its weights."""


class PairMeasure(Protocol):
    """A figure of a picture and its partner. `same_size`: the picture is resized to its partner's size for it."""

    key: str
    title: str
    better: Better
    same_size: bool

    def measure(self, picture: Picture, partner: Picture, /) -> float:
        """Return the figure of a pair. Errors: PictureError with the reason why it has none."""


def scale_of(network: FeatureNetwork, reference: Array) -> float:
    """Return what a kernel's features are divided by: 1, or what gives the reference (M, D) a mean norm of root D."""
    if not network.unit_scale:
        return 1.0
    return float(np.linalg.norm(reference, axis=1).mean() / reference.shape[1] ** 0.5)


@dataclass
class Toolbox:
    """Networks and measures of pairs by name. `judges` are the networks of KID, FID, precision and recall."""

    networks: Mapping[str, Callable[[], FeatureNetwork]]
    measures: Mapping[str, Callable[[], PairMeasure]]
    judges: Sequence[str]
    cache: Cache | None = None
    _opened: dict[str, FeatureNetwork] = field(default_factory=dict, init=False)

    def network(self, key: str) -> FeatureNetwork:
        """Return a network, loaded once. Errors: MissingError without its package or weights."""
        if key not in self._opened:
            self._opened[key] = self.networks[key]()
        return self._opened[key]

    def features(self, network: FeatureNetwork, pictures: Sequence[Picture]) -> Array:
        """Return (N, D) of pictures, from the cache what was computed before."""
        if self.cache is None:
            return network.features(pictures)
        return self.cache.get(network.kind, pictures, network.features)
