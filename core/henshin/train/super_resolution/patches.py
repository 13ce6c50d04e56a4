"""Training patches of super-resolution: pairs of a large patch and its low-resolution version.

The low-resolution pictures are made from whole pictures by Pillow's bicubic filter, once, and cached. So a patch equals
the crop of the reduced picture, also at its border, and the filter is the one of published benchmarks.
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
from henshin.train.data.cache import DecodedImages, load_decoded
from henshin.train.data.duplicates import find_duplicates
from henshin.train.data.folders import require_pictures
from henshin.train.data.splits import report_files, split


@dataclass(frozen=True, slots=True)
class PatchDegradation:
    """Degradation of one patch: sigma of blur in small pixels and of noise in grey levels, JPEG quality; 0 is none."""

    blur: float
    noise: float
    quality: int
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class PatchSource:
    """A patch to crop: large and small picture (3, h, w), position from top and left in [0, 1), degradation."""

    large: np.ndarray
    small: np.ndarray
    position: tuple[float, float]
    degradation: PatchDegradation | None


@dataclass(frozen=True, slots=True, eq=False)
class Pyramid:
    """The pictures of one folder at full size and reduced by each scale; row i of all is the same picture."""

    large: DecodedImages
    small: dict[int, DecodedImages]
    training: np.ndarray
    held_out: np.ndarray

    def large_enough(self, scale: int, patch: int) -> np.ndarray:
        """Return the training rows whose pictures hold a patch of this scale."""
        side: np.ndarray = self.small[scale].shapes[self.training].min(axis=1, initial=1 << 30)
        return self.training[side >= patch]

    def pair(self, row: int, scale: int) -> tuple[np.ndarray, np.ndarray]:
        """Return views of the large and the small picture, (3, h * scale, w * scale) and (3, h, w) uint8."""
        small = _picture(self.small[scale], row)
        height, width = small.shape[1] * scale, small.shape[2] * scale
        return _picture(self.large, row)[:, :height, :width], small


class Patches:
    """Folders of pictures from which batches of patches are drawn, each batch at one of `scales`."""

    def __init__(
        self, folders: Sequence[Pyramid], data: PatchData, scales: Sequence[int], device: torch.device
    ) -> None:
        self.folders, self.data, self.scales, self.device = folders, data, tuple(scales), device
        self._rows = {scale: [folder.large_enough(scale, data.patch) for folder in folders] for scale in self.scales}
        self._probabilities = {scale: _probabilities(rows, data.shares) for scale, rows in self._rows.items()}
        self._threads: ThreadPoolExecutor | None = None

    def __len__(self) -> int:
        return sum(len(folder.training) for folder in self.folders)

    @property
    def counts(self) -> dict[int, int]:
        """Number of training pictures that hold a patch, for each scale."""
        return {scale: sum(map(len, rows)) for scale, rows in self._rows.items()}

    @property
    def held_out(self) -> list[tuple[Pyramid, int]]:
        """Held-out pictures, as folder and row: the first of each folder, then the second of each, and so on."""
        ranked = [
            (rank, index, int(row))
            for index, folder in enumerate(self.folders)
            for rank, row in enumerate(folder.held_out)
        ]
        return [(self.folders[index], row) for _, index, row in sorted(ranked)]

    def draw(
        self, count: int, rng: np.random.Generator, degradation: Degradation | None = None
    ) -> tuple[Tensor, Tensor, int]:
        """Draw patches: small (count, 3, p, p), large (count, 3, p * scale, p * scale) in [-1, 1], and their scale.

        All random numbers come from `rng`, whose state is in every checkpoint.
        """
        scale = self.scales[int(rng.integers(len(self.scales)))]
        folders = rng.choice(len(self.folders), count, p=self._probabilities[scale])
        positions = rng.random((count, 3))
        flips = rng.integers(2, size=count) * self.data.flip
        quarters = rng.integers(4, size=count) * self.data.turn
        degradations = draw_degradations(degradation, count, rng) if degradation else [None] * count
        sources = []
        for index, (which, top, left), one in zip(folders, positions, degradations, strict=True):
            rows = self._rows[scale][index]
            large, small = self.folders[index].pair(int(rows[int(which * len(rows))]), scale)
            sources.append(PatchSource(large, small, (top, left), one))
        oriented = [
            [_orient(patch, int(flip), int(turns)) for patch in pair]
            for pair, flip, turns in zip(self._crop_all(sources, scale), flips, quarters, strict=True)
        ]
        smalls, larges = (torch.from_numpy(np.stack(patches)) for patches in zip(*oriented, strict=True))
        return to_float(smalls.to(self.device)), to_float(larges.to(self.device)), scale

    def _crop_all(self, sources: list[PatchSource], scale: int) -> Iterable[tuple[np.ndarray, np.ndarray]]:
        """Crop the patches; degraded ones in threads, which draw no random numbers."""

        def crop(source: PatchSource) -> tuple[np.ndarray, np.ndarray]:
            return crop_pair(source, scale, self.data.patch)

        if all(source.degradation is None for source in sources):
            return map(crop, sources)
        self._threads = self._threads or ThreadPoolExecutor(min(8, os.cpu_count() or 1))
        return self._threads.map(crop, sources)


def open_patches(run: Run, data: PatchData, scales: Sequence[int]) -> Patches:
    """Open the pictures of patch data, and report skipped files, small pictures and duplicates.

    Errors: HenshinError when none is left to train on at one of the scales; MissingError when the cache of decoded
    pictures cannot be written.
    """
    pyramids = [_open_pyramid(run, folder, data, scales) for folder in run.folders(data.pictures)]
    patches = Patches(pyramids, data, scales, run.device)
    for scale, count in patches.counts.items():
        side, without = data.patch * scale, len(patches) - count
        if not count:
            raise HenshinError(
                f"data.pictures: none of {len(patches)} pictures has the {side}x{side} pixels that pieces of "
                f"{data.patch} px need at x{scale}; lower data.patch"
            )
        if without:
            run.say(f"pictures: {without} of {len(patches)} are smaller than {side} px, and left out at x{scale}")
    run.say(f"{len(patches)} pictures, {len(patches.held_out)} held out, pieces of {data.patch} px")
    return patches


def _open_pyramid(run: Run, folder: Path, data: PatchData, scales: Sequence[int]) -> Pyramid:
    name = f"pictures ({folder})"
    try:
        files = require_pictures([folder], data.hold_out)
    except HenshinError as error:
        raise HenshinError(f"data.pictures: {error}") from error
    large = load_decoded(files, 1, "whole", run.say, name)
    skipped = [f"{file}: {reason}" for file, reason in large.skipped]
    report_files(run.say, run.folder / "skipped.txt", name, "skipped", skipped)
    if not large.files:
        raise HenshinError(f"data.{name}: none of the {len(files)} can be read, the first {skipped[0]}")
    small = {scale: load_decoded(files, scale, "whole", run.say, f"{name}, reduced {scale} times") for scale in scales}
    if any(images.files != large.files for images in small.values()):
        raise HenshinError(f"data.{name}: they change while they are read; try again")
    duplicates = find_duplicates(large.thumbs) if data.duplicates != "ignore" else np.zeros((0, 2), np.int64)
    rows = split(run, files, large, np.zeros(len(large.files), bool), duplicates, data, name)
    return Pyramid(large, small, rows.training, rows.held_out)


def _picture(decoded: DecodedImages, row: int) -> np.ndarray:
    start, (height, width) = decoded.starts[row], decoded.shapes[row]
    return decoded.pixels[start : start + 3 * height * width].reshape(3, height, width)


def _probabilities(rows: Sequence[np.ndarray], shares: Sequence[float] | None) -> np.ndarray:
    """Return the probability (F,) of each folder; 0 for one without pictures."""
    counts = np.array([len(one) for one in rows], np.float64)
    weights = counts if shares is None or len(rows) == 1 else np.array(shares) * (counts > 0)
    return np.asarray(weights / max(weights.sum(), 1e-12))


def _orient(patch: np.ndarray, mirrored: int, quarters: int) -> np.ndarray:
    """Mirror and rotate a square (3, H, H)."""
    return np.rot90(patch[:, :, ::-1] if mirrored else patch, quarters, (1, 2))


def crop_pair(source: PatchSource, scale: int, patch: int) -> tuple[np.ndarray, np.ndarray]:
    """Crop a pair of patches at one place: small (3, p, p), degraded, and large (3, p * scale, p * scale).

    A blurred patch is made from the large picture with a margin, so that its border is blurred like its middle.
    """
    large, small, degradation = source.large, source.small, source.degradation
    top, left = (int(at * (room - patch + 1)) for at, room in zip(source.position, small.shape[1:], strict=True))
    target = _crop(large, top * scale, left * scale, patch * scale)
    if degradation is None:
        return _crop(small, top, left, patch), target
    if degradation.blur:
        margin = blur_margin(degradation)
        outer_top, outer_left = max(0, top - margin), max(0, left - margin)
        bottom, right = top + patch + margin, left + patch + margin
        outer = large[:, outer_top * scale : bottom * scale, outer_left * scale : right * scale]
        blurred = blur_and_downscale(np.ascontiguousarray(outer.transpose(1, 2, 0)), scale, degradation.blur)
        result = _crop(blurred.transpose(2, 0, 1), top - outer_top, left - outer_left, patch)
    else:
        result = _crop(small, top, left, patch)
    return degrade(np.ascontiguousarray(result.transpose(1, 2, 0)), degradation).transpose(2, 0, 1), target


def _crop(picture: np.ndarray, top: int, left: int, side: int) -> np.ndarray:
    return picture[:, top : top + side, left : left + side]


def draw_degradations(options: Degradation, count: int, rng: np.random.Generator) -> list[PatchDegradation]:
    """Draw the degradations of `count` patches; all random numbers come from `rng`."""
    applied = rng.random((count, 3)) < (options.blur_probability, options.noise_probability, options.jpeg_probability)
    blur = rng.uniform(*options.blur, count) * applied[:, 0]
    noise = rng.uniform(*options.noise, count) * applied[:, 1]
    quality = rng.integers(*options.jpeg, count, endpoint=True) * applied[:, 2]
    seeds = rng.integers(2**63, size=count)
    values = zip(*(array.tolist() for array in (blur, noise, quality, seeds)), strict=True)
    return [PatchDegradation(*one) for one in values]


def blur_margin(degradation: PatchDegradation) -> int:
    """Return the small pixels around a patch that its blur reads, and two more for the bicubic filter."""
    return math.ceil(3 * degradation.blur) + 2 if degradation.blur else 0


def blur_and_downscale(large: np.ndarray, scale: int, sigma: float) -> np.ndarray:
    """Blur a picture (H * scale, W * scale, 3) uint8 by `sigma` small pixels, and reduce it to (H, W, 3)."""
    height, width = large.shape[0] // scale, large.shape[1] // scale
    image = Image.fromarray(large).filter(ImageFilter.GaussianBlur(sigma * scale))
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))


def degrade(small: np.ndarray, degradation: PatchDegradation) -> np.ndarray:
    """Add noise to a patch (H, W, 3) uint8, and compress it as JPEG; its seed makes the noise reproducible."""
    if degradation.noise:
        noise = np.random.default_rng(degradation.seed).normal(0, degradation.noise, small.shape)
        small = np.clip(np.rint(small + noise), 0, 255).astype(np.uint8)
    if degradation.quality:
        buffer = io.BytesIO()
        Image.fromarray(small).save(buffer, "JPEG", quality=degradation.quality)
        small = np.asarray(Image.open(buffer))
    return small
