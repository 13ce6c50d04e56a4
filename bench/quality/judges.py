"""The networks that judge portraits, and what each is called in the tables."""

from __future__ import annotations

from dataclasses import dataclass

from henshin.train.metrics import EFFICIENTNET_FEATURES, VGG_FEATURES, TorchFeatures

LEVEL = 0.9
"""Share of the resamples that lie within an interval of the tables."""


@dataclass(frozen=True)
class Judge:
    """A network by which sets are compared. `letter` names its ratio; `network` is what trainings call it."""

    letter: str
    network: str
    features: TorchFeatures

    @property
    def title(self) -> str:
        """Its name for people."""
        return self.features.title


NETWORKS = (Judge("R", "efficientnet", EFFICIENTNET_FEATURES), Judge("V", "vgg", VGG_FEATURES))
