"""Options of the generator `resnet` and of the recipe `cyclegan`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from henshin import EvaluatedConfig, GeneratorConfig, NetworkChoice, ScheduledConfig, UnpairedData
from henshin.config.options import Names, all_names


class ResNetConfig(GeneratorConfig):
    """The residual generator: 11.378 M parameters with 9 blocks at width 64."""

    width: int = Field(64, ge=4, le=256, description="Channels of the first layer; each halving doubles them.")
    blocks: int = Field(9, ge=1, le=32, description="Residual blocks.")
    downs: int = Field(2, ge=1, le=4, description="Halvings before, and doublings after, the residual blocks.")
    upsample: Literal["transposed", "resize"] = Field(
        "transposed",
        description="The paper's transposed convolution, or nearest resize + convolution (no checkerboard).",
    )
    strided_padding: Literal["zeros", "reflect"] = Field(
        "zeros",
        description="Padding of the strided convolutions: the paper's zeros, or reflection, by which the network knows "
        "less of a feature's place in the picture.",
    )
    colour_skip: int = Field(
        0,
        ge=0,
        le=64,
        description="Cells along each side into which the photo's broad colours are averaged; they are added before "
        "the tanh, for instance norm removes them; 0: none.",
    )
    photo_skip: bool = Field(
        False,
        description="Add the photo itself before the tanh, so that the network starts from it and learns what to "
        "change; in place of `colour_skip`.",
    )
    norm: Literal["instance", "none"] = Field(
        "instance",
        description="Norm after convolutions: the paper's, or none. Without norm, and without `colour_skip`, a pixel "
        "depends on a neighbourhood alone: large photos are drawn in tiles without seams, and the network sees "
        "colours and contrast.",
    )

    @property
    def reach(self) -> int:
        """Pixels of the input that an output pixel depends on, to each side, by the convolutions alone.

        The interval of pixels is followed from the output back to the input, for each place in the coarsest grid.
        """
        farthest = 0
        for place in range(2**self.downs):
            low, high = place - 3, place + 3  # the last 7x7
            for _ in range(self.downs):
                if self.upsample == "resize":
                    low, high = (low - 1) // 2, (high + 1) // 2
                else:
                    low, high = low // 2, (high + 1) // 2
            low, high = low - 2 * self.blocks, high + 2 * self.blocks
            for _ in range(self.downs):
                low, high = 2 * low - 1, 2 * high + 1
            farthest = max(farthest, place - low + 3, high + 3 - place)  # the first 7x7
        return farthest

    @model_validator(mode="after")
    def _check_skips(self) -> ResNetConfig:
        if self.photo_skip and self.colour_skip:
            raise ValueError("photo_skip brings all colours of the photo: set colour_skip to 0")
        return self


class CycleGanConfig(EvaluatedConfig, ScheduledConfig):
    """Defaults are the paper's; an epoch goes through the larger of the two sets."""

    renamed: ClassVar[Mapping[str, str]] = {
        "judge": "discriminator",
        "judge_width": "discriminator_width",
        "judge_layers": "discriminator_layers",
        "judge_norm": "discriminator_norm",
        "judge_rate": "discriminator_rate",
        "average": "ema",
    }

    generator: NetworkChoice = Field(
        NetworkChoice(use="resnet"), description="The translator; one is built for each direction."
    )
    data: UnpairedData = Field(description="The two sets of pictures, and their size.")
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], ...] = Field(
        (0.5, 0.999), min_length=2, max_length=2, description="Adam's betas."
    )
    gan: Literal["lsgan", "hinge", "vanilla"] = Field("lsgan", description="Adversarial loss.")
    cycle_weight: float = Field(
        10.0, ge=0, le=1e4, description="Weight of the cycle loss, relative to an adversarial weight of 1."
    )
    cycle_weight_b: float | None = Field(
        None,
        ge=0,
        le=1e4,
        description="Weight of the cycle b -> a -> b, if it differs; `cycle_weight` is then that of a -> b -> a.",
    )
    identity_weight: float = Field(5.0, ge=0, le=1e4, description="Weight of the identity loss; 0 leaves it out.")
    identity_weight_b: float | None = Field(
        None,
        ge=0,
        le=1e4,
        description="Weight of the identity loss on pictures of b, if it differs; `identity_weight` is then that of a.",
    )
    landmark_weight: float = Field(
        0.0,
        ge=0,
        le=1e4,
        description="Weight of the face landmark loss between photo and drawing; its detector was trained on photos.",
    )
    pool: int = Field(100, ge=0, le=100_000, description="Earlier drawings that are shown to the discriminators again.")
    pretrain: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="First steps, in which the discriminators alone learn, from an untrained generator.",
    )
    discriminator: Names[Literal["patch", "plain", "projected"]] = Field(
        "patch",
        description="Types of discriminators: patch, of overlapping patches; plain, of whole pictures (four 3x3 "
        "layers, one linear); projected, on features of EfficientNet-Lite0, always with the hinge loss (Sauer et al. "
        "2021).",
    )
    discriminator_width: int = Field(64, ge=4, le=256, description="Channels of a discriminator's first layer.")
    discriminator_layers: int = Field(
        3, ge=1, le=5, description="Strided layers of a patch discriminator; the receptive field of 3 is 70x70 pixels."
    )
    discriminator_norm: Literal["instance", "spectral", "none"] = Field(
        "instance", description="Norm in the discriminators."
    )
    discriminator_rate: float = Field(
        1.0, gt=0, le=100, description="Ratio of the discriminators' learning rate to the generators' (paper: 1)."
    )
    augment: tuple[Literal["colour", "translation", "cutout"], ...] = Field(
        (), description="Differentiable augmentation of the discriminators' pictures, for small data (paper: none)."
    )
    ema: float = Field(
        0.0, ge=0, lt=1, description="Decay of the exported moving average of the weights; 0: the last weights."
    )

    @property
    def discriminators(self) -> tuple[Literal["patch", "plain", "projected"], ...]:
        """Names of the discriminators of a domain."""
        return all_names(self.discriminator)

    @property
    def cycle_weights(self) -> tuple[float, float]:
        """Weights of a -> b -> a and of b -> a -> b."""
        other = self.cycle_weight if self.cycle_weight_b is None else self.cycle_weight_b
        return self.cycle_weight, other

    @property
    def identity_weights(self) -> tuple[float, float]:
        """Weights of pictures of a and of pictures of b."""
        other = self.identity_weight if self.identity_weight_b is None else self.identity_weight_b
        return self.identity_weight, other

    @model_validator(mode="after")
    def _check_picture_size(self) -> CycleGanConfig:
        smallest = 3 * 2**self.discriminator_layers
        if "patch" in self.discriminators and self.data.size < smallest:
            raise ValueError(
                f"discriminators of {self.discriminator_layers} "
                f"strided layers need pictures of {smallest} px at least, not "
                f"{self.data.size}; lower discriminator_layers"
            )
        return self
