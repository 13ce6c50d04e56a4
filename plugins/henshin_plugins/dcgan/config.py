"""Options of the generator and the recipe `dcgan`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from henshin import GeneratorConfig, NetworkChoice, SamplerChoice, ScheduledConfig, SetData
from henshin.config.validation import option_error

SIZE: Literal[64] = 64


class DcganNetworkConfig(GeneratorConfig):
    """Defaults: latent 100, leaky ReLU, an extra layer; the other variant: latent 128, ReLU, no extra layer."""

    latent: int = Field(100, ge=1, le=1024, description="Length of the noise vector of a picture.")
    size: Literal[32, 64, 128] = Field(SIZE, description="Side of the pictures, pixels.")
    width: int = Field(64, ge=4, le=256, description="Channels at half the size; each halving from there doubles them.")
    activation: Literal["leaky_relu", "relu"] = Field("leaky_relu", description="Activation between the layers.")
    extra: bool = Field(True, description="A 3x3 layer that keeps the size, before the last doubling.")


class DcganData(SetData):
    """One set of pictures, of the generator's size."""

    size: int = Field(SIZE, ge=32, le=1024, multiple_of=4, description="Side of the training pictures, pixels.")


class DcganConfig(ScheduledConfig):
    """Defaults are the usual ones; the paper's are given where they differ."""

    renamed: ClassVar[Mapping[str, str]] = {
        "judge_rate": "discriminator_rate",
        "judge_width": "discriminator_width",
        "judge_norm": "discriminator_norm",
        "judge_extra": "discriminator_extra",
        "judge_output": "discriminator_output",
        "average": "ema",
    }

    generator: SamplerChoice = Field(NetworkChoice(use="dcgan"), description="The sampler.")
    data: DcganData = Field(description="The training pictures, and their size.")
    batch: int = Field(128, ge=2, le=4096, description="Pictures in a step.")
    learning_rate: float = Field(
        3e-4, gt=0, le=1, description="Adam's learning rate, with betas (0.5, 0.999) (paper: 2e-4)."
    )
    decay: float = Field(
        0.0, ge=0, le=1, description="Last part of the training, over which the learning rate falls to zero."
    )
    discriminator_rate: float = Field(
        1.0, gt=0, le=100, description="Ratio of the discriminator's learning rate to the generator's."
    )
    discriminator_width: int = Field(64, ge=4, le=256, description="Channels of the discriminator's first layer.")
    discriminator_norm: Literal["batch", "spectral", "none"] = Field(
        "batch", description="Norm in the discriminator; spectral (Miyato et al. 2018) is more stable."
    )
    discriminator_extra: bool = Field(
        True, description="A 3x3 layer that keeps the size, before the discriminator's last."
    )
    discriminator_output: Literal["logit", "probability"] = Field(
        "logit", description="Output of the discriminator; probability adds a sigmoid. The loss is the same."
    )
    smoothing: float = Field(
        0.0,
        ge=0,
        lt=0.5,
        description="One-sided label smoothing: the target of real pictures is 1 minus this (Salimans et al. 2016; "
        "0.1).",
    )
    augment: tuple[Literal["colour", "translation", "cutout"], ...] = Field(
        (), description="Differentiable augmentation, for a few thousand pictures or fewer (paper: none)."
    )
    ema: float = Field(
        0.999,
        ge=0,
        lt=1,
        description="Decay of the exported moving average of the weights; 0: the last weights (paper).",
    )

    @model_validator(mode="after")
    def _check_sizes_agree(self) -> DcganConfig:
        if self.generator.use == "dcgan":
            size = self.generator.options.get("size", SIZE)
            if isinstance(size, int) and size != self.data.size:
                if "size" in self.data.model_fields_set:
                    raise option_error(
                        ("data", "size"), self.data.size, f"is not what the generator draws; generator.size is {size}"
                    )
                raise option_error(
                    ("generator", "size"), size, f"is not what the discriminator sees; data.size is {self.data.size}"
                )
        if self.data.size not in (32, 64, 128):
            raise option_error(
                ("data", "size"), self.data.size, "does not fit; the discriminator takes 32, 64 or 128 px"
            )
        return self
