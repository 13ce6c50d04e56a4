"""Options of the stage `compare`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from henshin.api.stage import StageConfig
from henshin.images.resizing import Filter


class CompareConfig(StageConfig):
    """How the two are put together."""

    layout: Literal["row", "column"] = Field(default="row", description="Side by side, or one above the other.")
    gap: int = Field(default=8, ge=0, le=512, description="White pixels between the two.")
    source_by: tuple[Filter, ...] = Field(
        default=("lanczos",),
        min_length=1,
        max_length=5,
        description="Filters that scale the source. With several it stands there once by each, in this order: "
        "[nearest, lanczos, bicubic] after a super-resolution shows what the network adds.",
    )
