"""Faces in drawings: the stage `anime_face_detect`; the detectors of `face_detect` are for photos.

`anime_face_detect` -> `face_align` -> (stages on the crops) -> `split_faces` or `paste_back`. The heavy code is in the
other modules of this package.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from henshin import Frame, Stage, hookimpl
from henshin.api.face_selection import none_left
from henshin_plugins.anime_face.config import AnimeFaceDetectConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from henshin import Context


class AnimeFaceDetect(Stage[AnimeFaceDetectConfig]):
    """Find the faces of drawings: box and score of each, no landmarks.

    A box holds the head with its hair. Faces in transparent areas are ignored. `henshin models pull
    lbpcascade-animeface` downloads the default cascade.
    """

    name = "anime_face_detect"
    Config = AnimeFaceDetectConfig
    works_on = "frames"
    concurrent = True
    gives = frozenset({"faces"})

    def open(self, context: Context) -> None:
        """Read the cascade. Errors: MissingError without the file, HenshinError for another kind of file."""
        from henshin_plugins.anime_face.detect import AnimeFaceDetector
        from henshin_plugins.anime_face.lbp_cascade import read_cascade

        cascade = read_cascade(context.store.file(self.config.model, context.base))
        self.detector: AnimeFaceDetector | None = AnimeFaceDetector(cascade, self.config)

    def run(self, items: Sequence[Frame]) -> list[Frame]:
        """Return the frames with their faces; frames without any are treated as `without_faces` says."""
        return [self._one(frame) for frame in items]

    def _one(self, frame: Frame) -> Frame:
        if self.detector is None:
            raise RuntimeError("anime_face_detect is closed")
        faces = self.detector.find(frame.picture, frame.alpha)
        if faces:
            return replace(frame, faces=faces)
        return none_left(frame, self.config.without_faces, "no face", "no face found")

    def close(self) -> None:
        """Release the cascade."""
        self.detector = None


@hookimpl
def henshin_stages() -> list[type[Stage[Any]]]:
    """Return the stage of this plugin."""
    return [AnimeFaceDetect]
