"""Random generators of a run: seeds, and states for checkpoints."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

_CPU = torch.device("cpu")


def seed_generators(seed: int, rank: int = 0) -> np.random.Generator:
    """Seed Python's and PyTorch's generators, and return a numpy generator for the run itself.

    Each of several processes draws other numbers from the returned generator. PyTorch's generator is the same in all
    of them, so that they build the same networks, until `seed_rank` is called.
    """
    random.seed(seed)
    torch.manual_seed(seed)
    return np.random.default_rng([seed, rank] if rank else seed)


def seed_rank(seed: int, rank: int) -> None:
    """Seed Python's and PyTorch's generators of every process but the first differently, for noise of its own."""
    if rank:
        own = int(np.random.SeedSequence([seed, rank]).generate_state(1, np.uint64)[0] >> 1)
        random.seed(own)
        torch.manual_seed(own)


def random_state(rng: np.random.Generator, device: torch.device = _CPU) -> dict[str, Any]:
    """Return the states of all random generators of a process that computes on `device`."""
    version, numbers, gauss = random.getstate()
    state: dict[str, Any] = {
        "python": [version, list(numbers), gauss],
        "torch": torch.get_rng_state(),
        "numpy": rng.bit_generator.state,
    }
    if device.type == "cuda":  # of this GPU alone: reading the others would allocate memory on each of them
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def set_random_state(state: dict[str, Any], rng: np.random.Generator, device: torch.device = _CPU) -> None:
    """Restore the result of `random_state`. A state saved on a CPU leaves that of the GPU as it is, and vice versa."""
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    torch.set_rng_state(state["torch"])
    rng.bit_generator.state = state["numpy"]
    cuda = state.get("cuda")
    if device.type == "cuda" and cuda is not None:
        if isinstance(cuda, list):  # the format of older checkpoints: one state for each GPU of the machine
            cuda = cuda[min(device.index or 0, len(cuda) - 1)]
        torch.cuda.set_rng_state(cuda, device)
