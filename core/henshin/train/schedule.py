"""Learning rates as functions of the step."""

from __future__ import annotations

from typing import Any


def constant_then_linear(step: int, steps: int, decay: float) -> float:
    """1, then linearly to 0 over the last part `decay` (0..1) of the steps (Zhu et al. 2017)."""
    return min(1.0, (steps - step) / max(steps * decay, 1.0))


def set_rate(rate: float, *optimisers: Any) -> None:
    """Give every parameter of these optimisers this learning rate."""
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = rate
