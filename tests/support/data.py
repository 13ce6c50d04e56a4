"""A run that is nothing but its data, and pictures for it, for the tests of training data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from henshin.train.data.folders import resolve_folders


class Reader:
    """What the readers of data ask of a run; what was said is kept in `said`."""

    def __init__(self, base: Path) -> None:
        self.base, self.folder = base, base / "run"
        self.folder.mkdir(exist_ok=True)
        self.device = torch.device("cpu")
        self.said: list[str] = []
        self.say = self.said.append

    def folders(self, value: str | Sequence[str]) -> list[Path]:
        return resolve_folders(value, self.base)


def scene(rng: np.random.Generator, height: int = 64, width: int = 64) -> np.ndarray:
    """A picture of soft coloured areas, as unlike any other as photos are."""
    coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def scenes(folder: Path, count: int, height: int = 64, width: int = 64, seed: int = 0) -> list[np.ndarray]:
    """Write `count` scenes, `00.png`, `01.png`, ..., and return them."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    pictures = [scene(rng, height, width) for _ in range(count)]
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{i:02d}.png")
    return pictures
