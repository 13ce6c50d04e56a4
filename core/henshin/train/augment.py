"""Differentiable augmentation: the discriminator sees real and drawn pictures only after the same kind of random
changes, and so cannot learn a small data set by heart (DiffAugment: Zhao et al. 2020).

The changes are the paper's, made of kornia's where those fit. All numbers come from PyTorch's generator on the CPU,
whose state a checkpoint holds. Times below are of forward and backward, one thread, 8 pictures of 128 px.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from kornia.augmentation import RandomBrightness, RandomContrast, RandomCrop
from torch import Tensor

# kornia's contrast is a factor about 0: about the mean it is the paper's contrast, about gray the paper's saturation.
# kornia's own saturation goes by way of HSV, which costs 45 ms where all of `colour` costs 2.4; its variant against
# gray clamps, so that no gradient reaches what is white or black already.
_brighter = RandomBrightness((0.5, 1.5), clip_output=False, p=1.0)
_more_coloured = RandomContrast((0.0, 2.0), clip_output=False, p=1.0)
_more_contrast = RandomContrast((0.5, 1.5), clip_output=False, p=1.0)


def colour(pictures: Tensor) -> Tensor:
    """Brightness +-0.5, saturation 0..2, contrast 0.5..1.5; (N, 3, H, W) in [-1, 1], and nothing is clamped."""
    brighter: Tensor = _brighter(pictures)
    gray = brighter.mean(1, keepdim=True)
    coloured: Tensor = gray + _more_coloured(brighter - gray)
    middle = coloured.mean((1, 2, 3), keepdim=True)
    changed: Tensor = middle + _more_contrast(coloured - middle)
    return changed


@lru_cache(maxsize=16)
def _crop(height: int, width: int, ratio: float) -> RandomCrop:
    return RandomCrop((height, width), padding=(int(width * ratio + 0.5), int(height * ratio + 0.5)), p=1.0)


def translation(pictures: Tensor, ratio: float = 0.125) -> Tensor:
    """Shift each picture by whole pixels, up to `ratio` of its size; what comes in is zero.

    A crop out of a border of zeros costs 2.7 ms; a warp, as kornia's RandomTranslate is, 4.6, and it blurs.
    """
    shifted: Tensor = _crop(*pictures.shape[2:], ratio)(pictures)
    return shifted


def cutout(pictures: Tensor, ratio: float = 0.5) -> Tensor:
    """Blank a rectangle of `ratio` of the height and width, its middle anywhere.

    Not kornia's RandomErasing: that keeps the rectangle within the picture, so that one of half its width would hide
    the middle every time.
    """
    count, _, height, width = pictures.shape
    middle_y = torch.randint(0, height + 1, (count, 1, 1))
    middle_x = torch.randint(0, width + 1, (count, 1, 1))
    inside_y = (torch.arange(height)[None, :, None] - middle_y).abs() <= height * ratio / 2
    inside_x = (torch.arange(width)[None, None, :] - middle_x).abs() <= width * ratio / 2
    return pictures * ~(inside_y & inside_x)[:, None].to(pictures.device)


POLICIES = {"colour": colour, "translation": translation, "cutout": cutout}


def augment(pictures: Tensor, policy: tuple[str, ...]) -> Tensor:
    """Apply the named policies in their order; gradients flow through all of them."""
    for name in policy:
        pictures = POLICIES[name](pictures)
    return pictures
