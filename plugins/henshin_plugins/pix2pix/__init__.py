"""pix2pix: translation learned from pairs, with a conditional discriminator (Isola et al. 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from henshin import Recipe, hookimpl
from henshin_plugins.pix2pix.config import Pix2PixConfig

if TYPE_CHECKING:
    from henshin import Run


class Pix2Pix(Recipe[Pix2PixConfig]):
    """One generator with an L1 loss to the target of each pair, and a discriminator of pairs."""

    name = "pix2pix"
    Config = Pix2PixConfig

    def train(self, run: Run) -> None:
        """Train until the run ends."""
        from henshin_plugins.pix2pix.recipe import train

        train(self.config, run)


@hookimpl
def henshin_recipes() -> list[type[Recipe[Any]]]:
    """Return the recipe of this plugin."""
    return [Pix2Pix]
