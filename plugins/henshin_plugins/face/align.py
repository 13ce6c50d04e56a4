"""Alignment of faces: crops at their own resolution, mapped to the template of the generators' training.

Crops are upright where the detector gives landmarks.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from henshin_plugins.face.geometry import (
    BOX_AREA,
    FACE_AREA,
    apply,
    box_to_unit,
    invert,
    landmarks_of,
    similarity,
    template,
)
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
SAMPLES = 40
"""Points along each axis of a face at which it is tested whether they lie in the photo."""


def align(picture: Picture, faces: Sequence[Face], config: FaceAlignConfig) -> list[Face]:
    """Return the faces with matrix, crop (S, S, 3) and mask (S, S), S <= `size`.

    Faces that lie too far outside the photo, or with both eyes outside, are left out.
    """
    results = (_aligned(picture, face, config) for face in faces)
    return [face for face in results if face is not None]


def reason(picture: Picture, faces: Sequence[Face], config: FaceAlignConfig) -> str:
    """Return why none of `faces` was kept, with the figure of the best one."""
    placements = [one for face in faces if (one := _place(picture, face, config)) is not None]
    if not placements:
        return "both eyes lie outside"
    best = "" if len(faces) == 1 else "best "
    outside = min(one.outside for one in placements)
    most = config.maximum_outside
    if most is not None and outside > most:
        return f"{100 * outside:.1f} % of the {best}crop lie outside, at most {100 * most:g} % wanted"
    visible = max(one.visible for one in placements if most is None or one.outside <= most)
    return (
        f"{100 * visible:.1f} % of the {best}face lie in the photo, at least {100 * config.minimum_visible:g} % wanted"
    )


def _aligned(picture: Picture, face: Face, config: FaceAlignConfig) -> Face | None:
    placement = _place(picture, face, config)
    if placement is None or placement.visible < config.minimum_visible:
        return None
    if config.maximum_outside is not None and placement.outside > config.maximum_outside:
        return None
    return cut_out(picture, face, placement)


def cut_out(picture: Picture, face: Face, placement: Placement) -> Face:
    """Return the face with the crop of a placement, its matrix and its mask."""
    matrix, mask, side = placement.matrix, placement.mask, len(placement.mask)
    crop = warp(picture, matrix.astype(np.float64), side, side)
    crop.flags.writeable = mask.flags.writeable = False
    return replace(face, matrix=matrix, crop=crop, mask=mask)


def _place(picture: Picture, face: Face, config: FaceAlignConfig) -> Placement | None:
    by_box = config.by == "box" or (config.by == "auto" and face.landmarks is None)
    eyes = face.box.reshape(2, 2).mean(axis=0, keepdims=True) if by_box else landmarks_of(face)[:2]
    if not _any_inside(eyes, picture):
        return None  # both eyes are extrapolated beyond the border

    def place(margin: float) -> Placement | None:
        unit = box_to_unit(face.box.astype(np.float64), margin) if by_box else _marks_to_unit(face, margin)
        return placement_at(picture, unit, config.size, face_points(margin, by_box=by_box))

    placement = place(config.margin)
    if placement is None:
        return None  # landmarks that all coincide, or an empty box: no face
    allowed = 0.0 if config.maximum_outside is None else config.maximum_outside
    if config.minimum_margin is not None and placement.outside > allowed:
        placement = _reduced_margin(place, config.minimum_margin, config.margin, allowed) or placement
    return placement


class Placement(NamedTuple):
    """The place of a crop: its matrix (2, 3), its mask (S, S), its share beyond the photo, and the face's within it."""

    matrix: Floats
    mask: Picture
    outside: float
    visible: float


def _marks_to_unit(face: Face, margin: float) -> Array:
    return similarity(landmarks_of(face), template(margin))


@lru_cache(maxsize=64)
def face_points(margin: float, *, by_box: bool) -> Array:
    """Return (N, 2) points, spread evenly over the face in the unit square of a crop with this margin; read-only."""
    middle, radii = BOX_AREA if by_box else FACE_AREA
    steps = (np.arange(SAMPLES) + 0.5) / SAMPLES * 2 - 1
    points = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    points = points[np.hypot(*points.T) <= 1]
    placed: Array = (points * radii + middle - 0.5) / margin + 0.5
    placed.flags.writeable = False
    return placed


def placement_at(picture: Picture, unit: Array | None, size: int, face: Array) -> Placement | None:
    """Return the place of a crop of at most `size` pixels a side, none of them enlarged; None if there is no face.

    `unit` (2, 3) maps the photo to the unit square of the crop; `face` are the points of the face there.
    """
    if unit is None:
        return None
    scale = math.sqrt(abs(np.linalg.det(unit[:, :2])))
    if not scale > 0 or not math.isfinite(scale):
        return None
    side = min(size, max(LEAST_SIDE, math.floor(1 / scale + 1e-3)))  # landmarks are float32
    matrix = (unit * side).astype(np.float32)  # the crop is made with the same rounded numbers that paste_back will use
    mask = inside(matrix.astype(np.float64), side, picture.shape[1], picture.shape[0])
    visible = float(_within(apply(invert(unit), face), picture.shape[1], picture.shape[0]).mean())
    return Placement(matrix, mask, 1 - np.count_nonzero(mask) / mask.size, visible)


def _reduced_margin(
    place: Callable[[float], Placement | None], least: float, most: float, allowed: float
) -> Placement | None:
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
    return bool(_within(points, picture.shape[1], picture.shape[0]).any())


def _within(points: npt.NDArray[np.floating[Any]], width: int, height: int) -> npt.NDArray[np.bool_]:
    within: npt.NDArray[np.bool_] = np.logical_and.reduce((points >= 0) & (points < (width, height)), axis=-1)
    return within


def inside(matrix: Array, side: int, width: int, height: int) -> Picture:
    """Return (side, side) uint8: 255 where a crop's pixel has its centre in the photo, 0 beyond its border."""
    to_photo, middles = invert(matrix), np.arange(side) + 0.5
    corners = np.array([[x, y] for x in middles[[0, -1]] for y in middles[[0, -1]]])
    if _within(apply(to_photo, corners), width, height).all():
        return np.full((side, side), 255, np.uint8)
    x, y = (row[0] * middles + (row[1] * middles[:, None] + row[2]) for row in to_photo)
    shown = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    mask: Picture = shown.view(np.uint8) * np.uint8(255)
    return mask
