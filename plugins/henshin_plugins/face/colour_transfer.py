"""Give a crop the colours of the photo around it.

The same change everywhere: mean, or mean and contrast, in luma and chroma. Paper: Reinhard et al., "Color Transfer
between Images", IEEE CG&A 2001; in YCbCr, which is a plain matrix, instead of their l-alpha-beta, so that the whole
change is one affine map of RGB.

Or one that differs from place to place (`fit_in`): generators draw light skin on light grounds, which glows in a dark
photo and leaves a cloud around the head before a dark or coloured ground. No single shift helps, for to the left of a
head may be what is not to its right. So the drawing's light is brought down to the photo's, and its broad colours go
over into the photo's towards the border; its lines stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from henshin_plugins.face.warp import warp

if TYPE_CHECKING:
    import numpy.typing as npt

    from henshin import Picture
    from henshin_plugins.face.geometry import Array
    from henshin_plugins.face.integral_image import Pixels

# Rec. 601 luma and colour differences (JFIF).
YCBCR = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
GAIN = (0.5, 2.0)
"""Contrast changes by no more than this: a flat drawing has little of its own, and noise would be blown up."""
SAMPLES = 250
"""Statistics look at so many pixels along each side at most."""
CELLS = 64
"""Cells along each side of the grid on which broad colours are compared; they are averaged over BROAD sides of a crop
(standard deviation), which is wider than a line and narrower than a face."""
BROAD = 1 / 16
LIGHT, LEAST_LIGHT = 95, 0.1
"""The percentile of luma that counts as the light of a picture, and how far down it may be brought at most."""
OWN, RIM = 0.18, 0.40
"""Distances from the middle, in sides of a crop: within the first a drawing keeps most of its own broad colours, beyond
the second it has the photo's."""
IN_THE_MIDDLE = 0.35
"""Share of the photo's broad colours in the very middle: the skin's own tone shows through."""


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """An affine map of RGB colours."""

    linear: Pixels
    shift: Pixels

    def __call__(self, pixels: Pixels) -> Pixels:
        """Return (..., 3) colours from 0 to 255, changed and clipped."""
        changed: Pixels = np.clip(pixels @ self.linear.T + self.shift, 0, 255)
        return changed


def colour_change(pixels: Picture, photo: Picture, weights: Pixels, *, contrast: bool) -> Change | None:
    """Return the change that gives `pixels` the weighted mean (and standard deviation) of `photo`, both (H, W, 3)."""
    step = max(1, -(-max(pixels.shape[:2]) // SAMPLES))
    weight = weights[::step, ::step].ravel().astype(np.float64)
    if weight.sum() <= 0:
        return None
    weight /= weight.sum()
    ours, theirs = (array[::step, ::step].reshape(-1, 3) @ YCBCR.T for array in (pixels, photo))
    mean_ours, mean_theirs = weight @ ours, weight @ theirs
    gain = np.ones(3)
    if contrast:
        spread_ours, spread_theirs = (
            np.sqrt(weight @ (a - m) ** 2) for a, m in ((ours, mean_ours), (theirs, mean_theirs))
        )
        gain = (spread_theirs / np.maximum(spread_ours, 1e-3)).clip(*GAIN)
    back = np.linalg.inv(YCBCR)
    linear = back @ np.diag(gain) @ YCBCR
    shift = back @ (mean_theirs - gain * mean_ours)
    return Change(linear.astype(np.float32), shift.astype(np.float32))


def fit_in(crop: Picture, photo: Picture, matrix: Array, mask: Picture | None) -> Picture:
    """Return `crop` (H, W, 3) no lighter than `photo` is there, and with the photo's broad colours towards its border.

    `matrix` (2, 3) takes the photo to the crop, `mask` (H, W) is 0 where the photo has nothing to compare with.
    """
    height, width = crop.shape[:2]
    there = warp(photo, matrix * [[CELLS / width], [CELLS / height]], CELLS, CELLS).astype(np.float32)
    drawn = np.asarray(Image.fromarray(crop).resize((CELLS, CELLS), Image.Resampling.BOX), np.float32)
    visible = np.full((height, width), 255, np.uint8) if mask is None else mask
    seen = np.asarray(Image.fromarray(visible).resize((CELLS, CELLS), Image.Resampling.BOX), np.float32)
    seen = seen / np.float32(255)
    away = _distance()
    light = _light(drawn, there, (seen > 0.5) & (away < 0.5))
    ramp = np.clip((away - OWN) / (RIM - OWN), 0, 1)
    share = IN_THE_MIDDLE + (1 - IN_THE_MIDDLE) * ramp * ramp * (3 - 2 * ramp)
    change = _broad(there - light * drawn, seen) * share[..., None]
    result = np.empty_like(crop)
    for channel in range(3):
        broad = Image.fromarray(change[..., channel]).resize((width, height), Image.Resampling.BICUBIC)
        values = crop[..., channel] * light + np.asarray(broad)
        result[..., channel] = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return result


def _distance() -> Pixels:
    """Return how far each cell is from the middle, in sides of the crop."""
    middle = (np.arange(CELLS, dtype=np.float32) + 0.5) / CELLS - 0.5
    away: Pixels = np.hypot(middle[:, None], middle)
    return away


def _light(drawn: Pixels, photo: Pixels, where: npt.NDArray[np.bool_]) -> float:
    """Return the factor, at most 1, that brings the light of the drawing down to that of the photo."""
    if not where.any():
        return 1.0
    theirs, ours = (float(np.percentile(one[where] @ YCBCR[0], LIGHT)) for one in (photo, drawn))
    return min(1.0, max(LEAST_LIGHT, theirs / max(ours, 1.0)))


def _broad(values: Pixels, seen: Pixels) -> Pixels:
    """Return (CELLS, CELLS, 3) values averaged over their surroundings, of the cells that are `seen` only."""
    cell = np.arange(CELLS, dtype=np.float32) / CELLS
    near = np.exp(-((cell[:, None] - cell) ** 2) / (2 * BROAD**2))
    total = np.einsum("ij,jkc,lk->ilc", near, values * seen[..., None], near, optimize=True)
    weight = near @ seen @ near.T
    mean: Pixels = (total / np.maximum(weight, 1e-6)[..., None]).astype(np.float32)
    return mean
