"""How well a drawn face came out: even skin between, beside and below the eyes, and eyes where a face has them.

Generators that were trained on aligned crops draw eyes and skin in the same places each time. Where they fail, by
beards, glasses or hard shadows as a rule, there are dark clots in the skin, or an eye is missing, smeared or all black.
In the drawings of 220 faces, sorted by eye into 112 good, 42 failed and 66 between, a least fit of 0.75 loses 4 % of
the good ones and finds 81 % of the failed ones: 90 % of those with clots, 62 % of those without an eye. Of 84 others it
found 13 of 17. What the photo shows there was no help: a beard drawn as a clot is a clot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from henshin_plugins.face.geometry import ellipse

if TYPE_CHECKING:
    from henshin import Picture

SIDE = 64
"""Side in pixels at which drawings are compared: thin lines of noses and mouths fade."""
EYES, EYE = ((0.355, 0.465), (0.63, 0.465)), (0.055, 0.06)
"""Middles and radii of the irises, in the unit square of a crop at margin 1: measured in drawings."""
AROUND = (0.09, 0.10)
"""Radii of the whole eyes, which are no skin."""
SKIN = ((0.5, 0.62), (0.17, 0.17))
"""Middle and radii of the skin, from between the eyes to the chin."""
DARK = 0.9
"""Luma below which skin is dark, as a share of its median."""
MOST_DARK = 0.6
"""Share of dark skin at which a drawing has a fit of 0."""
CONTRAST = 0.5
"""Range of luma in an iris, as a share of the skin's median, at which a drawing has a fit of 1."""


def fit(drawing: Picture) -> float:
    """Return the fit, 0 to 1, of a drawn crop (H, W, 3) at margin 1: the worse of that of its skin and of its eyes."""
    small = Image.fromarray(drawing).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    luma = np.asarray(small, np.float32)
    eyes = np.logical_or.reduce([ellipse(middle, AROUND, SIDE) for middle in EYES])
    skin = luma[ellipse(*SKIN, SIDE) & ~eyes]
    light = max(float(np.median(skin)), 1.0)
    dark = float((skin < DARK * light).mean())
    irises = [np.percentile(luma[ellipse(middle, EYE, SIDE)], (10, 95)) for middle in EYES]
    contrast = min(float(high - low) for low, high in irises) / light
    return max(0.0, min(1 - dark / MOST_DARK, contrast / CONTRAST, 1.0))
