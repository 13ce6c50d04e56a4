"""Options of the recipe `cut`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from henshin import EvaluatedConfig, NetworkChoice, UnpairedData
from henshin.api.recipe import NetworkOption
from henshin.config.options import Names, StartName, all_names

Side = Annotated[int, Field(ge=32, le=1024, multiple_of=4)]

Beta = Annotated[float, Field(ge=0, lt=1)]

Step = Annotated[int, Field(ge=1, le=100_000_000)]


class CutConfig(EvaluatedConfig):
    """Defaults are for faces on small hardware; the paper's are given where they differ."""

    renamed: ClassVar[Mapping[str, str]] = {
        "judge_rate": "discriminator_rate",
        "judge_width": "discriminator_width",
        "judge_layers": "discriminator_layers",
        "judge_norm": "discriminator_norm",
        "judge_gain": "discriminator_gain",
        "judge_repeats": "discriminator_repeats",
        "average": "ema",
    }

    generator: Annotated[NetworkChoice, NetworkOption(plain=True)] = Field(
        description="A translator with `features` and `trace`, as `resnet` has them."
    )
    data: UnpairedData = Field(description="The two sets of pictures, and their size.")
    start: StartName | None = Field(
        None,
        description="Initial weights: a run's folder, with its discriminators, or a model's .safetensors. A `resnet` "
        "with one halving more, and half the width, grows out of that of `start`, which learned half the size.",
    )
    growth_steps: int = Field(
        80,
        ge=0,
        le=100_000,
        description="First steps of a grown network, in which its new layers alone learn to draw like the smaller one.",
    )
    pretrain: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="First steps, or those after the growth, in which the discriminators alone learn: for a start "
        "that brings none.",
    )
    steps: int = Field(20_000, ge=1, le=100_000_000, description="Steps of training.")
    batch: int = Field(4, ge=1, le=1024, description="Pictures of each domain in a step (paper: 1).")
    learning_rate: float = Field(2e-4, gt=0, le=1, description="Adam's learning rate for the generator.")
    betas: tuple[Beta, Beta] = Field(
        (0.5, 0.999), description="Adam's betas; (0, 0.99) suits the projected discriminator."
    )
    decay: float = Field(
        0.4, ge=0, le=1, description="Last part of the steps, over which the learning rate falls to zero."
    )
    discriminator_rate: float = Field(
        2.0,
        gt=0,
        le=100,
        description="Ratio of the discriminators' learning rate to the generator's (Heusel et al. 2017; paper: 1).",
    )
    grow: dict[Side, Step] = Field(
        {}, description="`{64: 3000, 96: 8000}`: pictures are 64 px until step 3000, 96 until 8000, then of full size."
    )
    gan: Literal["lsgan", "hinge", "vanilla"] = Field("hinge", description="Adversarial loss (paper: lsgan).")
    discriminator: Names[Literal["patch", "projected"]] = Field(
        "patch",
        description="Types of discriminators: patch, of overlapping patches at several scales; projected, on features "
        "of EfficientNet-Lite0, always with the hinge loss (Sauer et al. 2021; paper: patch).",
    )
    scales: int = Field(
        2, ge=1, le=4, description="Discriminators of patches, each at half the size of the one before (paper: 1)."
    )
    discriminator_width: int = Field(
        48, ge=8, le=512, description="Channels of a discriminator's first layer (paper: 64)."
    )
    discriminator_layers: int = Field(
        3, ge=1, le=5, description="Strided layers of a discriminator; the receptive field of 3 is 70x70 pixels."
    )
    discriminator_norm: Literal["instance", "spectral", "none"] = Field(
        "spectral", description="Norm in the discriminators (paper: instance)."
    )
    discriminator_gain: float = Field(
        10.0,
        gt=0,
        le=1000,
        description="Factor on the discriminators' scores, which spectral norm makes small (paper: 1).",
    )
    discriminator_repeats: int = Field(
        1, ge=1, le=10, description="Steps of the discriminators for each step of the generator."
    )
    pool: int = Field(
        0, ge=0, le=10_000, description="Earlier translations that are shown to the discriminators again (paper: 0)."
    )
    augment: tuple[Literal["colour", "translation", "cutout"], ...] = Field(
        ("colour", "translation", "cutout"), description="Differentiable augmentation (paper: none)."
    )
    nce_weight: float = Field(1.0, ge=0, le=1_000_000, description="Weight of the contrastive loss.")
    nce_identity: bool = Field(
        True, description="Apply the contrastive loss to drawings too, which should stay as they are."
    )
    picture_nce_weight: float = Field(
        0.0,
        ge=0,
        le=1_000_000,
        description="Weight of the contrastive loss between the photos of a batch: each place of a drawing must "
        "resemble its own photo more than the others; needs a batch of 2 (paper: none).",
    )
    identity_l1_weight: float = Field(
        0.0,
        ge=0,
        le=1_000_000,
        description="Weight of the L1 between drawings and what the generator makes of them (paper: none).",
    )
    identity_share: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Share of a batch's drawings that the generator gets for `nce_identity` and `identity_l1_weight`, "
        "one at least.",
    )
    colour_weight: float = Field(
        0.0,
        ge=0,
        le=1_000_000,
        description="Weight of the L1 between the means of 8x8 parts of photo and drawing (paper: none).",
    )
    colour_tolerance: float = Field(
        0.06,
        ge=0,
        le=2,
        description="Difference of these means, of values in [-1, 1], up to which nothing is added for it.",
    )
    taps: tuple[Annotated[int, Field(ge=0, le=255)], ...] = Field(
        (1, 2, 4, 6), min_length=1, description="Numbers of the encoder's layers whose features are compared."
    )
    patches: int = Field(256, ge=8, le=65_536, description="Positions compared in each feature map.")
    temperature: float = Field(0.07, gt=0, le=100, description="Temperature of the contrastive loss.")
    ema: float = Field(0.999, ge=0, lt=1, description="Decay of the exported moving average of the weights.")
    sheet_every: int = Field(500, ge=1, le=100_000_000, description="Steps between sample sheets.")

    @property
    def identities(self) -> int:
        """Drawings of a step that the generator gets beside the photos."""
        wanted = self.nce_identity or self.identity_l1_weight > 0
        return max(1, round(self.batch * self.identity_share)) if wanted else 0

    @property
    def compared(self) -> int:
        """Pictures of a step that count in the contrastive losses: the photos, and drawings by `nce_identity`."""
        return self.batch + (self.identities if self.nce_identity else 0)

    @property
    def discriminators(self) -> tuple[str, ...]:
        """Names of the discriminators."""
        return all_names(self.discriminator)

    def size_at(self, step: int) -> int:
        """Return the side of the pictures at a step: small at first, which is many times cheaper."""
        return min((size for size, until in self.grow.items() if step < until), default=self.data.size)

    def picture_sizes(self) -> dict[tuple[str | int, ...], int]:
        """Return the sides of the data and of `grow`."""
        return {**super().picture_sizes(), **{("grow", str(size)): size for size in self.grow}}

    @model_validator(mode="after")
    def _check_batch(self) -> CutConfig:
        if self.picture_nce_weight and self.batch < 2:
            raise ValueError("picture_nce_weight compares the photos of a batch; raise batch to 2 at least")
        return self

    @model_validator(mode="after")
    def _check_picture_size(self) -> CutConfig:
        size = min((self.data.size, *self.grow))
        smallest = 3 * 2**self.discriminator_layers * 2 ** (self.scales - 1)
        if "patch" in self.discriminators and size < smallest:
            raise ValueError(
                f"{self.scales} discriminators of {self.discriminator_layers} strided layers need pictures of "
                f"{smallest} px at least, not {size}; lower scales or discriminator_layers"
            )
        return self
