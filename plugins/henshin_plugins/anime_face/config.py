"""Options of the stage `anime_face_detect`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from henshin import StageConfig
from henshin.api.face_selection import CHOICE, POLICY, Choice, Policy
from henshin.config.options import ModelOption

if TYPE_CHECKING:
    from typing import Self


class AnimeFaceDetectConfig(StageConfig):
    """Options of `anime_face_detect`."""

    renamed: ClassVar[Mapping[str, str]] = {"look_again": "second_pass"}

    model: Annotated[str, ModelOption(contract=False, kind="detector")] = Field(
        "lbpcascade-animeface",
        description="A cascade of local binary patterns: its name in the list of models, or the path of an .xml as "
        "OpenCV 3 and 4 write them.",
    )
    minimum_score: float = Field(
        0.5,
        ge=0.0,
        lt=1.0,
        description="Least score of a face: 0.5 finds nearly all frontal faces, 0.35 more that are tilted or turned "
        "away, and more false ones.",
    )
    minimum_size: Annotated[int, Field(ge=12, le=16384)] | Literal["auto"] = Field(
        "auto",
        description="Least side of a face, with its hair, in pixels; 'auto': 4 % of the picture's shorter side, at "
        "least 24. The larger, the faster.",
    )
    maximum_faces: int | None = Field(
        None, ge=1, le=10_000, description="Most faces per picture; the largest ones are kept."
    )
    faces: Choice = Field("all", description=CHOICE)
    scale_factor: float = Field(
        1.2, ge=1.02, le=1.5, description="Ratio of each size of face that is searched for to the one before."
    )
    step: int = Field(
        2,
        ge=1,
        le=4,
        description="Distance between two windows, in pixels of a face of 24; 1 takes four times as long as 2.",
    )
    second_pass: bool = Field(
        True,
        description="Where no face is found, search the padded picture for one that fills it or is cut off.",
    )
    without_faces: Policy = Field("copy", description=POLICY)

    @model_validator(mode="after")
    def _check_dependent_options(self) -> Self:
        if self.maximum_faces is not None and self.faces != "all":
            raise ValueError(f"maximum_faces needs faces: all; '{self.faces}' is one face")
        return self
