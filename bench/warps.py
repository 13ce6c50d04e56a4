"""How exact the warps of faces are, and how long they take, from reducing by 8 to enlarging by 5. See README.md here.

python bench/warps.py [--pictures FOLDER] [--side 128]
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from run import ROOT, SUFFIXES
from scipy import ndimage

from henshin.images.io import read
from henshin_plugins.face.geometry import apply, invert
from henshin_plugins.face.warp import NEARLY_ONE, warp

SCALES = (0.13, 0.2, 0.27, 0.36, 0.45, 0.54, 0.6, 0.7, 0.85, 0.95, 1.0, 1.3, 2.0, 3.0, 5.5)
DEGREES = (0, 5, 20)
PARTS = 8
"""Samples along each axis of a pixel of the exact mean."""
RUNS = 5
AROUND = 16
"""Pixels around the part of a picture that is warped: no others change its spline by a grey level."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, default=ROOT / "examples", help="the pictures to warp")
    parser.add_argument("--side", type=int, default=128, help="of the results, in pixels (default: %(default)s)")
    options = parser.parse_args()
    paths = sorted(path for path in options.pictures.iterdir() if path.suffix.lower() in SUFFIXES)
    if not paths:
        sys.exit(f"{options.pictures}: holds no picture")
    pictures = [read(path).picture for path in paths]
    print("| scale | PSNR, worst and median, dB | CPU ms |\n| --- | --- | --- |")
    for scale in SCALES:
        rows = [compared(one, scale, degrees, options.side) for one in pictures for degrees in DEGREES]
        ratios, milliseconds = zip(*rows, strict=True)
        print(f"| {scale:g} | {min(ratios):.1f}, {np.median(ratios):.1f} | {np.median(milliseconds):.2f} |")


def compared(picture: Any, scale: float, degrees: float, side: int) -> tuple[float, float]:
    """Return the PSNR of a warp of the middle of a picture, and the milliseconds of CPU that it takes."""
    height, width = picture.shape[:2]
    side = min(side, int(scale * min(height, width) * 0.7))
    turn = math.radians(degrees)
    linear = scale * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    matrix = np.column_stack([linear, np.full(2, side / 2) - linear @ [width * 0.5 + 0.3, height * 0.5 + 0.2]])
    times = []
    for _ in range(RUNS):
        start = process_time()
        warped = warp(picture, matrix, side, side)
        times.append(process_time() - start)
    error = float(np.mean((warped - exact(picture, matrix, side, PARTS if scale < NEARLY_ONE else 1)) ** 2))
    return 10 * math.log10(255**2 / max(error, 1e-9)), 1000 * min(times)


def exact(picture: Any, matrix: Any, side: int, parts: int) -> Any:
    """Return the mean over the area of each pixel of the picture's cubic spline, (side, side, 3) floats."""
    steps = (np.arange(side * parts) + 0.5) / parts
    x, y = apply(invert(matrix), np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)).T - 0.5
    left, top = (max(0, math.floor(low.min()) - AROUND) for low in (x, y))
    part = picture[top : math.ceil(y.max()) + AROUND, left : math.ceil(x.max()) + AROUND].astype(float)
    planes = [ndimage.map_coordinates(part[..., c], [y - top, x - left], mode="reflect") for c in range(3)]
    return np.stack(planes, axis=-1).reshape(side, parts, side, parts, 3).mean(axis=(1, 3)).clip(0, 255)


if __name__ == "__main__":
    main()
