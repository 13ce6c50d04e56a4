"""Options of the generator `carn` and of the recipe `super_resolution`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from henshin import Degradation, GeneratorConfig, NetworkChoice, PatchData, RecipeConfig
from henshin.api.recipe import NetworkOption
from henshin.config.options import OptionPath, StartName

if TYPE_CHECKING:
    from typing import Self


class CarnConfig(GeneratorConfig):
    """Defaults are CARN-M, 414,787 parameters for three scales; `group: 1, recursive: false` is CARN, 1,591,939."""

    width: int = Field(64, ge=4, le=256, description="Channels of all layers.")
    group: int = Field(
        4, ge=1, le=64, description="Groups of the 3x3 convolutions: a divisor of `width`; 1 gives the larger network."
    )
    recursive: bool = Field(True, description="Use one residual block three times instead of three blocks.")
    scales: tuple[Literal[2, 3, 4], ...] = Field(
        (2, 3, 4), min_length=1, max_length=3, description="Scales of the output; each becomes a separate model."
    )

    @field_validator("scales")
    @classmethod
    def _check_scales_differ(cls, scales: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(scales)) < len(scales):
            raise ValueError("names a scale twice")
        return scales

    @model_validator(mode="after")
    def _check_group_divides_width(self) -> Self:
        if self.width % self.group:
            raise ValueError(f"group must divide width (group is {self.group}, width is {self.width})")
        return self


class SuperResolutionRecipeConfig(RecipeConfig):
    """Defaults are those of CARN's authors."""

    renamed: ClassVar[Mapping[str, str]] = {"average": "ema"}

    generator: Annotated[NetworkChoice, NetworkOption(scale="larger")] = Field(
        NetworkChoice.model_validate({"use": "carn"}),
        description="The super-resolution network, of one scale or several.",
    )
    start: StartName | None = Field(
        None, description="Initial weights of the same network: a run's folder, or a .safetensors file."
    )
    data: PatchData = Field(description="The training pictures, and the patches cut from them.")
    degradation: Degradation | None = Field(
        None,
        description="Degradations of the small patches, as of real small photos, `{}` for the defaults; without it "
        "they are only reduced.",
    )
    steps: int = Field(600_000, ge=1, le=10**9, description="Steps of training, each at one of the scales.")
    batch: int = Field(64, ge=1, le=65_536, description="Patches in a step.")
    learning_rate: float = Field(1e-4, gt=0, le=1, description="Adam's learning rate.")
    halve_every: int = Field(400_000, ge=1, le=10**9, description="Steps after which the learning rate is halved.")
    decay: float = Field(
        0.0, ge=0, le=1, description="Last part of the training, over which the rate also falls linearly to zero."
    )
    clip: float = Field(
        10.0, gt=0, le=1e6, description="Greatest norm of the gradient; a larger gradient is scaled down."
    )
    ema: float = Field(
        0.0, ge=0, lt=1, description="Decay of the exported moving average of the weights; 0: the last weights."
    )
    sheet_every: int = Field(
        1000, ge=1, le=10**9, description="Steps between sample sheets, and between measurements on held-out pictures."
    )

    def picture_sizes(self) -> dict[OptionPath, int]:
        """Return the side of the small patches, the inputs of the network."""
        return {("data", "patch"): self.data.patch}

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        falling = min(1.0, (self.steps - step) / max(self.steps * self.decay, 1.0))
        return self.learning_rate * 0.5 ** (step // self.halve_every) * falling
