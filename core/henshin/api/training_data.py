"""Training data as options of a run's YAML: sets, pairs and patches of pictures, and degradations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from henshin.config.options import FolderNames, FolderOption, find_options

LARGEST = 4
"""Largest usual scale of super-resolution; the size of cached pictures is chosen for it."""

Probability = Annotated[float, Field(ge=0, le=1)]


class FolderData(BaseModel):
    """Folders of pictures, of which some are held out: the options of every kind of training data."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
    separate_sets: ClassVar[bool] = False
    """Whether the folders of one option are separate sets, each with its own held-out pictures."""

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
        """Shorter side at which pictures are cached, pixels; 0 where each keeps its own size."""
        return 0

    def folder_options(self) -> dict[str, str | tuple[str, ...]]:
        """Return the options that name folders of pictures, with their values: `{"a": "photos", "b": "drawings"}`."""
        found = find_options(self, FolderOption)
        own = (path for path, _, mark in found if mark.pictures and not any(isinstance(key, str) for key in path[1:]))
        return {name: getattr(self, name) for name in dict.fromkeys(str(path[0]) for path in own)}


class PatchData(FolderData):
    """One set of pictures at full size, from which pairs of a large and a small patch are cut."""

    separate_sets = True

    pictures: FolderNames = Field(description="Folder, or folders, of pictures to learn from, at full size.")
    shares: tuple[Annotated[float, Field(gt=0, le=1e6)], ...] | None = Field(
        None,
        description="Relative frequency of each folder, in their order; without it every picture is equally likely.",
    )
    patch: int = Field(
        64, ge=8, le=512, description="Side of the small patches, pixels; the large ones are scale times that."
    )
    turn: bool = Field(True, description="Rotate each patch by 0, 90, 180 or 270 degrees at random.")
    hold_out: int = Field(
        10,
        ge=0,
        le=1_000_000,
        description="Pictures of each folder, chosen by the hash of their names, never trained on, used for PSNR.",
    )

    @field_validator("shares")
    @classmethod
    def _check_share_count(cls, shares: tuple[float, ...] | None, info: ValidationInfo) -> tuple[float, ...] | None:
        pictures = info.data.get("pictures")
        count = 1 if isinstance(pictures, str) else len(pictures or ())
        if shares is not None and pictures is not None and len(shares) != count:
            raise ValueError(f"names {len(shares)} shares for {count} folders; one for each")
        return shares

    @property
    def side(self) -> int:
        """Shorter side that suffices, pixels; each picture keeps its own size."""
        return self.patch * LARGEST


class Degradation(BaseModel):
    """Degradations of the small patches, each applied with a probability of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    renamed: ClassVar[Mapping[str, str]] = {
        "blur_chance": "blur_probability",
        "noise_chance": "noise_probability",
        "jpeg_chance": "jpeg_probability",
    }
    blur: tuple[Annotated[float, Field(ge=0, le=4)], Annotated[float, Field(ge=0, le=4)]] = Field(
        (0.2, 1.0), description="Range of the sigma of a Gaussian blur before the reduction, in small pixels."
    )
    blur_probability: Probability = Field(0.5, description="Share of patches that are blurred.")
    noise: tuple[Annotated[float, Field(ge=0, le=64)], Annotated[float, Field(ge=0, le=64)]] = Field(
        (1.0, 8.0), description="Range of the sigma of Gaussian noise on the small patch, grey levels."
    )
    noise_probability: Probability = Field(0.5, description="Share of patches with added noise.")
    jpeg: tuple[Annotated[int, Field(ge=1, le=100)], Annotated[int, Field(ge=1, le=100)]] = Field(
        (50, 95), description="Range of the JPEG quality with which the small patch is compressed."
    )
    jpeg_probability: Probability = Field(0.7, description="Share of patches compressed by JPEG.")

    @field_validator("blur", "noise", "jpeg")
    @classmethod
    def _check_order(cls, bounds: tuple[float, float]) -> tuple[float, float]:
        if bounds[0] > bounds[1]:
            raise ValueError(f"({bounds[0]:g}, {bounds[1]:g}) is no range; the lower one comes first")
        return bounds


class PictureData(FolderData):
    """Training data whose pictures are all of one size."""

    size: int = Field(256, ge=32, le=1024, multiple_of=4, description="Side of the training pictures, pixels.")
    crop: Literal["middle", "random"] = Field(
        "middle",
        description="`middle`: the middle square of each picture, resized to `size`; `random`: the picture is resized "
        "to `load`, and a new random square of `size` is cut out each time.",
    )
    load: int | None = Field(
        None,
        ge=32,
        le=4096,
        description="Length to which the shorter side of each picture is resized before a random crop, pixels; without "
        "it, `size` * 286 / 256.",
    )
    small: Literal["enlarge", "skip", "fail"] = Field(
        "enlarge", description="Treatment of pictures whose shorter side is below `size`."
    )
    jitter_shift: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="Largest random shift of each training picture, down and across, as a share of the side; 0: none.",
    )
    jitter_zoom: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Logarithm of the largest random zoom: 0.07 enlarges or reduces by up to 7%; 0: none.",
    )
    jitter_turn: float = Field(
        0.0, ge=0, le=3.15, description="Largest random turn, in radians: 0.07 are 4 degrees; 0: none."
    )

    @field_validator("load")
    @classmethod
    def _check_load(cls, load: int | None, info: ValidationInfo) -> int | None:
        size = info.data.get("size", 0)
        if load is not None and load < size:
            raise ValueError(f"{load} is too small; at least {size}, the size of the crop")
        if load is not None and info.data.get("crop") == "middle":
            raise ValueError("goes with crop: random; the middle square is brought to size")
        return load

    @property
    def side(self) -> int:
        """Shorter side at which pictures are cached, pixels."""
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
    b: FolderNames = Field(description="Folder, or folders, of the pictures to translate to.")


class SetData(PictureData):
    """One set of pictures, for samplers."""

    pictures: FolderNames = Field(description="Folder, or folders, of the pictures to learn from.")
