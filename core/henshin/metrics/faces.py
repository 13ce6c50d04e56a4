"""Faces that a stage finds, and how far the landmarks of a translated face lie from those of its source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from henshin.api.frame import Frame
from henshin.errors import PictureError
from henshin.metrics.figures import Better

if TYPE_CHECKING:
    from henshin.api.context import Context
    from henshin.api.frame import Face
    from henshin.api.stage import Stage
    from henshin.images.picture import Picture


class FaceFinder:
    """A stage that finds faces, opened outside any pipeline. Errors: MissingError without its model."""

    def __init__(self, stage: Stage[Any], context: Context) -> None:
        self.stage = stage
        stage.open(context)

    def find(self, picture: Picture) -> list[Face]:
        """Return the faces of a picture (H, W, 3) uint8."""
        (frame,) = self.stage.run([Frame("", "", picture)])
        faces: list[Face] = frame.faces
        return faces


def find_faces(stage: Stage[Any], context: Context, pictures: Sequence[Picture]) -> list[list[Face]]:
    """Return the faces that a stage finds in each picture, and close it. Errors: MissingError without its model."""
    finder = FaceFinder(stage, context)
    try:
        return [finder.find(picture) for picture in pictures]
    finally:
        stage.close()


class LandmarkDistance:
    """Mean distance of the five landmarks of the largest faces of a picture and its source.

    Places are shares of the pictures' sides; the unit is the distance of the eyes in the source.
    """

    key, title = "landmarks", "distance of landmarks (1 = that of the eyes)"
    better: Better = "lower"
    same_size = False

    def __init__(self, finder: FaceFinder) -> None:
        self.finder = finder

    def measure(self, picture: Picture, partner: Picture, /) -> float:
        """Return the distance. Errors: PictureError where one of the two shows no face with landmarks."""
        import numpy as np

        found, wanted = self._landmarks(picture, "translation"), self._landmarks(partner, "source")
        height, width = partner.shape[:2]
        offsets = (found - wanted) * (width, height)
        eyes = (wanted[0] - wanted[1]) * (width, height)
        return float(np.linalg.norm(offsets, axis=1).mean() / np.linalg.norm(eyes))

    def _landmarks(self, picture: Picture, what: str) -> Any:
        import numpy as np

        faces = [face for face in self.finder.find(picture) if face.landmarks is not None]
        if not faces:
            raise PictureError(f"no face is found in the {what}")
        largest = max(faces, key=lambda face: float(np.prod(face.box[2:] - face.box[:2])))
        return np.asarray(largest.landmarks, float) / (picture.shape[1], picture.shape[0])
