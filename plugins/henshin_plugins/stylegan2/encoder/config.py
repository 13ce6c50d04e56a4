"""Options of the generator and the recipe `stylegan2-encoder`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from henshin import GeneratorConfig, NetworkChoice, ScheduledConfig, SetData
from henshin.api.recipe import NetworkOption
from henshin.config.options import StartName
from henshin.config.validation import option_error
from henshin_plugins.stylegan2.config import StyleChoice, StyleGan2Config

NAME = "stylegan2-encoder"

Layer = Literal["conv1_2", "conv2_2", "conv3_4", "conv4_4", "conv5_4"]


class StyleGan2EncoderConfig(GeneratorConfig):
    """The StyleGAN2 whose latents are guessed, which is part of the network, and the size of what guesses."""

    synthesis: StyleGan2Config = Field(
        default_factory=lambda: StyleGan2Config.model_validate({}),
        description="The StyleGAN2; a training takes it from its `start`.",
    )
    passes: int = Field(
        5, ge=1, le=32, description="How often the guess is improved, by what the synthesis draws of it; 1: one guess."
    )
    width: int = Field(32, ge=2, le=1024, description="Channels at half the size of the pictures.")
    maximum_width: int = Field(
        192, ge=2, le=4096, description="Channels at any size, at most; each halving doubles them."
    )
    hidden: int = Field(384, ge=1, le=8192, description="Numbers from which all styles are told.")


class EncoderRunConfig(ScheduledConfig):
    """A training on photos, and on pictures drawn from latents that are known; the defaults did well at 64 pixels."""

    renamed: ClassVar[Mapping[str, str]] = {"average": "ema"}

    start: StartName = Field(description="The StyleGAN2: the folder of its run, or a model's .safetensors.")
    generator: StyleChoice | None = Field(
        None, description="The generator of which `start` holds the weights; only for a file that does not say it."
    )
    encoder: Annotated[NetworkChoice, NetworkOption(kind="encoder", scale=None, plain=True)] = Field(
        NetworkChoice(use=NAME), description="The encoder; its `synthesis` is what `start` says."
    )
    data: SetData = Field(description="Photos like those that the StyleGAN2 learned from, of the size that it draws.")
    batch: int = Field(8, ge=1, le=4096, description="Pictures a step.")
    steps: int | None = Field(20_000, ge=1, le=10**9, description="Steps of all passes; null: by `epochs`.")
    learning_rate: float = Field(4e-4, gt=0, le=1, description="Adam's, with betas (0.9, 0.99); it steps every pass.")
    known: float = Field(
        0.25,
        ge=0,
        le=1,
        description="Part of the pictures that is drawn from known latents; 0 soonest comes near to photos, more keeps "
        "guesses nearer to what the model itself draws from.",
    )
    style_weight: float = Field(
        0.1, ge=0, le=1000, description="Of drawn pictures: weight of the squared distance in w+, in deviations."
    )
    mixing: float = Field(0.9, ge=0, le=1, description="Drawn pictures that are of two styles, changed at some layer.")
    alpha: float = Field(
        0.0, ge=0, le=1, description="Of photos: share of the perceptual loss; the rest is MSE's. 0 wants no VGG-19."
    )
    layers: tuple[Layer, ...] = Field(
        ("conv1_2", "conv2_2", "conv3_4"),
        min_length=1,
        description="Layers of VGG-19 by which pictures are compared, each with the same weight.",
    )
    mean_weight: float = Field(
        0.0005, ge=0, le=1000, description="Weight of the squared distance from the mean style, in deviations."
    )
    ema: float = Field(
        0.99, ge=0, lt=1, description="Decay a step of the running average that is exported; 0: the last weights."
    )

    @model_validator(mode="after")
    def _starts_with_its_synthesis(self) -> EncoderRunConfig:
        if "synthesis" in self.encoder.options:
            message = "is not for the run to say; it is what `start` holds"
            raise option_error(("encoder", "synthesis"), self.encoder.options["synthesis"], message)
        return self
