"""Alignment of faces: crops at their own resolution, mapped to the template of the generators' training.

Crops are upright where the detector gives landmarks.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from henshin_plugins.face.geometry import apply, box_to_unit, invert, landmarks_of, similarity, template
from henshin_plugins.face.warp import warp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from henshin import Face, Picture
    from henshin.images.picture import Floats
    from henshin_plugins.face.config import FaceAlignConfig
    from henshin_plugins.face.geometry import Array

LEAST_SIDE = 16
"""Least side of a crop; only smaller faces are enlarged, because no network works on smaller crops."""


def align(picture: Picture, faces: Sequence[Face], config: FaceAlignConfig) -> list[Face]:
    """Return the faces with matrix, crop (S, S, 3) and mask (S, S), S <= `size`.

    Faces that lie too far outside the photo, or with both eyes outside, are left out.
    """
    results = (_aligned(picture, face, config) for face in faces)
    return [face for face in results if face is not None]


def least_outside(picture: Picture, faces: Sequence[Face], config: FaceAlignConfig) -> float | None:
    """Return the least share of a crop beyond the photo; None if no face has an eye inside it."""
    placements = (_place(picture, face, config) for face in faces)
    return min((one.outside for one in placements if one is not None), default=None)


def _aligned(picture: Picture, face: Face, config: FaceAlignConfig) -> Face | None:
    placement = _place(picture, face, config)
    if placement is None or (config.maximum_outside is not None and placement.outside > config.maximum_outside):
        return None
    matrix, mask, side = placement.matrix, placement.mask, len(placement.mask)
    crop = warp(picture, matrix.astype(np.float64), side, side)
    crop.flags.writeable = mask.flags.writeable = False
    return replace(face, matrix=matrix, crop=crop, mask=mask)


def _place(picture: Picture, face: Face, config: FaceAlignConfig) -> _Placement | None:
    by_box = config.by == "box" or (config.by == "auto" and face.landmarks is None)
    eyes = face.box.reshape(2, 2).mean(axis=0, keepdims=True) if by_box else landmarks_of(face)[:2]
    if not _any_inside(eyes, picture):
        return None  # both eyes are extrapolated beyond the border

    def place(margin: float) -> _Placement | None:
        unit = box_to_unit(face.box.astype(np.float64), margin) if by_box else _marks_to_unit(face, margin)
        return _placement(picture, unit, config.size)

    placement = place(config.margin)
    if placement is None:
        return None  # landmarks that all coincide, or an empty box: no face
    allowed = 0.0 if config.maximum_outside is None else config.maximum_outside
    if config.minimum_margin is not None and placement.outside > allowed:
        placement = _reduced_margin(place, config.minimum_margin, config.margin, allowed) or placement
    return placement


class _Placement(NamedTuple):
    """The place of a crop: its matrix (2, 3), its mask (S, S), and its share beyond the photo."""

    matrix: Floats
    mask: Picture
    outside: float


def _marks_to_unit(face: Face, margin: float) -> Array:
    return similarity(landmarks_of(face), template(margin))


def _placement(picture: Picture, unit: Array | None, size: int) -> _Placement | None:
    if unit is None:
        return None
    scale = math.sqrt(abs(np.linalg.det(unit[:, :2])))
    if not scale > 0 or not math.isfinite(scale):
        return None
    side = min(size, max(LEAST_SIDE, math.floor(1 / scale + 1e-3)))  # landmarks are float32
    matrix = (unit * side).astype(np.float32)  # the crop is made with the same rounded numbers that paste_back will use
    mask = inside(matrix.astype(np.float64), side, picture.shape[1], picture.shape[0])
    return _Placement(matrix, mask, 1 - np.count_nonzero(mask) / mask.size)


def _reduced_margin(
    place: Callable[[float], _Placement | None], least: float, most: float, allowed: float
) -> _Placement | None:
    """Return the place of the largest margin in ``least``..``most`` with at most ``allowed`` beyond the photo.

    If there is none, that of ``least``; None if the face cannot be placed.
    """
    best = place(least)
    if best is None or best.outside > allowed:
        return best
    for _ in range(7):  # bisection to 1 % of the range
        middle = (least + most) / 2
        placement = place(middle)
        if placement is None or placement.outside > allowed:
            most = middle
        else:
            least, best = middle, placement
    return best


def _any_inside(points: npt.NDArray[np.floating[Any]], picture: Picture) -> bool:
    height, width = picture.shape[:2]
    return bool(((points >= 0) & (points < (width, height))).all(axis=-1).any())


def inside(matrix: Array, side: int, width: int, height: int) -> Picture:
    """Return (side, side) uint8: 255 where a crop's pixel has its centre in the photo, 0 beyond its border."""
    row, column = np.indices((side, side)) + 0.5
    points = apply(invert(matrix), np.stack([column, row], axis=-1))
    within = ((points >= 0) & (points < (width, height))).all(axis=-1)
    return np.where(within, np.uint8(255), np.uint8(0))
