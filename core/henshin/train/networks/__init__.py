"""Networks that recipes share: discriminators, StyleGAN layers, EMA, generators by name."""

from __future__ import annotations

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

__all__ = [
    "EMA",
    "ImageDiscriminator",
    "MultiScaleDiscriminator",
    "Norm",
    "PatchDiscriminator",
    "PictureOutput",
    "ResidualBlock",
    "fixed_noise",
    "initialise",
    "make_discriminator",
    "make_generator",
    "make_generator_of",
    "mean_score",
    "reflected_convolution",
    "resize_convolution",
    "set_requires_grad",
]
