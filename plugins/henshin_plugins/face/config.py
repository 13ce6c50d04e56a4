"""Options of the stages `face_detect`, `assess`, `face_align`, `drop_misfits`, `paste_back` and `split_faces`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from henshin import StageConfig
from henshin.api.face_selection import CHOICE, POLICY, Choice, Policy
from henshin.config.options import ModelOption

if TYPE_CHECKING:
    from typing import Self


class FaceDetectConfig(StageConfig):
    """Options of `face_detect`."""

    renamed: ClassVar[Mapping[str, str]] = {"look_again": "second_pass"}

    detector: Literal["mtcnn", "yunet"] = Field(
        "mtcnn",
        description="'mtcnn' comes with henshin; 'yunet' needs its model, and finds fewer small and turned faces.",
    )
    model: Annotated[str, ModelOption(contract=False, kind="detector")] | None = Field(
        None, description="For 'yunet': its name in the list of models (null: yunet), or the path of its .onnx."
    )
    minimum_score: Annotated[float, Field(ge=0.0, le=1.0)] | Literal["auto"] = Field(
        "auto", description="Least score of a face. 'auto': 0.95 for mtcnn, 0.75 for yunet."
    )
    minimum_size: Annotated[int, Field(ge=12, le=16384)] | Literal["auto"] = Field(
        "auto",
        description="Least side of a face in pixels; 'auto': 2.4 % of the photo's shorter side, at least 24.",
    )
    maximum_faces: int | None = Field(
        None, ge=1, le=10_000, description="Most faces per photo; the largest ones are kept."
    )
    faces: Choice = Field("all", description=CHOICE)
    second_pass: Literal["never", "tilted", "turned"] = Field(
        "turned",
        description="Check tilted and doubtful faces again in an upright close-up, and drop those that are no face "
        "there. If none is left, search for large faces in the padded photo, also rotated by 35 degrees, and last in "
        "the equalised, mirrored photo. 'turned': all this also at 90 and 180 degrees, so that no crop is upside down.",
    )
    without_faces: Policy = Field("copy", description=POLICY)

    @model_validator(mode="before")
    @classmethod
    def _set_default_model(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("detector") == "yunet" and values.get("model") is None:
            return {**values, "model": "yunet"}
        return values

    @model_validator(mode="after")
    def _check_dependent_options(self) -> Self:
        if self.model is not None and self.detector != "yunet":
            raise ValueError("model needs detector: yunet")
        if self.maximum_faces is not None and self.faces != "all":
            raise ValueError(f"maximum_faces needs faces: all; '{self.faces}' is one face")
        return self


class AssessConfig(StageConfig):
    """Options of `assess`."""

    drop_below: float | None = Field(
        None,
        ge=0.0,
        le=1.0,
        description="Drop a face whose score is below this, with the reasons; null: drop none, and only write scores "
        "and reasons into the record. 0.5 drops about a quarter of selfies.",
    )
    without_faces: Literal["copy", "skip"] = Field(
        "copy",
        description="Treatment of a photo that lost all faces: 'copy' writes it as it is; 'skip' leaves it out.",
    )


class FaceAlignConfig(StageConfig):
    """Options of `face_align`."""

    size: int = Field(256, ge=16, le=4096, description="Side of a crop in pixels, at most: nothing is enlarged.")
    margin: float = Field(
        1.0, ge=0.5, le=4.0, description="Width of the area in a crop: 1 = face with hair and chin, 2 = twice as wide."
    )
    by: Literal["auto", "landmarks", "box"] = Field(
        "auto",
        description="'landmarks': eyes, nose and mouth are mapped to a template, so that tilted faces become upright. "
        "'box': the middle of the crop is that of the box, whose side is 0.74 of the crop's; for boxes around whole "
        "heads. 'auto': by landmarks, or by the box where a detector, such as anime_face_detect, gives none.",
    )
    minimum_margin: float | None = Field(
        None,
        ge=0.5,
        le=4.0,
        description="Least margin. A crop that would lie beyond the photo by more than maximum_outside (null: at all) "
        "gets a smaller margin, down to this; null: always margin. For training sets of close photos: 0.8.",
    )
    maximum_outside: float | None = Field(
        None,
        ge=0.0,
        le=1.0,
        description="Drop a face whose crop, hair and surroundings included, lies beyond the photo by more than this "
        "share; close-ups have up to 0.6. For training sets: 0.1. A face with both eyes beyond it is always dropped.",
    )
    minimum_visible: float = Field(
        0.0,
        ge=0.0,
        le=1.0,
        description="Drop a face of which the photo shows less than this share. Only the face itself counts, from brow "
        "to chin, so that close-ups stay, and what is missing around them is mirrored: 0.7 leaves out faces of which "
        "half lies beyond the border.",
    )
    without_faces: Policy = Field("copy", description=f"For photos that lost all faces to the border. {POLICY}")

    @model_validator(mode="after")
    def _check_minimum_margin(self) -> Self:
        if self.minimum_margin is not None and self.minimum_margin > self.margin:
            raise ValueError(f"minimum_margin must not exceed margin ({self.margin:g})")
        return self


class PasteBackConfig(StageConfig):
    """Options of `paste_back`."""

    area: Literal["crop", "face", "head"] = Field(
        "crop",
        description="The pasted area. 'crop': the crop without the corners that roundness cuts off; 'face': an ellipse "
        "from the fringe to the chin, so that the outline of the hair is the photo's; 'head': an ellipse that holds "
        "the drawn hair as well.",
    )
    feather: float = Field(
        0.12, ge=0.0, le=0.5, description="Width of the soft border, as a share of the crop's side; 0 = a hard edge."
    )
    roundness: float = Field(
        0.5, ge=0.0, le=1.0, description="Shape of the area 'crop': 0 = the square, 1 = a circle within it."
    )
    colour_match: Literal["none", "mean", "mean_std", "surroundings", "border"] = Field(
        "none",
        description="Give a crop the mean colour ('mean'), or also the contrast ('mean_std'), of the photo there; "
        "'surroundings': make it no lighter than the photo there, and blend its low-frequency colours into the "
        "photo's towards the border, so that nothing glows; 'border': only that blending, and only near the border of "
        "the area, for drawings in the photo's own colours.",
    )
    strength: float = Field(1.0, ge=0.0, le=1.0, description="1 = the crop covers the photo, 0.5 = half of each.")
    surroundings: Literal["keep", "soften"] = Field(
        "keep",
        description="'soften': smooth the photo around the faces between its edges, and make its colours a fifth more "
        "saturated, so that it looks painted as well. A photo in which nothing is pasted stays as it is.",
    )


class DropMisfitsConfig(StageConfig):
    """Options of `drop_misfits`."""

    minimum_fit: float = Field(
        0.75,
        ge=0.0,
        le=1.0,
        description="Least fit of a drawn face. 0.75 finds four of five failed ones and 4 % of the good ones, 0.5 the "
        "worst half of the failed ones and hardly a good one.",
    )
    without_faces: Literal["copy", "skip"] = Field(
        "copy",
        description="Treatment of a photo none of whose faces fits: 'copy' writes it as it is; 'skip' leaves it out, "
        "which is for split_faces.",
    )


class SplitFacesConfig(StageConfig):
    """Options of `split_faces`."""

    trim: bool = Field(
        False,
        description="Cut a crop that reaches beyond the photo to the largest square that shows the photo, at least 0.6 "
        "of its side: no mirrored faces around a close-up. For crops of `face_align` at margin 1.",
    )
