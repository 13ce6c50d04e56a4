"""Measures of a picture and its partner that need no network: PSNR, SSIM, and what is kept of the source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from henshin.errors import PictureError
from henshin.images.measures.metrics import WINDOW, crop_border, luma, psnr, ssim
from henshin.metrics.figures import Better

if TYPE_CHECKING:
    import numpy.typing as npt

    from henshin.images.picture import Picture

    Array: TypeAlias = npt.NDArray[np.float64]

Channels = Literal["y", "rgb"]

SMALL = 16
"""Side of the grey pictures whose correlation is `kept`."""


class PixelMeasure:
    """PSNR in dB, or SSIM, of the luma ("y") or of all three channels, without a border of so many pixels."""

    same_size = True
    better: Better = "higher"

    def __init__(self, key: Literal["psnr", "ssim"], channels: Channels = "rgb", border: int = 0) -> None:
        self.key: str = key
        self.channels, self.border = channels, border
        unit = ", dB" if key == "psnr" else ""
        self.title = f"{key.upper()} ({'luma' if channels == 'y' else 'RGB'}{unit})"

    def measure(self, picture: Picture, partner: Picture, /) -> float:
        """Return the figure of a pair of one size; PSNR is infinite where both are equal. Errors: PictureError."""
        height, width = picture.shape[:2]
        least = 2 * self.border + (WINDOW if self.key == "ssim" else 1)
        if min(height, width) < least:
            raise PictureError(f"{width}x{height} pixels are too few for {self.key}: it takes {least}x{least}")
        one, other = (
            crop_border(luma(one) if self.channels == "y" else one, self.border) for one in (picture, partner)
        )
        return psnr(one, other) if self.key == "psnr" else ssim(one, other)


class Kept:
    """The correlation of a translation with its source, as grey pictures of 16 x 16: -1 to 1."""

    key, title = "kept", "kept of the source"
    better: Better = "higher"
    same_size = False

    def measure(self, picture: Picture, partner: Picture, /) -> float:
        """Return the correlation of a pair."""
        return kept_of(partner, picture)


def kept(photos: Sequence[Picture], drawn: Sequence[Picture]) -> Array:
    """Return (N,) the correlation of photo and drawn as grey pictures of 16 x 16; 0 where one of them is flat."""
    return np.array([kept_of(*pair) for pair in zip(photos, drawn, strict=True)])


def kept_of(photo: Picture, drawn: Picture) -> float:
    """Return the correlation, -1 to 1, of two pictures (H, W, 3) uint8 of any sizes."""
    return float(_pattern(photo) @ _pattern(drawn))


def _pattern(picture: Picture) -> Array:
    from PIL import Image

    small = Image.fromarray(picture).convert("L").resize((SMALL, SMALL), Image.Resampling.BOX)
    values = np.asarray(small, np.float64).ravel()
    values = values - values.mean()
    unit: Array = values / max(float(np.linalg.norm(values)), 1e-9)
    return unit
