"""Face detection with the options of `face_detect`, by either detector."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from henshin.api.face_selection import chosen, is_seen, side
from henshin_plugins.face.geometry import nms
from henshin_plugins.face.second_pass import ANGLES, QUARTERS, SCORES, confirmed, equalised_pass, second_pass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from henshin import Context, Face, Picture
    from henshin_plugins.face.config import FaceDetectConfig
    from henshin_plugins.face.second_pass import Detector


SHARE_OF_SIDE = 0.024

LEAST_SIZE = 24

DOUBLE = 0.5
"""Intersection over union beyond which two faces are one: a turned face may be found twice before it is upright."""


class FaceDetector:
    """A detector with the options of `face_detect`."""

    def __init__(self, config: FaceDetectConfig, context: Context) -> None:
        self.config = config
        self.detector = _detector(config, context)
        auto = config.minimum_score == "auto"
        self.score = self.detector.minimum_score if auto else float(config.minimum_score)
        defaults = SCORES[config.detector]
        seen = defaults.seen if auto else min(defaults.seen, self.score)
        self.scores = replace(defaults, seen=seen, again=max(defaults.again, self.score))

    def find(self, pictures: Sequence[Picture], alphas: Sequence[Picture | None] = ()) -> list[list[Face]]:
        """Return the selected faces of each picture, from left to right; transparent areas of alphas (H, W) ignored."""
        sizes = [self._size(picture) for picture in pictures]
        found = self.detector.find(pictures, sizes, self.score)
        parts = zip(pictures, alphas or [None] * len(pictures), sizes, found, strict=True)
        return [self._one(*one) for one in parts]

    def _one(self, picture: Picture, alpha: Picture | None, size: int, faces: list[Face]) -> list[Face]:
        faces = [face for face in faces if side(face) >= size]
        if self.config.second_pass != "never":
            faces = self._confirmed(picture, faces, size)
            if not faces:
                again = second_pass(self.detector, picture, ANGLES[self.config.second_pass], size, self.scores)
                faces = self._confirmed(picture, again, size)
            if not faces:
                quarters = QUARTERS[self.config.second_pass]
                faces = self._once(equalised_pass(self.detector, picture, quarters, size, self.scores), size)
        most = self.config.maximum_faces
        return chosen((face for face in faces if is_seen(face, alpha)), self.config.faces, most, picture)

    def _confirmed(self, picture: Picture, faces: Sequence[Face], size: int) -> list[Face]:
        """Return the faces that an upright close-up confirms, each once."""
        quarters = QUARTERS[self.config.second_pass]
        checked = [confirmed(self.detector, picture, face, quarters, self.scores) for face in faces]
        return self._once([face for face in checked if face is not None], size)

    def _once(self, faces: Sequence[Face], size: int) -> list[Face]:
        """Return each of the faces once, without those below `size`."""
        seen = [face for face in faces if side(face) >= size]
        boxes = np.array([[*face.box, face.score] for face in seen], np.float64).reshape(-1, 5)
        return [seen[index] for index in nms(boxes, DOUBLE)]

    def _size(self, picture: Picture) -> int:
        if self.config.minimum_size == "auto":
            shorter: int = min(picture.shape[:2])
            return max(LEAST_SIZE, round(shorter * SHARE_OF_SIDE))
        return self.config.minimum_size


def _detector(config: FaceDetectConfig, context: Context) -> Detector:
    if config.model is not None:
        from henshin_plugins.face.yunet import Yunet

        return Yunet(context, config.model)
    from henshin_plugins.face.mtcnn import Mtcnn

    return Mtcnn(context)
