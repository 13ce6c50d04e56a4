"""Options of the stage `postprocess`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from henshin.api.stage import StageConfig
from henshin.config.options import PictureName

if TYPE_CHECKING:
    from typing import Self


class PostprocessConfig(StageConfig):
    """Options of `postprocess`, in the order in which they are applied; by default nothing changes."""

    median: Literal[1, 3, 5] = Field(default=1, description="Side of a median filter against specks; 1 = none.")
    match: Annotated[PictureName, Field(min_length=1)] | None = Field(
        default=None,
        description="Picture whose colours are matched (mean and standard deviation in CIELAB); relative to the "
        "pipeline's file.",
    )
    match_strength: float = Field(default=1.0, ge=0, le=1, description="Strength of `match`: 1 = fully.")
    brightness: float = Field(default=1.0, ge=0, le=4, description="Factor on every value; 1 = unchanged.")
    contrast: float = Field(default=1.0, ge=0, le=4, description="Factor on the distance from middle gray.")
    gamma: float = Field(default=1.0, ge=0.1, le=10, description="Above 1 lightens the mid-tones: v ** (1 / gamma).")
    saturation: float = Field(default=1.0, ge=0, le=4, description="0 = gray, 1 = unchanged, 2 = twice as colourful.")
    sharpen: float = Field(default=0.0, ge=0, le=5, description="Amount of unsharp masking; 0 = none.")
    sharpen_radius: float = Field(default=1.5, ge=0.3, le=30, description="Radius of the unsharp mask in pixels.")

    @model_validator(mode="after")
    def _check_dependent_options(self) -> Self:
        if "match_strength" in self.model_fields_set and self.match is None:
            raise ValueError("match_strength needs match")
        return self
