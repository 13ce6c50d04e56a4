"""Differentiable augmentation of a discriminator's input: DiffAugment and adaptive augmentation (ADA).

Real and generated pictures are changed at random in the same way, so that a discriminator cannot memorise a small
data set (DiffAugment: Zhao et al. 2020). The policies `colour`, `translation` and `cutout` are that paper's, by kornia
where its operations fit. `blit`, `geometry` and `tone` are those of ADA (Karras et al., NeurIPS 2020). With a
`probability` below 1 each picture is changed or not independently, so that the generator does not learn the changes.

All random numbers come from PyTorch's generator on the CPU, whose state is in every checkpoint. Times in comments are
of forward and backward, one thread, 8 pictures of 128 px.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from kornia.augmentation import RandomBrightness, RandomContrast, RandomCrop
from torch import Tensor
from torch.nn import functional as F

# kornia's contrast is a factor about 0: about the mean it is the paper's contrast, about gray the paper's saturation.
# kornia's own saturation goes through HSV, which takes 45 ms where all of `colour` takes 2.4; its variant about gray
# clamps, so that no gradient reaches white and black pixels.
_brightness = RandomBrightness((0.5, 1.5), clip_output=False, p=1.0)
_saturation = RandomContrast((0.0, 2.0), clip_output=False, p=1.0)
_contrast = RandomContrast((0.5, 1.5), clip_output=False, p=1.0)


def colour(pictures: Tensor) -> Tensor:
    """Change brightness by +-0.5, saturation by 0..2, contrast by 0.5..1.5; (N, 3, H, W) in [-1, 1], not clamped."""
    brightened: Tensor = _brightness(pictures)
    gray = brightened.mean(1, keepdim=True)
    saturated: Tensor = gray + _saturation(brightened - gray)
    mean = saturated.mean((1, 2, 3), keepdim=True)
    changed: Tensor = mean + _contrast(saturated - mean)
    return changed


def translation(pictures: Tensor, ratio: float = 0.125) -> Tensor:
    """Shift each picture by whole pixels, up to `ratio` of its size, with zeros at the border.

    A crop of the padded picture takes 2.7 ms; kornia's RandomTranslate, a warp, takes 4.6 and blurs.
    """
    shifted: Tensor = _random_crop(*pictures.shape[2:], ratio)(pictures)
    return shifted


@lru_cache(maxsize=16)
def _random_crop(height: int, width: int, ratio: float) -> RandomCrop:
    return RandomCrop((height, width), padding=(int(width * ratio + 0.5), int(height * ratio + 0.5)), p=1.0)


def cutout(pictures: Tensor, ratio: float = 0.5) -> Tensor:
    """Set a rectangle of `ratio` of the height and width to zero, with its centre anywhere in the picture.

    kornia's RandomErasing keeps the rectangle within the picture: at a ratio of 0.5 it would always hide the middle.
    """
    count, _, height, width = pictures.shape
    centre_y = torch.randint(0, height + 1, (count, 1, 1))
    centre_x = torch.randint(0, width + 1, (count, 1, 1))
    inside_y = (torch.arange(height)[None, :, None] - centre_y).abs() <= height * ratio / 2
    inside_x = (torch.arange(width)[None, None, :] - centre_x).abs() <= width * ratio / 2
    return pictures * ~(inside_y & inside_x)[:, None].to(pictures.device)


def blit(pictures: Tensor, probability: float = 1.0) -> Tensor:
    """Mirror, rotate by right angles, shift by whole pixels up to an eighth: each with `probability`.

    Pixels are not interpolated. Pictures are square; here and in `geometry` the border is a reflection.
    """
    return _warp(pictures, _blit_matrices(pictures, probability))


def geometry(pictures: Tensor, probability: float = 1.0) -> Tensor:
    """Scale, rotate, stretch, rotate, shift by N(0, an eighth): each with `probability`; factors are 2^N(0, 0.2).

    The two rotations have a probability of 1 - sqrt(1 - probability) each, so that a picture is rotated with
    `probability`.
    """
    return _warp(pictures, _geometry_matrices(pictures, probability))


def blit_geometry(pictures: Tensor, probability: float = 1.0) -> Tensor:
    """Apply `blit`, then `geometry`, by one warp: their matrices are multiplied."""
    return _warp(pictures, _blit_matrices(pictures, probability) @ _geometry_matrices(pictures, probability))


def tone(pictures: Tensor, probability: float = 1.0) -> Tensor:
    """Change brightness, contrast, luma, hue and saturation, each with `probability`.

    Brightness by N(0, 0.2), contrast by 2^N(0, 0.5), luma inverted with a probability of 0.5, hue by any angle,
    saturation by 2^N(0, 1). All are one affine map of each picture's colours; nothing is clamped.
    """
    count = len(pictures)
    brightness = _identity(count, 4)
    brightness[:, :3, 3] = _with_probability(count, probability, torch.randn(count) * 0.2)[:, None]
    contrast = _scaling(*[_with_probability(count, probability, torch.exp2(torch.randn(count) * 0.5), 1.0)] * 3)
    gray = torch.full((3,), 3**-0.5)
    inverted = _with_probability(count, probability, torch.randint(2, (count,)).float())
    luma = _identity(count, 4)
    luma[:, :3, :3] -= 2 * inverted[:, None, None] * gray.outer(gray)
    hue = _hue_rotation(_with_probability(count, probability, (torch.rand(count) * 2 - 1) * math.pi))
    factor = _with_probability(count, probability, torch.exp2(torch.randn(count)), 1.0)[:, None, None]
    saturation = _identity(count, 4)
    saturation[:, :3, :3] = gray.outer(gray) + (torch.eye(3) - gray.outer(gray)) * factor
    affine = (saturation @ hue @ luma @ contrast @ brightness).to(pictures)
    return torch.einsum("nij,njhw->nihw", affine[:, :3, :3], pictures) + affine[:, :3, 3, None, None]


Policy = Callable[..., Tensor]

POLICIES: dict[str, Policy] = {
    "colour": colour,
    "translation": translation,
    "cutout": cutout,
    "blit": blit,
    "geometry": geometry,
    "tone": tone,
}

_WITH_PROBABILITY: tuple[Policy, ...] = (blit, geometry, blit_geometry, tone)
"""Policies that apply the probability to each of their changes."""


def augment(pictures: Tensor, policy: tuple[str, ...], probability: float = 1.0) -> Tensor:
    """Apply the named policies in their order, each to a picture with `probability`; gradients flow through all.

    `blit`, `geometry` and `tone` apply the probability to each change within them. `blit` followed by `geometry` is
    one warp. At 0 no random number is drawn.
    """
    if probability <= 0:
        return pictures
    for change in _fuse_warps(policy):
        if change in _WITH_PROBABILITY:
            pictures = change(pictures, probability)
        elif probability >= 1:
            pictures = change(pictures)
        else:
            mask = torch.rand(len(pictures), 1, 1, 1) < probability
            pictures = torch.where(mask.to(pictures.device), change(pictures), pictures)
    return pictures


def _fuse_warps(policy: tuple[str, ...]) -> list[Policy]:
    """Return the policies by name, with `blit` followed by `geometry` as `blit_geometry`."""
    policies: list[Policy] = []
    for name in policy:
        if name == "geometry" and policies[-1:] == [blit]:
            policies[-1] = blit_geometry
        else:
            policies.append(POLICIES[name])
    return policies


class AdaptiveAugmentation:
    """Augmentation with a probability that follows the discriminator's overfitting (ADA: Karras et al. 2020).

    Overfitting is measured by the mean sign of the discriminator's scores of real pictures: above `target` the
    probability rises, below it falls. It takes `pictures` real pictures from 0 to 1, and is updated every `every`
    calls of `update`. It stays at most at `maximum`: above about 0.8 the changes leak into the generated pictures.
    """

    def __init__(
        self,
        policy: tuple[str, ...],
        target: float = 0.6,
        pictures: int = 500_000,
        maximum: float = 0.8,
        probability: float = 0.0,
        every: int = 4,
    ) -> None:
        self.policy, self.target, self.pictures, self.maximum, self.every = policy, target, pictures, maximum, every
        self.probability = probability
        self._signs = torch.zeros(())
        self._seen = self._calls = 0

    def __call__(self, pictures: Tensor) -> Tensor:
        """Augment (N, 3, H, W) in [-1, 1] with the current probability."""
        return augment(pictures, self.policy, self.probability)

    @torch.no_grad()
    def update(self, scores: Tensor) -> None:
        """Count a discriminator's logits of real pictures, of any shape; every `every` calls move the probability."""
        if not self.policy:
            return
        self._signs = self._signs.to(scores.device) + scores.detach().float().sign().sum()
        self._seen += scores.numel()
        self._calls += 1
        if self._calls < self.every:
            return
        overfitting = float(self._signs) / self._seen
        step = self._seen / self.pictures * (1 if overfitting > self.target else -1)
        self.probability = min(max(self.probability + step, 0.0), self.maximum)
        self._signs = torch.zeros(())
        self._seen = self._calls = 0

    def state_dict(self) -> dict[str, Any]:
        """Return the probability and the counts since its last update."""
        return {"probability": self.probability, "signs": self._signs, "seen": self._seen, "calls": self._calls}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of `state_dict`."""
        self.probability, self._signs = float(state["probability"]), state["signs"]
        self._seen, self._calls = int(state["seen"]), int(state["calls"])


def _blit_matrices(pictures: Tensor, probability: float) -> Tensor:
    """Return matrices (N, 3, 3) from positions in the changed picture to the original; sides are -1 and 1."""
    count, _, height, width = pictures.shape
    mirrored = _with_probability(count, probability, torch.randint(2, (count,)).float())
    mirror = _scaling(1 - 2 * mirrored, torch.ones(count))
    quarters = _with_probability(count, probability, torch.randint(4, (count,)).float())
    rotation = _rotation(quarters * (math.pi / 2)).round()
    shift_x, shift_y = ((torch.rand(count) * 2 - 1) * side * 0.125 for side in (width, height))
    shift = _identity(count, 3)
    mask = torch.rand(count) < probability
    shift[:, 0, 2] = torch.where(mask, shift_x.round() * 2 / width, 0.0)
    shift[:, 1, 2] = torch.where(mask, shift_y.round() * 2 / height, 0.0)
    return mirror @ rotation @ shift


def _geometry_matrices(pictures: Tensor, probability: float) -> Tensor:
    """Return matrices (N, 3, 3) as `_blit_matrices`."""
    count = len(pictures)
    scale = _with_probability(count, probability, torch.exp2(torch.randn(count) * 0.2), 1.0)
    stretch = _with_probability(count, probability, torch.exp2(torch.randn(count) * 0.2), 1.0)
    each = 1 - math.sqrt(1 - probability)
    before, after = (_rotation(_with_probability(count, each, (torch.rand(count) * 2 - 1) * math.pi)) for _ in range(2))
    shift = _identity(count, 3)
    mask = torch.rand(count) < probability
    shift[:, :2, 2] = torch.where(mask[:, None], torch.randn(count, 2) * 0.25, 0.0)
    return _scaling(1 / scale, 1 / scale) @ before @ _scaling(1 / stretch, stretch) @ after @ shift


def _warp(pictures: Tensor, matrices: Tensor) -> Tensor:
    """Sample (N, C, H, W) at the positions that (N, 3, 3) map to: bilinear, reflected at the border."""
    grid = F.affine_grid(matrices[:, :2].to(pictures), list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _with_probability(count: int, probability: float, values: Tensor, otherwise: float = 0.0) -> Tensor:
    """Return each of `values` (count,) with `probability`, else the neutral value `otherwise`."""
    return torch.where(torch.rand(count) < probability, values, otherwise)


def _identity(count: int, side: int) -> Tensor:
    return torch.eye(side).repeat(count, 1, 1)


def _scaling(*factors: Tensor) -> Tensor:
    """Return homogeneous matrices that multiply each axis by its factor (N,)."""
    return torch.diag_embed(torch.stack([*factors, torch.ones_like(factors[0])], 1))


def _rotation(angle: Tensor) -> Tensor:
    """Return homogeneous rotations of the plane (N, 3, 3)."""
    matrices = _identity(len(angle), 3)
    matrices[:, 0, 0] = matrices[:, 1, 1] = angle.cos()
    matrices[:, 1, 0] = angle.sin()
    matrices[:, 0, 1] = -angle.sin()
    return matrices


def _hue_rotation(angle: Tensor) -> Tensor:
    """Return homogeneous rotations of RGB about the axis of grays (N, 4, 4), by Rodrigues' formula."""
    axis = 3**-0.5
    cross = torch.tensor([[0, -axis, axis], [axis, 0, -axis], [-axis, axis, 0]])
    matrices = _identity(len(angle), 4)
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    matrices[:, :3, :3] = cosine * torch.eye(3) + (1 - cosine) / 3 + sine * cross
    return matrices
