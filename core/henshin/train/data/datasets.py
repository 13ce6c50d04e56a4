"""Folders of pictures to draw batches from: decoded once and kept, so that no step ever waits for a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from henshin.api.recipe import Run
from henshin.api.training_data import PairedData, PictureData, UnpairedData
from henshin.errors import HenshinError
from henshin.train.data.cache import DecodedImages
from henshin.train.data.duplicates import same
from henshin.train.data.folders import checked, pairs_in
from henshin.train.data.pixel_store import SHARE, PixelStore, place
from henshin.train.data.splits import Split, decode, split, tell, too_small


class ImageSet:
    """A domain. `training` is what is drawn from, `held` uint8 (M, 3, size, size) on the device is never drawn.

    `training` is a `PixelStore`: length, `.shape`, and slices or lists of it as uint8 tensors on the device. Where the
    pictures lie (in the device's memory, or mapped from the disk cache) changes nothing of what is drawn.
    """

    def __init__(self, training: PixelStore, held: Tensor, flip: bool = True, random_crop: bool = False) -> None:
        self.training, self.held = training, held
        self.flip, self.random_crop = flip, random_crop

    def __len__(self) -> int:
        return len(self.training)

    def draw(self, count: int, rng: np.random.Generator) -> Tensor:
        """`count` training pictures at random, (count, 3, size, size) in [-1, 1]."""
        return self.take(*self.chances(count, rng))

    def chances(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """What a draw leaves to chance: rows (count,), which are mirrored (count,), places of the crops (count, 2).

        All of it comes from `rng` here and now, so that a checkpoint that holds its state holds all there is.
        """
        rows = rng.integers(len(self), size=count)
        mirrored = rng.random(count) < 0.5 if self.flip else None
        places = rng.random((count, 2)) if self.random_crop else None
        return rows, mirrored, places

    def take(self, rows: np.ndarray, mirrored: np.ndarray | None, places: np.ndarray | None) -> Tensor:
        """The training pictures that these chances name, (count, 3, size, size) in [-1, 1]."""
        pictures = self.training.take(rows, places)
        if mirrored is not None:
            turned = torch.from_numpy(mirrored).to(pictures.device)
            pictures = torch.where(turned[:, None, None, None], pictures.flip(3), pictures)
        return to_float(pictures)


class PairedImageSet:
    """Two domains whose pictures correspond: row i of `a` belongs to row i of `b`, in training and held out."""

    def __init__(self, a: ImageSet, b: ImageSet) -> None:
        self.a, self.b = a, b

    def __len__(self) -> int:
        return len(self.a)

    @property
    def training(self) -> tuple[PixelStore, PixelStore]:
        """The training pictures of a and of b."""
        return self.a.training, self.b.training

    @property
    def held(self) -> tuple[Tensor, Tensor]:
        """The held-out pictures of a and of b, uint8 (M, 3, size, size)."""
        return self.a.held, self.b.held

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """`count` pairs at random, each (count, 3, size, size) in [-1, 1]; both of a pair mirrored and cut alike."""
        chances = self.a.chances(count, rng)
        return self.a.take(*chances), self.b.take(*chances)


def open_pictures(run: Run, folders: str | Sequence[str], data: PictureData) -> ImageSet:
    """Open the pictures of one of a recipe's folder options, and tell what was skipped, enlarged or is there twice.

    Errors: HenshinError, with what would be right, when none is left to train on; MissingError when the cache
    of decoded pictures cannot be written.
    """
    option = _option(folders, data)
    try:
        files = checked(run.folders(folders), data.hold_out)
    except HenshinError as error:
        raise HenshinError(f"data.{option}: {error}") from error
    found = decode(run, files, data, option)
    out = too_small(run, found, data, option)
    if data.duplicates != "ignore" and len(found.files) >= _MANY:
        run.say(f"{option}: looks for near-duplicates among {len(found.files)} pictures")
    twice = same(found.thumbs) if data.duplicates != "ignore" else _NONE
    return _pictures(run, found, split(run, files, found, out, twice, data, option), data, option)


def open_domains(run: Run, data: UnpairedData) -> tuple[ImageSet, ImageSet]:
    """Open both domains of unpaired data, and tell the user what there is."""
    if set(run.folders(data.a)) & set(run.folders(data.b)):
        run.say("data.a and data.b name the same folder: nothing is to be translated there")
    a, b = open_pictures(run, data.a, data), open_pictures(run, data.b, data)
    run.say(f"{len(a)} pictures of a, {len(b)} of b, {data.size} px")
    return a, b


def open_pairs(run: Run, data: PairedData) -> PairedImageSet:
    """Open paired data: a picture below `a` with the one of the same name below `b`.

    Files without a partner, and pairs of which one cannot be read or whose pictures differ in their proportions, are
    skipped and told. Errors: as `open_pictures`.
    """
    try:
        partners = pairs_in(run.folders(data.a), run.folders(data.b), data.hold_out)
    except HenshinError as error:
        raise HenshinError(f"data.a: {error}") from error
    tell(run.say, run.folder / "skipped.txt", "pairs", "without a partner", [str(file) for file in partners.single])
    a, b = decode(run, partners.a, data, "a"), decode(run, partners.b, data, "b")
    a, b = _both(a, b, dict(zip(partners.a, partners.b, strict=True)))
    unlike = _unlike(a.sizes, b.sizes)
    lines = [
        f"{a.files[i]} is {_size(a, i)} px, {b.files[i]} {_size(b, i)}: no pair"
        for i in np.flatnonzero(unlike).tolist()
    ]
    tell(run.say, run.folder / "skipped.txt", "proportions", "skipped", lines)
    out = unlike | too_small(run, a, data, "a") | too_small(run, b, data, "b")
    twice = _NONE
    if data.duplicates != "ignore":  # a pair is there twice when both its pictures are
        both = set(map(tuple, same(a.thumbs).tolist())) & set(map(tuple, same(b.thumbs).tolist()))
        twice = np.array(sorted(both), np.int64).reshape(-1, 2)
    chosen = split(run, partners.a, a, out, twice, data, "a")
    pairs = PairedImageSet(_pictures(run, a, chosen, data, "a"), _pictures(run, b, chosen, data, "b"))
    run.say(f"{len(pairs)} pairs, {data.size} px")
    return pairs


_NONE = np.zeros((0, 2), np.int64)

_MANY = 20_000


def _option(folders: str | Sequence[str], data: PictureData) -> str:
    """The name of the option that has these folders as its value."""
    named = (name for name, value in data.folder_options().items() if value == folders)
    return next(named, folders if isinstance(folders, str) else ", ".join(folders))


def _size(found: DecodedImages, i: int) -> str:
    height, width = found.sizes[i]
    return f"{width}x{height}"


def _unlike(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Which sizes (N, 2) differ in their proportions by more than rounding to whole pixels explains; bool (N,)."""
    proportions = np.log(a[:, 0] / a[:, 1]) - np.log(b[:, 0] / b[:, 1])
    unlike: np.ndarray = np.abs(proportions) > np.maximum(0.01, 1 / np.minimum(a, b).min(axis=1))
    return unlike


def _both(a: DecodedImages, b: DecodedImages, partner: dict[Path, Path]) -> tuple[DecodedImages, DecodedImages]:
    """Those rows of a and b of which both could be read, side by side."""
    row = {file: i for i, file in enumerate(b.files)}
    rows = [(i, row[partner[file]]) for i, file in enumerate(a.files) if partner[file] in row]
    if not rows:
        raise HenshinError("data: of no pair could both pictures be read")
    return a.only([i for i, _ in rows]), b.only([j for _, j in rows])


def _pictures(run: Run, found: DecodedImages, chosen: Split, data: PictureData, option: str) -> ImageSet:
    pixels = place(found, run.device)
    if pixels.device.type != run.device.type:
        share = f"more than {SHARE:.0%} of the device's free memory"
        run.say(f"{option}: {len(found.pixels) / 2**30:.1f} GiB, {share}; drawn from the disk cache instead")
    training, held = (PixelStore(found, pixels, rows, data.size, run.device) for rows in (chosen.training, chosen.held))
    return ImageSet(training, held[:], data.flip, data.crop == "random")


def to_float(pictures: Tensor) -> Tensor:
    """uint8 0..255 -> float in [-1, 1]."""
    return pictures.float().div_(127.5).sub_(1)
