"""A second look: at a photo in which no face was found, within a border, tilted or turned; and at faces that lean.

MTCNN wants the whole face in a window inside the photo, and upright to about 30 degrees: of 250 selfies, 16 had a face
that filled the photo or leant more. Within a black border, and turned by 35 degrees either way, 13 of those were
found, and of 534 landscapes and paintings 2 were taken for a face. Only large faces are looked for, in a reduced copy:
10 ms a look.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from henshin import Face
from henshin_plugins.face.geometry import apply, invert
from henshin_plugins.face.warp import bilinear, warp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from henshin import Picture
    from henshin_plugins.face.detect import Detector
    from henshin_plugins.face.geometry import Array

ANGLES = {"never": (), "tilted": (0, -35, 35), "turned": (0, -35, 35, 90, -90, 180)}
LONGEST = 256
GROW = 1.75
SHARE_OF_SIDE = 0.2
MINIMUM_SCORE = {"mtcnn": 0.95, "yunet": 0.8}
"""The first look found nothing, so a face in a landscape is likelier to be none: more is asked of its score."""
SURE = {"mtcnn": 0.99, "yunet": 0.9}
"""With "turned", a photo without a face of this score is looked at again too: turned faces give false ones below it."""
MUCH = 30.0
"""Degrees by which a face must lean to be looked at again upright."""
WINDOW, CANVAS = 2.5, 256
"""What is seen then: so many sides of its box, in a picture of so many pixels at most."""


def look_again(detector: Detector, picture: Picture, angles: Sequence[float], size: int, score: float) -> list[Face]:
    """Return the faces of the look with the best one, in coordinates of the photo.

    The landmarks keep their order, image-left first as one sees the face upright, so that `face_align` turns it so.
    """
    small = _reduced(picture)
    height, width = small.shape[:2]
    least = max(12, round(SHARE_OF_SIDE * min(height, width)), math.ceil(size * width / picture.shape[1]))
    to_small = np.array([[width / picture.shape[1], 0.0, 0.0], [0.0, height / picture.shape[0], 0.0]])
    side = round(GROW * max(height, width))
    best: list[Face] = []
    for angle in angles:
        turn = _turn(angle, (width / 2, height / 2), side / 2)
        faces = detector.find([bilinear(small, turn, side, side)], [least], score)[0]
        if best_score(faces) > best_score(best):
            back = invert(np.column_stack([turn[:, :2] @ to_small[:, :2], turn[:, 2]]))
            best = [_back(face, back) for face in faces]
    return best


def straightened(detector: Detector, picture: Picture, face: Face, score: float) -> Face:
    """Return the face as the detector sees it upright, if it leans much: landmarks of leaning faces are poor."""
    eyes = (face.landmarks[1] - face.landmarks[0]).astype(np.float64)
    lean = math.degrees(math.atan2(eyes[1], eyes[0]))
    if abs(lean) < MUCH:
        return face
    low, high = face.box[:2].astype(np.float64), face.box[2:].astype(np.float64)
    around = WINDOW * float((high - low).max())
    side = round(min(around, CANVAS))
    turn = _turn(-lean, (0.0, 0.0), 0.0) * (side / around)
    turn[:, 2] = side / 2 - turn[:, :2] @ ((low + high) / 2)
    upright = detector.find([warp(picture, turn, side, side)], [max(12, side // 5)], score)[0]
    near = [face for face in upright if np.abs((face.box[:2] + face.box[2:]) / 2 - side / 2).max() < side / 8]
    return _back(near[0], invert(turn)) if near else face


def best_score(faces: Sequence[Face]) -> float:
    """Return the score of the best face, 0 without any."""
    return max((face.score for face in faces), default=0.0)


def _reduced(picture: Picture) -> Picture:
    factor = math.ceil(max(picture.shape[:2]) / LONGEST)
    size = math.ceil(picture.shape[1] / factor), math.ceil(picture.shape[0] / factor)
    if factor == 1:
        return picture
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX, reducing_gap=2.0))


def _turn(angle: float, centre: tuple[float, float], middle: float) -> Array:
    """Return the map that turns by `angle` degrees and takes `centre` to the middle of the canvas."""
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    linear = np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack([linear, middle - linear @ centre])


def _back(face: Face, matrix: Array) -> Face:
    """Return the face mapped by `matrix`; its box stays square to the photo and keeps its area."""
    low, high = face.box[:2].astype(np.float64), face.box[2:].astype(np.float64)
    centre = apply(matrix, ((low + high) / 2)[None])[0]
    half = math.sqrt(abs(np.linalg.det(matrix[:, :2])) * float((high - low).prod())) / 2
    box = np.concatenate([centre - half, centre + half]).astype(np.float32)
    return Face(box, face.score, apply(matrix, face.landmarks.astype(np.float64)).astype(np.float32))
