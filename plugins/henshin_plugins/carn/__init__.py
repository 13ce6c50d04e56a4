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
    """Cascading residual network: every block sees the outputs of all before it; sub-pixel upsampling."""

    name = "carn"
    Config = CarnConfig
    value_range = (0.0, 1.0)
    reach = 21  # entry 1, nine residual blocks of 2, upsampling 1, and less than 1 for the layers after it

    @property
    def scale(self) -> int:
        """The first of its scales."""
        return self.config.scales[0]

    def build(self) -> nn.Module:
        """Build the network for all its scales, with PyTorch's initial weights, as the authors do."""
        from henshin_plugins.carn.network import CarnNetwork

        c = self.config
        return CarnNetwork(c.width, c.group, c.recursive, c.scales)

    def family(self) -> dict[str, dict[str, Any]]:
        """Return a model for each scale."""
        return {f"-x{scale}": {"scales": (scale,)} for scale in self.config.scales}

    @classmethod
    def recognise(cls, tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        """Return options and our tensors for weights in the layout of the authors' PyTorch code; None for others."""
        from henshin_plugins.carn.network import from_published

        return from_published(tensors)


class SuperResolutionRecipe(Recipe[SuperResolutionRecipeConfig]):
    """One super-resolution network, trained by L1; each step trains one of its scales."""

    name = "super_resolution"
    Config = SuperResolutionRecipeConfig

    def train(self, run: Run) -> None:
        """Train until the run ends."""
        from henshin_plugins.carn.recipe import train

        train(self.config, run)


@hookimpl
def henshin_generators() -> list[type[Generator[Any]]]:
    """Return the generator of this plugin."""
    return [Carn]


@hookimpl
def henshin_recipes() -> list[type[Recipe[Any]]]:
    """Return the recipe of this plugin."""
    return [SuperResolutionRecipe]
