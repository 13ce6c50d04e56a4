"""Cascades of local binary patterns, written as OpenCV writes them: at random, or for white spots on black."""

from __future__ import annotations

from pathlib import Path

import numpy as np

XML = """<?xml version="1.0"?>
<opencv_storage><cascade>
<stageType>BOOST</stageType><featureType>LBP</featureType><height>24</height><width>24</width>
<stageParams><boostType>GAB</boostType><minHitRate>0.99</minHitRate><maxFalseAlarm>0.5</maxFalseAlarm>
<weightTrimRate>0.95</weightTrimRate><maxDepth>1</maxDepth><maxWeakCount>9</maxWeakCount></stageParams>
<featureParams><maxCatCount>256</maxCatCount></featureParams><stageNum>{count}</stageNum>
<stages>{stages}</stages><features>{features}</features>
</cascade></opencv_storage>
"""

Pattern = tuple[int, np.ndarray, float, float]
"""The number of a pattern's place, its 256 bits, the vote of a number whose bit is set, and that of one that is not."""


def random_cascade(path: Path, rng: np.random.Generator) -> Path:
    """Three stages of random patterns and votes, through which some windows pass and others do not."""
    rects: list[tuple[int, ...]] = []
    while len(rects) < 12:
        x, y, w, h = (int(value) for value in rng.integers((0, 0, 1, 1), (20, 20, 8, 8)))
        if x + 3 * w <= 24 and y + 3 * h <= 24:
            rects.append((x, y, w, h))
    stages = [
        [(int(rng.integers(12)), rng.random(256) < 0.5, rng.normal(), rng.normal()) for _ in range(4)] for _ in range(3)
    ]
    return write(path, rects, stages, 0.1)


def spot_cascade(path: Path) -> Path:
    """One stage that sees a spot lighter than all eight places around it, and is very sure of it."""
    lightest = np.arange(256) == 0
    return write(path, [(0, 0, 8, 8)], [[(0, lightest, 1000.0, -1000.0)]], 0.0)


def write(path: Path, rects: list[tuple[int, ...]], stages: list[list[Pattern]], threshold: float) -> Path:
    """Write a cascade file."""
    texts = []
    for patterns in stages:
        weak = "".join(
            f"<_><internalNodes>0 -1 {place} {words(bits)}</internalNodes>"
            f"<leafValues>{yes:.6f} {no:.6f}</leafValues></_>"
            for place, bits, yes, no in patterns
        )
        texts.append(
            f"<_><maxWeakCount>{len(patterns)}</maxWeakCount><stageThreshold>{threshold}</stageThreshold>"
            f"<weakClassifiers>{weak}</weakClassifiers></_>"
        )
    features = "".join(f"<_><rect>{x} {y} {w} {h}</rect></_>" for x, y, w, h in rects)
    path.write_text(XML.format(count=len(stages), stages="".join(texts), features=features))
    return path


def words(bits: np.ndarray) -> str:
    """256 booleans as OpenCV writes them: 8 signed words, the lowest bit first."""
    return " ".join(map(str, np.packbits(bits, bitorder="little").view(np.int32)))
