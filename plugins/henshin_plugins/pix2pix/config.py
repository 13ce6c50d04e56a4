"""Options of the recipe `pix2pix`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from henshin import EvaluatedConfig, NetworkChoice, PairedData, ScheduledConfig


class Pix2PixConfig(EvaluatedConfig, ScheduledConfig):
    """Defaults are the paper's; its batch norm over single pictures equals instance norm."""

    renamed: ClassVar[Mapping[str, str]] = {
        "judge": "discriminator",
        "judge_width": "discriminator_width",
        "judge_layers": "discriminator_layers",
        "judge_norm": "discriminator_norm",
        "average": "ema",
    }

    generator: NetworkChoice = Field(
        NetworkChoice.model_validate({"use": "unet", "dropout": 0.5}), description="The translator."
    )
    data: PairedData = Field(description="The pairs of pictures, and their size.")
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], ...] = Field(
        (0.5, 0.999), min_length=2, max_length=2, description="Adam's betas."
    )
    gan: Literal["lsgan", "hinge", "vanilla"] = Field("vanilla", description="Adversarial loss.")
    pixel_weight: float = Field(
        100.0, ge=0, le=1e4, description="Weight of the L1 loss to the target, relative to an adversarial weight of 1."
    )
    discriminator: Literal["patch", "plain"] = Field(
        "patch",
        description="Type of discriminator: of overlapping patches, or of whole pictures (four 3x3 layers, one "
        "linear).",
    )
    discriminator_width: int = Field(64, ge=4, le=256, description="Channels of the discriminator's first layer.")
    discriminator_layers: int = Field(
        3, ge=1, le=5, description="Strided layers of a patch discriminator; the receptive field of 3 is 70x70 pixels."
    )
    discriminator_norm: Literal["instance", "spectral", "none"] = Field(
        "instance", description="Norm in the discriminator."
    )
    ema: float = Field(
        0.0, ge=0, lt=1, description="Decay of the exported moving average of the weights; 0: the last weights."
    )

    @model_validator(mode="after")
    def _check_picture_size(self) -> Pix2PixConfig:
        smallest = 3 * 2**self.discriminator_layers
        if self.discriminator == "patch" and self.data.size < smallest:
            raise ValueError(
                f"a discriminator of {self.discriminator_layers} "
                f"strided layers needs pictures of {smallest} px at least, not "
                f"{self.data.size}; lower discriminator_layers"
            )
        return self
