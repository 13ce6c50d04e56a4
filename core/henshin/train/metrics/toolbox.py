"""The toolbox of an evaluation: networks by name, and measures of pairs, with what is on this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

from henshin.errors import MissingError
from henshin.metrics.identity import IdentityDistance
from henshin.metrics.pair_measures import Channels, Kept, PixelMeasure
from henshin.metrics.toolbox import EFFICIENTNET, INCEPTION, VGG, FeatureNetwork, PairMeasure, Toolbox
from henshin.train.metrics.feature_networks import (
    EFFICIENTNET_FEATURES,
    INCEPTION_MODEL,
    VGG_FEATURES,
    TorchFeatures,
    inception_features,
)

if TYPE_CHECKING:
    from henshin.metrics.feature_cache import Cache
    from henshin.models import ModelStore

NETWORKS = (INCEPTION, EFFICIENTNET, VGG)
"""The names of the feature networks."""


def default_judge(store: ModelStore) -> str:
    """Return the network of KID and FID where none is named: Inception if its weights are here, else EfficientNet."""
    return INCEPTION if store.find_file(INCEPTION_MODEL) is not None else EFFICIENTNET


def make_toolbox(
    store: ModelStore,
    judges: tuple[str, ...],
    cache: Cache | None,
    channels: Channels = "rgb",
    border: int = 0,
    more: Mapping[str, Callable[[], PairMeasure]] | None = None,
) -> Toolbox:
    """Return the toolbox with these networks for KID, FID, precision and recall, and ``more`` measures of pairs."""
    networks: dict[str, Callable[[], FeatureNetwork]] = {
        INCEPTION: lambda: _loaded(inception_features(store)),
        EFFICIENTNET: lambda: _loaded(EFFICIENTNET_FEATURES),
        VGG: lambda: _loaded(VGG_FEATURES),
    }
    measures: dict[str, Callable[[], PairMeasure]] = {
        "lpips": lambda: perceptual_measure(store),
        "psnr": lambda: PixelMeasure("psnr", channels, border),
        "ssim": lambda: PixelMeasure("ssim", channels, border),
        "kept": Kept,
        "identity": IdentityDistance,
        **(more or {}),
    }
    return Toolbox(networks, measures, judges, cache)


def perceptual_measure(store: ModelStore) -> PairMeasure:
    """Return LPIPS if AlexNet's weights are on this machine, else the distance by VGG-19, which has another name."""
    _require_torch()
    from henshin.train.metrics.perceptual_distance import ALEXNET_MODEL, Lpips, VggDistance

    return Lpips(store) if store.find_file(ALEXNET_MODEL) is not None else VggDistance()


def _loaded(network: TorchFeatures) -> FeatureNetwork:
    """Return a network after its weights are loaded, so that missing ones are told before any picture is read."""
    _require_torch()
    network.load()
    return network


def _require_torch() -> None:
    if find_spec("torch") is None:
        raise MissingError("feature networks need torch: pip install 'henshin[train]'")
