"""Options of the stages that drop pictures or crop their borders."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from henshin.api.stage import StageConfig

MAX_DISTANCE = 11
"""Largest distance in bits that is fast to search: one of the four bands of 16 bits then differs in at most two."""


class DropTinyConfig(StageConfig):
    """Options of `drop_tiny`."""

    minimum: int = Field(64, ge=1, le=16384, description="Least shorter side in pixels.")
    longest: float | None = Field(
        None, ge=1, le=1000, description="Greatest ratio of the longer side to the shorter one; null: no limit."
    )


class DropBlurredConfig(StageConfig):
    """Options of `drop_blurred`."""

    maximum: float = Field(
        1.7,
        ge=0.3,
        le=5,
        description="Greatest width of the sharper edges, pixels: 0.5 is sharp to the pixel; 1.7 for photos of phones, "
        "1.3 for drawings and good photos.",
    )
    size: int = Field(
        256,
        ge=32,
        le=4096,
        description="Shorter side to which a larger picture is reduced for the measurement, pixels: the size at which "
        "the set will be used.",
    )


class BordersConfig(StageConfig):
    """Options of `borders`."""

    action: Literal["drop", "trim"] = Field(
        "drop", description="Leave pictures with borders out, or cut the borders off."
    )
    colour: Literal["dark", "any"] = Field(
        "dark", description="Black and nearly black borders, or those of any colour."
    )
    minimum: float = Field(
        0.01, ge=0, le=0.5, description="Least width of a border, as a share of the picture's side; narrower ones stay."
    )
    tolerance: int = Field(
        12,
        ge=0,
        le=64,
        description="Grey levels by which pixels of a border may differ from its colour, after compression.",
    )


class DropDuplicatesConfig(StageConfig):
    """Options of `drop_duplicates`."""

    distance: int = Field(
        10,
        ge=0,
        le=MAX_DISTANCE,
        description="Most bits of 64 in which the perceptual hashes of near-duplicates differ.",
    )
    difference: float = Field(
        0.25,
        ge=0,
        le=2,
        description="Greatest difference of the thumbnails of near-duplicates, in standard deviations of the picture: "
        "two copies differ by at most 0.2, two pictures of the same character by 0.3 and more.",
    )
    mirrored: bool = Field(True, description="Mirrored copies are near-duplicates too.")
