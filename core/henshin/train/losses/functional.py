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


def adversarial_loss(kind: GanLoss, scores: Scores, real: bool) -> Tensor:
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


def edge_promoting_loss(kind: GanLoss, real: Scores, fake: Scores, smoothed: Scores, weight: float = 1.0) -> Tensor:
    """What CartoonGAN's discriminator pays: cartoons are real, translations and edge-smoothed cartoons are not.

    The sum of all three, as in the paper (Chen et al. 2018, equation 3, there "vanilla"); `weight` is that of the
    smoothed ones.
    """
    return (
        adversarial_loss(kind, real, True)
        + adversarial_loss(kind, fake, False)
        + weight * adversarial_loss(kind, smoothed, False)
    )


def generator_loss(kind: GanLoss, fake: Scores) -> Tensor:
    """What the generator pays for the scores of its pictures (vanilla: non-saturating; hinge: minus the score)."""
    if kind == "hinge":
        return _mean([-score.mean() for score in fake])
    term = _discriminator_term(kind)
    return _mean([term(score, True) for score in fake])


def r1_penalty(scores: Scores, pictures: Tensor) -> Tensor:
    """Squared norm of a discriminator's gradient at real pictures, averaged over them (R1: Mescheder et al. 2018).

    pictures (N, 3, H, W) with `requires_grad`, of which the scores were made; several scores of one picture count by
    their mean. The paper's gamma / 2 is left to the caller. Errors: RuntimeError where no gradient leads back.
    """

    def steepness(score: Tensor) -> Tensor:
        each = score.float().reshape(score.shape[0], -1).mean(1)
        (slope,) = torch.autograd.grad(each.sum(), pictures, create_graph=True)
        return slope.square().flatten(1).sum(1).mean()

    return _mean([steepness(score) for score in scores])


def feature_matching_loss(real: Sequence[Sequence[Tensor]], fake: Sequence[Sequence[Tensor]]) -> Tensor:
    """L1 between what discriminators see in real and in made pictures (pix2pixHD: Wang et al. 2018).

    For each discriminator its features, layer by layer: summed over layers, averaged over discriminators as all
    losses here. Those of real pictures carry no gradient. Worth 10 in the paper, which sums over discriminators.
    """

    def apart(of_real: Sequence[Tensor], of_fake: Sequence[Tensor]) -> Tensor:
        pairs = zip(of_real, of_fake, strict=True)
        return torch.stack([F.l1_loss(made, seen.detach()) for seen, made in pairs]).sum()

    return _mean([apart(one, other) for one, other in zip(real, fake, strict=True)])


def pixel_loss(picture: Tensor, wanted: Tensor) -> Tensor:
    """L1 between a translation and the very picture that it should be (pix2pix: Isola et al. 2017)."""
    return F.l1_loss(picture, wanted)


def cycle_loss(picture: Tensor, reconstruction: Tensor) -> Tensor:
    """L1 between a picture and what came back from there and back again (Zhu et al. 2017)."""
    return F.l1_loss(reconstruction, picture)


def identity_loss(picture: Tensor, unchanged: Tensor) -> Tensor:
    """L1 between a picture of the target domain and its translation, which should be itself (Taigman et al. 2017)."""
    return F.l1_loss(unchanged, picture)


def content_loss(features: Sequence[Tensor], of_photo: Sequence[Tensor]) -> Tensor:
    """L1 between the features of a translation and those of its photo, averaged over layers (Chen et al. 2018)."""
    return _mean([F.l1_loss(one, other.detach()) for one, other in zip(features, of_photo, strict=True)])


def gram(features: Tensor) -> Tensor:
    """Gram matrices of features (N, C, H, W): (N, C, C), the mean over places of the products of two channels, over C.

    Which channels go together, and not where: the style of a picture (Gatys et al. 2016; scaled as by Johnson et al.).
    """
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / (flat.shape[1] * flat.shape[2])


def style_loss(features: Sequence[Tensor], of_drawing: Sequence[Tensor]) -> Tensor:
    """L1 between Gram matrices, averaged over layers; sizes may differ (AnimeGAN: Chen et al. 2020)."""
    return _mean([F.l1_loss(gram(one), gram(other).detach()) for one, other in zip(features, of_drawing, strict=True)])


def gatys_style_loss(features: Sequence[Tensor], of_drawing: Sequence[Tensor]) -> Tensor:
    """Squares between Gram matrices, summed and divided by (2 C H W)^2, averaged over layers (Gatys et al. 2016).

    Sizes may differ. Squares make far styles dear and near ones cheap; `style_loss` is even.
    """

    def apart(one: Tensor, other: Tensor) -> Tensor:
        return (gram(one) - gram(other).detach()).square().sum((1, 2)).mean() / 4

    return _mean([apart(one, other) for one, other in zip(features, of_drawing, strict=True)])


def grayscale_style_loss(network: Callable[[Tensor], Sequence[Tensor]], drawn: Tensor, drawing: Tensor) -> Tensor:
    """`style_loss` between a translation and drawings without their colours (AnimeGAN: Chen et al. 2020).

    `network` takes (N, 3, H, W) in [-1, 1] to features, as `Vgg19` does. Strokes and shading are learned so, and the
    colours are left to `colour_loss`.
    """
    from kornia.color import rgb_to_grayscale  # slow to load, and networks are built with this module

    with torch.no_grad():
        manner = network(rgb_to_grayscale(drawing).expand_as(drawing))
    return style_loss(network(drawn), manner)


def colour_loss(photo: Tensor, drawn: Tensor) -> Tensor:
    """L1 on luma and Huber (delta 1) on both chromas, in YUV of pictures in [0, 1] (AnimeGAN: Chen et al. 2020).

    Both (N, 3, H, W) in [-1, 1]: a translation keeps the colours of its photo.
    """
    from kornia.color import rgb_to_yuv

    wanted, got = (rgb_to_yuv((pictures + 1) / 2) for pictures in (photo, drawn))
    chroma = sum(F.huber_loss(got[:, i], wanted[:, i]) for i in (1, 2))
    return F.l1_loss(got[:, 0], wanted[:, 0]) + chroma


def total_variation_loss(pictures: Tensor) -> Tensor:
    """Mean square of the steps from pixel to pixel, down and across added (Mahendran & Vedaldi 2015).

    AnimeGAN's second version smooths its translations with it.
    """
    down, across = pictures.diff(dim=2), pictures.diff(dim=3)
    return down.square().mean() + across.square().mean()


def patch_nce_loss(query: Tensor, key: Tensor, temperature: float = 0.07) -> Tensor:
    """Contrastive loss between patches of a picture and of its translation (PatchNCE: Park et al. 2020).

    query, key (N, S, D), normalised: S patches of each of N pictures. A query should resemble the key of its own
    place, and none of the other places of the same picture. The keys carry no gradient.
    """
    logits = torch.einsum("nsd,ntd->nst", query, key.detach()) / temperature
    target = torch.arange(logits.shape[1], device=logits.device).expand(logits.shape[0], -1)
    return F.cross_entropy(logits.flatten(0, 1), target.flatten())
