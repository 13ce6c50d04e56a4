"""The second pass of face detection: padded and rotated photos without a face, and close-ups of doubtful faces.

MTCNN needs the whole face in a window inside the photo, and upright to about 30 degrees. A face that fills the photo
is found in the padded photo, a tilted one in the rotated photo. Only large faces are searched for, in a reduced copy,
10 ms per search.

Some detections are no faces, or not upright: landmarks of eyes on an upside-down chin, faces in lace, with scores of
up to 0.998. So each face below a sure score is detected again in a close-up, upright by its landmarks and rotated by
multiples of 90 degrees. If no face is found there, it is dropped; if the score of a rotated one is much higher, it is
replaced by that one.

Over-exposed faces, and faces whose foreheads lie beyond the border, are found in the equalised, mirrored photo.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from PIL import Image, ImageOps

from henshin import Face
from henshin_plugins.face.geometry import apply, composed, invert, landmarks_of
from henshin_plugins.face.warp import bilinear

if TYPE_CHECKING:
    from collections.abc import Sequence

    from henshin import Picture
    from henshin.images.picture import Floats
    from henshin_plugins.face.geometry import Array


ANGLES = {"tilted": (0, -35, 35), "turned": (0, -35, 35, 90, -90, 180)}

QUARTERS = {"tilted": (0,), "turned": (0, 1, 2, 3)}
"""Multiples of 90 degrees, counter-clockwise, by which close-ups of a doubtful face are rotated."""

LONGEST = 256

PADDING = 1.75

SHARE_OF_SIDE = 0.2

LEAST_TILT = 12.0
"""Least tilt in degrees for another detection upright: landmarks of tilted faces are poor, and a tilt of 45 may be
estimated as 14."""

CLOSE_UP, CANVAS = 2.5, 192
"""Side of a close-up: in sides of the face's box, and in pixels at most."""

SURER_RATIO = 0.35
"""Greatest ratio of (1 - score) of a rotated face to that of the upright one for which the rotated one is taken."""


@dataclass(frozen=True)
class Scores:
    """Thresholds of the second pass for the scores of one detector."""

    sure: float
    """Least score of a face that needs no check; lower ones may be upside down."""
    seen: float
    """Least score of a doubtful face in its close-up."""
    again: float
    """Least score in a second search: after a first one without faces, a false detection is more likely."""


SCORES = {"mtcnn": Scores(0.999, 0.9, 0.95), "yunet": Scores(0.9, 0.7, 0.8)}


def second_pass(detector: Detector, picture: Picture, angles: Sequence[float], size: int, scores: Scores) -> list[Face]:
    """Return the faces at the angle with the best score, in coordinates of the photo. A sure face ends the search.

    The landmarks keep the order of the upright face, image-left first, so that `face_align` makes it upright.
    """
    small = _reduced(picture)
    height, width = small.shape[:2]
    least = _least_side(picture, small, size)
    to_small = np.array([[width / picture.shape[1], 0.0, 0.0], [0.0, height / picture.shape[0], 0.0]])
    side = round(PADDING * max(height, width))
    best: list[Face] = []
    for angle in angles:
        rotation = _rotation(angle, (width / 2, height / 2), side / 2)
        faces = detector.find([bilinear(small, rotation, side, side)], [least], scores.again)[0]
        if best_score(faces) > best_score(best):
            back = invert(composed(rotation, to_small))
            best = [_mapped_face(face, back) for face in faces]
        if best_score(best) >= scores.sure:
            break
    return best


def equalised_pass(
    detector: Detector, picture: Picture, quarters: Sequence[int], size: int, scores: Scores
) -> list[Face]:
    """Return the large faces that are found in the equalised photo, mirrored beyond its border, and confirmed there."""
    small = _reduced(picture)
    (height, width), factor = small.shape[:2], np.array([picture.shape[1], picture.shape[0]]) / small.shape[1::-1]
    pad = round((PADDING - 1) / 2 * max(height, width))
    even = np.asarray(ImageOps.equalize(Image.fromarray(small)))
    canvas = np.pad(even, ((pad, pad), (pad, pad), (0, 0)), mode="symmetric")
    found = detector.find([canvas], [_least_side(picture, small, size)], scores.again)[0]
    central = [face for face in found if _within((face.box[:2] + face.box[2:]) / 2 - pad, width, height)]
    seen = [face for one in central if (face := confirmed(detector, canvas, one, quarters, scores)) is not None]
    back = np.column_stack([np.diag(factor), -pad * factor])
    return [_mapped_face(face, back) for face in seen]


def _within(point: Floats, width: int, height: int) -> bool:
    return bool(0 <= point[0] < width and 0 <= point[1] < height)


def _least_side(picture: Picture, small: Picture, size: int) -> int:
    """Return the least side of a face in the reduced photo, if it is `size` in the photo."""
    shorter: int = min(small.shape[:2])
    return max(12, round(SHARE_OF_SIDE * shorter), math.ceil(size * int(small.shape[1]) / int(picture.shape[1])))


def confirmed(detector: Detector, picture: Picture, face: Face, quarters: Sequence[int], scores: Scores) -> Face | None:
    """Return the face as detected in an upright close-up, or None if none is found there.

    A sure face with little tilt is returned as it is; so is a doubtful one that is found again in the same pose.
    """
    if face.score >= scores.sure:
        return straightened(detector, picture, face, 0.0, scores.seen)
    level = _tilt(face)
    upright, *others = [
        close_up and straightened(detector, picture, close_up, level + 90 * quarter, scores.seen)
        for quarter, close_up in zip(quarters, _close_ups(detector, picture, face, quarters, scores.seen), strict=True)
    ]
    uncertainty = 1 - (upright.score if upright else scores.seen)
    rotated = max((other for other in others if other), key=lambda other: other.score, default=None)
    if rotated and 1 - rotated.score < SURER_RATIO * uncertainty:
        return rotated
    same = upright is not None and abs(level) < LEAST_TILT and _angle_between(_tilt(upright), level) < LEAST_TILT
    return face if same else upright


def straightened(detector: Detector, picture: Picture, face: Face, level: float, score: float) -> Face:
    """Return the face as detected upright, if it is tilted against the angle `level` of its detection, in degrees.

    Large tilts are underestimated, so up to three detections are made.
    """
    for _ in range(3):
        tilt = _tilt(face)
        upright = (
            _close_ups(detector, picture, face, (0,), score)[0] if _angle_between(tilt, level) >= LEAST_TILT else None
        )
        if upright is None:
            break
        face, level = upright, tilt
    return face


def _close_ups(
    detector: Detector, picture: Picture, face: Face, quarters: Sequence[int], score: float
) -> list[Face | None]:
    """Return the detections in close-ups of a face: upright by its eyes, then rotated by so many quarters."""
    patch, rotation = _close_up(picture, face)
    side = len(patch)
    views = [np.ascontiguousarray(np.rot90(patch, quarter)) for quarter in quarters]
    found = detector.find(views, [max(12, side // 5)] * len(views), score)
    results: list[Face | None] = []
    for quarter, faces in zip(quarters, found, strict=True):
        whole = _rotation(-90 * quarter, (side / 2, side / 2), side / 2)
        back = invert(composed(whole, rotation))
        central = [one for one in faces if np.abs((one.box[:2] + one.box[2:]) / 2 - side / 2).max() < side / 8]
        results.append(_mapped_face(max(central, key=lambda one: one.score), back) if central else None)
    return results


def _close_up(picture: Picture, face: Face) -> tuple[Picture, Array]:
    """Return a square close-up of the face with level eyes, and the matrix from the photo to it."""
    low, high = face.box[:2].astype(np.float64), face.box[2:].astype(np.float64)
    centre, around = (low + high) / 2, CLOSE_UP * float((high - low).max())
    side = round(min(around, CANVAS))
    rotation = _rotation(-_tilt(face), (0.0, 0.0), 0.0) * (side / around)
    rotation[:, 2] = side / 2 - rotation[:, :2] @ centre
    limit = np.array([picture.shape[1], picture.shape[0]])
    start = np.floor(centre - around * 0.75).clip(0, limit - 1).astype(int)
    stop = np.ceil(centre + around * 0.75).clip(start + 1, limit).astype(int)
    part, factor = picture[start[1] : stop[1], start[0] : stop[0]], max(1, int(around / side))
    if factor > 1:
        part = np.asarray(Image.fromarray(np.ascontiguousarray(part)).reduce(factor))
    shifted = np.column_stack([rotation[:, :2] * factor, apply(rotation, start[None].astype(np.float64))[0]])
    return bilinear(part, shifted, side, side), rotation


def _tilt(face: Face) -> float:
    """Return the clockwise angle of the line of the eyes, in degrees."""
    marks = landmarks_of(face)
    across, down = (marks[1] - marks[0]).tolist()
    return math.degrees(math.atan2(down, across))


def _angle_between(one: float, other: float) -> float:
    """Return the angle between two directions, 0 to 180 degrees."""
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


def _rotation(angle: float, centre: tuple[float, float], middle: float) -> Array:
    """Return the rotation by `angle` degrees that maps `centre` to the middle of the canvas."""
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    linear = np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack([linear, middle - linear @ centre])


def _mapped_face(face: Face, matrix: Array) -> Face:
    """Return the face mapped by `matrix`; its box stays parallel to the photo's sides and keeps its area."""
    low, high = face.box[:2].astype(np.float64), face.box[2:].astype(np.float64)
    centre = apply(matrix, ((low + high) / 2)[None])[0]
    half = math.sqrt(abs(np.linalg.det(matrix[:, :2])) * float((high - low).prod())) / 2
    box = np.concatenate([centre - half, centre + half]).astype(np.float32)
    return Face(box, face.score, apply(matrix, landmarks_of(face)).astype(np.float32))


class Detector(Protocol):
    """The interface of MTCNN and YuNet. `minimum_score` is the default of the detector."""

    minimum_score: float

    def find(self, pictures: Sequence[Picture], sizes: Sequence[int], score: float) -> list[list[Face]]:
        """Return the faces of each picture that reach `score`, given the least side of a face in each."""
