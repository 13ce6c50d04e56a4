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
    """The StyleGAN2, which is part of the network, and the size of the encoder."""

    synthesis: StyleGan2Config = Field(
        default_factory=lambda: StyleGan2Config.model_validate({}),
        description="The StyleGAN2; a training takes it from its `start`.",
    )
    passes: int = Field(
        5,
        ge=1,
        le=32,
        description="Passes, each of which improves the guess by comparing its reconstruction; 1: a single guess.",
    )
    width: int = Field(32, ge=2, le=1024, description="Channels at half the size of the pictures.")
    maximum_width: int = Field(
        192, ge=2, le=4096, description="Greatest number of channels; each halving doubles them."
    )
    hidden: int = Field(
        384, ge=1, le=8192, description="Width of the hidden layer from which all styles are predicted."
    )


class EncoderRunConfig(ScheduledConfig):
    """Training on photos, and on generated pictures with known latents; the defaults were chosen at 64 pixels."""

    renamed: ClassVar[Mapping[str, str]] = {"average": "ema"}

    start: StartName = Field(description="The StyleGAN2: the folder of its run, or a model's .safetensors.")
    generator: StyleChoice | None = Field(
        None, description="The generator of the weights in `start`; only for a file that does not name it."
    )
    encoder: Annotated[NetworkChoice, NetworkOption(kind="encoder", scale=None, plain=True)] = Field(
        NetworkChoice(use=NAME), description="The encoder; its `synthesis` is that of `start`."
    )
    data: SetData = Field(description="Photos like those of the StyleGAN2's training, of its size.")
    batch: int = Field(8, ge=1, le=4096, description="Pictures in a step.")
    steps: int | None = Field(
        20_000, ge=1, le=10**9, description="Steps of training, each of all passes; null: by `epochs`."
    )
    learning_rate: float = Field(
        4e-4, gt=0, le=1, description="Adam's learning rate, with betas (0.9, 0.99); one step in every pass."
    )
    known: float = Field(
        0.25,
        ge=0,
        le=1,
        description="Share of generated pictures with known latents; 0 is the fastest for photos, more keeps guesses "
        "nearer to the model's own latents.",
    )
    style_weight: float = Field(
        0.1,
        ge=0,
        le=1000,
        description="Weight of the squared distance in w+ for generated pictures, in standard deviations.",
    )
    mixing: float = Field(
        0.9, ge=0, le=1, description="Share of generated pictures with two styles, switched at a random layer."
    )
    alpha: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Weight of the perceptual loss for photos; that of MSE is 1 minus this. 0 needs no VGG-19.",
    )
    layers: tuple[Layer, ...] = Field(
        ("conv1_2", "conv2_2", "conv3_4"),
        min_length=1,
        description="Layers of VGG-19 for the perceptual loss, with equal weights.",
    )
    mean_weight: float = Field(
        0.0005, ge=0, le=1000, description="Weight of the squared distance from the mean style, in standard deviations."
    )
    ema: float = Field(
        0.99, ge=0, lt=1, description="Decay of the exported moving average of the weights; 0: the last weights."
    )

    @model_validator(mode="after")
    def _check_no_synthesis(self) -> EncoderRunConfig:
        if "synthesis" in self.encoder.options:
            message = "is not for the run to say; it is what `start` holds"
            raise option_error(("encoder", "synthesis"), self.encoder.options["synthesis"], message)
        return self
