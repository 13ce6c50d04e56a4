"""What a drawn portrait keeps of its photo: the colours of skin and hair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from henshin.files import hash_text

if TYPE_CHECKING:
    import numpy.typing as npt

    from henshin import Picture

    Array: TypeAlias = npt.NDArray[np.float64]
    Mask: TypeAlias = npt.NDArray[np.bool_]

SIDE = 128
"""Side at which regions are measured."""

CHEEKS = ((0.37, 0.61), (0.63, 0.61))
"""Middles of the cheeks in the unit square of a crop of `face_align`, below the eyes of drawn faces."""

CHEEK_RADIUS = 0.04

HAIR_BAND = (0.3, 0.03, 0.7, 0.09)
"""x0, y0, x1, y1 of the hair above the forehead. Of a bald head it is what is there: all the same to be kept."""

REGIONS = ("skin", "hair")


@dataclass(frozen=True)
class ColourChange:
    """Changes of mean colour in a region, (N,) each, in units of CIELAB.

    `distance` is CIE76, the Euclidean distance; `lightness` is drawn minus photo, so above 0 where it was made lighter;
    `chroma` is the distance in the plane of a and b.
    """

    distance: Array
    lightness: Array
    chroma: Array


CACHE_KIND = "lab-" + hash_text(repr((SIDE, CHEEKS, CHEEK_RADIUS, HAIR_BAND)))[:8]
"""Name of `region_colours` in the cache: other regions are computed anew."""


def region_masks(side: int = SIDE) -> tuple[Mask, Mask]:
    """Return the pixels (side, side) of the cheeks, and those of the band of hair."""
    y, x = (np.indices((side, side)) + 0.5) / side
    skin = np.any([np.hypot(x - cx, y - cy) <= CHEEK_RADIUS for cx, cy in CHEEKS], axis=0)
    x0, y0, x1, y1 = HAIR_BAND
    return skin, (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)


def region_colours(pictures: Sequence[Picture]) -> Array:
    """Return (N, 2, 3): the mean L, a, b (D65) of skin and hair in aligned crops (H, W, 3) uint8."""
    import torch
    from kornia.color import rgb_to_lab
    from PIL import Image

    masks = region_masks()
    colours = np.empty((len(pictures), len(masks), 3))
    for row, picture in zip(colours, pictures, strict=True):
        small = np.asarray(Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
        values = torch.from_numpy(small.astype(np.float64) / 255).permute(2, 0, 1)
        lab = rgb_to_lab(values).permute(1, 2, 0).numpy()
        row[:] = [lab[mask].mean(axis=0) for mask in masks]
    return colours


def colour_changes(photos: Array, drawn: Array) -> dict[str, ColourChange]:
    """Return the change of each region between `region_colours` of photos and of what was drawn of them."""
    change = drawn - photos
    return {
        region: ColourChange(
            np.linalg.norm(change[:, i], axis=1), change[:, i, 0], np.linalg.norm(change[:, i, 1:], axis=1)
        )
        for i, region in enumerate(REGIONS)
    }
