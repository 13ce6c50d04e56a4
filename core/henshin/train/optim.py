"""The learning rate of optimisers, and their settings across a resume."""

from __future__ import annotations

import math
from typing import Any


def warmup_then_cosine(step: int, steps: int, warmup: float, decay: float) -> float:
    """Return the factor of the learning rate: linear from 0 to 1, then 1, then a cosine back to 0.

    `warmup` and `decay` are the shares (0..1) of the steps at either end (Karras et al. 2020, appendix D).
    """
    rising = min(1.0, (step + 1) / (warmup * steps)) if warmup else 1.0
    falling = min(1.0, (steps - step) / (decay * steps)) if decay else 1.0
    return rising * (0.5 - 0.5 * math.cos(math.pi * falling))


def set_learning_rate(rate: float, *optimisers: Any) -> None:
    """Set the learning rate of every parameter group of these optimisers."""
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = rate


Groups = list[dict[str, Any]]
"""Settings of an optimiser's parameter groups, in their order."""


class OptimizerSettings:
    """Initial settings (learning rate, betas, ...) of every tracked optimiser.

    An optimiser's state contains its settings, so a resumed run would ignore `--set learning_rate=...` in a recipe
    that sets its rate only once. A setting keeps the value of the checkpoint, which a schedule may have changed,
    unless its initial value differs from that of the earlier run.
    """

    def __init__(self) -> None:
        self.initial: dict[str, Groups] = {}

    def record(self, tracked: dict[str, Any]) -> None:
        """Store the initial settings of the optimisers among `tracked`."""
        self.initial = {
            name: [_plain_settings(group) for group in thing.param_groups]
            for name, thing in tracked.items()
            if hasattr(thing, "param_groups")
        }

    def apply_changes(self, tracked: dict[str, Any], earlier: dict[str, Groups]) -> None:
        """Apply every initial setting that differs from `earlier`, to optimisers whose state was just loaded."""
        for name, groups in self.initial.items():
            for group, now, then in zip(tracked[name].param_groups, groups, earlier.get(name, ()), strict=False):
                group.update({key: value for key, value in now.items() if key in then and then[key] != value})


def _plain_settings(group: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a parameter group in the types of JSON."""
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in group.items()
        if key != "params" and isinstance(value, bool | int | float | tuple | list)
    }
