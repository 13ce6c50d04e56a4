"""Networks that recipes share: discriminators, layers, EMA, generators by name."""

from __future__ import annotations

from henshin.train.networks.discriminators import (
    MultiScale,
    Norm,
    PatchGan,
    Plain,
    frozen,
    initialise,
    make_judge,
    mean_score,
)
from henshin.train.networks.ema import Average
from henshin.train.networks.generators import make_generator, make_generator_of

__all__ = [
    "Average",
    "MultiScale",
    "Norm",
    "PatchGan",
    "Plain",
    "frozen",
    "initialise",
    "make_generator",
    "make_generator_of",
    "make_judge",
    "mean_score",
]
