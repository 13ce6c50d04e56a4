"""Pieces of pictures for super-resolution: large ones as they are, and small twins of them, cut at the same place.

The small pictures are made of whole ones by Pillow's bicubic filter, once, and kept beside them in the cache: so a
piece is what a cut of the small picture is, also at its border, and the filter is the one that figures are told with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from henshin.errors import HenshinError
from henshin.patch_data import Degradation, PatchData
from henshin.recipe import Run
from henshin.train.cache import Decoded, decoded
from henshin.train.choosing import choose
from henshin.train.data import scaled
from henshin.train.degrading import Damage, blurred, damages, margin, spoilt
from henshin.train.duplicates import same
from henshin.train.folders import checked
from henshin.train.lists import tell


@dataclass(frozen=True, slots=True, eq=False)
class Pyramid:
    """The pictures of one folder at full size, and reduced by each scale; row i of all is the same picture."""

    large: Decoded
    small: dict[int, Decoded]
    training: np.ndarray
    held: np.ndarray

    def fitting(self, scale: int, patch: int) -> np.ndarray:
        """Rows to train on that have room for a piece of this scale."""
        return self.training[self.small[scale].shapes[self.training].min(axis=1, initial=1 << 30) >= patch]

    def pair(self, row: int, scale: int) -> tuple[np.ndarray, np.ndarray]:
        """A picture and its small twin, views (h, w, 3) uint8; the large one is cut to a multiple of the scale."""
        small = _picture(self.small[scale], row)
        height, width = small.shape[0] * scale, small.shape[1] * scale
        return _picture(self.large, row)[:height, :width], small


def _picture(found: Decoded, row: int) -> np.ndarray:
    start, (height, width) = found.starts[row], found.shapes[row]
    return found.pixels[start : start + 3 * height * width].reshape(3, height, width).transpose(1, 2, 0)


class Patches:
    """Pictures to cut pieces from, at one of `scales` for each batch. `held` are never drawn."""

    def __init__(
        self, folders: Sequence[Pyramid], data: PatchData, scales: Sequence[int], device: torch.device
    ) -> None:
        self.folders, self.data, self.scales, self.device = folders, data, tuple(scales), device
        self._rows = {scale: [one.fitting(scale, data.patch) for one in folders] for scale in self.scales}
        self._odds = {scale: _odds(rows, data.shares) for scale, rows in self._rows.items()}

    def __len__(self) -> int:
        return sum(len(one.training) for one in self.folders)

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
        pairs = []
        for of, (which, top, left), lie, damage in zip(folders, chances, lies.tolist(), damaged, strict=True):
            rows = self._rows[scale][of]
            large, small = self.folders[of].pair(int(rows[int(which * len(rows))]), scale)
            piece = cut(large, small, scale, self.data.patch, (top, left), damage)
            pairs.append([_turned(one, *lie) for one in piece])
        smalls, larges = (torch.from_numpy(np.stack(row)) for row in zip(*pairs, strict=True))
        return self._batch(smalls), self._batch(larges), scale

    def _batch(self, pieces: Tensor) -> Tensor:
        return scaled(pieces.to(self.device).permute(0, 3, 1, 2).contiguous())


def _turned(piece: np.ndarray, mirrored: int, quarters: int) -> np.ndarray:
    """One of the eight ways in which a square can lie."""
    return np.rot90(piece[:, ::-1] if mirrored else piece, quarters)


def _odds(rows: Sequence[np.ndarray], shares: Sequence[float] | None) -> np.ndarray:
    """How likely each folder is, (F,), of which some have no picture."""
    counts = np.array([len(one) for one in rows], np.float64)
    odds = counts if shares is None or len(rows) == 1 else np.array(shares) * (counts > 0)
    return odds / odds.sum()


def cut(
    large: np.ndarray, small: np.ndarray, scale: int, patch: int, place: tuple[float, float], damage: Damage | None
) -> tuple[np.ndarray, np.ndarray]:
    """Cut (small, large) pieces at one place of a pair of pictures, `place` in [0, 1) from top and from left.

    A blurred one is made of the large picture anew, with a margin so that its border is blurred like its middle.
    """
    top, left = (int(at * (room - patch + 1)) for at, room in zip(place, small.shape[:2], strict=True))
    wanted = large[top * scale : (top + patch) * scale, left * scale : (left + patch) * scale]
    if damage is None:
        return small[top : top + patch, left : left + patch], wanted
    if damage.blur:
        around = margin(damage)
        high, wide = max(0, top - around), max(0, left - around)
        part = large[high * scale : (top + patch + around) * scale, wide * scale : (left + patch + around) * scale]
        soft = blurred(np.ascontiguousarray(part), scale, damage.blur)
        piece = soft[top - high : top - high + patch, left - wide : left - wide + patch]
    else:
        piece = small[top : top + patch, left : left + patch]
    return spoilt(np.ascontiguousarray(piece), damage), wanted


def open_patches(run: Run, data: PatchData, scales: Sequence[int]) -> Patches:
    """Open the pictures of patch data, and tell what was skipped, is too small or is there twice.

    Errors: HenshinError when none is left to train on, at one of the scales; MissingError when the cache of decoded
    pictures cannot be written.
    """
    pyramids = []
    for folder in run.folders(data.pictures):
        try:
            files = checked([folder], data.hold_out)
        except HenshinError as error:
            raise HenshinError(f"data.pictures: {error}") from error
        pyramids.append(_pyramid(run, files, data, scales, folder))
    for scale in scales:
        side = data.patch * scale
        small = [(one, len(one.training) - len(one.fitting(scale, data.patch))) for one in pyramids]
        left = sum(len(one.training) - count for one, count in small)
        told = f"pictures: {sum(count for _, count in small)} of {sum(len(one.training) for one in pyramids)}"
        if not left:
            raise HenshinError(
                f"data.pictures: no picture has the {side}x{side} pixels that a patch of {data.patch} px needs at "
                f"x{scale}; lower data.patch"
            )
        if any(count for _, count in small):
            run.say(f"{told} are smaller than {side} px, and left out at x{scale}")
    patches = Patches(pyramids, data, scales, run.device)
    run.say(f"{len(patches)} pictures, {len(patches.held)} held out, patches of {data.patch} px")
    return patches


def _pyramid(run: Run, files: list[Path], data: PatchData, scales: Sequence[int], folder: Path) -> Pyramid:
    large = decoded(files, 1, "whole", run.say, "pictures")
    skipped = [f"{file}: {reason}" for file, reason in large.skipped]
    tell(run.say, run.folder / "skipped.txt", str(folder), "skipped", skipped)
    if not large.files:
        raise HenshinError(f"data.pictures: none of the {len(files)} pictures can be read, the first {skipped[0]}")
    small = {scale: decoded(files, scale, "whole", run.say, f"pictures, x{scale}") for scale in scales}
    if any(one.files != large.files for one in small.values()):
        raise HenshinError(f"{folder}: its pictures change while they are read")
    twice = same(large.thumbs) if data.duplicates != "ignore" else np.zeros((0, 2), np.int64)
    chosen = choose(run, files, large, np.zeros(len(large.files), bool), twice, data, str(folder))
    return Pyramid(large, small, chosen.training, chosen.held)
