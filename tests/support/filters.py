"""Pictures to filter: scenes with shapes and edges, and what may become of them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageOps


def scene(seed: int, width: int = 64, height: int = 64) -> Image.Image:
    """A picture of its own, with sharp shapes, even areas and a soft ground."""
    rng = np.random.default_rng(seed)
    ground = Image.fromarray(rng.integers(60, 200, (3, 3, 3), dtype=np.uint8))
    picture = ground.resize((4 * width, 4 * height), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(picture)
    for _ in range(9):
        x, y = rng.integers(0, 4 * width), rng.integers(0, 4 * height)
        w, h = rng.integers(width // 2, 2 * width, 2)
        colour = tuple(int(value) for value in rng.integers(30, 256, 3))
        (pen.ellipse if rng.integers(2) else pen.rectangle)((x - w, y - h, x + w, y + h), fill=colour)
    return picture.resize((width, height), Image.Resampling.BOX)


def compressed(picture: Image.Image, quality: int = 60) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def smaller(picture: Image.Image) -> Image.Image:
    return picture.resize((picture.width * 2 // 3, picture.height * 2 // 3), Image.Resampling.BICUBIC)


COPIES = {"compressed": compressed, "smaller": smaller, "mirrored": ImageOps.mirror, "copied": lambda picture: picture}


def save(picture: Image.Image, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
    return path


def array(picture: Image.Image) -> Any:
    pixels = np.asarray(picture.convert("RGB")).copy()
    pixels.setflags(write=False)
    return pixels
