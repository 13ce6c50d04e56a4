"""StyleGAN2: a sampler with a style for every layer (Karras et al. 2019, 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from henshin import Generator, Recipe, hookimpl
from henshin_plugins.stylegan2.config import FreezeConfig, StyleGan2Config, StyleGan2RunConfig

if TYPE_CHECKING:
    from torch import Tensor, nn

    from henshin import Run


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
        """Build both networks as one, `mapping` and `synthesis`, with fresh weights."""
        from henshin_plugins.stylegan2.network import MappingNetwork, StyleGan2Network, SynthesisNetwork, widths

        c = self.config
        channels = widths(c.size, c.width, c.maximum_width)
        return StyleGan2Network(
            MappingNetwork(c.latent, c.mapping_layers),
            SynthesisNetwork(c.size, c.latent, channels, c.form, still=c.noise),
        )

    def parts(self, network: nn.Module | None = None) -> dict[str, nn.Module]:
        """Return the mapping, its w repeated for every layer, and the synthesis."""
        from henshin_plugins.stylegan2.network import BroadcastMapping

        whole: Any = network if network is not None else self.build()
        return {
            "mapping": BroadcastMapping(whole.mapping, whole.synthesis.latent_shape[0]),
            "synthesis": whole.synthesis,
        }

    def blocks(self) -> tuple[tuple[str, ...], ...]:
        """Return the blocks of the synthesis, from 4 pixels up; the constant belongs to the first."""
        count = self.config.size.bit_length() - 2
        return tuple((f"synthesis.blocks.{i}.", *(["synthesis.constant"] if i == 0 else [])) for i in range(count))

    @classmethod
    def recognise(cls, tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        """Return options and our tensors for weights in the common PyTorch layout; None for others."""
        from henshin_plugins.stylegan2.network import from_published

        return from_published(tensors)


@hookimpl
def henshin_generators() -> list[type[Generator[Any]]]:
    """Return the generators of this plugin."""
    from henshin_plugins.stylegan2.encoder import StyleGan2Encoder  # its options contain those above

    return [StyleGan2, StyleGan2Encoder]


@hookimpl
def henshin_recipes() -> list[type[Recipe[Any]]]:
    """Return the recipes of this plugin."""
    from henshin_plugins.stylegan2.encoder import StyleGan2EncoderRecipe

    return [StyleGan2Recipe, StyleGan2FreezeRecipe, StyleGan2EncoderRecipe]


class StyleGan2Recipe(Recipe[StyleGan2RunConfig]):
    """A style-based sampler and one discriminator, with lazy R1, path lengths and adaptive augmentation."""

    name = "stylegan2"
    Config = StyleGan2RunConfig

    def train(self, run: Run) -> None:
        """Train until the run ends."""
        from henshin_plugins.stylegan2.recipe import train

        train(self.config, run)


class StyleGan2FreezeRecipe(Recipe[FreezeConfig]):
    """Fine-tuning of the final blocks of a trained style-based sampler on other pictures."""

    name = "stylegan2-freeze"
    Config = FreezeConfig

    def train(self, run: Run) -> None:
        """Train until the run ends."""
        from henshin_plugins.stylegan2.recipe import tune

        tune(self.config, run)
