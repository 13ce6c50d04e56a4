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
    """Options of `inversion`."""

    model: Annotated[str, ModelOption(kind="sampler", trained=True)] = Field(
        description="A StyleGAN2: NAME of NAME-mapping and NAME-synthesis, with NAME.safetensors next to them; or the "
        "path of such a file, or of a training run's folder."
    )
    space: Literal["z", "w", "w+"] = Field(
        default="w+", description="Space of the search: noise, one style for all layers, or a style for each layer."
    )
    steps: int = Field(
        default=300, ge=0, le=100_000, description="Most steps of Adam; with 0 the encoder's guess is the result."
    )
    learning_rate: float = Field(default=0.1, gt=0, le=10, description="Adam's greatest learning rate.")
    beta1: float = Field(default=0.8, ge=0, lt=1, description="Adam's decay of the mean gradient.")
    beta2: float = Field(default=0.9, ge=0, lt=1, description="Adam's decay of the mean squared gradient.")
    turned: bool = Field(
        default=True,
        description="Optimise along the principal directions of change of the model's pictures, measured once and "
        "cached, instead of the single numbers of w or w+: the same error in half of the steps.",
    )
    ramp_up: float = Field(
        default=0.05, ge=0, le=1, description="First part of the steps, over which the learning rate rises from zero."
    )
    ramp_down: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="Last part of the steps, over which the learning rate falls to zero, as a cosine.",
    )
    alpha: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Weight of the perceptual loss; that of MSE is 1 minus this. 0 needs no VGG-19.",
    )
    layers: tuple[Layer, ...] = Field(
        default=("conv1_2", "conv2_2", "conv3_4", "conv4_4"),
        min_length=1,
        description="Layers of VGG-19 for the perceptual loss, with equal weights.",
    )
    encoder: Annotated[str, ModelOption(kind="encoder")] | None = Field(
        default=None,
        description="A model that guesses the latent of a picture, from which the first start begins in place of "
        "`start`. With few steps a lower learning rate is better: 0.03 with 10, 0.05 with 20, 0.1 from 60 on.",
    )
    start: Literal["mean", "random"] = Field(
        default="mean",
        description="Initial latent: the model's mean style (for z: the noise nearest to it), or a random one.",
    )
    starts: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Number of starts, of which the best result is taken. All but the first begin at random.",
    )
    jitter: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Noise on the styles, relative to their standard deviation, that fades over the first three "
        "quarters of the steps; 0.05 helps to leave a bad initial latent.",
    )
    noise: Literal["model", "optimised"] = Field(
        default="model",
        description="Noise of the layers: the model's own, or noise optimised for each picture, without which the "
        "latent alone does not reproduce the result.",
    )
    noise_weight: float = Field(
        default=1e5,
        ge=0,
        le=1e9,
        description="Weight of the regularisation that keeps optimised noise from encoding the picture.",
    )
    patience: int | None = Field(
        default=60,
        ge=1,
        le=100_000,
        description="Steps without a gain of 0.2 % after which a face is finished; null: never.",
    )
    precision: Literal["auto", "bf16", "fp32"] = Field(
        default="auto",
        description="Precision of the steps; 'auto': bf16 where the processor is fast at it. The results are always "
        "computed in fp32.",
    )
    batch: int = Field(
        default=8,
        ge=1,
        le=1024,
        description="Faces in a batch; changes the speed and, on a CPU, no bit of the results.",
    )
    seed: int = Field(default=0, ge=0, le=2**63 - 1, description="Seed of the random starts.")
    output: Literal["reconstruction", "picture"] = Field(
        default="reconstruction",
        description="Picture that goes on to the next stage: the reconstruction, or the input.",
    )
    name: str = Field(
        default="latent", min_length=1, max_length=100, description="Name under which the latents are stored."
    )

    @field_validator("layers")
    @classmethod
    def _check_layers_differ(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("a layer is named twice")
        return value

    @model_validator(mode="after")
    def _check_encoder_options(self) -> Self:
        if self.encoder is None:
            if not self.steps:
                raise ValueError("steps: 0 is the guess of an encoder alone, and there is none; give encoder, or steps")
            return self
        for option, value in (("space", "z"), ("start", "random"), ("noise", "optimised")):
            if getattr(self, option) == value:
                raise ValueError(f"{option}: {value} does not go with an encoder, which guesses styles")
        return self
