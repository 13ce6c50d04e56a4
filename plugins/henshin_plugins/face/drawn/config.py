"""Options of the stages `match_proportions` and `vary_faces`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from henshin import StageConfig
from henshin.api.face_selection import POLICY, Policy

Stretch = Annotated[float, Field(ge=0.5, le=2.0)]


class MatchProportionsConfig(StageConfig):
    """Options of `match_proportions`."""

    stretch: tuple[Stretch, Stretch] = Field(
        (1.2, 1.4),
        description="Factors across and down by which a drawn face is stretched about the middle of its eye line; "
        "(1.2, 1.4) gives it the width and the distance from eyes to chin of a photographed face, (1, 1) keeps its "
        "own.",
    )
    minimum_match: float = Field(
        0.6,
        ge=-1.0,
        le=1.0,
        description="Least correlation of a registered face with the mean one; below it the face is dropped. "
        "Frontal drawn faces reach 0.7 to 0.95.",
    )
    maximum_outside: float | None = Field(
        None,
        ge=0.0,
        le=1.0,
        description="Drop a face whose new crop lies beyond the picture by more than this share; null: keep all.",
    )
    without_faces: Policy = Field("copy", description=f"For pictures all of whose faces were dropped. {POLICY}")


class VaryFacesConfig(StageConfig):
    """Options of `vary_faces`."""

    skin: float = Field(0.5, ge=0, le=1, description="Share of the faces that get another skin tone.")
    glasses: float = Field(0.08, ge=0, le=1, description="Share of the faces that get glasses.")
    beard: float = Field(0.08, ge=0, le=1, description="Share of the faces that get a beard or moustache.")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="Seed; with a face's pixels it determines what it gets.")
