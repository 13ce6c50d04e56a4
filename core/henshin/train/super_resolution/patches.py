"""Pieces of pictures for super-resolution: large ones as they are, and small twins of them, cut at the same place.

The small pictures are made of whole ones by Pillow's bicubic filter, once, and kept beside them in the cache: so a
piece is what a cut of the small picture is, also at its border, and the filter is the one that figures are told with.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor

from henshin.api.recipe import Run
from henshin.api.training_data import Degradation, PatchData
from henshin.errors import HenshinError
from henshin.train.data import to_float
from henshin.train.data.cache import DecodedImages, decoded
from henshin.train.data.duplicates import same
from henshin.train.data.folders import checked
from henshin.train.data.splits import split, tell


@dataclass(frozen=True, slots=True)
class Damage:
    """What one piece suffers: sigma of blur in small pixels, of noise in grey levels, JPEG quality; 0 is none of it."""

    blur: float
    noise: float
    quality: int
    seed: int


Place = tuple[np.ndarray, np.ndarray, tuple[float, float], Damage | None]
"""Where a piece is cut and what it suffers: its large and small picture, from top and from left in [0, 1), damage."""


@dataclass(frozen=True, slots=True, eq=False)
class Pyramid:
    """The pictures of one folder at full size, and reduced by each scale; row i of all is the same picture."""

    large: DecodedImages
    small: dict[int, DecodedImages]
    training: np.ndarray
    held: np.ndarray

    def fitting(self, scale: int, patch: int) -> np.ndarray:
        """Rows to train on that have room for a piece of this scale."""
        room: np.ndarray = self.small[scale].shapes[self.training].min(axis=1, initial=1 << 30)
        return self.training[room >= patch]

    def pair(self, row: int, scale: int) -> tuple[np.ndarray, np.ndarray]:
        """A picture and its small twin, views (3, h, w) uint8; the large one is cut to a multiple of the scale."""
        small = _picture(self.small[scale], row)
        height, width = small.shape[1] * scale, small.shape[2] * scale
        return _picture(self.large, row)[:, :height, :width], small


def _picture(found: DecodedImages, row: int) -> np.ndarray:
    start, (height, width) = found.starts[row], found.shapes[row]
    return found.pixels[start : start + 3 * height * width].reshape(3, height, width)


class Patches:
    """Pictures to cut pieces from, at one of `scales` for each batch. `held` are never drawn."""

    def __init__(
        self, folders: Sequence[Pyramid], data: PatchData, scales: Sequence[int], device: torch.device
    ) -> None:
        self.folders, self.data, self.scales, self.device = folders, data, tuple(scales), device
        self._rows = {scale: [one.fitting(scale, data.patch) for one in folders] for scale in self.scales}
        self._odds = {scale: _odds(rows, data.shares) for scale, rows in self._rows.items()}
        self._threads: ThreadPoolExecutor | None = None

    def __len__(self) -> int:
        return sum(len(one.training) for one in self.folders)

    @property
    def fitting(self) -> dict[int, int]:
        """How many pictures there are to draw from at each scale."""
        return {scale: sum(map(len, rows)) for scale, rows in self._rows.items()}

    @property
    def held(self) -> list[tuple[Pyramid, int]]:
        """The held-out pictures: of each folder the first, then the second of each, and so on."""
        ranked = [(place, of, int(row)) for of, one in enumerate(self.folders) for place, row in enumerate(one.held)]
        return [(self.folders[of], row) for _, of, row in sorted(ranked)]

    def draw(
        self, count: int, rng: np.random.Generator, degradation: Degradation | None = None
    ) -> tuple[Tensor, Tensor, int]:
        """Pieces at random: small (count, 3, p, p), large (count, 3, p * scale, p * scale) in [-1, 1], and the scale.

        All that is left to chance comes from `rng`, so that a checkpoint that holds its state holds all there is.
        """
        scale = self.scales[int(rng.integers(len(self.scales)))]
        folders = rng.choice(len(self.folders), count, p=self._odds[scale])
        chances = rng.random((count, 3))
        lies = np.stack([rng.integers(2, size=count) * self.data.flip, rng.integers(4, size=count) * self.data.turn], 1)
        damaged = damages(degradation, count, rng) if degradation else [None] * count
        places: list[Place] = []
        for of, (which, top, left), damage in zip(folders, chances, damaged, strict=True):
            rows = self._rows[scale][of]
            places.append((*self.folders[of].pair(int(rows[int(which * len(rows))]), scale), (top, left), damage))
        cuts = self._cuts(places, scale)
        turned = [[_turned(piece, *lie) for piece in one] for one, lie in zip(cuts, lies.tolist(), strict=True)]
        smalls, larges = (torch.from_numpy(np.stack(pieces)) for pieces in zip(*turned, strict=True))
        return to_float(smalls.to(self.device)), to_float(larges.to(self.device)), scale

    def _cuts(self, places: list[Place], scale: int) -> Iterable[tuple[np.ndarray, np.ndarray]]:
        """Cut the pieces; those that are spoilt in threads, which changes nothing, for their chances are drawn."""

        def one(place: Place) -> tuple[np.ndarray, np.ndarray]:
            return cut(*place, scale, self.data.patch)

        if all(damage is None for *_, damage in places):
            return map(one, places)
        self._threads = self._threads or ThreadPoolExecutor(min(8, os.cpu_count() or 1))
        return self._threads.map(one, places)


def _turned(piece: np.ndarray, mirrored: int, quarters: int) -> np.ndarray:
    """One of the eight ways in which a square (3, H, H) can lie."""
    return np.rot90(piece[:, :, ::-1] if mirrored else piece, quarters, (1, 2))


def _odds(rows: Sequence[np.ndarray], shares: Sequence[float] | None) -> np.ndarray:
    """How likely each folder is, (F,), of which some have no picture."""
    counts = np.array([len(one) for one in rows], np.float64)
    odds = counts if shares is None or len(rows) == 1 else np.array(shares) * (counts > 0)
    return np.asarray(odds / max(odds.sum(), 1e-12))


def cut(
    large: np.ndarray, small: np.ndarray, place: tuple[float, float], damage: Damage | None, scale: int, patch: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cut pieces, small (3, p, p) and large (3, p * scale, p * scale), at one place of a pair of pictures (3, h, w).

    `place` is in [0, 1) from top and from left. A blurred piece is made of the large picture anew, with a margin, so
    that its border is blurred like its middle.
    """
    top, left = (int(at * (room - patch + 1)) for at, room in zip(place, small.shape[1:], strict=True))
    wanted = _part(large, top * scale, left * scale, patch * scale)
    if damage is None:
        return _part(small, top, left, patch), wanted
    if damage.blur:
        around = margin(damage)
        high, wide = max(0, top - around), max(0, left - around)
        part = large[:, high * scale : (top + patch + around) * scale, wide * scale : (left + patch + around) * scale]
        soft = blurred(np.ascontiguousarray(part.transpose(1, 2, 0)), scale, damage.blur).transpose(2, 0, 1)
        piece = _part(soft, top - high, left - wide, patch)
    else:
        piece = _part(small, top, left, patch)
    return spoilt(np.ascontiguousarray(piece.transpose(1, 2, 0)), damage).transpose(2, 0, 1), wanted


def _part(picture: np.ndarray, top: int, left: int, side: int) -> np.ndarray:
    return picture[:, top : top + side, left : left + side]


def open_patches(run: Run, data: PatchData, scales: Sequence[int]) -> Patches:
    """Open the pictures of patch data, and tell what was skipped, is too small or is there twice.

    Errors: HenshinError when none is left to train on, at one of the scales; MissingError when the cache of decoded
    pictures cannot be written.
    """
    pyramids = [_pyramid(run, folder, data, scales) for folder in run.folders(data.pictures)]
    patches = Patches(pyramids, data, scales, run.device)
    for scale, count in patches.fitting.items():
        side, without = data.patch * scale, len(patches) - count
        if not count:
            raise HenshinError(
                f"data.pictures: none of {len(patches)} pictures has the {side}x{side} pixels that pieces of "
                f"{data.patch} px need at x{scale}; lower data.patch"
            )
        if without:
            run.say(f"pictures: {without} of {len(patches)} are smaller than {side} px, and left out at x{scale}")
    run.say(f"{len(patches)} pictures, {len(patches.held)} held out, pieces of {data.patch} px")
    return patches


def _pyramid(run: Run, folder: Path, data: PatchData, scales: Sequence[int]) -> Pyramid:
    name = f"pictures ({folder})"
    try:
        files = checked([folder], data.hold_out)
    except HenshinError as error:
        raise HenshinError(f"data.pictures: {error}") from error
    large = decoded(files, 1, "whole", run.say, name)
    skipped = [f"{file}: {reason}" for file, reason in large.skipped]
    tell(run.say, run.folder / "skipped.txt", name, "skipped", skipped)
    if not large.files:
        raise HenshinError(f"data.{name}: none of the {len(files)} can be read, the first {skipped[0]}")
    small = {scale: decoded(files, scale, "whole", run.say, f"{name}, reduced {scale} times") for scale in scales}
    if any(one.files != large.files for one in small.values()):
        raise HenshinError(f"data.{name}: they change while they are read; try again")
    twice = same(large.thumbs) if data.duplicates != "ignore" else np.zeros((0, 2), np.int64)
    chosen = split(run, files, large, np.zeros(len(large.files), bool), twice, data, name)
    return Pyramid(large, small, chosen.training, chosen.held)


def damages(options: Degradation, count: int, rng: np.random.Generator) -> list[Damage]:
    """Draw what `count` pieces suffer; all that is left to chance comes from `rng` here and now."""
    hit = rng.random((count, 3)) < (options.blur_probability, options.noise_probability, options.jpeg_probability)
    blur = rng.uniform(*options.blur, count) * hit[:, 0]
    noise = rng.uniform(*options.noise, count) * hit[:, 1]
    quality = rng.integers(*options.jpeg, count, endpoint=True) * hit[:, 2]
    seeds = rng.integers(2**63, size=count)
    return [Damage(*values) for values in zip(*(a.tolist() for a in (blur, noise, quality, seeds)), strict=True)]


def margin(damage: Damage) -> int:
    """How many small pixels around a piece its blur looks at, with two more for the filter that reduces it."""
    return math.ceil(3 * damage.blur) + 2 if damage.blur else 0


def blurred(large: np.ndarray, scale: int, sigma: float) -> np.ndarray:
    """Blur a picture (H * scale, W * scale, 3) uint8 by `sigma` small pixels, and reduce it to (H, W, 3)."""
    height, width = large.shape[0] // scale, large.shape[1] // scale
    image = Image.fromarray(large).filter(ImageFilter.GaussianBlur(sigma * scale))
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))


def spoilt(small: np.ndarray, damage: Damage) -> np.ndarray:
    """Put noise on a piece (H, W, 3) uint8, and keep it as JPEG; the same damage always gives the same."""
    if damage.noise:
        noise = np.random.default_rng(damage.seed).normal(0, damage.noise, small.shape)
        small = np.clip(np.rint(small + noise), 0, 255).astype(np.uint8)
    if damage.quality:
        kept = io.BytesIO()
        Image.fromarray(small).save(kept, "JPEG", quality=damage.quality)
        small = np.asarray(Image.open(kept))
    return small
