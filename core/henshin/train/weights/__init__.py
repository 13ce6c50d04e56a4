"""Weights: checkpoints, run folders, published files, blending."""

from __future__ import annotations

from henshin.train.weights.state_dict import fitted, layers_of, misfit, tidied

__all__ = ["fitted", "layers_of", "misfit", "tidied"]
