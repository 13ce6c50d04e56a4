"""A trained network: its generator, its weights and its origin."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from henshin.api.generator import Generator
from henshin.train.weights.weight_files import hash_of_tensors

UNSTATED = "not stated"
"""The data or licence of a network whose origin says nothing of it."""


@dataclass(frozen=True, slots=True)
class TrainedNetwork:
    """A generator with its trained network, ready for export, and the statements of its contract.

    `part` is "" for the whole network, else the one of `Generator.parts` that becomes a model of its own;
    `evaluation` says how it did on pictures that its training held out.
    """

    generator: Generator[Any]
    network: nn.Module
    preferred_size: int | None
    origin: str
    data: str
    licence: str
    description: str = ""
    part: str = ""
    evaluation: str = ""


def hash_of(network: nn.Module) -> str:
    """Return the SHA-256 over the names and bytes of all tensors, in the order of their names."""
    return hash_of_tensors(network.state_dict())


def weights_path(path: Path, part: str) -> Path:
    """Return the file of the whole network's weights, next to a model: NAME.safetensors, also of NAME-mapping."""
    return path.with_name(f"{path.stem.removesuffix(f'-{part}') if part else path.stem}.safetensors")
