"""What a user may say about the files to be written."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from henshin.images.formats import format_named


class WriteOptions(BaseModel):
    """How pictures are written. Errors: a pydantic ValidationError that names the option.

    ``format`` takes any spelling ("jpg", ".JPG", "JPEG") and holds Pillow's name, or None for the input's own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: str | None = Field(
        default=None,
        description="Format of every output; without it the input's own where it can be written, else PNG.",
    )
    quality: int = Field(default=95, ge=1, le=100, description="Quality of JPEG, WebP, AVIF and HEIC files.")
    metadata: Literal["keep", "strip"] = Field(
        default="keep", description="Keep EXIF, XMP and resolution, or leave them out."
    )
    colour: Literal["srgb", "keep"] = Field(
        default="srgb", description="Write sRGB, or convert back to the profile of the input and embed it."
    )

    @field_validator("format")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        return None if value is None else format_named(value)
