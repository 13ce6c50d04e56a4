"""Options of the generator `stylegan2` and of the recipes `stylegan2` and `stylegan2-freeze`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from henshin import GeneratorConfig, NetworkChoice, ScheduledConfig, SetData
from henshin.api.recipe import NetworkOption
from henshin.config.options import Names, StartName, all_names
from henshin.config.validation import option_error

SIZE = 256

StyleChoice = Annotated[NetworkChoice, NetworkOption(kind="sampler", scale=None, plain=True)]

Change = Literal["blit", "geometry", "tone", "colour", "translation", "cutout"]


class StyleGan2TrainingConfig(ScheduledConfig):
    """Options of both recipes. Defaults are the paper's, with adaptive augmentation (Karras et al., NeurIPS 2020)."""

    renamed: ClassVar[Mapping[str, str]] = {"judge_rate": "discriminator_rate", "average": "ema"}

    data: SetData = Field(description="The training pictures, and their size.")
    batch: int = Field(32, ge=2, le=4096, description="Pictures in a step.")
    learning_rate: float = Field(2e-3, gt=0, le=1, description="Adam's learning rate, with betas (0, 0.99).")
    decay: float = Field(
        0.0, ge=0, le=1, description="Last part of the training, over which the learning rate falls to zero."
    )
    discriminator: Names[Literal["plain", "projected"]] = Field(
        "plain",
        description="Types of discriminators: plain, the paper's, of whole pictures; projected, on features of "
        "EfficientNet-Lite0, with the hinge loss and without R1 (Sauer et al. 2021).",
    )
    discriminator_rate: float = Field(
        1.0, gt=0, le=100, description="Ratio of the discriminator's learning rate to the generator's."
    )
    r1: float | None = Field(
        None,
        ge=0,
        le=10_000,
        description="Weight gamma of the R1 penalty on the discriminator's gradient at real pictures; without it, "
        "0.0002 * size^2 / batch.",
    )
    r1_every: int = Field(
        16, ge=1, le=1000, description="Steps between two R1 penalties, whose weight is multiplied by this."
    )
    path_weight: float = Field(
        2.0, ge=0, le=1000, description="Weight of the path length penalty; 0: none, an eighth faster."
    )
    path_every: int = Field(4, ge=1, le=1000, description="Steps between two path length penalties.")
    path_shrink: int = Field(2, ge=1, le=64, description="Divisor of the batch for the path length penalty.")
    path_decay: float = Field(0.01, gt=0, le=1, description="Rate of the moving average of the path length.")
    mixing: float = Field(
        0.9, ge=0, le=1, description="Share of pictures generated from two styles, switched at a random layer."
    )
    ema: float = Field(
        10_000,
        ge=0,
        le=10**9,
        description="Half-life of the exported moving average of the weights, in pictures; 0: the last weights.",
    )
    augment: tuple[Change, ...] = Field(
        ("blit", "geometry", "tone"),
        description="Augmentations of the discriminator's pictures, more probable as it overfits; []: none.",
    )
    augment_start: float = Field(0.0, ge=0, le=1, description="Probability of augmentation at the start.")
    augment_most: float = Field(0.8, ge=0, le=1, description="Greatest probability of augmentation.")
    augment_target: float = Field(
        0.6,
        ge=-1,
        le=1,
        description="Mean sign of the scores of real pictures above which the probability of augmentation rises.",
    )
    augment_pictures: int = Field(
        500_000,
        ge=1,
        le=10**9,
        description="Real pictures over which the probability of augmentation could rise from 0 to 1.",
    )

    @property
    def discriminators(self) -> tuple[str, ...]:
        """Names of the discriminators."""
        return all_names(self.discriminator)

    @property
    def gamma(self) -> float:
        """The weight of R1."""
        return 0.0002 * self.data.size**2 / self.batch if self.r1 is None else self.r1

    @property
    def averaging(self) -> float:
        """Decay of the moving average in each step."""
        return float(0.5 ** (self.batch / self.ema)) if self.ema else 0.0


class StyleGan2RunConfig(StyleGan2TrainingConfig):
    """Options of `stylegan2`, a training of all weights."""

    generator: StyleChoice = Field(
        NetworkChoice(use="stylegan2"), description="A sampler with a mapping and a synthesis."
    )
    start: StartName | None = Field(
        None,
        description="Initial weights: a run's folder, with its discriminators, or a model's .safetensors, of the same "
        "generator.",
    )

    @model_validator(mode="after")
    def _check_sizes_agree(self) -> StyleGan2RunConfig:
        if self.generator.use == "stylegan2":
            size = self.generator.options.get("size", SIZE)
            if isinstance(size, int) and size != self.data.size:
                if "size" in self.data.model_fields_set:
                    raise option_error(
                        ("data", "size"), self.data.size, f"is not what the generator draws; generator.size is {size}"
                    )
                raise option_error(
                    ("generator", "size"), size, f"is not what the discriminator sees; data.size is {self.data.size}"
                )
        return self


class FreezeConfig(StyleGan2TrainingConfig):
    """Fine-tuning of the final blocks (FreezeG), with a discriminator whose first blocks are frozen (FreezeD)."""

    renamed: ClassVar[Mapping[str, str]] = {"judge_frozen": "discriminator_frozen"}

    start: StartName = Field(
        description="Initial weights: a run's folder, with its discriminator, or a model's .safetensors."
    )
    generator: StyleChoice | None = Field(
        None, description="The generator of the weights in `start`; only for a file that does not name it."
    )
    blocks: int = Field(
        4, ge=1, le=9, description="Number of final blocks of the synthesis that learn; the others are frozen."
    )
    discriminator_frozen: int | None = Field(
        None,
        ge=0,
        le=8,
        description="Number of frozen blocks of the discriminator, from the largest pictures on; without it 2, or "
        "none if `start` has no discriminator.",
    )
    batch: int = Field(8, ge=2, le=4096, description="Pictures in a step.")
    steps: int | None = Field(50_000, ge=1, le=10**9, description="Steps of training; null: by `epochs`.")

    @model_validator(mode="after")
    def _check_block_counts(self) -> FreezeConfig:
        size = self.data.size
        most = size.bit_length() - 2
        if self.blocks > most:
            raise option_error(
                ("blocks",), self.blocks, f"is too many; pictures of {size} px are drawn by {most} blocks"
            )
        if (self.discriminator_frozen or 0) >= most:
            message = f"is too many; the discriminator of {size} px has {most - 1} blocks"
            raise option_error(("discriminator_frozen",), self.discriminator_frozen or 0, message)
        return self


class StyleGan2Config(GeneratorConfig):
    """Defaults are the paper's networks at 256 pixels, of 512 channels up to 64 pixels, then 256 and 128."""

    size: Literal[8, 16, 32, 64, 128, 256, 512, 1024] = Field(256, description="Side of the pictures, pixels.")
    latent: int = Field(512, ge=1, le=4096, description="Length of the noise z and of the style w.")
    mapping_layers: int = Field(8, ge=1, le=32, description="Layers from noise z to style w.")
    width: int = Field(
        512, ge=1, le=4096, description="Channels at 64 pixels; each doubling halves them, each halving doubles them."
    )
    maximum_width: int = Field(512, ge=1, le=4096, description="Channels at any size, at most.")
    form: Literal["stylegan2", "adain"] = Field(
        "stylegan2", description="adain: the first StyleGAN's, which normalises activations in place of weights."
    )
    noise: Literal["fixed", "none"] = Field(
        "fixed",
        description="Noise of the layers outside of training: fixed noise that is part of the weights, or none.",
    )
