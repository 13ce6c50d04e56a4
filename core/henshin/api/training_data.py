"""The data of super-resolution as a run's YAML says it: full-size pictures, and what spoils their small twins."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from henshin.api.recipe import FolderData, FolderNames

LARGEST = 4
"""The largest scale that enlargers are usually trained for; a larger one needs pictures in proportion."""

Chance = Annotated[float, Field(ge=0, le=1)]


class PatchData(FolderData):
    """One set of pictures at their full size, of which pieces are cut: a large one, and its small twin."""

    apart = True

    pictures: FolderNames = Field(description="Folder, or folders, of pictures to learn from, at their full size.")
    shares: tuple[Annotated[float, Field(gt=0, le=1e6)], ...] | None = Field(
        None,
        description="How often each of the folders is drawn from, in their order and in proportion to one another; "
        "without it every picture is drawn alike.",
    )
    patch: int = Field(
        64, ge=8, le=512, description="Side of the small pieces, pixels; the large ones are scale times that."
    )
    turn: bool = Field(True, description="Turn each piece by none, one, two or three quarters.")
    hold_out: int = Field(
        10,
        ge=0,
        le=1_000_000,
        description="Pictures of each folder, chosen by the hash of their names, never trained on; PSNR is of them.",
    )

    @field_validator("shares")
    @classmethod
    def _one_for_each(cls, shares: tuple[float, ...] | None, info: ValidationInfo) -> tuple[float, ...] | None:
        pictures = info.data.get("pictures")
        count = 1 if isinstance(pictures, str) else len(pictures or ())
        if shares is not None and pictures is not None and len(shares) != count:
            raise ValueError(f"names {len(shares)} shares for {count} folders; one for each")
        return shares

    @property
    def side(self) -> int:
        """Side of a picture that suffices, pixels; each keeps its own size."""
        return self.patch * LARGEST


class Degradation(BaseModel):
    """What small photos have suffered besides being small: each of these with its own chance, drawn for each piece."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    blur: tuple[Annotated[float, Field(ge=0, le=4)], Annotated[float, Field(ge=0, le=4)]] = Field(
        (0.2, 1.0), description="Least and greatest sigma of a Gaussian blur before reduction, in small pixels."
    )
    blur_chance: Chance = Field(0.5, description="How many pieces are blurred.")
    noise: tuple[Annotated[float, Field(ge=0, le=64)], Annotated[float, Field(ge=0, le=64)]] = Field(
        (1.0, 8.0), description="Least and greatest sigma of Gaussian noise on the small piece, grey levels."
    )
    noise_chance: Chance = Field(0.5, description="How many pieces get noise.")
    jpeg: tuple[Annotated[int, Field(ge=1, le=100)], Annotated[int, Field(ge=1, le=100)]] = Field(
        (50, 95), description="Lowest and highest quality of JPEG, in which the small piece is kept."
    )
    jpeg_chance: Chance = Field(0.7, description="How many pieces go through JPEG.")

    @field_validator("blur", "noise", "jpeg")
    @classmethod
    def _in_order(cls, bounds: tuple[float, float]) -> tuple[float, float]:
        if bounds[0] > bounds[1]:
            raise ValueError(f"({bounds[0]:g}, {bounds[1]:g}) is no range; the lower one comes first")
        return bounds
