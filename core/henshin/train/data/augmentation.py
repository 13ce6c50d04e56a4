"""Differentiable augmentation: the discriminator sees real and drawn pictures only after the same kind of random
changes, and so cannot learn a small data set by heart (DiffAugment: Zhao et al. 2020).

The changes are the paper's, made of kornia's where those fit. All numbers come from PyTorch's generator on the CPU,
whose state a checkpoint holds. Times below are of forward and backward, one thread, 8 pictures of 128 px.

With a `probability` below 1 each picture is changed, or not, by itself: then the generator cannot pass off changes as
what the pictures look like (Karras et al., NeurIPS 2020). Their changes are `blit`, `geometry` and `tone`.
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


# ---- changes that each come with a probability: matrices are multiplied first, so that pixels are read only once


def blit(pictures: Tensor, probability: float = 1.0) -> Tensor:
    """Mirror, turn by right angles, shift by whole pixels up to an eighth: each with `probability`. Pixels stay pixels.

    Here and in `geometry` what lies beyond a side is what the side mirrors; pictures are square.
    """
    return _warped(pictures, _blits(pictures, probability))


def geometry(pictures: Tensor, probability: float = 1.0) -> Tensor:
    """Enlarge, turn, stretch (a factor 2^N(0, 0.2)), turn again, shift by N(0, an eighth): each with `probability`.

    Turns before and after the stretch have a probability of 1 - sqrt(1 - probability) each, so that both together have
    `probability`.
    """
    return _warped(pictures, _distortions(pictures, probability))


def blit_geometry(pictures: Tensor, probability: float = 1.0) -> Tensor:
    """`blit`, then `geometry`, for the price of one of them."""
    return _warped(pictures, _blits(pictures, probability) @ _distortions(pictures, probability))


def tone(pictures: Tensor, probability: float = 1.0) -> Tensor:
    """Brightness N(0, 0.2), contrast 2^N(0, 0.5), luma inverted, hue turned, saturation 2^N(0, 1): each with
    `probability`.

    All of them are one affine map of each picture's colours; nothing is clamped.
    """
    count = len(pictures)
    brighter = _eye(count, 4)
    brighter[:, :3, 3] = _some(count, probability, torch.randn(count) * 0.2)[:, None]
    contrast = _diagonal(*[_some(count, probability, torch.exp2(torch.randn(count) * 0.5), 1.0)] * 3)
    gray = torch.full((3,), 3**-0.5)
    flip = _some(count, probability, torch.randint(2, (count,)).float())
    upside_down = _eye(count, 4)
    upside_down[:, :3, :3] -= 2 * flip[:, None, None] * gray.outer(gray)
    hue = _about_gray(_some(count, probability, (torch.rand(count) * 2 - 1) * math.pi))
    saturation = _some(count, probability, torch.exp2(torch.randn(count)), 1.0)[:, None, None]
    coloured = _eye(count, 4)
    coloured[:, :3, :3] = gray.outer(gray) + (torch.eye(3) - gray.outer(gray)) * saturation
    whole = (coloured @ hue @ upside_down @ contrast @ brighter).to(pictures)
    return torch.einsum("nij,njhw->nihw", whole[:, :3, :3], pictures) + whole[:, :3, 3, None, None]


def _blits(pictures: Tensor, probability: float) -> Tensor:
    """Matrices (N, 3, 3) from a place in the changed picture to one in the given one; sides are -1 and 1."""
    count, _, height, width = pictures.shape
    mirrored = _diagonal(1 - 2 * _some(count, probability, torch.randint(2, (count,)).float()), torch.ones(count))
    turned = _turn(_some(count, probability, torch.randint(4, (count,)).float()) * (math.pi / 2)).round()
    shift_x, shift_y = ((torch.rand(count) * 2 - 1) * side * 0.125 for side in (width, height))
    shifted = _eye(count, 3)
    moved = torch.rand(count) < probability
    shifted[:, 0, 2] = torch.where(moved, shift_x.round() * 2 / width, 0.0)
    shifted[:, 1, 2] = torch.where(moved, shift_y.round() * 2 / height, 0.0)
    return mirrored @ turned @ shifted


def _distortions(pictures: Tensor, probability: float) -> Tensor:
    count = len(pictures)
    scale = _some(count, probability, torch.exp2(torch.randn(count) * 0.2), 1.0)
    stretch = _some(count, probability, torch.exp2(torch.randn(count) * 0.2), 1.0)
    either = 1 - math.sqrt(1 - probability)
    before, after = (_turn(_some(count, either, (torch.rand(count) * 2 - 1) * math.pi)) for _ in range(2))
    shifted = _eye(count, 3)
    moved = torch.rand(count) < probability
    shifted[:, :2, 2] = torch.where(moved[:, None], torch.randn(count, 2) * 0.25, 0.0)
    return _diagonal(1 / scale, 1 / scale) @ before @ _diagonal(1 / stretch, stretch) @ after @ shifted


def _warped(pictures: Tensor, matrices: Tensor) -> Tensor:
    """Read (N, C, H, W) at the places that (N, 3, 3) lead to, between pixels bilinearly, beyond the sides mirrored."""
    grid = F.affine_grid(matrices[:, :2].to(pictures), list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _some(count: int, probability: float, values: Tensor, otherwise: float = 0.0) -> Tensor:
    """Each of `values` (count,) with `probability`, else what changes nothing."""
    return torch.where(torch.rand(count) < probability, values, otherwise)


def _eye(count: int, side: int) -> Tensor:
    return torch.eye(side).repeat(count, 1, 1)


def _diagonal(*factors: Tensor) -> Tensor:
    """Matrices that multiply each axis by its own factor (N,), homogeneous."""
    return torch.diag_embed(torch.stack([*factors, torch.ones_like(factors[0])], 1))


def _turn(angle: Tensor) -> Tensor:
    """Rotations of the plane, homogeneous (N, 3, 3)."""
    turned = _eye(len(angle), 3)
    turned[:, 0, 0] = turned[:, 1, 1] = angle.cos()
    turned[:, 1, 0] = angle.sin()
    turned[:, 0, 1] = -angle.sin()
    return turned


def _about_gray(angle: Tensor) -> Tensor:
    """Rotations of colours about the line of grays, homogeneous (N, 4, 4) (Rodrigues)."""
    axis = 3**-0.5
    cross = torch.tensor([[0, -axis, axis], [axis, 0, -axis], [-axis, axis, 0]])
    turned = _eye(len(angle), 4)
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    turned[:, :3, :3] = cosine * torch.eye(3) + (1 - cosine) / 3 + sine * cross
    return turned


Policy = Callable[..., Tensor]

POLICIES: dict[str, Policy] = {
    "colour": colour,
    "translation": translation,
    "cutout": cutout,
    "blit": blit,
    "geometry": geometry,
    "tone": tone,
}

_EACH: tuple[Policy, ...] = (blit, geometry, blit_geometry, tone)
"""Those that give each change within them its own probability."""


def augment(pictures: Tensor, policy: tuple[str, ...], probability: float = 1.0) -> Tensor:
    """Apply the named policies in their order, each to a picture with `probability`; gradients flow through all of
    them.

    The changes within `blit`, `geometry` and `tone` have their chances one by one. `blit` and then `geometry` is
    warped once. At 0 nothing is drawn at random.
    """
    if probability <= 0:
        return pictures
    for change in _joined(policy):
        if change in _EACH:
            pictures = change(pictures, probability)
        elif probability >= 1:
            pictures = change(pictures)
        else:
            taken = torch.rand(len(pictures), 1, 1, 1) < probability
            pictures = torch.where(taken.to(pictures.device), change(pictures), pictures)
    return pictures


def _joined(policy: tuple[str, ...]) -> list[Policy]:
    """The policies by name, `blit` and the `geometry` right after it as one."""
    found: list[Policy] = []
    for name in policy:
        if name == "geometry" and found[-1:] == [blit]:
            found[-1] = blit_geometry
        else:
            found.append(POLICIES[name])
    return found


class AdaptiveAugmentation:
    """Augments with a probability that follows the discriminator: more of it the surer it is of real pictures.

    Where the mean sign of its scores of real pictures is above `target`, it begins to know them by heart: the
    probability rises; it could go from 0 to 1 over `pictures` real ones. It stops at `most`: changes that most pictures
    undergo would end up in what the generator draws (paper: below 0.8 they do not). `every`: calls of `learn` a look.
    """

    def __init__(
        self,
        policy: tuple[str, ...],
        target: float = 0.6,
        pictures: int = 500_000,
        most: float = 0.8,
        probability: float = 0.0,
        every: int = 4,
    ) -> None:
        self.policy, self.target, self.pictures, self.most, self.every = policy, target, pictures, most, every
        self.probability = probability
        self._signs = torch.zeros(())
        self._seen = self._calls = 0

    def __call__(self, pictures: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1] -> as many, each changed or not; gradients flow."""
        return augment(pictures, self.policy, self.probability)

    @torch.no_grad()
    def learn(self, scores: Tensor) -> None:
        """Observe a discriminator's logits of real pictures, any shape; now and then the probability follows them."""
        if not self.policy:
            return
        self._signs = self._signs.to(scores.device) + scores.detach().float().sign().sum()
        self._seen += scores.numel()
        self._calls += 1
        if self._calls < self.every:
            return
        sureness = float(self._signs) / self._seen
        step = self._seen / self.pictures * (1 if sureness > self.target else -1)
        self.probability = min(max(self.probability + step, 0.0), self.most)
        self._signs = torch.zeros(())
        self._seen = self._calls = 0

    def state_dict(self) -> dict[str, Any]:
        """All that a checkpoint needs."""
        return {"probability": self.probability, "signs": self._signs, "seen": self._seen, "calls": self._calls}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.probability, self._signs = float(state["probability"]), state["signs"]
        self._seen, self._calls = int(state["seen"]), int(state["calls"])
