"""The settings of optimisers: a checkpoint brings back their state, but not what the user has changed since."""

from __future__ import annotations

from typing import Any

Groups = list[dict[str, Any]]


class Settings:
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
