"""Cut faces out of a photo: upright, at their own resolution, to the template the generators were trained on."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

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
    unit = similarity(face.landmarks.astype(np.float64), template(config.margin))
    scale = math.sqrt(abs(np.linalg.det(unit[:, :2])))
    if not scale > 0 or not math.isfinite(scale):
        return None  # landmarks that all coincide: no face
    side = min(config.size, max(LEAST_SIDE, math.floor(1 / scale + 1e-3)))  # landmarks are float32
    matrix = (unit * side).astype(np.float32)  # the crop is made with the very numbers that paste_back will see
    mask = inside(matrix.astype(np.float64), side, picture.shape[1], picture.shape[0])
    outside = 1 - np.count_nonzero(mask) / mask.size
    if config.maximum_outside is not None and outside > config.maximum_outside:
        return None
    crop = warp(picture, matrix.astype(np.float64), side, side)
    crop.flags.writeable = mask.flags.writeable = False
    return replace(face, matrix=matrix, crop=crop, mask=mask)


def _any_inside(points: Floats, picture: Picture) -> bool:
    height, width = picture.shape[:2]
    return bool(((points >= 0) & (points < (width, height))).all(axis=-1).any())


def inside(matrix: Array, side: int, width: int, height: int) -> Picture:
    """Return (side, side) uint8: 255 where a crop's pixel has its centre in the photo, 0 beyond its border."""
    row, column = np.indices((side, side)) + 0.5
    points = apply(invert(matrix), np.stack([column, row], axis=-1))
    within = ((points >= 0) & (points < (width, height))).all(axis=-1)
    return np.where(within, np.uint8(255), np.uint8(0))
