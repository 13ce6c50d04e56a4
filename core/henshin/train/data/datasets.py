"""Data sets of a run: folders of pictures, decoded once and cached, from which batches are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from henshin.api.recipe import Run
from henshin.api.training_data import PairedData, PictureData, UnpairedData
from henshin.errors import HenshinError
from henshin.train.data.cache import DecodedImages
from henshin.train.data.duplicates import find_duplicates
from henshin.train.data.folders import require_pairs, require_pictures
from henshin.train.data.jitter import Jitter, jitter
from henshin.train.data.pixel_store import MEMORY_SHARE, PixelStore, place_pixels
from henshin.train.data.splits import Split, decode, report_files, split, too_small

_NO_PAIRS = np.zeros((0, 2), np.int64)

_LARGE_SET = 20_000
"""Pictures of a set for which the search for duplicates is announced."""


@dataclass(frozen=True, slots=True, eq=False)
class Draw:
    """The random numbers of a batch: `rows` (N,), the mask of the `mirrored` (N,), and places.

    `positions` (N, 2) are those of random crops, `changes` (N, 4) those of `Jitter.draw`; None of what is off.
    """

    rows: np.ndarray
    mirrored: np.ndarray | None = None
    positions: np.ndarray | None = None
    changes: np.ndarray | None = None


class ImageSet:
    """The pictures of one domain: `training`, from which batches are drawn, and `held_out`.

    `training` is a `PixelStore`, in the device's memory or mapped from the disk cache; the batches are the same.
    `held_out` is uint8 (M, 3, size, size) on the device.
    """

    def __init__(
        self,
        training: PixelStore,
        held_out: Tensor,
        flip: bool = True,
        random_crop: bool = False,
        jitter: Jitter | None = None,
    ) -> None:
        self.training, self.held_out = training, held_out
        self.flip, self.random_crop, self.jitter = flip, random_crop, jitter or Jitter()

    def __len__(self) -> int:
        return len(self.training)

    def draw(self, count: int, rng: np.random.Generator) -> Tensor:
        """Draw `count` training pictures at random, (count, 3, size, size) in [-1, 1]."""
        return self.take(self.draw_indices(count, rng))

    def draw_indices(self, count: int, rng: np.random.Generator) -> Draw:
        """Draw all random numbers of a batch.

        They come from `rng` alone, whose state is in every checkpoint, so that a resumed run draws the same batches.
        """
        rows = rng.integers(len(self), size=count)
        mirrored = rng.random(count) < 0.5 if self.flip else None
        positions = rng.random((count, 2)) if self.random_crop else None
        return Draw(rows, mirrored, positions, self.jitter.draw(count, rng) if self.jitter else None)

    def take(self, draw: Draw) -> Tensor:
        """Return the training pictures of `draw_indices`, (count, 3, size, size) in [-1, 1]."""
        pictures = self.training.take(draw.rows, draw.positions)
        if draw.mirrored is not None:
            mask = torch.from_numpy(draw.mirrored).to(pictures.device)
            pictures = torch.where(mask[:, None, None, None], pictures.flip(3), pictures)
        pictures = to_float(pictures)
        return pictures if draw.changes is None else jitter(pictures, draw.changes)


class PairedImageSet:
    """Two domains of corresponding pictures: row i of `a` belongs to row i of `b`, in training and held out."""

    def __init__(self, a: ImageSet, b: ImageSet) -> None:
        self.a, self.b = a, b

    def __len__(self) -> int:
        return len(self.a)

    @property
    def training(self) -> tuple[PixelStore, PixelStore]:
        """Training pictures of a and of b."""
        return self.a.training, self.b.training

    @property
    def held_out(self) -> tuple[Tensor, Tensor]:
        """Held-out pictures of a and of b, uint8 (M, 3, size, size)."""
        return self.a.held_out, self.b.held_out

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Draw `count` pairs at random, each (count, 3, size, size) in [-1, 1]; both of a pair are changed alike."""
        draw = self.a.draw_indices(count, rng)
        return self.a.take(draw), self.b.take(draw)


def open_pictures(run: Run, folders: str | Sequence[str], data: PictureData) -> ImageSet:
    """Open the pictures of a folder option of a recipe, and report skipped files, small pictures and duplicates.

    Errors: HenshinError when none is left to train on; MissingError when the cache of decoded pictures cannot be
    written.
    """
    option = _option_name(folders, data)
    try:
        files = require_pictures(run.folders(folders), data.hold_out)
    except HenshinError as error:
        raise HenshinError(f"data.{option}: {error}") from error
    decoded = decode(run, files, data, option)
    excluded = too_small(run, decoded, data, option)
    if data.duplicates != "ignore" and len(decoded.files) >= _LARGE_SET:
        run.say(f"{option}: looks for near-duplicates among {len(decoded.files)} pictures")
    duplicates = find_duplicates(decoded.thumbs) if data.duplicates != "ignore" else _NO_PAIRS
    return _image_set(run, decoded, split(run, files, decoded, excluded, duplicates, data, option), data, option)


def open_domains(run: Run, data: UnpairedData) -> tuple[ImageSet, ImageSet]:
    """Open both domains of unpaired data, and report their sizes. Errors: as `open_pictures`."""
    if set(run.folders(data.a)) & set(run.folders(data.b)):
        run.say("data.a and data.b name the same folder: nothing is to be translated there")
    a, b = open_pictures(run, data.a, data), open_pictures(run, data.b, data)
    run.say(f"{len(a)} pictures of a, {len(b)} of b, {data.size} px")
    return a, b


def open_pairs(run: Run, data: PairedData) -> PairedImageSet:
    """Open paired data: each picture below `a` with the one of the same name below `b`.

    Files without a partner, pairs with an unreadable file, and pairs of different proportions are left out and
    reported. Errors: as `open_pictures`.
    """
    try:
        files = require_pairs(run.folders(data.a), run.folders(data.b), data.hold_out)
    except HenshinError as error:
        raise HenshinError(f"data.a: {error}") from error
    skipped = run.folder / "skipped.txt"
    report_files(run.say, skipped, "pairs", "without a partner", [str(file) for file in files.unpaired])
    a, b = decode(run, files.a, data, "a"), decode(run, files.b, data, "b")
    a, b = _readable_pairs(a, b, dict(zip(files.a, files.b, strict=True)))
    mismatched = _differ_in_proportions(a.sizes, b.sizes)
    lines = [
        f"{a.files[i]} is {_size(a, i)} px, {b.files[i]} {_size(b, i)}: no pair"
        for i in np.flatnonzero(mismatched).tolist()
    ]
    report_files(run.say, skipped, "proportions", "skipped", lines)
    excluded = mismatched | too_small(run, a, data, "a") | too_small(run, b, data, "b")
    duplicates = _duplicate_pairs(a.thumbs, b.thumbs) if data.duplicates != "ignore" else _NO_PAIRS
    rows = split(run, files.a, a, excluded, duplicates, data, "a")
    pairs = PairedImageSet(_image_set(run, a, rows, data, "a"), _image_set(run, b, rows, data, "b"))
    run.say(f"{len(pairs)} pairs, {data.size} px")
    return pairs


def to_float(pictures: Tensor) -> Tensor:
    """Convert uint8 in 0..255 to float in [-1, 1]."""
    return pictures.float().div_(127.5).sub_(1)


def _option_name(folders: str | Sequence[str], data: PictureData) -> str:
    """Return the name of the option that has these folders as its value."""
    names = (name for name, value in data.folder_options().items() if value == folders)
    return next(names, folders if isinstance(folders, str) else ", ".join(folders))


def _readable_pairs(
    a: DecodedImages, b: DecodedImages, partner: dict[Path, Path]
) -> tuple[DecodedImages, DecodedImages]:
    """Return the rows of a and b whose files could both be read, in the same order."""
    row = {file: i for i, file in enumerate(b.files)}
    rows = [(i, row[partner[file]]) for i, file in enumerate(a.files) if partner[file] in row]
    if not rows:
        raise HenshinError("data: of no pair could both pictures be read")
    return a.select([i for i, _ in rows]), b.select([j for _, j in rows])


def _differ_in_proportions(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the mask (N,) of sizes (N, 2) whose proportions differ by more than the rounding to whole pixels."""
    difference = np.abs(np.log(a[:, 0] / a[:, 1]) - np.log(b[:, 0] / b[:, 1]))
    mask: np.ndarray = difference > np.maximum(0.01, 1 / np.minimum(a, b).min(axis=1))
    return mask


def _duplicate_pairs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the (i, j) for which both pictures of pair i are near-duplicates of those of pair j; int64 (P, 2)."""
    both = set(map(tuple, find_duplicates(a).tolist())) & set(map(tuple, find_duplicates(b).tolist()))
    return np.array(sorted(both), np.int64).reshape(-1, 2)


def _size(decoded: DecodedImages, i: int) -> str:
    height, width = decoded.sizes[i]
    return f"{width}x{height}"


def _image_set(run: Run, decoded: DecodedImages, rows: Split, data: PictureData, option: str) -> ImageSet:
    pixels = place_pixels(decoded, run.device)
    if pixels.device.type != run.device.type:
        share = f"more than {MEMORY_SHARE:.0%} of the device's free memory"
        run.say(f"{option}: {len(decoded.pixels) / 2**30:.1f} GiB, {share}; drawn from the disk cache instead")
    training = PixelStore(decoded, pixels, rows.training, data.size, run.device)
    held_out = PixelStore(decoded, pixels, rows.held_out, data.size, run.device)
    changes = Jitter(data.jitter_shift, data.jitter_zoom, data.jitter_turn)
    return ImageSet(training, held_out[:], data.flip, data.crop == "random", changes)
