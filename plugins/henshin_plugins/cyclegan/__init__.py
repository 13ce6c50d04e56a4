"""CycleGAN: unpaired image-to-image translation with cycle consistency (Zhu et al. 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from henshin import Generator, Recipe, hookimpl
from henshin_plugins.cyclegan.config import CycleGanConfig, ResNetConfig

if TYPE_CHECKING:
    from torch import Tensor, nn

    from henshin import Run
    from henshin.api.generator import Reach


class ResNet(Generator[ResNetConfig]):
    """CycleGAN's residual generator; instance norm or none, reflection padding, tanh."""

    name = "resnet"
    Config = ResNetConfig

    @property
    def size_multiple(self) -> int:
        """Two to the number of halvings."""
        return int(2**self.config.downs)

    @property
    def reach(self) -> Reach:
        """That of the convolutions; "global" with instance norm or a colour skip, which see the whole picture."""
        c = self.config
        return "global" if c.norm == "instance" or c.colour_skip else c.reach

    def build(self) -> nn.Module:
        """Build the network with weights from N(0, 0.02); without norm, by He et al. 2015."""
        from henshin_plugins.cyclegan.network import ResNetGenerator

        c = self.config
        return ResNetGenerator(
            c.width, c.blocks, c.downs, c.upsample, c.colour_skip, c.strided_padding, c.norm, c.photo_skip
        )

    @classmethod
    def recognise(cls, tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        """Return options and our tensors for weights in the layout of the authors' PyTorch code; None for others."""
        if not any(".conv_block." in name for name in tensors):
            return None
        from henshin_plugins.cyclegan.network import from_published

        return from_published(tensors)


class CycleGan(Recipe[CycleGanConfig]):
    """Two generators and two discriminators, with cycle consistency."""

    name = "cyclegan"
    Config = CycleGanConfig

    def train(self, run: Run) -> None:
        """Train until the run ends."""
        from henshin_plugins.cyclegan.recipe import train

        train(self.config, run)


@hookimpl
def henshin_generators() -> list[type[Generator[Any]]]:
    """Return the generator of this plugin."""
    return [ResNet]


@hookimpl
def henshin_recipes() -> list[type[Recipe[Any]]]:
    """Return the recipe of this plugin."""
    return [CycleGan]
