"""A cascade of local binary patterns, read from OpenCV's XML and applied to the windows of a picture.

Papers: Viola, Jones, "Rapid object detection using a boosted cascade of simple features", CVPR 2001; Liao et al.,
"Learning Multi-scale Block Local Binary Patterns for Face Recognition", ICB 2007. A window goes through stage after
stage, each with some patterns. A pattern covers 3 x 3 equal blocks: each block around the middle one gives a bit, 1 if
it is at least as light as the middle one, and the number of 8 bits selects one of two votes. A window is rejected by
the first stage in which the sum of its votes is below the threshold.

Libraries that were considered: OpenCV 5 reads no cascades any more; scikit-image (200 MB with its dependencies) gives
boxes without scores, and enlarges the patterns instead of reducing the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias
from xml.etree import ElementTree
from xml.parsers import expat

import numpy as np

from henshin import HenshinError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    Indices: TypeAlias = npt.NDArray[np.intp]
    Margins: TypeAlias = npt.NDArray[np.float32]
    Gray: TypeAlias = npt.NDArray[np.uint8]

LARGEST_FILE = 16 << 20
SIDES = range(8, 129)
AROUND = ((0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0))
"""Row and column of the blocks around the middle one, from the highest bit to the lowest."""
SLACK = np.float32(1e-5)
"""Tolerance of the thresholds, which were made with other rounding."""
AT_ONCE = 1 << 21
"""Corners of blocks looked up at once: 16 MB of indices and 8 MB of values."""


@dataclass(frozen=True, slots=True)
class Level:
    """One stage: F patterns, ``blocks`` (F, 4) left, top, width and height of the first block of each.

    ``votes`` (F, 256): the vote of each pattern for each number; ``threshold``: the least sum of votes.
    """

    blocks: Indices
    votes: Margins
    threshold: float

    def corners(self, stride: int) -> Indices:
        """Return (4, 4, F) the indices of the blocks' corners in a flat integral image with rows of ``stride``."""
        left, top, width, height = self.blocks.T
        steps = np.arange(4)
        places: Indices = (top + steps[:, None, None] * height) * stride + left + steps[:, None] * width
        return places

    def sums(self, corners: npt.NDArray[np.int32]) -> Margins:
        """Return (N,) the votes of N windows from the sums at the corners of their blocks, (4, 4, F, N)."""
        rows = corners[1:] - corners[:-1]
        blocks = rows[:, 1:] - rows[:, :-1]
        middle = blocks[1, 1]
        number = np.zeros(middle.shape, np.uint8)
        for row, column in AROUND:
            number <<= 1
            number |= blocks[row, column] >= middle
        votes = self.votes[np.arange(len(self.votes))[:, None], number]
        total: Margins = votes.sum(axis=0, dtype=np.float32)
        return total


@dataclass(frozen=True, slots=True)
class Cascade:
    """The stages of a cascade, and the sides of its window in pixels."""

    width: int
    height: int
    levels: tuple[Level, ...]

    def windows(self, gray: Gray, step: int) -> tuple[Indices, Margins]:
        """Return (N, 2) left and top of the windows that pass every stage, and (N,) their margins.

        ``gray`` is (H, W) of uint8, at least as large as a window; every ``step``-th window is evaluated, across and
        down. The margin is the sum over the stages of votes minus threshold.
        """
        height, width = gray.shape
        table = np.zeros((height + 1, width + 1), np.int32)
        table[1:, 1:] = gray.astype(np.int32).cumsum(axis=0, dtype=np.int32).cumsum(axis=1, dtype=np.int32)
        stride, flat = width + 1, table.ravel()
        down = np.arange(0, height - self.height + 1, step)
        across = np.arange(0, width - self.width + 1, step)
        left = (down[:, None] * stride + across).ravel()
        margins = np.zeros(len(left), np.float32)
        for level in self.levels:
            above = _votes(level, flat, level.corners(stride), left) - np.float32(level.threshold)
            keep = above >= -SLACK
            left, margins = left[keep], margins[keep] + above[keep]
        return np.column_stack([left % stride, left // stride]), margins


def _votes(level: Level, flat: npt.NDArray[np.int32], corners: Indices, left: Indices) -> Margins:
    most = max(1, AT_ONCE // corners.size)
    parts = [left[start : start + most] for start in range(0, len(left), most)]
    sums = [level.sums(flat.take(corners[..., None] + part)) for part in parts]
    return np.concatenate(sums) if sums else np.zeros(0, np.float32)


def read_cascade(path: Path) -> Cascade:
    """Return the cascade of an XML file. Errors: HenshinError in one line for any other or an invalid file."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise HenshinError(f"{path}: no cascade: it has more than {LARGEST_FILE >> 20} MB")
        data = path.read_bytes()
    except OSError as error:
        raise HenshinError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        _without_entities(data)
        return _cascade(ElementTree.fromstring(data))
    except (ElementTree.ParseError, expat.ExpatError) as error:
        raise HenshinError(f"{path}: no cascade: it is no sound XML ({error})") from error
    except _UnsoundError as error:
        raise HenshinError(f"{path}: no cascade of local binary patterns: {error}") from error


class _UnsoundError(ValueError):
    """A fault of a cascade file."""


def _without_entities(data: bytes) -> None:
    """Reject a file with a DOCTYPE: its entities could expand few bytes to gigabytes."""

    def refuse(*_: Any) -> None:
        raise _UnsoundError("it has a DOCTYPE, and cascades have none")

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.Parse(data, True)


def _cascade(root: ElementTree.Element) -> Cascade:
    node = root if root.tag == "cascade" else root.find("cascade")
    if root.tag not in ("opencv_storage", "cascade") or node is None:
        raise _UnsoundError("there is no <cascade> in it (the form of OpenCV 3 and 4 is right)")
    for name, right in (("stageType", "BOOST"), ("featureType", "LBP")):
        if _text(node, name) != right:
            raise _UnsoundError(f"<{name}> is {_text(node, name)!r}, and {right} is right")
    width, height = (int(_numbers(node, name, 1)[0]) for name in ("width", "height"))
    if width not in SIDES or height not in SIDES:
        raise _UnsoundError(f"its window of {width} x {height} pixels; {SIDES[0]} to {SIDES[-1]} are right")
    rects = np.array([_numbers(one, "rect", 4) for one in _child(node, "features")], np.intp).reshape(-1, 4)
    low, far = rects[:, :2], rects[:, :2] + 3 * rects[:, 2:]
    if not len(rects) or (low < 0).any() or (rects[:, 2:] < 1).any() or (far > (width, height)).any():
        raise _UnsoundError("a <rect> that does not lie in its window")
    levels = tuple(_level(one, rects) for one in _child(node, "stages"))
    if not levels:
        raise _UnsoundError("it has no stages")
    return Cascade(width, height, levels)


def _level(node: ElementTree.Element, rects: Indices) -> Level:
    patterns, votes = [], []
    for weak in _child(node, "weakClassifiers"):
        # the numbers of two children, the number of a pattern, then 256 bits in 8 words
        words = np.array(_numbers(weak, "internalNodes", 11))
        leaves = _numbers(weak, "leafValues", 2)
        if not 0 <= words[2] < len(rects):
            raise _UnsoundError(f"pattern {words[2]:.0f}, of {len(rects)}")
        bits = (words[3:].astype(np.int64)[:, None] >> np.arange(32)) & 1
        patterns.append(int(words[2]))
        votes.append(np.where(bits.ravel() == 1, leaves[0], leaves[1]))
    if not patterns:
        raise _UnsoundError("a stage without patterns")
    threshold = _numbers(node, "stageThreshold", 1)[0]
    return Level(rects[patterns], np.array(votes, np.float32), threshold)


def _child(node: ElementTree.Element, name: str) -> ElementTree.Element:
    child = node.find(name)
    if child is None:
        raise _UnsoundError(f"a <{node.tag}> without <{name}>")
    return child


def _text(node: ElementTree.Element, name: str) -> str:
    return (_child(node, name).text or "").strip()


def _numbers(node: ElementTree.Element, name: str, count: int) -> list[float]:
    try:
        values = [float(word) for word in _text(node, name).split()]
    except ValueError:
        values = []
    if len(values) != count or not np.isfinite(values).all():
        raise _UnsoundError(f"<{name}> wants {count} number{'s' * (count > 1)}: {_text(node, name)[:40]!r}")
    return values
