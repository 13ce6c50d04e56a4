"""Feature networks and perceptual distances, by which sets of pictures are compared."""

from __future__ import annotations

from henshin.train.metrics.feature_networks import EFFICIENTNET_FEATURES, VGG_FEATURES, TorchFeatures
from henshin.train.metrics.toolbox import NETWORKS, default_judge, make_toolbox

__all__ = ["EFFICIENTNET_FEATURES", "NETWORKS", "VGG_FEATURES", "TorchFeatures", "default_judge", "make_toolbox"]
