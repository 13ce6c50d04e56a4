"""Frames, faces and opened stages for the tests of the face plugin."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from henshin import Face, Frame
from support.paths import ROOT
from support.stages import opened

EXAMPLES = ROOT / "examples"


def picture(path: Path) -> Any:
    """The pixels of a file, read-only as between stages."""
    array = np.asarray(Image.open(path).convert("RGB")).copy()
    array.flags.writeable = False
    return array


def frame(pixels: Any, faces: list[Face] | None = None, name: str = "photo") -> Frame:
    return Frame(source=f"{name}.jpg", name=name, picture=pixels, decoded=pixels, faces=faces or [])


def detector(folder: Path, **options: Any) -> Any:
    """Its finder: from pictures to chosen faces."""
    from henshin_plugins.face import FaceDetect

    stage: Any = opened(FaceDetect, folder, **options)
    return stage.detector


def placed(centre: tuple[float, float], side: float, degrees: float = 0.0) -> Face:
    """A face whose crop is a square of `side` photo pixels about `centre`, turned: landmarks on the template."""
    from henshin_plugins.face.geometry import TEMPLATE

    turn = math.radians(degrees)
    linear = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]) * side
    points = (np.array(TEMPLATE) - 0.5) @ linear.T + centre
    box = np.array([*(np.array(centre) - side / 3), *(np.array(centre) + side / 3)])
    return Face(box.astype(np.float32), 1.0, points.astype(np.float32))


def smooth(rng: np.random.Generator, height: int, width: int, detail: int = 8) -> Any:
    """A picture of soft blobs, about `detail` pixels large."""
    small = rng.integers(0, 256, (max(2, height // detail), max(2, width // detail), 3), np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)).copy()
