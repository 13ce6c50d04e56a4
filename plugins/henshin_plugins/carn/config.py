"""Options of the generator `carn` and of the recipe `super_resolution`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from henshin import Degradation, GeneratorConfig, NetworkChoice, PatchData, RecipeConfig
from henshin.api.recipe import NetworkOption
from henshin.config.options import OptionPath

if TYPE_CHECKING:
    from typing import Self


class CarnConfig(GeneratorConfig):
    """Defaults are CARN-M, 414,787 parameters for three scales; `group: 1, recursive: false` is CARN, 1,591,939."""

    width: int = Field(64, ge=4, le=256, description="Channels of all layers.")
    group: int = Field(
        4, ge=1, le=64, description="Groups of the 3x3 convolutions: a divisor of `width`; 1 is the larger network."
    )
    recursive: bool = Field(True, description="Use one residual block three times over in place of three.")
    scales: tuple[Literal[2, 3, 4], ...] = Field(
        (2, 3, 4), min_length=1, max_length=3, description="How far it enlarges; each scale becomes a model of its own."
    )

    @field_validator("scales")
    @classmethod
    def _different(cls, scales: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(scales)) < len(scales):
            raise ValueError("names a scale twice")
        return scales

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.width % self.group:
            raise ValueError(f"group must divide width (group is {self.group}, width is {self.width})")
        return self


class SuperResolutionRecipeConfig(RecipeConfig):
    """Defaults are those of CARN's authors."""

    renamed: ClassVar[Mapping[str, str]] = {"average": "ema"}

    generator: Annotated[NetworkChoice, NetworkOption(scale="larger")] = Field(
        NetworkChoice.model_validate({"use": "carn"}), description="The network that enlarges, of one scale or several."
    )
    data: PatchData = Field(description="The pictures to learn from, and the pieces that are cut from them.")
    degradation: Degradation | None = Field(
        None,
        description="Spoil the small pieces as real small photos are, `{}` for the defaults; without it they are "
        "only small.",
    )
    steps: int = Field(600_000, ge=1, le=10**9, description="Steps of training, each at one of the scales.")
    batch: int = Field(64, ge=1, le=65_536, description="Pieces a step.")
    learning_rate: float = Field(1e-4, gt=0, le=1, description="Adam's.")
    halve_every: int = Field(400_000, ge=1, le=10**9, description="Steps after which the learning rate is halved.")
    decay: float = Field(
        0.0, ge=0, le=1, description="Last part of the training, over which the rate also falls to zero, linearly."
    )
    clip: float = Field(10.0, gt=0, le=1e6, description="Greatest norm of the gradient; a greater one is scaled down.")
    ema: float = Field(
        0.0, ge=0, lt=1, description="Decay of the running average of the weights that is exported; 0: the last ones."
    )
    sheet_every: int = Field(
        1000, ge=1, le=10**9, description="Steps between sample sheets, and between measurements of held-out pictures."
    )

    def picture_sizes(self) -> dict[OptionPath, int]:
        """The network is shown the small pieces."""
        return {("data", "patch"): self.data.patch}

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        falling = min(1.0, (self.steps - step) / max(self.steps * self.decay, 1.0))
        return self.learning_rate * 0.5 ** (step // self.halve_every) * falling
