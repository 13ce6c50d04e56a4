"""Faces in drawings: `anime_face_detect` finds them where `face_detect`, made for photos, sees none.

`anime_face_detect` -> `face_align` -> (stages on the crops) -> `split_faces` or `paste_back`. The heavy code is in the
modules beside this one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from henshin import Frame, Stage, StageConfig, hookimpl
from henshin.api.face_selection import CHOICE, POLICY, Choice, Policy, none_left
from henshin.api.stage import ModelOption

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from henshin import Context


class AnimeFaceDetectConfig(StageConfig):
    """Options of `anime_face_detect`."""

    model: Annotated[str, ModelOption(contract=False, kind="detector")] = Field(
        "lbpcascade-animeface",
        description="A cascade of local binary patterns: its name in the list of models, or the path of an .xml as "
        "OpenCV 3 and 4 write them.",
    )
    minimum_score: float = Field(
        0.5,
        ge=0.0,
        lt=1.0,
        description="Least score of a face: 0.5 finds nearly all that look at us, 0.35 more that lean or turn away and "
        "more that are none.",
    )
    minimum_size: int | Literal["auto"] = Field(
        "auto",
        ge=12,
        le=16384,
        description="Least side of a face, with its hair, in pixels; 'auto': 4 % of the picture's shorter side, at "
        "least 24. The larger, the faster.",
    )
    maximum_faces: int | None = Field(
        None, ge=1, le=10_000, description="Of all faces keep at most so many, the largest ones."
    )
    faces: Choice = Field("all", description=CHOICE)
    scale_factor: float = Field(
        1.2, ge=1.02, le=1.5, description="How much larger each size is than the last that is looked for."
    )
    step: int = Field(
        2,
        ge=1,
        le=4,
        description="Every how many pixels to look, where a face has 24; 1 takes four times as long.",
    )
    look_again: bool = Field(
        True,
        description="Where none is found, look within a border for one that fills the picture or is cut off by it.",
    )
    without_faces: Policy = Field("copy", description=POLICY)

    @model_validator(mode="after")
    def _no_idle_option(self) -> Self:
        if self.maximum_faces is not None and self.faces != "all":
            raise ValueError(f"maximum_faces needs faces: all; '{self.faces}' is one face")
        return self


class AnimeFaceDetect(Stage[AnimeFaceDetectConfig]):
    """Find the faces of drawings: box and score of each, no landmarks.

    A box holds the head with its hair. What lies where the picture is transparent is none. The usual cascade comes
    with `henshin models pull lbpcascade-animeface`.
    """

    name = "anime_face_detect"
    Config = AnimeFaceDetectConfig
    works_on = "frames"
    gives = frozenset({"faces"})

    def open(self, context: Context) -> None:
        """Read the cascade. Errors: MissingError when it is not there, HenshinError when it is none."""
        from henshin_plugins.anime_face.detect import Finder
        from henshin_plugins.anime_face.lbp_cascade import read_cascade

        cascade = read_cascade(context.store.file(self.config.model, context.base))
        self.finder: Finder | None = Finder(cascade, self.config)

    def run(self, items: Sequence[Frame]) -> list[Frame]:
        """Return the frames with their faces; those without any as `without_faces` says."""
        return [self._one(frame) for frame in items]

    def _one(self, frame: Frame) -> Frame:
        if self.finder is None:
            raise RuntimeError("anime_face_detect is closed")
        faces = self.finder.find(frame.picture, frame.alpha)
        if faces:
            return replace(frame, faces=faces)
        return none_left(frame, self.config.without_faces, "no face", "no face found")

    def close(self) -> None:
        """Let the cascade go."""
        self.finder = None


@hookimpl
def henshin_stages() -> list[type[Stage[Any]]]:
    """Return the stage of this plugin."""
    return [AnimeFaceDetect]
