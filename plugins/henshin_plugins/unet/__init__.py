"""The U-Net generator: encoder and decoder with skip connections (Isola et al. 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from henshin import Generator, hookimpl
from henshin_plugins.unet.config import UNetConfig

if TYPE_CHECKING:
    from torch import Tensor, nn


class UNet(Generator[UNetConfig]):
    """Encoder and decoder with skip connections at every resolution; tanh."""

    name = "unet"
    Config = UNetConfig

    @property
    def size_multiple(self) -> int:
        """Two to the number of halvings."""
        return int(2**self.config.downs)

    def build(self) -> nn.Module:
        """Build the network with weights from N(0, 0.02)."""
        from henshin_plugins.unet.network import UNetGenerator

        c = self.config
        return UNetGenerator(c.width, c.downs, c.norm, c.dropout, c.upsample, c.colour_skip)

    @classmethod
    def recognise(cls, tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        """Return options and our tensors for weights in the layout of the authors' PyTorch code; None for others."""
        if not any(name.endswith("model.model.0.weight") for name in tensors):
            return None
        from henshin_plugins.unet.network import from_published

        return from_published(tensors)


@hookimpl
def henshin_generators() -> list[type[Generator[Any]]]:
    """Return the generator of this plugin."""
    return [UNet]
