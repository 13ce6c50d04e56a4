"""Options of the stage `compare`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from henshin.api.stage import StageConfig
from henshin.images.resizing import Filter


class CompareConfig(StageConfig):
    """Options of `compare`."""

    layout: Literal["row", "column"] = Field(
        default="row", description="Pictures side by side, or one above the other."
    )
    gap: int = Field(default=8, ge=0, le=512, description="White pixels between the pictures.")
    source_by: tuple[Filter, ...] = Field(
        default=("lanczos",),
        min_length=1,
        max_length=5,
        description="Filters that scale the source. With several the source is shown once per filter, in this order: "
        "[nearest, lanczos, bicubic] after a super-resolution shows what the network adds.",
    )
