"""Pasting of crops into their photo.

Only pixels in the faces' boxes are touched, unless the photo around them is softened first. Where crops overlap, each
pixel belongs to the nearest face, in units of that face, with a soft seam; the order of the faces does not matter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from henshin_plugins.face.geometry import invert
from henshin_plugins.face.pasting.area import depth, extent, smoothstep
from henshin_plugins.face.pasting.colour_transfer import Change, cell_places, colour_change, fit_border, fit_in
from henshin_plugins.face.pasting.soften import softened
from henshin_plugins.face.warp import bilinear, warp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from henshin import Face, Picture
    from henshin_plugins.face.config import PasteBackConfig
    from henshin_plugins.face.geometry import Array, Pixels
    from henshin_plugins.face.pasting.area import Area

Box: TypeAlias = tuple[int, int, int, int]

SEAM = 0.15
"""Softness of the seam between two faces: the distance, in sides of a crop, over which a weight falls to 1/e."""
STRIP = 50_000
"""Pixels blended at once: the sums in floating point, 2 MB, stay in the processor's cache."""


def paste(picture: Picture, faces: Sequence[Face], config: PasteBackConfig) -> Picture:
    """Return the photo with every crop pasted; the same array if no crop touches it."""
    patches = [patch for face in faces if (patch := _patch(picture, face, config)) is not None]
    if not patches or config.strength == 0:
        return picture
    patches.sort(key=lambda patch: tuple(patch.matrix.ravel()))  # so that rounding does not depend on the order
    result = softened(picture) if config.surroundings == "soften" else picture.copy()
    for group in _groups(patches):
        x0, y0, x1, y1 = _enclosing_box(group)
        step = max(1, STRIP // (x1 - x0))
        for top in range(y0, y1, step):
            strip = x0, top, x1, min(top + step, y1)
            if len(group) == 1:
                _lay(result, group[0], strip, config.strength)
            else:
                _blend(result, group, strip, config.strength)
    result.flags.writeable = False
    return result


@dataclass(slots=True, eq=False)
class _Patch:
    """One crop warped to the photo: the pixels of its `box`, and the parameters of its weight at each of them."""

    box: Box
    pixels: Picture
    valid: Picture | None
    matrix: Array
    area: Area
    feather: float
    roundness: float
    change: Change | None = None

    def cover(self, box: Box) -> Pixels:
        """Return the opacity of the crop, 0 to 1, at the pixels of `box`."""
        return self._soft(depth(self.area, *self._places(box), self.roundness)) * self._validity(box)

    def nearness(self, box: Box) -> Pixels:
        """Return the nearness to the middle of the crop, 0 to 1, at the pixels of `box`."""
        across, down = self._places(box)
        near: Pixels = np.exp((across**2 + down**2) / np.float32(-(SEAM**2)))
        return near

    def _places(self, box: Box) -> tuple[Pixels, Pixels]:
        x0, y0, x1, y1 = box
        x, y = (np.arange(low, high, dtype=np.float32) + 0.5 for low, high in ((x0, x1), (y0, y1)))
        m = self.matrix.astype(np.float32)
        return np.add.outer(m[0, 1] * y + m[0, 2], m[0, 0] * x), np.add.outer(m[1, 1] * y + m[1, 2], m[1, 0] * x)

    def _soft(self, distance: Pixels) -> Pixels:
        if self.feather == 0:
            return (distance > 0).astype(np.float32)
        return smoothstep(distance / np.float32(self.feather))

    def _validity(self, box: Box) -> Pixels | float:
        return 1.0 if self.valid is None else self._part(self.valid, box).astype(np.float32) / np.float32(255)

    def colours(self, box: Box) -> Pixels:
        """Return the crop's colours (H, W, 3) at the pixels of `box`, 0 to 255."""
        pixels = self._part(self.pixels, box).astype(np.float32)
        return pixels if self.change is None else self.change(pixels)

    def _part(self, array: Picture, box: Box) -> Picture:
        left, top = self.box[:2]
        return array[box[1] - top : box[3] - top, box[0] - left : box[2] - left]


def _patch(picture: Picture, face: Face, config: PasteBackConfig) -> _Patch | None:
    """Warp one crop to its place in the photo. None if the face has no crop, or the crop lies outside the photo."""
    if face.crop is None or face.matrix is None:
        return None
    height, width = face.crop.shape[:2]
    to_crop = face.matrix.astype(np.float64)
    to_photo = invert(to_crop)
    x0, y0, x1, y1 = extent(config.area, to_photo * [width, height, 1.0])
    left, top = max(0, math.floor(x0)), max(0, math.floor(y0))
    right, bottom = min(picture.shape[1], math.ceil(x1)), min(picture.shape[0], math.ceil(y1))
    if left >= right or top >= bottom:
        return None
    here = to_photo - [[0.0, 0.0, left], [0.0, 0.0, top]]
    box = left, top, right, bottom
    crop = face.crop
    if config.colour_match == "surroundings":
        crop = fit_in(crop, picture, to_crop, face.mask)
    if config.colour_match == "border":
        crop = fit_border(crop, picture, to_crop, face.mask, _depth_of_cells(config.area, config.roundness))
    pixels = warp(crop, here, right - left, bottom - top)
    valid = _valid(face.mask, here, right - left, bottom - top)
    middle = np.array([[1 / width], [1 / height]]) * to_crop - [[0.0, 0.0, 0.5], [0.0, 0.0, 0.5]]
    patch = _Patch(box, pixels, valid, middle, config.area, config.feather, config.roundness)
    if config.colour_match in ("mean", "mean_std"):
        patch.change = colour_change(
            pixels, picture[top:bottom, left:right], patch.cover(box), contrast=config.colour_match == "mean_std"
        )
    return patch


@lru_cache(maxsize=16)
def _depth_of_cells(area: Area, roundness: float) -> Pixels:
    return depth(area, *cell_places(), roundness)


def _valid(mask: Picture | None, matrix: Array, width: int, height: int) -> Picture | None:
    """Return the crop's mask warped to the photo, 255 where the crop shows the photo; None if everywhere.

    Extrapolated pixels lie beyond the photo's border, so the mask matters only if a stage changed it. It is dilated by
    one pixel first: at the border itself the crop is opaque, and no rim of the old picture remains.
    """
    if mask is None or bool(mask.all()):
        return None
    wide = np.pad(mask, 1, mode="edge")
    rows = np.maximum(np.maximum(wide[:-2], wide[1:-1]), wide[2:])
    grown = np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
    # kornia-rs is black beyond the border: the padding keeps the edge of the mask
    framed = np.repeat(np.pad(grown, 2, mode="edge")[..., None], 3, axis=2)
    shifted = np.column_stack([matrix[:, :2], matrix[:, 2] - matrix[:, :2] @ [2.0, 2.0]])
    return bilinear(framed, shifted, width, height)[..., 0]


def _lay(result: Picture, patch: _Patch, strip: Box, strength: float) -> None:
    """Blend a crop that overlaps no other into one strip of the photo."""
    x0, y0, x1, y1 = strip
    _mix(result[y0:y1, x0:x1], patch.colours(strip), patch.cover(strip) * np.float32(strength))


def _blend(result: Picture, group: Sequence[_Patch], strip: Box, strength: float) -> None:
    """Blend the crops of a group into one strip of the photo."""
    x0, y0, x1, y1 = strip
    shape = y1 - y0, x1 - x0
    total, weights, uncovered = (
        np.zeros((*shape, 3), np.float32),
        np.zeros(shape, np.float32),
        np.ones(shape, np.float32),
    )
    for patch in group:
        box = _shared(patch.box, strip)
        if box is None:
            continue
        here = np.s_[box[1] - y0 : box[3] - y0, box[0] - x0 : box[2] - x0]
        cover = patch.cover(box)
        weight = cover * patch.nearness(box)
        total[here] += _of_each_colour(weight) * patch.colours(box)
        weights[here] += weight
        uncovered[here] *= 1 - cover
    share = (1 - uncovered) * (weights > 0) * np.float32(strength)
    total /= _of_each_colour(np.where(weights > 0, weights, 1))
    _mix(result[y0:y1, x0:x1], total, share)


def _mix(photo: Picture, colours: Pixels, share: Pixels) -> None:
    """Give each pixel of `photo` (H, W, 3) this share (H, W) of `colours` (H, W, 3), which are changed too."""
    colours -= photo
    colours *= _of_each_colour(share)
    colours += photo
    np.copyto(photo, np.rint(colours, out=colours), casting="unsafe")


def _of_each_colour(values: Pixels) -> Pixels:
    """Return (H, W) values as (H, W, 3); arithmetic with them is several times as fast as with ``[..., None]``."""
    return np.repeat(values, 3, axis=1).reshape(*values.shape, 3)


def _groups(patches: Sequence[_Patch]) -> list[list[_Patch]]:
    """Return the patches in groups of connected, overlapping boxes."""
    groups: list[list[_Patch]] = []
    for patch in patches:
        overlapping = [group for group in groups if any(_shared(patch.box, other.box) for other in group)]
        groups = [group for group in groups if group not in overlapping]
        groups.append([other for group in overlapping for other in group] + [patch])
    return groups


def _enclosing_box(patches: Sequence[_Patch]) -> Box:
    boxes = [patch.box for patch in patches]
    x0, y0 = min(box[0] for box in boxes), min(box[1] for box in boxes)
    return x0, y0, max(box[2] for box in boxes), max(box[3] for box in boxes)


def _shared(first: Box, second: Box) -> Box | None:
    x0, y0 = max(first[0], second[0]), max(first[1], second[1])
    x1, y1 = min(first[2], second[2]), min(first[3], second[3])
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None
