"""DCGAN: a sampler made of convolutions alone (Radford et al. 2016)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from henshin import Generator, Recipe, hookimpl
from henshin_plugins.dcgan.config import DcganConfig, DcganNetworkConfig

if TYPE_CHECKING:
    from torch import nn

    from henshin import Run


class DcganNetwork(Generator[DcganNetworkConfig]):
    """Noise to pictures by transposed convolutions alone; batch norm, tanh at the end."""

    name = "dcgan"
    Config = DcganNetworkConfig
    kind = "sampler"

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """(latent,)."""
        return (self.config.latent,)

    def build(self) -> nn.Module:
        """Build the network with weights from N(0, 0.02)."""
        from henshin_plugins.dcgan.network import DcganGenerator

        c = self.config
        return DcganGenerator(c.latent, c.size, c.width, c.activation, c.extra)


class Dcgan(Recipe[DcganConfig]):
    """A sampler and one discriminator, trained by binary cross-entropy."""

    name = "dcgan"
    Config = DcganConfig

    def train(self, run: Run) -> None:
        """Train until the run ends."""
        from henshin_plugins.dcgan.recipe import train

        train(self.config, run)


@hookimpl
def henshin_generators() -> list[type[Generator[Any]]]:
    """Return the generator of this plugin."""
    return [DcganNetwork]


@hookimpl
def henshin_recipes() -> list[type[Recipe[Any]]]:
    """Return the recipe of this plugin."""
    return [Dcgan]
