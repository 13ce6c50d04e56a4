"""Transfer of the surrounding photo's colours to a crop.

`colour_change` is the same everywhere: mean, or mean and contrast, in luma and chroma. Paper: Reinhard et al.,
"Color Transfer between Images", IEEE CG&A 2001; in YCbCr, which is a plain matrix, instead of their l-alpha-beta, so
that the whole change is one affine map of RGB.

`fit_in` varies over the crop: generators draw light skin on light backgrounds, which glows in a dark photo and leaves
a halo around the head before a dark or coloured background. The background may differ to the left and to the right of
a head, so no single shift suffices. The crop's highlights are reduced to the photo's, and its low-frequency colours
blend into the photo's towards the border; its lines stay. `fit_border` is for drawings in the photo's own colours: only
what lies near the border of the pasted area is blended, so that skin goes on in skin.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from henshin_plugins.face.pasting.area import smoothstep
from henshin_plugins.face.warp import warp

if TYPE_CHECKING:
    import numpy.typing as npt

    from henshin import Picture
    from henshin_plugins.face.geometry import Array, Pixels

# Rec. 601 luma and colour differences (JFIF).
YCBCR = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
GAIN = (0.5, 2.0)
"""Range of the contrast change: in a flat drawing a larger one would amplify noise."""
SAMPLES = 250
"""Most pixels along each side that are used for statistics."""
CELLS = 64
"""Cells along each side of the grid on which low-frequency colours are compared. They are averaged by a Gaussian of
standard deviation BROAD, in sides of a crop: wider than a line and narrower than a face."""
BROAD = 1 / 16
LIGHT, LEAST_LIGHT = 95, 0.1
"""Percentile of luma that counts as the highlights of a picture, and the least factor on it."""
OWN, RIM = 0.18, 0.40
"""Distances from the middle, in sides of a crop: within the first a crop keeps most of its own low-frequency colours,
beyond the second it has the photo's."""
IN_THE_MIDDLE = 0.35
"""Share of the photo's low-frequency colours in the middle, so that the skin tone remains visible."""
INWARD = 0.26
"""Depth, in sides of a crop, from which `fit_border` leaves a crop's colours as they are."""


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
    """Return the change of `pixels` to the weighted mean (and standard deviation) of `photo`, both (H, W, 3)."""
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
    """Return `crop` (H, W, 3) no lighter than `photo` there, with the photo's low-frequency colours at its border.

    `matrix` (2, 3) maps the photo to the crop; `mask` (H, W) is 0 beyond the photo.
    """
    cells = _cells(crop, photo, matrix, mask)
    distance: Pixels = np.hypot(*cell_places())
    factor = _highlight_factor(cells.crop, cells.photo, (cells.visible > 0.5) & (distance < 0.5))
    share = IN_THE_MIDDLE + (1 - IN_THE_MIDDLE) * smoothstep((distance - np.float32(OWN)) / np.float32(RIM - OWN))
    return _changed(crop, factor, _low_frequencies(cells.photo - factor * cells.crop, cells.visible) * share[..., None])


def fit_border(crop: Picture, photo: Picture, matrix: Array, mask: Picture | None, depth: Pixels) -> Picture:
    """Return `crop` (H, W, 3) with the photo's low-frequency colours at the border of its area, else its own.

    `depth` (CELLS, CELLS) is the distance of each cell to that border, in sides of the crop.
    """
    cells = _cells(crop, photo, matrix, mask)
    share = smoothstep(1 - depth / INWARD)
    return _changed(crop, 1.0, _low_frequencies(cells.photo - cells.crop, cells.visible) * share[..., None])


class _Cells(NamedTuple):
    """A crop and the photo there, (CELLS, CELLS, 3) each, and (CELLS, CELLS) the share of the photo in each cell."""

    crop: Pixels
    photo: Pixels
    visible: Pixels


def _cells(crop: Picture, photo: Picture, matrix: Array, mask: Picture | None) -> _Cells:
    height, width = crop.shape[:2]
    photo_cells = warp(photo, matrix * [[CELLS / width], [CELLS / height]], CELLS, CELLS).astype(np.float32)
    crop_cells = np.asarray(Image.fromarray(crop).resize((CELLS, CELLS), Image.Resampling.BOX), np.float32)
    visible = np.ones((CELLS, CELLS), np.float32)
    if mask is not None:
        shown = Image.fromarray(mask).resize((CELLS, CELLS), Image.Resampling.BOX)
        visible *= np.asarray(shown, np.float32) / np.float32(255)
    return _Cells(crop_cells, photo_cells, visible)


def _changed(crop: Picture, factor: float, change: Pixels) -> Picture:
    """Return `crop` times `factor`, plus `change` (CELLS, CELLS, 3) interpolated to its size."""
    values = np.multiply(crop, factor, dtype=np.float32)
    for channel in range(3):
        plane = Image.fromarray(np.ascontiguousarray(change[..., channel]))
        values[..., channel] += np.asarray(plane.resize(crop.shape[1::-1], Image.Resampling.BICUBIC))
    changed: Picture = np.rint(np.clip(values, 0, 255)).astype(np.uint8)
    return changed


def cell_places() -> tuple[Pixels, Pixels]:
    """Return how far each cell lies to the right of and below the middle, in sides of the crop."""
    middle = (np.arange(CELLS, dtype=np.float32) + 0.5) / CELLS - 0.5
    return np.tile(middle, (CELLS, 1)), np.tile(middle[:, None], (1, CELLS))


def _highlight_factor(crop_cells: Pixels, photo: Pixels, where: npt.NDArray[np.bool_]) -> float:
    """Return the factor, at most 1, that reduces the crop's highlights to the photo's."""
    if not where.any():
        return 1.0
    theirs, ours = (float(np.percentile(one[where] @ YCBCR[0], LIGHT)) for one in (photo, crop_cells))
    return min(1.0, max(LEAST_LIGHT, theirs / max(ours, 1.0)))


def _low_frequencies(values: Pixels, visible: Pixels) -> Pixels:
    """Return (CELLS, CELLS, 3) values averaged over their surroundings, weighted by `visible`."""
    kernel = _gaussian()
    total = np.moveaxis(kernel @ np.moveaxis(values * visible[..., None], 2, 0) @ kernel, 0, 2)
    weight: Pixels = np.maximum(kernel @ visible @ kernel, 1e-6)
    mean: Pixels = total / weight[..., None]
    return mean


@cache
def _gaussian() -> Pixels:
    """Return the symmetric (CELLS, CELLS) matrix that averages a row or column of cells, up to a factor."""
    cell = np.arange(CELLS, dtype=np.float32) / CELLS
    kernel: Pixels = np.exp(-((cell[:, None] - cell) ** 2) / (2 * BROAD**2))
    return kernel
