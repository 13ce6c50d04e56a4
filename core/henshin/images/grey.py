"""Grey photos: how they are told from coloured ones, and results without colour.

A JPEG file of a black-and-white photo is seldom exactly grey. Its spread, the difference between the largest and the
smallest channel of a pixel, is at most 13 in 99 % of the pixels: so in the 15 such files, scans and toned ones among
them, of 1,800 selfies, portraits and landscapes. The palest crop of a face in colour has 36 there, and the palest whole
photo in colour, a misty beach, 18.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from henshin.images.picture import Picture

LUMA_WEIGHTS = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in the luma of ITU-R BT.601."""

SPREAD, COLOURED = 15, 0.01
"""Greatest spread of a grey pixel, and the greatest share of pixels beyond it in a grey picture."""


def is_grey(picture: Picture) -> bool:
    """Return whether a picture (H, W, 3) has no colour but the noise of its compression."""
    most = COLOURED * (picture.size // 3)
    # a sixteenth of the pixels suffices to tell most coloured pictures
    return _coloured(picture[::4, ::4]) <= most and _coloured(picture) <= most


def _coloured(picture: Picture) -> int:
    red, green, blue = (picture[..., channel] for channel in range(3))
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    return int(np.count_nonzero(spread > SPREAD))


def without_colour(picture: Picture) -> Picture:
    """Return the luma (Rec. 601) of a picture (H, W, 3) in all three channels."""
    return np.asarray(Image.fromarray(picture).convert("L").convert("RGB"))
