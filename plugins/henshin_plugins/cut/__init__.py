"""CUT: contrastive unpaired translation (Park et al. 2020): one generator, one direction, no cycle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from henshin import Recipe, hookimpl
from henshin_plugins.cut.config import CutConfig

if TYPE_CHECKING:
    from henshin import Run


class Cut(Recipe[CutConfig]):
    """Contrastive unpaired translation with PatchNCE on the encoder's own features."""

    name = "cut"
    Config = CutConfig

    def train(self, run: Run) -> None:
        """Train until the run ends."""
        from henshin_plugins.cut.recipe import train

        train(self.config, run)


@hookimpl
def henshin_recipes() -> list[type[Recipe[Any]]]:
    """Return the recipe of this plugin."""
    return [Cut]
