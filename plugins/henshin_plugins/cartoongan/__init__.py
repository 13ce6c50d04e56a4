"""CartoonGAN: translation of photos to cartoons with clear edges (Chen, Lai, Liu, CVPR 2018)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from henshin import Generator, Recipe, hookimpl
from henshin_plugins.cartoongan.config import CartoonConfig, CartoonGanConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

    from henshin import Run


class Cartoon(Generator[CartoonConfig]):
    """CartoonGAN's generator; affine instance norm. `henshin import` reads the authors' published weights."""

    name = "cartoongan"
    Config = CartoonConfig
    size_multiple = 4

    def build(self) -> nn.Module:
        """Build the network with weights from N(0, 0.02)."""
        from henshin_plugins.cartoongan.network import CartoonGenerator

        c = self.config
        return CartoonGenerator(c.width, c.blocks, c.upsample, c.output, c.borders, c.epsilon)

    @classmethod
    def recognise(cls, tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        """Return options and our tensors for the authors' layout: conv01_1 ..., in01_1.scale ...; None for others."""
        from henshin_plugins.cartoongan.network import recognised

        return recognised(tensors)


class CartoonGan(Recipe[CartoonGanConfig]):
    """One generator with a VGG-19 content loss, and a discriminator that rejects cartoons without edges."""

    name = "cartoongan"
    Config = CartoonGanConfig

    def train(self, run: Run) -> None:
        """Train until the run ends."""
        from henshin_plugins.cartoongan.recipe import train

        train(self.config, run)


@hookimpl
def henshin_generators() -> list[type[Generator[Any]]]:
    """Return the generator of this plugin."""
    return [Cartoon]


@hookimpl
def henshin_recipes() -> list[type[Recipe[Any]]]:
    """Return the recipe of this plugin."""
    return [CartoonGan]
