"""Weights: checkpoints, run folders, published files, blending."""

from __future__ import annotations

from henshin.train.weights.loading import load_initial_weights, load_trained_network
from henshin.train.weights.state_dict import canonicalize_state_dict, fill, fitted, layers_of, state_dict_mismatch

__all__ = [
    "canonicalize_state_dict",
    "fill",
    "fitted",
    "layers_of",
    "load_initial_weights",
    "load_trained_network",
    "state_dict_mismatch",
]
