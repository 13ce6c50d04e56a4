"""An encoder for a StyleGAN2: prediction of the w+ of a picture in a few passes (Alaluf et al. 2021)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from henshin import Generator, Recipe
from henshin_plugins.stylegan2.encoder.config import NAME, EncoderRunConfig, StyleGan2EncoderConfig

if TYPE_CHECKING:
    from torch import nn

    from henshin import Run


class StyleGan2Encoder(Generator[StyleGan2EncoderConfig]):
    """Square pictures to the w+ (layers, D) with which a StyleGAN2 reproduces them; contains the synthesis."""

    name = NAME
    Config = StyleGan2EncoderConfig
    kind = "encoder"

    @property
    def maximum_size(self) -> int:
        """The side of the StyleGAN2's pictures, the only possible one."""
        return self.config.synthesis.size

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """(layers, D)."""
        g = self.config.synthesis
        return 2 * (g.size.bit_length() - 2), g.latent

    def build(self) -> nn.Module:
        """Build the encoder and its synthesis with fresh weights."""
        from henshin_plugins.stylegan2.encoder.network import Encoder, side_widths
        from henshin_plugins.stylegan2.network import SynthesisNetwork, widths

        c, g = self.config, self.config.synthesis
        synthesis = SynthesisNetwork(g.size, g.latent, widths(g.size, g.width, g.maximum_width), g.form, still=g.noise)
        return Encoder(synthesis, side_widths(g.size, c.width, c.maximum_width), c.hidden, c.passes)


class StyleGan2EncoderRecipe(Recipe[EncoderRunConfig]):
    """Training of the encoder of a trained StyleGAN2, which is frozen."""

    name = NAME
    Config = EncoderRunConfig

    def train(self, run: Run) -> None:
        """Train until the run ends."""
        from henshin_plugins.stylegan2.encoder.recipe import train

        train(self.config, run)
