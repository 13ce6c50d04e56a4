"""YuNet: one small network for faces and landmarks of all sizes.

Paper: Wu, Peng, Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 2023. The network
takes (N, 3, H, W), BGR from 0 to 255, sides in multiples of 32; on three grids of 8, 16 and 32 pixels it gives, for
each cell, a class and an objectness (score: the root of their product), a box and five points.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from henshin import Face, HenshinError
from henshin_plugins.face.geometry import nms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from henshin import Context, Picture
    from henshin_plugins.face.geometry import Array, Pixels

STRIDES = (8, 16, 32)
OUTPUTS = frozenset(f"{name}_{stride}" for name in ("cls", "obj", "bbox", "kps") for stride in STRIDES)
MULTIPLE = 32
SMALLEST = 12
"""Least side in pixels at which the network finds a face; with a larger minimum size photos are reduced first."""
LARGEST = 112
"""Greatest side of a face with good landmarks. For larger faces the photo is searched again at half its size, etc."""
OVERLAP = 0.3


class Yunet:
    """The network with its pre- and postprocessing. Errors: HenshinError for another network."""

    minimum_score = 0.75

    def __init__(self, context: Context, model: str) -> None:
        self.network = context.network(context.store.file(model, context.base))
        lacking = OUTPUTS - {port.name for port in self.network.outputs}
        if lacking or "input" not in {port.name for port in self.network.inputs}:
            raise HenshinError(
                f"face_detect.model: '{model}' is no YuNet detector: {self.network.path} has other outputs"
            )

    def find(self, pictures: Sequence[Picture], sizes: Sequence[int], score: float) -> list[list[Face]]:
        """Return the faces of each picture, best first. `sizes`: least side of a face in each picture, in pixels."""
        return [self._find(picture, size, score) for picture, size in zip(pictures, sizes, strict=True)]

    def _find(self, picture: Picture, size: int, score: float) -> list[Face]:
        height, width = picture.shape[:2]
        scale, parts = min(1.0, SMALLEST / size), [np.zeros((0, 15))]
        while True:
            rows = self._rows(picture, scale, score)
            last = max(height, width) * scale <= LARGEST
            parts.append(rows if last else rows[(rows[:, 2:4] - rows[:, :2]).max(axis=1) * scale <= LARGEST])
            if last:
                break
            scale /= 2
        rows = np.concatenate(parts)
        return [
            Face(row[:4].astype(np.float32), float(row[4]), row[5:].reshape(5, 2).astype(np.float32))
            for row in rows[nms(rows, OVERLAP)]
        ]

    def _rows(self, picture: Picture, scale: float, score: float) -> Array:
        """Return (N, 15) box, score and points of the picture searched at one scale, in its own pixels."""
        height, width = picture.shape[:2]
        size = max(1, round(width * scale)), max(1, round(height * scale))
        if scale < 1:
            image = Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
            picture = np.asarray(image)
        padded = np.zeros((-size[1] % MULTIPLE + size[1], -size[0] % MULTIPLE + size[0], 3), np.float32)
        padded[: size[1], : size[0]] = picture[..., ::-1]
        results = self.network.run({"input": np.ascontiguousarray(padded.transpose(2, 0, 1))[None]})
        outputs = {name: np.asarray(array, np.float32) for name, array in results.items()}
        rows = np.concatenate([_decoded(outputs, stride, padded.shape[1] // stride, score) for stride in STRIDES])
        rows = rows[nms(rows, OVERLAP)]
        back = np.array([width / size[0], height / size[1]])
        rows[:, :4] *= np.tile(back, 2)
        rows[:, 5:] *= np.tile(back, 5)
        return rows


def _decoded(outputs: Mapping[str, Pixels], stride: int, columns: int, score: float) -> Array:
    """Return (N, 15) of one grid, in pixels of the network's input, for cells above `score`."""
    probability, present, box, points = (outputs[f"{name}_{stride}"][0] for name in ("cls", "obj", "bbox", "kps"))
    scores = np.sqrt(probability[:, 0].clip(0, 1) * present[:, 0].clip(0, 1))
    keep = np.nonzero(scores > score)[0]
    cell = np.column_stack([keep % columns, keep // columns]).astype(np.float64)
    centre, sides = (cell + box[keep, :2]) * stride, np.exp(box[keep, 2:].astype(np.float64)) * stride
    marks = (points[keep].reshape(-1, 5, 2) + cell[:, None]) * stride
    return np.column_stack([centre - sides / 2, centre + sides / 2, scores[keep], marks.reshape(-1, 10)])
