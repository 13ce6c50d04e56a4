"""Small folders of pictures and small runs for the tests of training."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import numpy as np
from PIL import Image


def domains(folder: Path, count: int = 6, size: int = 40) -> None:
    """Write `a/` (dark blobs on light ground) and `b/` (light stripes on dark ground)."""
    rng = np.random.default_rng(3)
    for name in "ab":
        (folder / name).mkdir()
        for i in range(count):
            picture = np.full((size, size, 3), 200 if name == "a" else 40, np.uint8)
            x, y = rng.integers(4, size - 14, 2)
            if name == "a":
                picture[y : y + 10, x : x + 10] = rng.integers(0, 90, 3)
            else:
                picture[:, x : x + 6] = rng.integers(150, 255, 3)
            Image.fromarray(picture).save(folder / name / f"{i}.png")


def run_yaml(folder: Path, recipe: str, **options: object) -> Path:
    """Write a run of a tiny network on the domains of this folder."""
    lines = "".join(f"{key}: {value}\n" for key, value in options.items())
    text = f"""\
    recipe: {recipe}
    generator: {{use: resnet, width: 8, blocks: 2, upsample: resize}}
    data: {{a: a, b: b, size: 32, hold_out: 1}}
    batch: 2
    """
    path = folder / f"{recipe}.yaml"
    path.write_text(dedent(text) + lines)
    return path
