"""Losses as pure functions of tensors, and the frozen networks that some of them use."""

from __future__ import annotations

from henshin.train.losses.functional import (
    GanLoss,
    adversarial_loss,
    broad_colour_loss,
    colour_loss,
    content_loss,
    cycle_loss,
    discriminator_loss,
    edge_promoting_loss,
    feature_matching_loss,
    gatys_style_loss,
    generator_loss,
    gram,
    grayscale_style_loss,
    identity_loss,
    patch_nce_loss,
    picture_nce_loss,
    pixel_loss,
    r1_penalty,
    style_loss,
    total_variation_loss,
)
from henshin.train.losses.landmarks import LandmarkNet, landmark_loss, landmark_network
from henshin.train.losses.perceptual import Vgg19, feature_energy, perceptual_distance

__all__ = [
    "GanLoss",
    "LandmarkNet",
    "Vgg19",
    "adversarial_loss",
    "broad_colour_loss",
    "colour_loss",
    "content_loss",
    "cycle_loss",
    "discriminator_loss",
    "edge_promoting_loss",
    "feature_energy",
    "feature_matching_loss",
    "gatys_style_loss",
    "generator_loss",
    "gram",
    "grayscale_style_loss",
    "identity_loss",
    "landmark_loss",
    "landmark_network",
    "patch_nce_loss",
    "perceptual_distance",
    "picture_nce_loss",
    "pixel_loss",
    "r1_penalty",
    "style_loss",
    "total_variation_loss",
]
