"""Weights: checkpoints, run folders, published files, blending."""

from __future__ import annotations

from henshin.train.weights.loading import read_start, rebuilt
from henshin.train.weights.state_dict import fill, fitted, layers_of, misfit, tidied

__all__ = ["fill", "fitted", "layers_of", "misfit", "read_start", "rebuilt", "tidied"]
