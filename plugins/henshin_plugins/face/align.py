"""Cut faces out of a photo: upright, at their own resolution, to the template the generators were trained on."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from henshin_plugins.face.geometry import apply, invert, similarity, template
from henshin_plugins.face.warp import warp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from henshin import Face, Picture
    from henshin.frame import Floats
    from henshin_plugins.face import FaceAlignConfig
    from henshin_plugins.face.geometry import Array

LEAST_SIDE = 16
"""The one exception from never enlarging: no network makes anything of a crop smaller than this."""


def align(picture: Picture, faces: Sequence[Face], config: FaceAlignConfig) -> list[Face]:
    """Return the faces with matrix, crop (S, S, 3) and mask (S, S), S <= `size`.

    Without those that lie too far outside, or both of whose eyes do.
    """
    aligned = (_aligned(picture, face, config) for face in faces)
    return [face for face in aligned if face is not None]


def _aligned(picture: Picture, face: Face, config: FaceAlignConfig) -> Face | None:
    if not _any_inside(face.landmarks[:2], picture):
        return None  # both eyes are guesses beyond the border
    placed = _placed(picture, face, config.margin, config.size)
    if placed is None:
        return None  # landmarks that all coincide: no face
    allowed = 0.0 if config.maximum_outside is None else config.maximum_outside
    if config.minimum_margin is not None and placed.outside > allowed:
        placed = _nearer(picture, face, config, allowed) or placed
    if config.maximum_outside is not None and placed.outside > config.maximum_outside:
        return None
    matrix, mask, side = placed.matrix, placed.mask, len(placed.mask)
    crop = warp(picture, matrix.astype(np.float64), side, side)
    crop.flags.writeable = mask.flags.writeable = False
    return replace(face, matrix=matrix, crop=crop, mask=mask)


class _Placed(NamedTuple):
    """Where a crop lies: the matrix (2, 3) that makes it, its mask (S, S), and the share of it beyond the photo."""

    matrix: Floats
    mask: Picture
    outside: float


def _placed(picture: Picture, face: Face, margin: float, size: int) -> _Placed | None:
    unit = similarity(face.landmarks.astype(np.float64), template(margin))
    scale = math.sqrt(abs(np.linalg.det(unit[:, :2])))
    if not scale > 0 or not math.isfinite(scale):
        return None
    side = min(size, max(LEAST_SIDE, math.floor(1 / scale + 1e-3)))  # landmarks are float32
    matrix = (unit * side).astype(np.float32)  # the crop is made with the very numbers that paste_back will see
    mask = inside(matrix.astype(np.float64), side, picture.shape[1], picture.shape[0])
    return _Placed(matrix, mask, 1 - np.count_nonzero(mask) / mask.size)


def _nearer(picture: Picture, face: Face, config: FaceAlignConfig, allowed: float) -> _Placed | None:
    """Show less than `margin`: as much as can be with no more than ``allowed`` beyond the photo, else the least."""
    least, most = config.minimum_margin or config.margin, config.margin
    best = _placed(picture, face, least, config.size)
    if best is None or best.outside > allowed:
        return best
    for _ in range(7):  # to 1 % of what there is between the two
        middle = (least + most) / 2
        placed = _placed(picture, face, middle, config.size)
        if placed is None or placed.outside > allowed:
            most = middle
        else:
            least, best = middle, placed
    return best


def _any_inside(points: Floats, picture: Picture) -> bool:
    height, width = picture.shape[:2]
    return bool(((points >= 0) & (points < (width, height))).all(axis=-1).any())


def inside(matrix: Array, side: int, width: int, height: int) -> Picture:
    """Return (side, side) uint8: 255 where a crop's pixel has its centre in the photo, 0 beyond its border."""
    row, column = np.indices((side, side)) + 0.5
    points = apply(invert(matrix), np.stack([column, row], axis=-1))
    within = ((points >= 0) & (points < (width, height))).all(axis=-1)
    return np.where(within, np.uint8(255), np.uint8(0))
