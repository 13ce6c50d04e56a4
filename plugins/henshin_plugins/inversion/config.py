"""Options of the stage `inversion`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from henshin import StageConfig
from henshin.config.options import ModelOption

Layer = Literal[
    "conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3", "conv3_4", "conv4_1", "conv4_2",
    "conv4_3", "conv4_4", "conv5_1", "conv5_2", "conv5_3", "conv5_4",
]  # fmt: skip


class InversionConfig(StageConfig):
    """Which model, in which space, for how long, and what counts as alike."""

    model: Annotated[str, ModelOption(kind="sampler", trained=True)] = Field(
        description="A StyleGAN2: NAME of NAME-mapping and NAME-synthesis, with NAME.safetensors beside them; or the "
        "path of such a file, or of a training run's folder."
    )
    space: Literal["z", "w", "w+"] = Field(
        default="w+", description="What is sought: noise, one style for all layers, or a style for each layer."
    )
    steps: int = Field(
        default=300, ge=0, le=100_000, description="Steps of Adam, at most; with 0 the encoder's guess is the result."
    )
    learning_rate: float = Field(default=0.1, gt=0, le=10, description="Adam's, at its highest.")
    beta1: float = Field(default=0.8, ge=0, lt=1, description="Adam's memory of slopes.")
    beta2: float = Field(default=0.9, ge=0, lt=1, description="Adam's memory of how large they are.")
    turned: bool = Field(
        default=True,
        description="Go along the directions in which the model's pictures change, measured once and kept in the "
        "cache, and not along the single numbers of w or w+: as near in half of the steps.",
    )
    ramp_up: float = Field(
        default=0.05, ge=0, le=1, description="First part of the steps, over which the rate rises from zero."
    )
    ramp_down: float = Field(
        default=0.25, ge=0, le=1, description="Last part of the steps, over which the rate falls to zero, as a cosine."
    )
    alpha: float = Field(
        default=0.2, ge=0, le=1, description="Share of the perceptual loss; the rest is that of MSE. 0 wants no VGG-19."
    )
    layers: tuple[Layer, ...] = Field(
        default=("conv1_2", "conv2_2", "conv3_4", "conv4_4"),
        min_length=1,
        description="Layers of VGG-19 by which pictures are compared, each with the same weight.",
    )
    encoder: Annotated[str, ModelOption(kind="encoder")] | None = Field(
        default=None,
        description="A model that guesses the latent of a picture: where the first start begins, in place of `start`. "
        "With few steps a lower rate goes farther: 0.03 with 10, 0.05 with 20, 0.1 from 60 on.",
    )
    start: Literal["mean", "random"] = Field(
        default="mean",
        description="Where to begin: at the model's mean style (of z: the noise nearest to it), or at random.",
    )
    starts: int = Field(
        default=1, ge=1, le=64, description="How often; the best end is taken. All but the first begin at random."
    )
    jitter: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Noise on the styles, in parts of their deviation, that fades over the first three quarters; 0.05 "
        "helps to leave a bad beginning.",
    )
    noise: Literal["model", "optimised"] = Field(
        default="model",
        description="The noise of the layers: the model's own, or one sought for each picture, which the latent alone "
        "does not draw again.",
    )
    noise_weight: float = Field(
        default=1e5, ge=0, le=1e9, description="Weight of what keeps sought noise from showing the picture."
    )
    patience: int | None = Field(
        default=60,
        ge=1,
        le=100_000,
        description="Steps without a gain of 0.2 % after which a face is done; null: never.",
    )
    precision: Literal["auto", "bf16", "fp32"] = Field(
        default="auto",
        description="What pictures are drawn and compared in on the way; 'auto': bf16 where the processor is fast at "
        "it. What comes out is drawn in fp32.",
    )
    batch: int = Field(
        default=8, ge=1, le=1024, description="Faces at once; changes the speed and, on a CPU, no bit of the results."
    )
    seed: int = Field(default=0, ge=0, le=2**63 - 1, description="Another seed, other random starts.")
    output: Literal["reconstruction", "picture"] = Field(
        default="reconstruction", description="What goes on: what the model draws from the latent, or what came in."
    )
    name: str = Field(
        default="latent", min_length=1, max_length=100, description="Under which name the latents are kept."
    )

    @field_validator("layers")
    @classmethod
    def _once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("a layer is named twice")
        return value

    @model_validator(mode="after")
    def _goes_with_the_encoder(self) -> Self:
        if self.encoder is None:
            if not self.steps:
                raise ValueError("steps: 0 is the guess of an encoder alone, and there is none; give encoder, or steps")
            return self
        for option, value in (("space", "z"), ("start", "random"), ("noise", "optimised")):
            if getattr(self, option) == value:
                raise ValueError(f"{option}: {value} does not go with an encoder, which guesses styles")
        return self
