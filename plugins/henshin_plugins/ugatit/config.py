"""Options of the generator and the recipe `ugatit`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from henshin import EvaluatedConfig, GeneratorConfig, NetworkChoice, ScheduledConfig, UnpairedData
from henshin.api.recipe import NetworkOption
from henshin.config.options import Names, all_names


class UGatItConfig(GeneratorConfig):
    """The paper's generator at width 64; the light one computes AdaLIN's scales from pooled features."""

    width: int = Field(64, ge=4, le=256, description="Channels of the first layer; each halving doubles them.")
    blocks: int = Field(4, ge=1, le=16, description="Residual blocks before the attention, and as many after it.")
    light: bool = Field(
        True,
        description="AdaLIN's scales from pooled features; false: from all features at all positions, many times "
        "larger.",
    )
    size: int = Field(
        256,
        ge=32,
        le=1024,
        multiple_of=4,
        description="Side of the training pictures, pixels; used by the large network only.",
    )
    nested_variance: bool = Field(
        False,
        description="Norm by the variance of variances, as in the authors' PyTorch code; for weights trained with it.",
    )
    colour_skip: int = Field(
        0,
        ge=0,
        le=64,
        description="Cells along each side into which the photo's broad colours are averaged; they are added before "
        "the tanh, for instance norm removes them; 0: none.",
    )


class UGatItRecipeConfig(EvaluatedConfig, ScheduledConfig):
    """Defaults are the paper's: a million steps over its 3,400 selfies."""

    renamed: ClassVar[Mapping[str, str]] = {
        "judge_width": "discriminator_width",
        "judge_layers": "discriminator_layers",
        "average": "ema",
    }

    generator: Annotated[NetworkChoice, NetworkOption(plain=True)] = Field(
        NetworkChoice(use="ugatit"), description="The translator, one for each direction, with attention."
    )
    data: UnpairedData = Field(description="The two sets of pictures, and their size.")
    epochs: int = Field(300, ge=1, le=1_000_000, description="Passes over the training pictures.")
    learning_rate: float = Field(1e-4, gt=0, le=1, description="Adam's learning rate, with betas (0.5, 0.999).")
    weight_decay: float = Field(1e-4, ge=0, le=1, description="Adam's L2 penalty.")
    cycle_weight: float = Field(
        10.0, ge=0, le=1_000_000, description="Weight of the cycle loss, relative to an adversarial weight of 1."
    )
    identity_weight: float = Field(10.0, ge=0, le=1_000_000, description="Weight of the identity loss.")
    attention_weight: float = Field(
        1000.0,
        ge=0,
        le=1_000_000,
        description="Weight of the loss by which the generators' attention learns to distinguish the domains.",
    )
    discriminator: Names[Literal["patch", "projected"]] = Field(
        "patch",
        description="Types of discriminators: patch, the paper's, with attention; projected, on features of "
        "EfficientNet-Lite0, always with the hinge loss (Sauer et al. 2021).",
    )
    discriminator_width: int = Field(64, ge=4, le=512, description="Channels of a discriminator's first layer.")
    discriminator_layers: tuple[Annotated[int, Field(ge=3, le=8)], ...] = Field(
        (7, 5), min_length=1, description="Layers of each discriminator of a domain: the global and the local one."
    )
    augment: tuple[Literal["colour", "translation", "cutout"], ...] = Field(
        (), description="Differentiable augmentation of the discriminators' pictures, for small data (paper: none)."
    )
    ema: float = Field(
        0.0, ge=0, lt=1, description="Decay of the exported moving average of the weights; 0: the last weights."
    )

    @property
    def discriminators(self) -> tuple[str, ...]:
        """Names of the discriminators of a domain."""
        return all_names(self.discriminator)

    @model_validator(mode="after")
    def _check_picture_size(self) -> UGatItRecipeConfig:
        layers = max(self.discriminator_layers)
        smallest = 3 * 2 ** (layers - 2)
        if "patch" in self.discriminators and self.data.size < smallest:
            raise ValueError(
                f"a discriminator of {layers} layers needs pictures of {smallest} px at least, not {self.data.size}; "
                "lower discriminator_layers or raise data.size"
            )
        return self
