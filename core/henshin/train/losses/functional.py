"""Losses as pure functions of tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Scores = Sequence[Tensor]
"""Scores of one or more discriminators, each a tensor of any shape."""

GanLoss = Literal["lsgan", "hinge", "vanilla"]
"""lsgan: Mao et al. 2017, targets 1 and 0. hinge: Lim & Ye 2017. vanilla: Goodfellow et al. 2014, on logits."""


def _mean(values: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(values)).mean()


def _discriminator_term(kind: GanLoss) -> Callable[[Tensor, bool], Tensor]:
    """Return the loss of one tensor of scores and its target, real or fake."""

    def lsgan(score: Tensor, real: bool) -> Tensor:
        return (score - float(real)).square().mean()

    def hinge(score: Tensor, real: bool) -> Tensor:
        return F.relu(1 - score if real else 1 + score).mean()

    def vanilla(score: Tensor, real: bool) -> Tensor:
        return F.softplus(-score if real else score).mean()

    return {"lsgan": lsgan, "hinge": hinge, "vanilla": vanilla}[kind]


def adversarial_loss(kind: GanLoss, scores: Scores, real: bool) -> Tensor:
    """Return a discriminator's loss on real or on fake pictures, averaged over discriminators.

    The loss on real plus that on fake pictures is twice `discriminator_loss`; a discriminator of more than two kinds
    of pictures sums the terms that it needs.
    """
    term = _discriminator_term(kind)
    return _mean([term(score, real) for score in scores])


def discriminator_loss(kind: GanLoss, real: Scores, fake: Scores) -> Tensor:
    """Return half the sum of the losses on real and on fake pictures, averaged over discriminators."""
    term = _discriminator_term(kind)
    return 0.5 * _mean([term(r, True) + term(f, False) for r, f in zip(real, fake, strict=True)])


def edge_promoting_loss(kind: GanLoss, real: Scores, fake: Scores, smoothed: Scores, weight: float = 1.0) -> Tensor:
    """Return CartoonGAN's discriminator loss: cartoons are real; translations and edge-smoothed cartoons are fake.

    The sum of the three terms (Chen et al. 2018, equation 3, there "vanilla"); `weight` is that of the smoothed
    cartoons.
    """
    return (
        adversarial_loss(kind, real, True)
        + adversarial_loss(kind, fake, False)
        + weight * adversarial_loss(kind, smoothed, False)
    )


def generator_loss(kind: GanLoss, fake: Scores) -> Tensor:
    """Return the generator's loss for the scores of its pictures.

    vanilla is the non-saturating loss, hinge the negative mean score.
    """
    if kind == "hinge":
        return _mean([-score.mean() for score in fake])
    term = _discriminator_term(kind)
    return _mean([term(score, True) for score in fake])


def r1_penalty(scores: Scores, pictures: Tensor) -> Tensor:
    """Return the squared norm of a discriminator's gradient at real pictures, averaged over them.

    (R1: Mescheder et al. 2018.) pictures (N, 3, H, W) with `requires_grad`, the input of the scores; several scores
    of one picture are averaged. The caller multiplies by the paper's gamma / 2.
    Errors: RuntimeError when the scores do not depend on the pictures.
    """

    def penalty(score: Tensor) -> Tensor:
        per_picture = score.float().reshape(score.shape[0], -1).mean(1)
        (gradient,) = torch.autograd.grad(per_picture.sum(), pictures, create_graph=True)
        return gradient.square().flatten(1).sum(1).mean()

    return _mean([penalty(score) for score in scores])


def feature_matching_loss(real: Sequence[Sequence[Tensor]], fake: Sequence[Sequence[Tensor]]) -> Tensor:
    """Return the L1 between a discriminator's features of real and of fake pictures (pix2pixHD: Wang et al. 2018).

    For each discriminator its features, layer by layer; summed over layers, averaged over discriminators. Gradients
    reach the fake features alone. The paper's weight is 10, with a sum over discriminators.
    """

    def distance(real_layers: Sequence[Tensor], fake_layers: Sequence[Tensor]) -> Tensor:
        pairs = zip(real_layers, fake_layers, strict=True)
        return torch.stack([F.l1_loss(fake_layer, real_layer.detach()) for real_layer, fake_layer in pairs]).sum()

    return _mean([distance(real_layers, fake_layers) for real_layers, fake_layers in zip(real, fake, strict=True)])


def pixel_loss(picture: Tensor, target: Tensor) -> Tensor:
    """Return the L1 between a translation and its target (pix2pix: Isola et al. 2017)."""
    return F.l1_loss(picture, target)


def cycle_loss(picture: Tensor, reconstruction: Tensor) -> Tensor:
    """Return the L1 between a picture and its translation back from the other domain (Zhu et al. 2017)."""
    return F.l1_loss(reconstruction, picture)


def identity_loss(picture: Tensor, translation: Tensor) -> Tensor:
    """Return the L1 between a picture of the target domain and its translation (Taigman et al. 2017)."""
    return F.l1_loss(translation, picture)


def content_loss(features: Sequence[Tensor], photo_features: Sequence[Tensor]) -> Tensor:
    """Return the L1 between features of a translation and of its photo, averaged over layers (Chen et al. 2018)."""
    return _mean([F.l1_loss(one, other.detach()) for one, other in zip(features, photo_features, strict=True)])


def gram(features: Tensor) -> Tensor:
    """Return the Gram matrices (N, C, C) of features (N, C, H, W), divided by C H W.

    They say which channels occur together, regardless of the place: the style of a picture (Gatys et al. 2016; scale
    as by Johnson et al. 2016).
    """
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / (flat.shape[1] * flat.shape[2])


def style_loss(features: Sequence[Tensor], drawing_features: Sequence[Tensor]) -> Tensor:
    """Return the L1 between Gram matrices, averaged over layers (AnimeGAN: Chen et al. 2020).

    The pictures of the two sets of features may differ in size.
    """
    pairs = zip(features, drawing_features, strict=True)
    return _mean([F.l1_loss(gram(one), gram(other).detach()) for one, other in pairs])


def gatys_style_loss(features: Sequence[Tensor], drawing_features: Sequence[Tensor]) -> Tensor:
    """Return the squared distance of Gram matrices, divided by (2 C H W)^2, averaged over layers (Gatys et al. 2016).

    The pictures may differ in size. The gradient grows with the distance of the styles; that of `style_loss` does not.
    """

    def distance(one: Tensor, other: Tensor) -> Tensor:
        return (gram(one) - gram(other).detach()).square().sum((1, 2)).mean() / 4

    return _mean([distance(one, other) for one, other in zip(features, drawing_features, strict=True)])


def grayscale_style_loss(network: Callable[[Tensor], Sequence[Tensor]], translation: Tensor, drawing: Tensor) -> Tensor:
    """Return `style_loss` between a translation and drawings in grayscale (AnimeGAN: Chen et al. 2020).

    `network` maps (N, 3, H, W) in [-1, 1] to features, as `Vgg19` does. It teaches strokes and shading; `colour_loss`
    is for the colours.
    """
    from kornia.color import rgb_to_grayscale  # slow to load, and networks are built with this module

    with torch.no_grad():
        style = network(rgb_to_grayscale(drawing).expand_as(drawing))
    return style_loss(network(translation), style)


def colour_loss(photo: Tensor, translation: Tensor) -> Tensor:
    """Return L1 on luma plus Huber (delta 1) on both chromas, in YUV of pictures in [0, 1].

    (AnimeGAN: Chen et al. 2020.) Both (N, 3, H, W) in [-1, 1]. It keeps the colours of the photo.
    """
    from kornia.color import rgb_to_yuv

    target, yuv = (rgb_to_yuv((pictures + 1) / 2) for pictures in (photo, translation))
    chroma = sum(F.huber_loss(yuv[:, i], target[:, i]) for i in (1, 2))
    return F.l1_loss(yuv[:, 0], target[:, 0]) + chroma


def broad_colour_loss(drawing: Tensor, photo: Tensor, cells: int = 8, tolerance: float = 0.0) -> Tensor:
    """Return the L1 between the means of cells x cells parts of a drawing and of its photo, beyond a tolerance.

    Both (N, 3, H, W) in [-1, 1]. A difference of one part and channel below `tolerance` costs nothing; of a larger one
    the excess counts. It keeps hair, skin and background as light and as coloured as they are, and leaves lines free.
    """
    apart = F.adaptive_avg_pool2d(drawing.float(), cells) - F.adaptive_avg_pool2d(photo.float(), cells)
    return F.relu(apart.abs() - tolerance).mean()


def total_variation_loss(pictures: Tensor) -> Tensor:
    """Return the mean squared difference of neighbouring pixels, vertical plus horizontal (Mahendran & Vedaldi 2015).

    AnimeGAN's second version smooths its translations with it.
    """
    down, across = pictures.diff(dim=2), pictures.diff(dim=3)
    return down.square().mean() + across.square().mean()


def patch_nce_loss(query: Tensor, key: Tensor, temperature: float = 0.07) -> Tensor:
    """Return the contrastive loss between patches of pictures and of their translations (PatchNCE: Park et al. 2020).

    query, key (N, S, D), normalised: S patches of each of N pictures. The key of a query's own place is the positive,
    those of the other places of the same picture are the negatives. Gradients reach the queries alone.
    """
    logits = torch.einsum("nsd,ntd->nst", query, key.detach()) / temperature
    target = torch.arange(logits.shape[1], device=logits.device).expand(logits.shape[0], -1)
    return F.cross_entropy(logits.flatten(0, 1), target.flatten())


def picture_nce_loss(query: Tensor, key: Tensor, temperature: float = 0.07) -> Tensor:
    """Return the contrastive loss between the same place of the pictures of a batch.

    query, key (N, S, D), normalised: S patches of each of N pictures, at the same places in all. The key of a query's
    own picture is the positive, those of the same place of the other pictures are the negatives. The negatives of
    `patch_nce_loss` are of one picture: there the place alone may answer, and all translations may be alike; here
    translations that are alike cost log(N). 0 for N = 1. Gradients reach the queries alone.
    """
    return patch_nce_loss(query.transpose(0, 1), key.transpose(0, 1), temperature)
