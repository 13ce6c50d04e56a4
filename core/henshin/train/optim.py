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


def set_learning_rate(rate: float, *optimisers: Any) -> None:
    """Give every parameter of these optimisers this learning rate."""
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = rate


Groups = list[dict[str, Any]]


class OptimizerSettings:
    """What every tracked optimiser was set to when its run began: learning rate, betas and the like.

    Loading the state of an optimiser also loads its settings, so that `--resume --set learning_rate=...` would change
    nothing in a recipe that sets its rate only once. A setting goes on as the checkpoint has it, for a schedule may
    have moved it, unless it begins at another value than it did then.
    """

    def __init__(self) -> None:
        self.first: dict[str, Groups] = {}

    def take(self, tracked: dict[str, Any]) -> None:
        """Note with what the optimisers among these begin."""
        self.first = {
            name: [_plain(group) for group in thing.param_groups]
            for name, thing in tracked.items()
            if hasattr(thing, "param_groups")
        }

    def put(self, tracked: dict[str, Any], before: dict[str, Groups]) -> None:
        """Set what begins at another value now than `before`, in optimisers whose state was just loaded."""
        for name, groups in self.first.items():
            for group, now, then in zip(tracked[name].param_groups, groups, before.get(name, ()), strict=False):
                group.update({key: value for key, value in now.items() if key in then and then[key] != value})


def _plain(group: dict[str, Any]) -> dict[str, Any]:
    """The settings of a group, as JSON gives them back."""
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in group.items()
        if key != "params" and isinstance(value, bool | int | float | tuple | list)
    }
