"""Points, boxes, affine maps and the template of face alignment. Pixel (i, j) has its centre at (j + .5, i + .5)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from henshin import PictureError

if TYPE_CHECKING:
    import numpy.typing as npt

    from henshin import Face


Array: TypeAlias = "npt.NDArray[np.float64]"
Pixels: TypeAlias = "npt.NDArray[np.float32]"

TEMPLATE = ((0.375, 0.414), (0.625, 0.414), (0.5, 0.557), (0.397, 0.703), (0.603, 0.703))
"""Eyes, nose and mouth corners in the unit square of a crop, image-left first.

The eye line is the mean eye line measured in the generators' anime faces; the rest follows from the proportions of a
frontal face, with space for hair and chin.
"""

BOX_SHARE = 0.74
"""Side of a box as a share of a crop's, at margin 1: measured with `anime_face_detect` in the anime faces of trainB in
selfie2anime, from which the template's eye line is."""

FACE_AREA = ((0.5, 0.597), (0.275, 0.268))
"""Middle and radii of the face, brow to chin and ear to ear, in the unit square of a crop at margin 1: measured in
selfies (width .55, chin at .865)."""

BOX_AREA = ((0.5, 0.5), (BOX_SHARE / 2, BOX_SHARE / 2))
"""The same for crops by the box: the ellipse within it."""


NMS_BLOCK = 256
"""Boxes compared with each other at once."""


@lru_cache(maxsize=64)
def ellipse(middle: tuple[float, float], radii: tuple[float, float], side: int) -> npt.NDArray[np.bool_]:
    """Return which pixels (side, side) of a crop lie in an ellipse, given in its unit square; read-only."""
    row, column = (np.indices((side, side)) + 0.5) / side
    inside: npt.NDArray[np.bool_] = np.hypot((column - middle[0]) / radii[0], (row - middle[1]) / radii[1]) < 1
    inside.flags.writeable = False
    return inside


def landmarks_of(face: Face) -> Array:
    """Return a face's landmarks (5, 2). Errors: PictureError when its detector gave none."""
    if face.landmarks is None:
        raise PictureError(
            "face_align.by: 'landmarks' wants them, and the detector gives none; 'box' or 'auto' is right"
        )
    return face.landmarks.astype(np.float64)


def box_to_unit(box: Array, margin: float) -> Array | None:
    """Return the (2, 3) map, without rotation, of the square around a box (4,) to its place in the unit square.

    None for an empty box.
    """
    side = float((box[2:] - box[:2]).max())
    if not side > 0:
        return None
    scale = BOX_SHARE / (margin * side)
    shift = 0.5 - scale * (box[:2] + box[2:]) / 2
    return np.column_stack([np.eye(2) * scale, shift])


def template(margin: float) -> Array:
    """Return the (5, 2) template in the unit square, shrunk about its centre by `margin`."""
    return (np.array(TEMPLATE) - 0.5) / margin + 0.5


def similarity(source: Array, target: Array) -> Array:
    """Return the (2, 3) least-squares rotation, scale and shift from `source` (N, 2) to `target` (N, 2).

    Never a reflection. Paper: Umeyama, "Least-squares estimation of transformation parameters between two point
    patterns", PAMI 1991. Points that all coincide give scale 0.
    """
    mean_source, mean_target = source.mean(axis=0), target.mean(axis=0)
    centred_source, centred_target = source - mean_source, target - mean_target
    u, spread, v = np.linalg.svd(centred_target.T @ centred_source / len(source))
    sign = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(v)) or 1.0])
    variance = (centred_source**2).sum() / len(source)
    scale = float((spread * sign).sum() / variance) if variance > 0 else 0.0
    linear = scale * (u * sign) @ v
    return np.column_stack([linear, mean_target - linear @ mean_source])


def invert(matrix: Array) -> Array:
    """Return the inverse of the (2, 3) affine map `matrix`."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])


def composed(second: Array, first: Array) -> Array:
    """Return the (2, 3) map of `first` followed by `second`."""
    linear = second[:, :2] @ first[:, :2]
    return np.column_stack([linear, second[:, :2] @ first[:, 2] + second[:, 2]])


def apply(matrix: Array, points: Array) -> Array:
    """Return `points` (N, 2) mapped by the (2, 3) `matrix`."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def bounds(matrix: Array, width: float, height: float) -> tuple[float, float, float, float]:
    """Return x0, y0, x1, y1 around the rectangle `width` x `height` at the origin, mapped by `matrix`."""
    corners = apply(matrix, np.array([[0.0, 0.0], [width, 0.0], [0.0, height], [width, height]]))
    (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
    return float(x0), float(y0), float(x1), float(y1)


def nms(boxes: Array, overlap: float, *, of_smaller: bool = False) -> npt.NDArray[np.int64]:
    """Return the indices of the boxes that remain after non-maximum suppression, best first.

    `boxes` is (N, 5+): x0 y0 x1 y1 score. A box is removed if its intersection with a better one that remains is more
    than `overlap` of their union, or, with `of_smaller`, of the smaller of the two (so that a box within a box is
    removed). Boxes are compared in blocks, all at once.
    """
    order = np.argsort(-boxes[:, 4], kind="stable")
    kept = order[:0]
    for start in range(0, len(order), NMS_BLOCK):
        block = order[start : start + NMS_BLOCK]
        block = block[~overlaps(boxes[kept], boxes[block], overlap, of_smaller).any(axis=0)]
        better = np.triu(overlaps(boxes[block], boxes[block], overlap, of_smaller), 1)
        remains: npt.NDArray[np.bool_] = np.ones(len(block), np.bool_)
        while True:  # each turn settles at least the best box that is not settled yet
            before, remains = remains, np.logical_not(np.any(better & remains[:, None], axis=0))
            if np.array_equal(before, remains):
                break
        kept = np.concatenate([kept, block[remains]])
    return kept


def overlaps(first: Array, second: Array, overlap: float, of_smaller: bool = False) -> npt.NDArray[np.bool_]:
    """Return (N, M): whether boxes (N, 4+) and (M, 4+) share more than `overlap` of their union, or of the smaller."""
    shared = np.ones((len(first), len(second)))
    for low, high in ((0, 2), (1, 3)):
        sides = np.minimum.outer(first[:, high], second[:, high]) - np.maximum.outer(first[:, low], second[:, low])
        shared *= sides.clip(0.0)
    areas = [(boxes[:, 2:4] - boxes[:, :2]).prod(axis=1) for boxes in (first, second)]
    whole = np.minimum.outer(*areas) if of_smaller else np.add.outer(*areas) - shared
    more: npt.NDArray[np.bool_] = shared > overlap * whole
    return more
