"""The data of super-resolution as a run's YAML says it: full-size pictures, and what spoils their small twins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from henshin.config.options import FolderNames, FolderOption, find_options

LARGEST = 4
"""The largest scale that enlargers are usually trained for; a larger one needs pictures in proportion."""

Probability = Annotated[float, Field(ge=0, le=1)]


class FolderData(BaseModel):
    """What every kind of training data has in common: folders of pictures, of which some are held out."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
    apart: ClassVar[bool] = False
    """Are the folders of one option sets of their own, each with its held-out pictures?"""

    flip: bool = Field(True, description="Mirror each picture with an even chance.")
    duplicates: Literal["report", "drop", "ignore"] = Field(
        "report",
        description="Near-duplicates: list them, or `drop` all but one; of a held-out picture, those in training.",
    )
    hold_out: int = Field(
        100,
        ge=0,
        le=1_000_000,
        description="Pictures of each folder option, chosen by the hash of their names, never trained on.",
    )

    @property
    def side(self) -> int:
        """Shorter side at which pictures are kept, pixels; 0 where each keeps its own size."""
        return 0

    def folder_options(self) -> dict[str, str | tuple[str, ...]]:
        """The options that name folders of pictures, with their values: `{"a": "photos", "b": "drawings"}`."""
        found = find_options(self, FolderOption)
        own = (path for path, _, mark in found if mark.pictures and not any(isinstance(key, str) for key in path[1:]))
        return {name: getattr(self, name) for name in dict.fromkeys(str(path[0]) for path in own)}


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
    """Faults of small photos besides being small, each with a probability of its own, drawn for each piece."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    renamed: ClassVar[Mapping[str, str]] = {
        "blur_chance": "blur_probability",
        "noise_chance": "noise_probability",
        "jpeg_chance": "jpeg_probability",
    }
    blur: tuple[Annotated[float, Field(ge=0, le=4)], Annotated[float, Field(ge=0, le=4)]] = Field(
        (0.2, 1.0), description="Least and greatest sigma of a Gaussian blur before reduction, in small pixels."
    )
    blur_probability: Probability = Field(0.5, description="How many pieces are blurred.")
    noise: tuple[Annotated[float, Field(ge=0, le=64)], Annotated[float, Field(ge=0, le=64)]] = Field(
        (1.0, 8.0), description="Least and greatest sigma of Gaussian noise on the small piece, grey levels."
    )
    noise_probability: Probability = Field(0.5, description="How many pieces get noise.")
    jpeg: tuple[Annotated[int, Field(ge=1, le=100)], Annotated[int, Field(ge=1, le=100)]] = Field(
        (50, 95), description="Lowest and highest quality of JPEG, in which the small piece is kept."
    )
    jpeg_probability: Probability = Field(0.7, description="How many pieces go through JPEG.")

    @field_validator("blur", "noise", "jpeg")
    @classmethod
    def _in_order(cls, bounds: tuple[float, float]) -> tuple[float, float]:
        if bounds[0] > bounds[1]:
            raise ValueError(f"({bounds[0]:g}, {bounds[1]:g}) is no range; the lower one comes first")
        return bounds


class PictureData(FolderData):
    """Training data whose pictures are all brought to one size."""

    size: int = Field(256, ge=32, le=1024, multiple_of=4, description="Side of the training pictures, pixels.")
    crop: Literal["middle", "random"] = Field(
        "middle",
        description="`middle`: the middle square of each picture, brought to `size`; `random`: brought to `load`, and "
        "another square of `size` cut out at each draw.",
    )
    load: int | None = Field(
        None,
        ge=32,
        le=4096,
        description="Side to which the shorter side of each picture is brought before a random crop, pixels; without "
        "it, `size` * 286 / 256.",
    )
    small: Literal["enlarge", "skip", "fail"] = Field(
        "enlarge", description="What becomes of pictures whose shorter side is below `size`."
    )

    @field_validator("load")
    @classmethod
    def _holds_the_crop(cls, load: int | None, info: ValidationInfo) -> int | None:
        size = info.data.get("size", 0)
        if load is not None and load < size:
            raise ValueError(f"{load} is too small; at least {size}, the size of the crop")
        if load is not None and info.data.get("crop") == "middle":
            raise ValueError("goes with crop: random; the middle square is brought to size")
        return load

    @property
    def side(self) -> int:
        """Shorter side at which pictures are kept, pixels."""
        if self.crop == "middle":
            return self.size
        return self.load or round(self.size * 286 / 256)


class UnpairedData(PictureData):
    """Two sets of pictures that need not correspond."""

    a: FolderNames = Field(description="Folder, or folders, of the domain to translate from (photos).")
    b: FolderNames = Field(description="Folder, or folders, of the domain to translate to (drawings).")


class PairedData(PictureData):
    """Pairs of pictures: a file below `a` and the one of the same relative name, without suffix, below `b`."""

    a: FolderNames = Field(description="Folder, or folders, of the pictures to translate from.")
    b: FolderNames = Field(description="Folder, or folders, of what each of them should become.")


class SetData(PictureData):
    """One set of pictures, for networks that draw from noise."""

    pictures: FolderNames = Field(description="Folder, or folders, of the pictures to learn from.")
