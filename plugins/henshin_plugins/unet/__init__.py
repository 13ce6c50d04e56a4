"""The U-Net generator: what a picture loses on its way down, skip connections carry across (Isola et al. 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from henshin import Generator, GeneratorConfig, hookimpl

if TYPE_CHECKING:
    from torch import Tensor, nn


class UNetConfig(GeneratorConfig):
    """Defaults are the paper's for 256 px: 54.414 M parameters; use fewer `downs` for smaller pictures."""

    width: int = Field(64, ge=4, le=256, description="Channels of the first layer; they double up to 8 times as many.")
    downs: int = Field(
        8, ge=2, le=10, description="Halvings, and as many doublings: 8 take 256 px down to 1x1. Sizes are multiples."
    )
    norm: Literal["instance", "batch"] = Field(
        "instance", description="Norm after all layers but the first, the innermost, which may be 1x1, and the last."
    )
    dropout: float = Field(
        0.0, ge=0, lt=1, description="Share dropped after the first three upward layers while training (pix2pix: 0.5)."
    )
    upsample: Literal["transposed", "resize"] = Field(
        "transposed", description="The paper's transposed convolution, or nearest resize + convolution (no chequers)."
    )


class UNet(Generator[UNetConfig]):
    """Encoder and decoder with skip connections at every resolution; tanh."""

    name = "unet"
    Config = UNetConfig

    @property
    def size_multiple(self) -> int:
        """Each halving must come out even."""
        return int(2**self.config.downs)

    def build(self) -> nn.Module:
        """The network with weights from N(0, 0.02)."""
        from henshin_plugins.unet.network import UNetGenerator

        c = self.config
        return UNetGenerator(c.width, c.downs, c.norm, c.dropout, c.upsample)

    @classmethod
    def recognise(cls, tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        """Options and our tensors for weights in the layout of the authors' PyTorch code; None for others."""
        if not any(name.endswith("model.model.0.weight") for name in tensors):
            return None
        from henshin_plugins.unet.network import from_published

        return from_published(tensors)


@hookimpl
def henshin_generators() -> list[type[Generator[Any]]]:
    """The network of this plugin."""
    return [UNet]
