"""Cut faces out of a photo: at their own resolution, to the template the generators were trained on.

Upright, where landmarks tell what that is.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from henshin_plugins.face.geometry import apply, box_to_unit, invert, marks_of, similarity, template
from henshin_plugins.face.warp import warp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from henshin import Face, Picture
    from henshin.images.picture import Floats
    from henshin_plugins.face.config import FaceAlignConfig
    from henshin_plugins.face.geometry import Array

LEAST_SIDE = 16
"""The one exception from never enlarging: no network makes anything of a crop smaller than this."""


def align(picture: Picture, faces: Sequence[Face], config: FaceAlignConfig) -> list[Face]:
    """Return the faces with matrix, crop (S, S, 3) and mask (S, S), S <= `size`.

    Without those that lie too far outside, or both of whose eyes do.
    """
    aligned = (_aligned(picture, face, config) for face in faces)
    return [face for face in aligned if face is not None]


def least_outside(picture: Picture, faces: Sequence[Face], config: FaceAlignConfig) -> float | None:
    """Return the least share of a crop beyond the photo; None where no face has an eye within it."""
    placed = (_place(picture, face, config) for face in faces)
    return min((one.outside for one in placed if one is not None), default=None)


def _aligned(picture: Picture, face: Face, config: FaceAlignConfig) -> Face | None:
    placed = _place(picture, face, config)
    if placed is None or (config.maximum_outside is not None and placed.outside > config.maximum_outside):
        return None
    matrix, mask, side = placed.matrix, placed.mask, len(placed.mask)
    crop = warp(picture, matrix.astype(np.float64), side, side)
    crop.flags.writeable = mask.flags.writeable = False
    return replace(face, matrix=matrix, crop=crop, mask=mask)


def _place(picture: Picture, face: Face, config: FaceAlignConfig) -> _Placed | None:
    by_box = config.by == "box" or (config.by == "auto" and face.landmarks is None)
    eyes = face.box.reshape(2, 2).mean(axis=0, keepdims=True) if by_box else marks_of(face)[:2]
    if not _any_inside(eyes, picture):
        return None  # both eyes are guesses beyond the border

    def place(margin: float) -> _Placed | None:
        unit = box_to_unit(face.box.astype(np.float64), margin) if by_box else _marks_to_unit(face, margin)
        return _placed(picture, unit, config.size)

    placed = place(config.margin)
    if placed is None:
        return None  # landmarks that all coincide, or an empty box: no face
    allowed = 0.0 if config.maximum_outside is None else config.maximum_outside
    if config.minimum_margin is not None and placed.outside > allowed:
        placed = _nearer(place, config.minimum_margin, config.margin, allowed) or placed
    return placed


class _Placed(NamedTuple):
    """Where a crop lies: the matrix (2, 3) that makes it, its mask (S, S), and the share of it beyond the photo."""

    matrix: Floats
    mask: Picture
    outside: float


def _marks_to_unit(face: Face, margin: float) -> Array:
    return similarity(marks_of(face), template(margin))


def _placed(picture: Picture, unit: Array | None, size: int) -> _Placed | None:
    if unit is None:
        return None
    scale = math.sqrt(abs(np.linalg.det(unit[:, :2])))
    if not scale > 0 or not math.isfinite(scale):
        return None
    side = min(size, max(LEAST_SIDE, math.floor(1 / scale + 1e-3)))  # landmarks are float32
    matrix = (unit * side).astype(np.float32)  # the crop is made with the very numbers that paste_back will see
    mask = inside(matrix.astype(np.float64), side, picture.shape[1], picture.shape[0])
    return _Placed(matrix, mask, 1 - np.count_nonzero(mask) / mask.size)


def _nearer(place: Callable[[float], _Placed | None], least: float, most: float, allowed: float) -> _Placed | None:
    """Show less than ``most``: as much as can be with no more than ``allowed`` beyond the photo, else ``least``."""
    best = place(least)
    if best is None or best.outside > allowed:
        return best
    for _ in range(7):  # to 1 % of what there is between the two
        middle = (least + most) / 2
        placed = place(middle)
        if placed is None or placed.outside > allowed:
            most = middle
        else:
            least, best = middle, placed
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
