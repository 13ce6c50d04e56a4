"""StyleGAN2: pictures drawn from noise by way of a style for every layer (Karras et al. 2019, 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from henshin import Generator, GeneratorConfig, Recipe, hookimpl
from henshin_plugins.stylegan2.config import StyleGan2FreezeRecipe, StyleGan2Recipe

if TYPE_CHECKING:
    from torch import Tensor, nn


class StyleGan2Config(GeneratorConfig):
    """Defaults are the paper's networks at 256 pixels, of 512 channels up to 64 pixels, then 256 and 128."""

    size: Literal[8, 16, 32, 64, 128, 256, 512, 1024] = Field(256, description="Side of the pictures, pixels.")
    latent: int = Field(512, ge=1, le=4096, description="Numbers of noise that one picture is drawn from; those of w.")
    mapping_layers: int = Field(8, ge=1, le=32, description="Layers from noise z to style w.")
    width: int = Field(
        512, ge=1, le=4096, description="Channels at 64 pixels; each doubling halves them, each halving doubles them."
    )
    maximum_width: int = Field(512, ge=1, le=4096, description="Channels at any size, at most.")
    form: Literal["stylegan2", "adain"] = Field(
        "stylegan2", description="adain: the first StyleGAN's, which normalises activations in place of weights."
    )
    noise: Literal["fixed", "none"] = Field(
        "fixed", description="What the layers' noise is outside of training: one that is part of the weights, or none."
    )


class StyleGan2(Generator[StyleGan2Config]):
    """Noise z to style w by a mapping, style to picture by a synthesis; two models, NAME-mapping and NAME-synthesis."""

    name = "stylegan2"
    Config = StyleGan2Config
    kind = "sampler"

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """(latent,)."""
        return (self.config.latent,)

    def build(self) -> nn.Module:
        """Both networks as one, `mapping` and `synthesis`, with fresh weights."""
        from henshin_plugins.stylegan2.network import Mapping, StyleGan2, Synthesis, widths

        c = self.config
        channels = widths(c.size, c.width, c.maximum_width)
        return StyleGan2(
            Mapping(c.latent, c.mapping_layers), Synthesis(c.size, c.latent, channels, c.form, still=c.noise)
        )

    def parts(self, network: nn.Module | None = None) -> dict[str, nn.Module]:
        """The mapping, its w repeated for every layer, and the synthesis."""
        from henshin_plugins.stylegan2.network import Broad

        whole: Any = network if network is not None else self.build()
        return {"mapping": Broad(whole.mapping, whole.synthesis.latent_shape[0]), "synthesis": whole.synthesis}

    def blocks(self) -> tuple[tuple[str, ...], ...]:
        """Everything of the synthesis, from 4 pixels up; the constant belongs to the first block."""
        count = self.config.size.bit_length() - 2
        return tuple((f"synthesis.blocks.{i}.", *(["synthesis.constant"] if i == 0 else [])) for i in range(count))

    @classmethod
    def recognise(cls, tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        """Options and our tensors for weights in the common PyTorch layout; None for others."""
        from henshin_plugins.stylegan2.network import from_published

        return from_published(tensors)


@hookimpl
def henshin_generators() -> list[type[Generator[Any]]]:
    """The networks of this plugin."""
    from henshin_plugins.stylegan2.encoder import StyleGan2Encoder  # its options hold those above

    return [StyleGan2, StyleGan2Encoder]


@hookimpl
def henshin_recipes() -> list[type[Recipe[Any]]]:
    """The recipes of this plugin."""
    from henshin_plugins.stylegan2.encoder import StyleGan2EncoderRecipe

    return [StyleGan2Recipe, StyleGan2FreezeRecipe, StyleGan2EncoderRecipe]
