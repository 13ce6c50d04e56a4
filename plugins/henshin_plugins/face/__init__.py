"""Faces: detection, alignment, and crops pasted back or written as separate pictures.

`face_detect` (-> `assess`) -> `face_align` -> (stages on the crops) -> `paste_back` or `split_faces`. The heavy code is
in the other modules of this package and is loaded when a stage is opened.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from henshin import Dropped, Frame, Stage, hookimpl
from henshin.api.face_selection import none_left
from henshin_plugins.face.config import (
    AssessConfig,
    DropMisfitsConfig,
    FaceAlignConfig,
    FaceDetectConfig,
    PasteBackConfig,
    SplitFacesConfig,
)
from henshin_plugins.face.drawn import MatchProportions, VaryFaces

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from henshin import Context, Face, Picture


class FaceDetect(Stage[FaceDetectConfig]):
    """Find the faces of a photo: box, score and five landmarks of each. Faces in transparent areas are ignored."""

    name = "face_detect"
    Config = FaceDetectConfig
    works_on = "frames"
    concurrent = True
    gives = frozenset({"faces"})

    def depends_on(self) -> Mapping[str, str]:
        """Return MTCNN's nets, which come with the plugin, with their hashes; YuNet's network is an option."""
        from henshin.files import hash_file

        if self.config.detector != "mtcnn":
            return {}
        return {path.name: hash_file(path) for path in sorted((Path(__file__).parent / "nets").glob("*.onnx"))}

    def open(self, context: Context) -> None:
        """Load the detector's networks. Errors: MissingError without the YuNet model."""
        from henshin_plugins.face.detect import FaceDetector

        self.detector: FaceDetector | None = FaceDetector(self.config, context)

    def run(self, items: Sequence[Frame]) -> list[Frame]:
        """Return the frames with their faces; frames without any are treated as `without_faces` says."""
        if self.detector is None:
            raise RuntimeError("face_detect is closed")
        faces_of_each = self.detector.find([frame.picture for frame in items], [frame.alpha for frame in items])
        policy = self.config.without_faces
        return [
            replace(frame, faces=faces) if faces else none_left(frame, policy, "no face", "no face found")
            for frame, faces in zip(items, faces_of_each, strict=True)
        ]

    def close(self) -> None:
        """Release the networks."""
        self.detector = None


class Assess(Stage[AssessConfig]):
    """Say before anything is drawn which faces are likely to fail: a score from 0 to 1, and the reasons.

    The score is the share of photos of this kind that `selfie2anime` draws well: turned heads, light from one side,
    shadows, darkness, close borders and the like lower it. Put it behind `face_detect`, with a detector that gives
    landmarks. Scores and reasons stand in the record; `drop_below` leaves faces out.
    """

    name = "assess"
    Config = AssessConfig
    works_on = "frames"
    concurrent = True
    needs = frozenset({"faces"})

    def open(self, context: Context) -> None:  # noqa: ARG002
        """Import the code that measures."""
        from henshin_plugins.face import assessment

        self.assess = assessment.assess

    def run(self, items: Sequence[Frame]) -> list[Frame]:
        """Return the frames, without the faces that were dropped. One with no other goes as `without_faces` says."""
        return [self._one(frame) for frame in items]

    def _one(self, frame: Frame) -> Frame:
        if not frame.faces:
            return frame
        found = [self.assess(frame.picture, face) for face in frame.faces]
        frame.remember(json.dumps([{"score": round(one.score, 3), "reasons": list(one.reasons)} for one in found]))
        for number, one in enumerate(found, 1):
            if one.reasons:
                frame.remark(str(one) if len(found) == 1 else f"face {number}: {one}")
        least = self.config.drop_below
        if least is None:
            return frame
        faces = [
            face
            if one.score >= least
            else replace(face, dropped=Dropped("unlikely", f"{one}; at least {least:g} wanted"))
            for face, one in zip(frame.faces, found, strict=True)
        ]
        left = any(face.dropped is None for face in faces)
        return replace(frame, faces=faces, bypass=not left and self.config.without_faces == "copy")


class FaceAlign(Stage[FaceAlignConfig]):
    """Cut every face out of its photo, aligned as in the generators' training; upright if it has landmarks."""

    name = "face_align"
    Config = FaceAlignConfig
    works_on = "frames"
    concurrent = True
    needs = frozenset({"faces"})
    gives = frozenset({"crops"})
    ends = frozenset({"latents"})  # those of the whole photo are not valid for its faces

    def open(self, context: Context) -> None:  # noqa: ARG002
        """Import the code that warps."""
        from henshin_plugins.face import align

        self.align = align.align
        self.reason = align.reason

    def run(self, items: Sequence[Frame]) -> list[Frame]:
        """Return the frames with a crop, its mask and its matrix in each face."""
        return [self._one(frame) for frame in items]

    def _one(self, frame: Frame) -> Frame:
        if not frame.faces:
            return frame  # a photo that is processed whole
        faces = self.align(frame.picture, frame.faces, self.config)
        if faces:
            return replace(frame, faces=faces, latents={})
        reason = self.reason(frame.picture, frame.faces, self.config)
        return none_left(replace(frame, faces=[]), self.config.without_faces, "beyond the border", reason)


class DropMisfits(Stage[DropMisfitsConfig]):
    """Leave faces as they are in the photo if their drawings failed: dark clots in the skin, or no proper eyes.

    Put it behind the generator, before `paste_back` (the photo keeps the face) or `split_faces` (no portrait is
    written). The fit, 0 to 1, is measured in drawings of crops at margin 1 of the alignment by landmarks. What was
    dropped is counted in the summary, and shown on a sheet.
    """

    name = "drop_misfits"
    Config = DropMisfitsConfig
    works_on = "frames"
    concurrent = True
    needs = frozenset({"crops"})

    def open(self, context: Context) -> None:  # noqa: ARG002
        """Import the code that measures."""
        from henshin_plugins.face import fit

        self.fit = fit.fit

    def run(self, items: Sequence[Frame]) -> list[Frame]:
        """Return the frames with failed faces dropped. One with no other is treated as `without_faces` says."""
        return [self._one(frame) for frame in items]

    def _one(self, frame: Frame) -> Frame:
        faces = [self._checked(face) for face in frame.faces]
        left = any(face.dropped is None for face in faces)
        return replace(frame, faces=faces, bypass=bool(faces) and not left and self.config.without_faces == "copy")

    def _checked(self, face: Face) -> Face:
        if face.crop is None:
            return face
        value, least = self.fit(face.crop), self.config.minimum_fit
        if value >= least:
            return face
        return replace(face, dropped=Dropped("misfits", f"fit {value:.2f}, at least {least:g} wanted"))


class PasteBack(Stage[PasteBackConfig]):
    """Paste every crop back into its photo, with a soft border."""

    name = "paste_back"
    Config = PasteBackConfig
    works_on = "frames"
    concurrent = True
    needs = frozenset({"crops"})
    ends = frozenset({"crops", "latents"})

    def open(self, context: Context) -> None:  # noqa: ARG002
        """Import the code that warps and blends."""
        from henshin_plugins.face.pasting import paste

        self.paste = paste.paste

    def run(self, items: Sequence[Frame]) -> list[Frame]:
        """Return the frames with their crops pasted into the picture; a frame without crops as it is."""
        return [self._one(frame) for frame in items]

    def _one(self, frame: Frame) -> Frame:
        if not any(face.crop is not None for face in frame.faces):
            return frame
        faces = [replace(face, crop=None, mask=None, matrix=None) for face in frame.faces]
        return replace(frame, picture=self.paste(frame.picture, frame.faces, self.config), faces=faces, latents={})


class SplitFaces(Stage[SplitFacesConfig]):
    """Write every crop as a separate picture, by default PNG: NAME-1, NAME-2, ... from left to right.

    Each keeps its latents.
    """

    name = "split_faces"
    Config = SplitFacesConfig
    works_on = "frames"
    concurrent = True
    renames = True
    needs = frozenset({"crops"})
    ends = frozenset({"crops"})

    def run(self, items: Sequence[Frame]) -> list[Frame]:
        """Return one frame for each crop; a photo without crops keeps its name."""
        return [part for frame in items for part in self._parts(frame)]

    def _parts(self, frame: Frame) -> list[Frame]:
        crops = [self._shown(face, face.crop) for face in frame.faces if face.crop is not None]
        if not crops:
            return [frame]
        return [
            replace(
                frame,
                name=f"{frame.name}-{number}",
                picture=crop,
                alpha=None,
                # a crop is not the photo's file: it is written as PNG unless the user names another format
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

    def _shown(self, face: Face, crop: Picture) -> Picture:
        """Return the crop, or its part that shows the photo."""
        if not self.config.trim or face.mask is None or face.mask.all():
            return crop
        from henshin_plugins.face.trim import shown_square

        top, left, side = shown_square(face.mask)
        part = crop[top : top + side, left : left + side].copy()
        part.flags.writeable = False
        return part


@hookimpl
def henshin_stages() -> list[type[Stage[Any]]]:
    """Return the stages of this plugin."""
    return [FaceDetect, Assess, FaceAlign, MatchProportions, VaryFaces, DropMisfits, PasteBack, SplitFaces]
