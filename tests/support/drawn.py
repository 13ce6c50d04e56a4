"""Drawn faces whose eyes and chin are known, for the tests of stages on drawings."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image, ImageDraw

FINE = 3

SKIN, HAIR = (250, 226, 205), (92, 70, 110)

UNIT_EYES, UNIT_CHIN = ((0.365, 0.415), (0.635, 0.415)), (0.5, 0.735)
"""Eyes and chin of `drawn_face` in the unit square of a head."""


def drawn_face(
    side: int = 256,
    shift: tuple[float, float] = (0.0, 0.0),
    scale: tuple[float, float] = (1.0, 1.0),
    skin: tuple[int, int, int] = SKIN,
    hair: tuple[int, int, int] = HAIR,
) -> Any:
    """A frontal face (side, side, 3); the unit square of its head is scaled about (0.5, 0.55) and shifted."""

    def at(x: float, y: float) -> tuple[float, float]:
        placed_x, placed_y = place((x, y), shift, scale)
        return placed_x * side * FINE, placed_y * side * FINE

    def oval(pen: ImageDraw.ImageDraw, x: float, y: float, wide: float, high: float, colour: Any) -> None:
        pen.ellipse([*at(x - wide, y - high), *at(x + wide, y + high)], fill=colour)

    page = Image.new("RGB", (side * FINE, side * FINE), (150, 165, 160))
    pen = ImageDraw.Draw(page)
    oval(pen, 0.5, 0.45, 0.36, 0.38, hair)
    pen.polygon([at(0.14, 0.45), at(0.86, 0.45), at(0.80, 1.2), at(0.20, 1.2)], fill=hair)
    pen.rectangle([*at(0.42, 0.66), *at(0.58, 1.1)], fill=skin)
    left = [(0.27, 0.36), (0.275, 0.50), (0.31, 0.59), (0.39, 0.67), (0.46, 0.72)]
    right = [(1 - x, y) for x, y in reversed(left)]
    pen.polygon([at(*point) for point in [*left, UNIT_CHIN, *right]], fill=skin)
    for x, y in UNIT_EYES:
        oval(pen, x, y, 0.045, 0.055, (60, 45, 50))
        oval(pen, x + 0.01, y - 0.02, 0.012, 0.014, (255, 255, 255))
    pen.polygon([at(0.24, 0.36), at(0.5, 0.22), at(0.76, 0.36), at(0.6, 0.34), at(0.5, 0.37), at(0.4, 0.34)], fill=hair)
    pen.line([at(0.46, 0.645), at(0.54, 0.645)], fill=(150, 90, 90), width=2 * FINE)
    return np.asarray(page.resize((side, side), Image.Resampling.BOX)).copy()


def place(point: tuple[float, float], shift: tuple[float, float], scale: tuple[float, float]) -> tuple[float, float]:
    """The place of a point of the head's unit square in that of the picture."""
    return 0.5 + scale[0] * (point[0] - 0.5) + shift[0], 0.55 + scale[1] * (point[1] - 0.55) + shift[1]
