"""Weights: checkpoints, run folders, published files, blending."""

from __future__ import annotations

from henshin.train.weights.loading import load_initial_weights, load_trained_network
from henshin.train.weights.state_dict import (
    canonicalize_state_dict,
    load_if_fitting,
    load_tensors,
    match_tensors,
    rename_layers,
    state_dict_mismatch,
)

__all__ = [
    "canonicalize_state_dict",
    "load_if_fitting",
    "load_initial_weights",
    "load_tensors",
    "load_trained_network",
    "match_tensors",
    "rename_layers",
    "state_dict_mismatch",
]
