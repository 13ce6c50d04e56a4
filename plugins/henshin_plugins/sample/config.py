"""Options of the stage `sample`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from henshin import StageConfig
from henshin.config.block_range import BlockRange
from henshin.config.options import AmountOption, ModelOption
from henshin.text import name_problem

DIGITS = 6

_USES = {
    "count": ("pictures", "grid"),
    "columns": ("grid", "mixing"),
    "rows": ("mixing", "between"),
    "steps": ("between",),
    "space": ("between",),
    "mix": ("mixing",),
    "cell": ("grid", "mixing", "between"),
    "gap": ("grid", "mixing", "between"),
}
"""The layouts that use an option."""


class SampleConfig(StageConfig):
    """Options of `sample`."""

    model: Annotated[str, ModelOption(kind="sampler")] = Field(
        description="A sampler: its name, or the path of an .onnx file; NAME also means NAME-mapping with "
        "NAME-synthesis."
    )
    layout: Literal["pictures", "grid", "mixing", "between"] = Field(
        default="pictures",
        description="One file for each picture; or one figure, NAME-LAYOUT: all pictures in a grid; a table that mixes "
        "the styles of its top row and left column; strips that interpolate between two pictures.",
    )
    count: Annotated[int, AmountOption()] = Field(
        default=64,
        ge=1,
        le=10**DIGITS,
        description="Number of pictures (layouts pictures and grid); it does not change the first ones.",
    )
    seed: int = Field(
        default=0, ge=0, le=2**63 - 1, description="Seed of the noise; picture i depends on seed and i alone."
    )
    truncation: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Factor on the distance of styles from their mean, or, without a mapping, on the noise. Below 1 "
        "pictures are closer to the model's mean one and less varied, with some models cleaner and with others paler.",
    )
    columns: int = Field(
        default=8, ge=1, le=256, description="grid: pictures side by side; mixing: pictures in the top row."
    )
    rows: int = Field(default=4, ge=1, le=256, description="mixing: pictures in the left column; between: strips.")
    steps: int = Field(default=8, ge=2, le=256, description="between: pictures of a strip, its two ends included.")
    space: Literal["z", "w"] | None = Field(
        default=None,
        description="between: interpolation on the sphere of the noise (z), or linear in styles (w); null: w if the "
        "model has a mapping, else z.",
    )
    mix: BlockRange = Field(
        default=BlockRange.model_validate({"from": 1, "to": 2}),
        description="mixing: {from: 1, to: 2} takes blocks 1 to 2, those of 4 and 8 pixels with the coarse shapes, "
        "from the left column, and the others from the top row; `last: 2` names the final ones.",
    )
    cell: int | None = Field(
        default=None,
        ge=8,
        le=4096,
        description="Side of a picture in a figure, in pixels; null: that of the model's pictures.",
    )
    gap: int = Field(default=4, ge=0, le=512, description="White pixels between the pictures of a figure.")
    name: str = Field(default="sample", description="Prefix of the names: NAME-000000, NAME-000001, ..., or NAME-grid.")

    @field_validator("name")
    @classmethod
    def _check_name(cls, value: str) -> str:
        problem = name_problem(value)
        if problem:
            raise ValueError(problem)
        return value

    @field_validator(*_USES)
    @classmethod
    def _check_layout_uses_option(cls, value: object, info: ValidationInfo) -> object:
        layout, uses = info.data.get("layout"), _USES[str(info.field_name)]
        if layout is not None and layout not in uses:
            raise ValueError(f"is for layout {' or '.join(uses)}, and this one is '{layout}'")
        return value
