"""Losses, each a pure function of tensors, with the paper it comes from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Scores = Sequence[Tensor]
"""Scores of one or more discriminators, each of any shape."""

GanLoss = Literal["lsgan", "hinge", "vanilla"]


def _mean(values: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(values)).mean()


def _discriminator_term(kind: GanLoss) -> Callable[[Tensor, bool], Tensor]:
    def lsgan(score: Tensor, real: bool) -> Tensor:
        return (score - float(real)).square().mean()

    def hinge(score: Tensor, real: bool) -> Tensor:
        return F.relu(1 - score if real else 1 + score).mean()

    def vanilla(score: Tensor, real: bool) -> Tensor:
        return F.softplus(-score if real else score).mean()

    return {"lsgan": lsgan, "hinge": hinge, "vanilla": vanilla}[kind]


def score_loss(kind: GanLoss, scores: Scores, real: bool) -> Tensor:
    """What a discriminator pays for its scores of pictures that are real, or that are not, averaged over scales.

    The two sum up to twice `discriminator_loss`; one that is shown more than two kinds of pictures adds up its own.
    """
    term = _discriminator_term(kind)
    return _mean([term(score, real) for score in scores])


def discriminator_loss(kind: GanLoss, real: Scores, fake: Scores) -> Tensor:
    """Half the sum of the loss on real and on fake pictures, averaged over discriminators.

    lsgan: Mao et al. 2017, targets 1 and 0. hinge: Lim & Ye 2017. vanilla: Goodfellow et al. 2014, on logits.
    """
    term = _discriminator_term(kind)
    return 0.5 * _mean([term(r, True) + term(f, False) for r, f in zip(real, fake, strict=True)])


def generator_loss(kind: GanLoss, fake: Scores) -> Tensor:
    """What the generator pays for the scores of its pictures (vanilla: non-saturating; hinge: minus the score)."""
    if kind == "hinge":
        return _mean([-score.mean() for score in fake])
    term = _discriminator_term(kind)
    return _mean([term(score, True) for score in fake])


def cycle_loss(picture: Tensor, reconstruction: Tensor) -> Tensor:
    """L1 between a picture and what came back from there and back again (Zhu et al. 2017)."""
    return F.l1_loss(reconstruction, picture)


def identity_loss(picture: Tensor, unchanged: Tensor) -> Tensor:
    """L1 between a picture of the target domain and its translation, which should be itself (Taigman et al. 2017)."""
    return F.l1_loss(unchanged, picture)


def content_loss(features: Sequence[Tensor], of_photo: Sequence[Tensor]) -> Tensor:
    """L1 between the features of a translation and those of its photo, averaged over layers (Chen et al. 2018)."""
    return _mean([F.l1_loss(one, other) for one, other in zip(features, of_photo, strict=True)])


def gram(features: Tensor) -> Tensor:
    """Gram matrices of features (N, C, H, W): (N, C, C), the mean over places of the products of two channels, over C.

    Which channels go together, and not where: the style of a picture (Gatys et al. 2016; scaled as by Johnson et al.).
    """
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / (flat.shape[1] * flat.shape[2])


def style_loss(features: Sequence[Tensor], of_drawing: Sequence[Tensor]) -> Tensor:
    """L1 between Gram matrices, averaged over layers; sizes may differ (AnimeGAN: Chen et al. 2019)."""
    return _mean([F.l1_loss(gram(one), gram(other)) for one, other in zip(features, of_drawing, strict=True)])


def patch_nce_loss(query: Tensor, key: Tensor, temperature: float = 0.07) -> Tensor:
    """Contrastive loss between patches of a picture and of its translation (PatchNCE: Park et al. 2020).

    query, key (N, S, D), normalised: S patches of each of N pictures. A query should resemble the key of its own
    place, and none of the other places of the same picture. The keys carry no gradient.
    """
    logits = torch.einsum("nsd,ntd->nst", query, key.detach()) / temperature
    target = torch.arange(logits.shape[1], device=logits.device).expand(logits.shape[0], -1)
    return F.cross_entropy(logits.flatten(0, 1), target.flatten())
