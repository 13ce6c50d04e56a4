"""Every source of randomness of a run, as something that a checkpoint can hold."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

_CPU = torch.device("cpu")


def seeded(seed: int, rank: int = 0) -> np.random.Generator:
    """Seed Python's and PyTorch's generators, and return a numpy generator for the run itself.

    Of several processes each draws other numbers from the returned generator; PyTorch's are the same in all of them,
    so that the same networks are built, until `part` is called.
    """
    random.seed(seed)
    torch.manual_seed(seed)
    return np.random.default_rng([seed, rank] if rank else seed)


def seed_rank(seed: int, rank: int) -> None:
    """From here on each of several processes draws its own noise. The first one goes on as it would alone."""
    if rank:
        own = int(np.random.SeedSequence([seed, rank]).generate_state(1, np.uint64)[0] >> 1)
        random.seed(own)
        torch.manual_seed(own)


def random_state(rng: np.random.Generator, device: torch.device = _CPU) -> dict[str, Any]:
    """The state of every source of randomness of a process that computes on `device`."""
    version, numbers, gauss = random.getstate()
    state: dict[str, Any] = {
        "python": [version, list(numbers), gauss],
        "torch": torch.get_rng_state(),
        "numpy": rng.bit_generator.state,
    }
    if device.type == "cuda":  # of this GPU alone: asking the others would take memory on each of them
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def set_random_state(state: dict[str, Any], rng: np.random.Generator, device: torch.device = _CPU) -> None:
    """The inverse of `random_state`; a state that was saved on a CPU leaves the GPU's as it is, and the other way."""
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    torch.set_rng_state(state["torch"])
    rng.bit_generator.state = state["numpy"]
    cuda = state.get("cuda")
    if device.type == "cuda" and cuda is not None:
        if isinstance(cuda, list):  # as runs before several devices saved it: one for each GPU of the machine
            cuda = cuda[min(device.index or 0, len(cuda) - 1)]
        torch.cuda.set_rng_state(cuda, device)
