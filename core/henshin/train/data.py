"""Folders of pictures as one tensor in memory: decoded once, in threads, so that no step ever waits for a file."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from henshin.errors import HenshinError, PictureError
from henshin.images import read
from henshin.recipe import PictureData, Run, UnpairedData
from henshin.train.folders import pictures_in, split


def squared(picture: np.ndarray, size: int) -> np.ndarray:
    """The middle square of a picture at `size` x `size`, antialiased; uint8 RGB."""
    height, width = picture.shape[:2]
    side = min(height, width)
    left, top = (width - side) / 2, (height - side) / 2
    box = (left, top, left + side, top + side)
    return np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.LANCZOS, box))


class Pictures:
    """A domain: uint8 (N, 3, size, size) for training and for the held-out part, drawn at random as floats.

    `unreadable` names the files that were skipped, each with its reason.
    """

    def __init__(self, folders: Sequence[Path], size: int, hold_out: int, device: torch.device, flip: bool) -> None:
        files = pictures_in(folders)
        self.unreadable: list[str] = []
        training, held = split(files, hold_out)
        if not training:
            places = ", ".join(str(folder) for folder in folders)
            raise HenshinError(f"{places}: {len(files)} pictures, {hold_out} of them held out: none to train on")
        self.flip = flip
        self.training = self._load(training, size).to(device)
        self.held = self._load(held, size).to(device)

    def _load(self, files: Sequence[Path], size: int) -> Tensor:
        with ThreadPoolExecutor() as pool:
            loaded = [
                picture for picture in pool.map(lambda file: self._read(file, size), files) if picture is not None
            ]
        if not loaded:
            return torch.zeros((0, 3, size, size), dtype=torch.uint8)
        return torch.from_numpy(np.stack(loaded)).permute(0, 3, 1, 2).contiguous()

    def _read(self, file: Path, size: int) -> np.ndarray | None:
        try:
            return squared(read(file).picture, size)
        except PictureError as error:
            self.unreadable.append(f"{file}: {error.reason}")
            return None

    def __len__(self) -> int:
        return len(self.training)

    def draw(self, count: int, rng: np.random.Generator) -> Tensor:
        """`count` training pictures at random, (count, 3, size, size) in [-1, 1]."""
        chosen = self.training[torch.from_numpy(rng.integers(len(self.training), size=count))]
        pictures = scaled(chosen)
        if self.flip:
            mirrored = torch.from_numpy(rng.random(count) < 0.5).to(pictures.device)
            pictures = torch.where(mirrored[:, None, None, None], pictures.flip(3), pictures)
        return pictures


def open_pictures(run: Run, folders: str | Sequence[str], data: PictureData) -> Pictures:
    """Load the pictures of one of a recipe's folder options, and tell the user which files were skipped."""
    pictures = Pictures(run.folders(folders), data.size, data.hold_out, run.device, data.flip)
    for name in pictures.unreadable:
        run.say(f"skipped {name}")
    return pictures


def open_domains(run: Run, data: UnpairedData) -> tuple[Pictures, Pictures]:
    """Load both domains of unpaired data, and tell the user what there is."""
    a, b = open_pictures(run, data.a, data), open_pictures(run, data.b, data)
    run.say(f"{len(a)} pictures of a, {len(b)} of b, {data.size} px")
    return a, b


def scaled(pictures: Tensor) -> Tensor:
    """uint8 0..255 -> float in [-1, 1]."""
    return pictures.float() / 127.5 - 1
