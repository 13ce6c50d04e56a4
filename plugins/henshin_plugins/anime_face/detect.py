"""Detection of faces in drawings: the cascade is applied at every size, and overlapping windows become one face.

A cascade accepts many windows around a face and few elsewhere. The score of a face is computed from the sum of the
margins by which its windows pass the cascade.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from PIL import Image

from henshin import Face
from henshin.api.face_selection import chosen, is_seen

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from henshin import Picture
    from henshin_plugins.anime_face.config import AnimeFaceDetectConfig
    from henshin_plugins.anime_face.lbp_cascade import Cascade

    Array: TypeAlias = npt.NDArray[np.float64]

SHARE_OF_SIDE = 0.04
LEAST_SIZE = 24
GATHER = 0.4
"""Least intersection over union of a window with the best one for belonging to the same face."""
WITHIN = 0.3
"""Most overlap of two faces, as a share of the smaller box; beyond it the one of lower score is removed."""
HALF = 90.0
"""Sum of the margins of a face at a score of 0.5, for a cascade of 20 stages, steps of 2 and sizes by 1.2."""
BORDER = 0.25
"""Width of the padding in the second pass, as a share of the picture's sides."""
FILLING = 0.5
"""Least side of a face in the second pass, as a share of the picture's shorter side."""


class AnimeFaceDetector:
    """A cascade with the options of `anime_face_detect`."""

    def __init__(self, cascade: Cascade, config: AnimeFaceDetectConfig) -> None:
        self.cascade = cascade
        self.config = config
        # the finer the search, the more windows there are around a face
        self.half = HALF * (2 / config.step) ** 2 * math.log(1.2) / math.log(config.scale_factor)

    def find(self, picture: Picture, alpha: Picture | None = None) -> list[Face]:
        """Return the selected faces of a picture, from left to right; transparent areas of alpha (H, W) ignored."""
        gray = Image.fromarray(picture).convert("L")
        found = self._faces(gray, self._size(picture))
        if not found and self.config.second_pass:
            found = self._second_pass(gray, self._size(picture))
        seen = [face for face in found if is_seen(face, alpha)]
        return chosen(seen, self.config.faces, self.config.maximum_faces, picture)

    def _size(self, picture: Picture) -> int:
        if self.config.minimum_size == "auto":
            shorter: int = min(picture.shape[:2])
            return max(LEAST_SIZE, round(shorter * SHARE_OF_SIDE))
        return self.config.minimum_size

    def _second_pass(self, gray: Image.Image, size: int) -> list[Face]:
        """Search for a face that reaches to the border or beyond, in the picture padded by its outermost pixels."""
        across, down = (max(1, round(side * BORDER)) for side in gray.size)
        wider = Image.fromarray(np.pad(np.asarray(gray), ((down, down), (across, across)), mode="edge"))
        faces = self._faces(wider, max(size, round(min(gray.size) * FILLING)))
        for face in faces:
            face.shift(-across, -down)
        return [face for face in faces if _middle_inside(face, gray)]

    def _faces(self, gray: Image.Image, size: int) -> list[Face]:
        """Return the faces of a grey picture, best first, at least ``size`` pixels each."""
        rows = np.concatenate([np.zeros((0, 5)), *self._windows(gray, size)])
        merged = _merged(rows)
        scores = merged[:, 4] / (merged[:, 4] + self.half)
        sure = np.nonzero(scores >= self.config.minimum_score)[0]
        return [Face(merged[index, :4].astype(np.float32), float(scores[index])) for index in sure]

    def _windows(self, gray: Image.Image, size: int) -> Iterator[Array]:
        """Yield (N, 5) for each size of face: x0 y0 x1 y1 of the accepted windows in the picture, and their margins.

        For each size the picture is reduced so that a face is as large as the cascade's window.
        """
        window = np.array([self.cascade.width, self.cascade.height])
        scale = size / window.max()
        while (np.array(gray.size) >= window * scale).all():
            small = tuple(max(1, round(side / scale)) for side in gray.size)
            reduced = gray.resize(small, Image.Resampling.BILINEAR, reducing_gap=2.0)  # of equal size: a copy
            if (np.array(small) >= window).all():
                corners, margins = self.cascade.windows(np.asarray(reduced), self.config.step)
                back = np.array(gray.size) / small
                yield np.column_stack([corners * back, (corners + window) * back, margins])
            scale *= self.config.scale_factor


def _merged(rows: Array) -> Array:
    """Merge the windows around each face: (N, 5) -> (M, 5), the weighted mean of their boxes and the sum of margins.

    Best first; of faces that overlap much only the best.
    """
    remaining = rows[np.argsort(-rows[:, 4], kind="stable")]
    faces = []
    while len(remaining):
        near = _shared(remaining[0], remaining, of_smaller=False) >= GATHER
        near[0] = True
        members, remaining = remaining[near], remaining[~near]
        weights = members[:, 4] + 1e-3
        faces.append([*(members[:, :4] * weights[:, None]).sum(axis=0) / weights.sum(), members[:, 4].sum()])
    rest = np.array(sorted(faces, key=lambda face: -face[4])).reshape(-1, 5)
    selected = []
    while len(rest):
        selected.append(rest[0])
        rest = rest[1:][_shared(rest[0], rest[1:], of_smaller=True) <= WITHIN]
    return np.array(selected).reshape(-1, 5)


def _shared(box: Array, boxes: Array, *, of_smaller: bool) -> Array:
    """Return (N,) the overlap of a box with each of (N, 4+) boxes, as a share of the smaller box or of the union."""
    sides = np.minimum(box[2:4], boxes[:, 2:4]) - np.maximum(box[:2], boxes[:, :2])
    shared = sides.clip(0.0).prod(axis=1)
    own, areas = (box[2:4] - box[:2]).prod(), (boxes[:, 2:4] - boxes[:, :2]).prod(axis=1)
    whole = np.minimum(own, areas) if of_smaller else own + areas - shared
    ratio: Array = shared / np.maximum(whole, 1e-9)
    return ratio


def _middle_inside(face: Face, gray: Image.Image) -> bool:
    middle = (face.box[:2] + face.box[2:]) / 2
    return bool((middle >= 0).all() and (middle < gray.size).all())
