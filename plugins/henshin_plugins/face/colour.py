"""Give a crop the colours of the photo around it: mean, or mean and contrast, in luma and chroma.

Paper: Reinhard et al., "Color Transfer between Images", IEEE CG&A 2001; in YCbCr, which is a plain matrix, instead
of their l-alpha-beta, so that the whole change is one affine map of RGB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from henshin import Picture
    from henshin_plugins.face.areas import Pixels

# Rec. 601 luma and colour differences (JFIF).
YCBCR = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
GAIN = (0.5, 2.0)
"""Contrast changes by no more than this: a flat drawing has little of its own, and noise would be blown up."""
SAMPLES = 250
"""Statistics look at so many pixels along each side at most."""


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
