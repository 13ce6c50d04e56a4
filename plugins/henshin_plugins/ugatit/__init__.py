"""U-GAT-IT: unpaired translation with attention and a learned mixture of norms (Kim et al., ICLR 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from henshin import Generator, Recipe, hookimpl
from henshin_plugins.ugatit.config import UGatItConfig, UGatItRecipeConfig

if TYPE_CHECKING:
    from torch import Tensor, nn

    from henshin import Run


class UGatIt(Generator[UGatItConfig]):
    """Encoder, class-activation attention, decoder of residual blocks with adaptive layer-instance norm."""

    name = "ugatit"
    Config = UGatItConfig
    size_multiple = 4

    def build(self) -> nn.Module:
        """Build the network with PyTorch's initial weights, as the authors do."""
        from henshin_plugins.ugatit.network import UGatItGenerator

        c = self.config
        return UGatItGenerator(c.width, c.blocks, None if c.light else c.size, c.nested_variance, c.colour_skip)

    @classmethod
    def recognise(cls, tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        """Return options and our tensors for weights in the layout of the authors' PyTorch code; None for others."""
        if "UpBlock1_1.norm1.rho" not in tensors:
            return None
        from henshin_plugins.ugatit.network import from_published

        return from_published(tensors)


class UGatItRecipe(Recipe[UGatItRecipeConfig]):
    """Two generators and, for each domain, a global and a local discriminator, all with attention."""

    name = "ugatit"
    Config = UGatItRecipeConfig

    def train(self, run: Run) -> None:
        """Train until the run ends."""
        from henshin_plugins.ugatit.recipe import train

        train(self.config, run)


@hookimpl
def henshin_generators() -> list[type[Generator[Any]]]:
    """Return the generator of this plugin."""
    return [UGatIt]


@hookimpl
def henshin_recipes() -> list[type[Recipe[Any]]]:
    """Return the recipe of this plugin."""
    return [UGatItRecipe]
