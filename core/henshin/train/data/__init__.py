"""Training data: folders, cache, splits, data sets, augmentation."""

from __future__ import annotations

from henshin.train.data.augmentation import Adaptive, augment
from henshin.train.data.datasets import Pairs, Pictures, open_domains, open_pairs, open_pictures, scaled
from henshin.train.data.image_pool import ImagePool
from henshin.train.data.stage_transform import through

__all__ = [
    "Adaptive",
    "ImagePool",
    "Pairs",
    "Pictures",
    "augment",
    "open_domains",
    "open_pairs",
    "open_pictures",
    "scaled",
    "through",
]
