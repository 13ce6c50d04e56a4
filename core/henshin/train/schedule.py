"""Learning rates as functions of the step."""

from __future__ import annotations

import math
from typing import Any


def constant_then_linear(step: int, steps: int, decay: float) -> float:
    """1, then linearly to 0 over the last part `decay` (0..1) of the steps (Zhu et al. 2017)."""
    return min(1.0, (steps - step) / max(steps * decay, 1.0))


def up_and_down(step: int, steps: int, up: float, down: float) -> float:
    """From 0 evenly to 1 over the first part `up` (0..1) of the steps, over the last part `down` back as a cosine.

    (Karras et al. 2020, appendix D.)
    """
    rising = min(1.0, (step + 1) / (up * steps)) if up else 1.0
    falling = min(1.0, (steps - step) / (down * steps)) if down else 1.0
    return rising * (0.5 - 0.5 * math.cos(math.pi * falling))


def set_rate(rate: float, *optimisers: Any) -> None:
    """Give every parameter of these optimisers this learning rate."""
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = rate
