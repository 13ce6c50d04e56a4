"""Every source of randomness of a run, as something that a checkpoint can hold."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch


def seeded(seed: int) -> np.random.Generator:
    """Seed Python's and PyTorch's generators, and return a numpy generator of the same seed for the run itself."""
    random.seed(seed)
    torch.manual_seed(seed)
    return np.random.default_rng(seed)


def random_state(rng: np.random.Generator) -> dict[str, Any]:
    """The state of every source of randomness."""
    version, numbers, gauss = random.getstate()
    state: dict[str, Any] = {
        "python": [version, list(numbers), gauss],
        "torch": torch.get_rng_state(),
        "numpy": rng.bit_generator.state,
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def set_random_state(state: dict[str, Any], rng: np.random.Generator) -> None:
    """The inverse of `random_state`."""
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    torch.set_rng_state(state["torch"])
    rng.bit_generator.state = state["numpy"]
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
