"""A second look: at a photo in which no face was found, within a border, tilted or turned; and at doubtful faces.

MTCNN wants the whole face in a window inside the photo, and upright to about 30 degrees. A face that fills the photo
is found within a black border, one that leans in the photo turned. Only large faces are looked for, in a reduced copy:
10 ms a look.

What it takes for a face is not always one, or not upright: it draws eyes into an upside-down chin, and faces into
lace, with scores of up to 0.998. So each face below a sure score is looked at from near, upright as it was said to
be and turned by quarters. What is no face there is dropped, and what is one much more surely when turned is turned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from PIL import Image

from henshin import Face
from henshin_plugins.face.geometry import apply, invert, marks_of
from henshin_plugins.face.warp import bilinear

if TYPE_CHECKING:
    from collections.abc import Sequence

    from henshin import Picture
    from henshin_plugins.face.geometry import Array


ANGLES = {"tilted": (0, -35, 35), "turned": (0, -35, 35, 90, -90, 180)}

QUARTERS = {"tilted": (0,), "turned": (0, 1, 2, 3)}
"""By how many quarters, counter-clockwise, a doubtful face is turned to see how it is upright."""

LONGEST = 256

GROW = 1.75

SHARE_OF_SIDE = 0.2

MUCH = 12.0
"""Degrees by which a face must lean to be looked at again upright: landmarks of leaning faces are poor, and one that
leans by 45 may seem to lean by 14."""

WINDOW, CANVAS = 2.5, 192
"""What is seen then: so many sides of its box, in a picture of so many pixels at most."""

SURER = 0.35
"""A face is turned by quarters if that leaves at most so much of what its score lacks to 1."""


@dataclass(frozen=True)
class Scores:
    """What a second look asks of a detector's scores."""

    sure: float
    """From here on a face is believed without another look; lower ones may stand upside down."""
    seen: float
    """Least score of a doubtful face seen from near."""
    again: float
    """Least score in a photo looked at again: nothing was found at first, so what is found now is likelier no face."""


SCORES = {"mtcnn": Scores(0.999, 0.9, 0.95), "yunet": Scores(0.9, 0.7, 0.8)}


def second_pass(detector: Detector, picture: Picture, angles: Sequence[float], size: int, scores: Scores) -> list[Face]:
    """Return the faces of the look with the best one, in coordinates of the photo. A sure one ends the search.

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
        faces = detector.find([bilinear(small, turn, side, side)], [least], scores.again)[0]
        if best_score(faces) > best_score(best):
            back = invert(np.column_stack([turn[:, :2] @ to_small[:, :2], turn[:, 2]]))
            best = [_back(face, back) for face in faces]
        if best_score(best) >= scores.sure:
            break
    return best


def confirmed(detector: Detector, picture: Picture, face: Face, quarters: Sequence[int], scores: Scores) -> Face | None:
    """Return the face as the detector sees it upright, or None if it is none from near.

    One that is sure and leans little is the very same; so is a doubtful one that is seen again where it was.
    """
    if face.score >= scores.sure:
        return straightened(detector, picture, face, 0.0, scores.seen)
    level = _lean(face)
    upright, *others = [
        look and straightened(detector, picture, look, level + 90 * quarter, scores.seen)
        for quarter, look in zip(quarters, _looks(detector, picture, face, quarters, scores.seen), strict=True)
    ]
    lacks = 1 - (upright.score if upright else scores.seen)
    turned = max((other for other in others if other), key=lambda other: other.score, default=None)
    if turned and 1 - turned.score < SURER * lacks:
        return turned
    same = upright is not None and abs(level) < MUCH and _apart(_lean(upright), level) < MUCH
    return face if same else upright


def straightened(detector: Detector, picture: Picture, face: Face, level: float, score: float) -> Face:
    """Return the face as the detector sees it upright, if it leans from the `level` at which it was seen, in degrees.

    How much a face leans is told too low where it leans much, so up to three looks lead there.
    """
    for _ in range(3):
        lean = _lean(face)
        upright = _looks(detector, picture, face, (0,), score)[0] if _apart(lean, level) >= MUCH else None
        if upright is None:
            break
        face, level = upright, lean
    return face


def _looks(
    detector: Detector, picture: Picture, face: Face, quarters: Sequence[int], score: float
) -> list[Face | None]:
    """Return what is seen of a face from near: upright as its eyes say, then turned by so many quarters."""
    patch, turn = _near(picture, face)
    side = len(patch)
    views = [np.ascontiguousarray(np.rot90(patch, quarter)) for quarter in quarters]
    found = detector.find(views, [max(12, side // 5)] * len(views), score)
    looks: list[Face | None] = []
    for quarter, faces in zip(quarters, found, strict=True):
        whole = _turn(-90 * quarter, (side / 2, side / 2), side / 2)
        back = invert(np.column_stack([whole[:, :2] @ turn[:, :2], apply(whole, turn[:, 2][None])[0]]))
        central = [one for one in faces if np.abs((one.box[:2] + one.box[2:]) / 2 - side / 2).max() < side / 8]
        looks.append(_back(max(central, key=lambda one: one.score), back) if central else None)
    return looks


def _near(picture: Picture, face: Face) -> tuple[Picture, Array]:
    """Return a square picture of the face and what is around it, its eyes level, and the matrix that leads there."""
    low, high = face.box[:2].astype(np.float64), face.box[2:].astype(np.float64)
    centre, around = (low + high) / 2, WINDOW * float((high - low).max())
    side = round(min(around, CANVAS))
    turn = _turn(-_lean(face), (0.0, 0.0), 0.0) * (side / around)
    turn[:, 2] = side / 2 - turn[:, :2] @ centre
    limit = np.array([picture.shape[1], picture.shape[0]])
    start = np.floor(centre - around * 0.75).clip(0, limit - 1).astype(int)
    stop = np.ceil(centre + around * 0.75).clip(start + 1, limit).astype(int)
    part, factor = picture[start[1] : stop[1], start[0] : stop[0]], max(1, int(around / side))
    if factor > 1:
        part = np.asarray(Image.fromarray(np.ascontiguousarray(part)).reduce(factor))
    shifted = np.column_stack([turn[:, :2] * factor, apply(turn, start[None].astype(np.float64))[0]])
    return bilinear(part, shifted, side, side), turn


def _lean(face: Face) -> float:
    """Return by how many degrees the line of the eyes is turned, clockwise."""
    marks = marks_of(face)
    across, down = (marks[1] - marks[0]).tolist()
    return math.degrees(math.atan2(down, across))


def _apart(one: float, other: float) -> float:
    """Return by how many degrees two directions differ, 0 to 180."""
    return abs((one - other + 180) % 360 - 180)


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
    return Face(box, face.score, apply(matrix, marks_of(face)).astype(np.float32))


class Detector(Protocol):
    """What MTCNN and YuNet have in common. `minimum_score` is the one that suits the detector."""

    minimum_score: float

    def find(self, pictures: Sequence[Picture], sizes: Sequence[int], score: float) -> list[list[Face]]:
        """Return the faces of each picture that reach `score`, given the least side of a face in each."""
