"""Options of the stage `compare`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from henshin.api.stage import StageConfig
from henshin.config.options import StageList
from henshin.config.validation import option_error
from henshin.images.resizing import Filter

Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]


class CompareConfig(StageConfig):
    """Options of `compare`."""

    branches: Annotated[tuple[StageList, ...], Field(max_length=12)] = Field(
        default=(),
        description="Lists of stages. Each is given the photo as it is here, and its result becomes a column behind "
        "the source: several generators, or whole ways from face_detect to paste_back. Without branches the source "
        "stands before the result of the stages so far.",
    )
    labels: tuple[Label, ...] | None = Field(
        default=None,
        description="Names of the branches, in their order. null: the last model of a branch, else its last stage.",
    )
    cell: int | None = Field(
        default=None,
        ge=32,
        le=4096,
        description="With branches: longest side of each picture, in pixels. null: that of the largest result, at most "
        "1024.",
    )
    layout: Literal["row", "column"] = Field(
        default="row", description="Pictures side by side, or one above the other. Branches stand side by side."
    )
    gap: int = Field(default=8, ge=0, le=512, description="White pixels between the pictures.")
    source_by: tuple[Filter, ...] = Field(
        default=("lanczos",),
        min_length=1,
        max_length=5,
        description="Filters that scale the source. With several the source is shown once per filter, in this order: "
        "[nearest, lanczos, bicubic] after a super-resolution shows what the network adds.",
    )

    @model_validator(mode="after")
    def _check_labels(self) -> CompareConfig:
        if self.labels is not None and len(self.labels) != len(self.branches):
            raise option_error(("labels",), len(self.labels), f"labels for {len(self.branches)} branches")
        if self.branches and self.layout == "column":
            raise option_error(("layout",), self.layout, "is not for branches: they stand side by side")
        return self
