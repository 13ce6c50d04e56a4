"""Differentiable augmentation: the discriminator sees real and drawn pictures only after the same kind of random
changes, and so cannot learn a small data set by heart (DiffAugment: Zhao et al. 2020)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def _draw(like: Tensor, low: float, high: float) -> Tensor:
    """One number a picture, (N, 1, 1, 1)."""
    return torch.rand(like.shape[0], 1, 1, 1, device=like.device, dtype=like.dtype) * (high - low) + low


def colour(pictures: Tensor) -> Tensor:
    """Brightness +-0.5, saturation 0..2, contrast 0.5..1.5; (N, 3, H, W) in [-1, 1]."""
    pictures = pictures + _draw(pictures, -0.5, 0.5)
    gray = pictures.mean(1, keepdim=True)
    pictures = gray + (pictures - gray) * _draw(pictures, 0, 2)
    middle = pictures.mean((1, 2, 3), keepdim=True)
    return middle + (pictures - middle) * _draw(pictures, 0.5, 1.5)


def translation(pictures: Tensor, ratio: float = 0.125) -> Tensor:
    """Shift each picture by up to `ratio` of its size; what comes in is zero."""
    count, _, height, width = pictures.shape
    device = pictures.device
    reach_y, reach_x = int(height * ratio + 0.5), int(width * ratio + 0.5)
    shift_y = torch.randint(-reach_y, reach_y + 1, (count, 1, 1), device=device)
    shift_x = torch.randint(-reach_x, reach_x + 1, (count, 1, 1), device=device)
    y = (torch.arange(height, device=device)[None, :, None] + shift_y + 1).clamp(0, height + 1)
    x = (torch.arange(width, device=device)[None, None, :] + shift_x + 1).clamp(0, width + 1)
    padded = F.pad(pictures, (1, 1, 1, 1)).permute(0, 2, 3, 1)
    batch = torch.arange(count, device=device)[:, None, None]
    return padded[batch, y, x].permute(0, 3, 1, 2)


def cutout(pictures: Tensor, ratio: float = 0.5) -> Tensor:
    """Blank a square of `ratio` of the size, anywhere."""
    count, _, height, width = pictures.shape
    device = pictures.device
    middle_y = torch.randint(0, height + 1, (count, 1, 1), device=device)
    middle_x = torch.randint(0, width + 1, (count, 1, 1), device=device)
    inside_y = (torch.arange(height, device=device)[None, :, None] - middle_y).abs() <= height * ratio / 2
    inside_x = (torch.arange(width, device=device)[None, None, :] - middle_x).abs() <= width * ratio / 2
    return pictures * ~(inside_y & inside_x)[:, None]


POLICIES = {"colour": colour, "translation": translation, "cutout": cutout}


def augment(pictures: Tensor, policy: tuple[str, ...]) -> Tensor:
    """Apply the named policies in their order; gradients flow through all of them."""
    for name in policy:
        pictures = POLICIES[name](pictures)
    return pictures
