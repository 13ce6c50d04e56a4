"""Glasses and beards, drawn onto drawn faces: simple shapes in plain colours, as cartoons have them.

Places are those of a crop of `match_proportions`: eyes at (0.34, 0.43) and (0.66, 0.43), mouth at (0.5, 0.735), chin
at 0.87 of the side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from henshin_plugins.face.drawn.skin import sigmoid, soft_ellipse

if TYPE_CHECKING:
    from henshin import Picture
    from henshin_plugins.face.geometry import Array

EYES = (0.34, 0.66)
"""Middle of the eyes, as shares of the side from the left."""

EYE_LINE = 0.43
"""Height of the eyes, as a share of the side from above."""

FINE = 4
"""Lines are drawn at so many times the crop's size, and reduced."""

FRAMES = ((20, 20, 24), (60, 35, 25), (110, 20, 30), (70, 70, 75), (25, 30, 60))
"""Colours of frames, RGB; and their odds."""

FRAME_ODDS = (0.5, 0.2, 0.08, 0.14, 0.08)

HAIR = ((28, 24, 24), (60, 42, 32), (95, 70, 48), (130, 125, 122), (205, 202, 200))
"""Colours of beards, RGB: black, brown, fair, grey, white; and their odds."""

HAIR_ODDS = (0.35, 0.30, 0.12, 0.13, 0.10)

STYLE_ODDS = (0.45, 0.30, 0.17, 0.08)
"""Odds of a full beard, stubble, a goatee with a moustache, and a moustache."""


def with_glasses(crop: Picture, rng: np.random.Generator) -> Picture:
    """Return the crop with glasses: round, oval or square frames, thin or thick."""
    side = len(crop)
    frame = Image.new("L", (side * FINE, side * FINE))
    pen = ImageDraw.Draw(frame)
    height, width, tall = EYE_LINE + rng.uniform(-0.01, 0.02), rng.uniform(0.105, 0.135), rng.uniform(0.07, 0.11)
    thick = max(1, round(rng.uniform(0.007, 0.019) * side * FINE))
    corner = [0.03, 0.06, None][rng.integers(3)]
    large = side * FINE
    for x in EYES:
        box = [(x - width) * large, (height - tall) * large, (x + width) * large, (height + tall) * large]
        if corner is None:
            pen.ellipse(box, outline=255, width=thick)
        else:
            pen.rounded_rectangle(box, radius=corner * large, outline=255, width=thick)
    _line(pen, large, thick, (EYES[0] + width, height - 0.01), (EYES[1] - width, height - 0.01))
    for sign in (-1, 1):
        reach = EYES[1] - 0.5 + width
        _line(pen, large, thick, (0.5 + sign * reach, height - 0.02), (0.5 + sign * 0.31, height - 0.03))
    cover = np.asarray(frame.resize((side, side), Image.Resampling.LANCZOS), np.float64) / 255
    return _painted(crop, cover, FRAMES[rng.choice(len(FRAMES), p=FRAME_ODDS)])


def with_beard(crop: Picture, skin: Array, rng: np.random.Generator) -> Picture:
    """Return the crop with a beard, stubble, goatee or moustache, within its `skin` (S, S) in [0, 1]."""
    side = len(crop)
    across, down = (np.arange(side) + 0.5)[None, :] / side, (np.arange(side) + 0.5)[:, None] / side
    colour = HAIR[rng.choice(len(HAIR), p=HAIR_ODDS)]
    # the upper border falls from the ears to the corners of the mouth
    border = 0.60 + 0.13 * (1 - np.minimum(np.abs(across - 0.5) / 0.27, 1) ** 1.6)
    full = sigmoid(down - border, 0.004)
    moustache = soft_ellipse(side, (0.5, 0.695, 0.12, 0.027), 0.1)
    goatee = soft_ellipse(side, (0.5, 0.82, 0.12, 0.07), 0.08)
    lips = soft_ellipse(side, (0.5, 0.735, 0.085, 0.03), 0.08)
    style = rng.choice(len(STYLE_ODDS), p=STYLE_ODDS)
    shape = [np.maximum(full, moustache), np.maximum(full, moustache), np.maximum(goatee, moustache), moustache][style]
    strength = 0.4 if style == 1 else 0.95
    return _painted(crop, shape * (1 - lips) * (down < 0.93) * skin * strength, colour)


def _line(
    pen: ImageDraw.ImageDraw, side: int, thick: int, start: tuple[float, float], end: tuple[float, float]
) -> None:
    pen.line([(start[0] * side, start[1] * side), (end[0] * side, end[1] * side)], fill=255, width=thick)


def _painted(crop: Picture, cover: Array, colour: tuple[int, int, int]) -> Picture:
    mixed = crop + (np.array(colour, np.float64) - crop) * cover[..., None]
    return np.rint(np.clip(mixed, 0, 255)).astype(np.uint8)
