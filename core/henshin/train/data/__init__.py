"""Training data: folders, cache, splits, data sets, augmentation."""

from __future__ import annotations

from henshin.train.data.augmentation import AdaptiveAugmentation, augment
from henshin.train.data.datasets import ImageSet, PairedImageSet, open_domains, open_pairs, open_pictures, to_float
from henshin.train.data.image_pool import ImagePool
from henshin.train.data.stage_transform import apply_stage

__all__ = [
    "AdaptiveAugmentation",
    "ImagePool",
    "ImageSet",
    "PairedImageSet",
    "apply_stage",
    "augment",
    "open_domains",
    "open_pairs",
    "open_pictures",
    "to_float",
]
