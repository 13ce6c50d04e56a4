"""Networks that recipes share: discriminators, StyleGAN layers, EMA, generators by name."""

from __future__ import annotations

from henshin.train.networks.discriminator_set import (
    DiscriminatorSet,
    discriminator_losses,
    gan_loss_of,
    generator_losses,
    join_parts,
    make_discriminators,
    mean_scores,
    total_loss,
    values_by_name,
)
from henshin.train.networks.discriminators import (
    ImageDiscriminator,
    MultiScaleDiscriminator,
    Norm,
    PatchDiscriminator,
    initialise,
    make_discriminator,
    mean_score,
    set_requires_grad,
)
from henshin.train.networks.ema import EMA
from henshin.train.networks.generators import make_generator, make_generator_of
from henshin.train.networks.latents import fixed_noise
from henshin.train.networks.layers import PictureOutput, ResidualBlock, reflected_convolution, resize_convolution
from henshin.train.networks.projected import ProjectedDiscriminator

__all__ = [
    "EMA",
    "DiscriminatorSet",
    "ImageDiscriminator",
    "MultiScaleDiscriminator",
    "Norm",
    "PatchDiscriminator",
    "PictureOutput",
    "ProjectedDiscriminator",
    "ResidualBlock",
    "discriminator_losses",
    "fixed_noise",
    "gan_loss_of",
    "generator_losses",
    "initialise",
    "join_parts",
    "make_discriminator",
    "make_discriminators",
    "make_generator",
    "make_generator_of",
    "mean_score",
    "mean_scores",
    "reflected_convolution",
    "resize_convolution",
    "set_requires_grad",
    "total_loss",
    "values_by_name",
]
