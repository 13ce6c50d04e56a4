"""Options of the generator and the recipe `cartoongan`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from henshin import EvaluatedConfig, GeneratorConfig, NetworkChoice, ScheduledConfig, UnpairedData
from henshin.config.options import Names, all_names


class CartoonConfig(GeneratorConfig):
    """The paper's network: 11.130 M parameters at width 64 with 8 blocks."""

    width: int = Field(64, ge=4, le=256, description="Channels of the first layer; each of two halvings doubles them.")
    blocks: int = Field(8, ge=1, le=32, description="Residual blocks.")
    upsample: Literal["transposed", "resize"] = Field(
        "transposed",
        description="The paper's transposed convolution, or nearest resize + convolution (no checkerboard).",
    )
    output: Literal["tanh", "linear"] = Field("tanh", description="Activation after the last convolution.")
    borders: Literal["reflect", "zeros"] = Field(
        "reflect",
        description="Padding of halvings and doublings at a picture's border; the authors' networks: zeros.",
    )
    epsilon: float = Field(
        1e-5, gt=0, le=1e-2, description="Added to the variance in instance norm; the authors' networks: 1e-9."
    )


# fmt: off
Layer = Literal[
    "conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3", "conv3_4",
    "conv4_1", "conv4_2", "conv4_3", "conv4_4", "conv5_1", "conv5_2", "conv5_3", "conv5_4",
]
"""The convolutions of VGG-19."""

# fmt: on


class Smoothing(BaseModel):
    """Options of the stage `edge_promote`; those left out have its defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    low: float | None = Field(default=None, ge=0, le=2040, description="Canny: a weaker gradient is no edge.")
    high: float | None = Field(default=None, ge=0, le=2040, description="Canny: a stronger gradient starts an edge.")
    dilate: int | None = Field(default=None, ge=1, le=63, description="Side of the square by which edges are widened.")
    kernel: int | None = Field(default=None, ge=3, le=63, description="Side of the Gaussian kernel in pixels, odd.")
    sigma: float | None = Field(default=None, gt=0, le=30, description="Standard deviation of the Gaussian in pixels.")


class CartoonGanConfig(EvaluatedConfig, ScheduledConfig):
    """Defaults are the paper's, where it states them."""

    renamed: ClassVar[Mapping[str, str]] = {
        "judge_width": "discriminator_width",
        "judge_norm": "discriminator_norm",
        "judge_rate": "discriminator_rate",
        "average": "ema",
    }

    generator: NetworkChoice = Field(NetworkChoice(use="cartoongan"), description="The translator.")
    data: UnpairedData = Field(description="Photos (a) and cartoons (b), and their size.")
    decay: float = Field(
        0.0, ge=0, le=1, description="Last part of the training, over which the learning rate falls to zero."
    )
    initialise_epochs: int = Field(
        10,
        ge=0,
        le=1_000_000,
        description="Initialisation phase: first epochs, in which the generator learns from the content loss alone.",
    )
    initialise_steps: int | None = Field(
        None, ge=0, le=10**9, description="Initialisation phase in steps, in place of `initialise_epochs`."
    )
    pixel_weight: float = Field(
        0.0,
        ge=0,
        le=1e4,
        description="Weight of the L1 loss on pixels, for colours, in the initialisation phase; not in the paper.",
    )
    gan: Literal["vanilla", "lsgan", "hinge"] = Field("vanilla", description="Adversarial loss; vanilla is BCE.")
    content_weight: float = Field(
        10.0,
        ge=0,
        le=1e4,
        description="Weight of the content loss, on features of pictures in [0, 1], relative to an adversarial weight "
        "of 1.",
    )
    content_layer: Layer = Field("conv4_4", description="Layer of VGG-19 for the content loss.")
    style_weight: float = Field(
        0.0,
        ge=0,
        le=1e6,
        description="Weight of the style loss, Gram matrices of features on 0 to 255; not in the paper.",
    )
    style_layers: tuple[Layer, ...] | None = Field(
        None,
        min_length=1,
        max_length=16,
        description="Layers of VGG-19 for the style loss, such as [conv1_1, conv2_1, conv3_1, conv4_1] "
        "(Gatys et al. 2016); without it, `content_layer`.",
    )
    colour_weight: float = Field(
        0.0,
        ge=0,
        le=1e4,
        description="Weight of the colour reconstruction loss after the initialisation phase, for the photo's colours "
        "(AnimeGAN: Chen et al. 2020); not in the paper.",
    )
    smooth_weight: float = Field(
        1.0,
        ge=0,
        le=1e4,
        description="Weight of edge-smoothed cartoons in the discriminator's loss; 0 leaves them out.",
    )
    smooth: Smoothing = Field(Smoothing(), description="Options of the edge smoothing.")
    smooth_at: Literal["start", "draw"] = Field(
        "start",
        description="Time of the edge smoothing: of all cartoons at the start, which doubles their memory; or of each "
        "batch when it is loaded, on the training's device.",
    )
    discriminator: Names[Literal["patch", "projected"]] = Field(
        "patch",
        description="Types of discriminators: patch, the paper's; projected, on features of EfficientNet-Lite0, always "
        "with the hinge loss (Sauer et al. 2021).",
    )
    discriminator_width: int = Field(32, ge=8, le=256, description="Channels of the discriminator's first layer.")
    discriminator_norm: Literal["instance", "spectral", "none"] = Field(
        "instance", description="Norm in the discriminator."
    )
    discriminator_rate: float = Field(
        1.0, gt=0, le=100, description="Ratio of the discriminator's learning rate to the generator's."
    )
    augment: tuple[Literal["colour", "translation", "cutout"], ...] = Field(
        (), description="Differentiable augmentation of the discriminator's pictures, for small data (paper: none)."
    )
    ema: float = Field(
        0.0, ge=0, lt=1, description="Decay of the exported moving average of the weights; 0: the last weights."
    )

    @property
    def discriminators(self) -> tuple[str, ...]:
        """Names of the discriminators."""
        return all_names(self.discriminator)

    @property
    def gram_layers(self) -> tuple[Layer, ...]:
        """Layers for the style loss."""
        return self.style_layers or (self.content_layer,)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """All layers of VGG-19 that are used, each once."""
        return tuple(dict.fromkeys((self.content_layer, *(self.gram_layers if self.style_weight else ()))))

    def initialisation_steps(self, pictures: int) -> int:
        """Return the steps of the initialisation phase."""
        if self.initialise_steps is not None:
            return self.initialise_steps
        return self.initialise_epochs * self.epoch(pictures)
