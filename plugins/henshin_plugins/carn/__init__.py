"""CARN: fast, accurate and lightweight super-resolution with a cascading residual network (Ahn et al., ECCV 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from henshin import Generator, Recipe, hookimpl
from henshin_plugins.carn.config import CarnConfig, SuperResolutionRecipeConfig

if TYPE_CHECKING:
    from torch import Tensor, nn

    from henshin import Run


class Carn(Generator[CarnConfig]):
    """Cascading residual network: every block sees all blocks before it; sub-pixel enlargement."""

    name = "carn"
    Config = CarnConfig
    value_range = (0.0, 1.0)
    reach = 21  # entry 1, nine residual blocks of 2, 1 to enlarge, and less than 1 for what comes after it

    @property
    def scale(self) -> int:
        """Of several the first."""
        return self.config.scales[0]

    def build(self) -> nn.Module:
        """The network for all its scales, with PyTorch's initial weights, as the authors have it."""
        from henshin_plugins.carn.network import CarnNetwork

        c = self.config
        return CarnNetwork(c.width, c.group, c.recursive, c.scales)

    def family(self) -> dict[str, dict[str, Any]]:
        """A model for each scale."""
        return {f"-x{scale}": {"scales": (scale,)} for scale in self.config.scales}

    @classmethod
    def recognise(cls, tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        """Options and our tensors for weights in the layout of the authors' PyTorch code; None for others."""
        from henshin_plugins.carn.network import from_published

        return from_published(tensors)


class SuperResolutionRecipe(Recipe[SuperResolutionRecipeConfig]):
    """One network that enlarges, held to the large pictures by L1; of several scales each step trains one."""

    name = "super_resolution"
    Config = SuperResolutionRecipeConfig

    def train(self, run: Run) -> None:
        """Train until the run ends."""
        from henshin_plugins.carn.recipe import train

        train(self.config, run)


@hookimpl
def henshin_generators() -> list[type[Generator[Any]]]:
    """The network of this plugin."""
    return [Carn]


@hookimpl
def henshin_recipes() -> list[type[Recipe[Any]]]:
    """The recipe of this plugin."""
    return [SuperResolutionRecipe]
