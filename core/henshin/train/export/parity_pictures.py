"""Pictures of the parity check: given ones that are not flat, those that a run held out, or artificial photos."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from pathlib import Path

import numpy as np
from PIL import Image

from henshin.api.generator import GeneratorRegistry
from henshin.config.options import FolderOption, find_option_values
from henshin.errors import HenshinError, PictureError
from henshin.images import read
from henshin.train.data.folders import folders_by_option, list_pictures, resolve_folders, split_files
from henshin.train.export.artificial_photos import photo_like
from henshin.train.weights.from_run import UnknownRecipeConfig, recipe_config
from henshin.train.weights.run_folder import load_description

LEAST_DEVIATION = 6.0
"""Standard deviation, in grey levels, below which a picture counts as one flat colour."""


def usable_pictures(pictures: Sequence[np.ndarray]) -> tuple[Sequence[np.ndarray], str]:
    """Return (the pictures that are not flat, or else artificial photos; their name in words)."""
    usable = [picture for picture in pictures if deviation(picture) >= LEAST_DEVIATION]
    if usable:
        return usable, "pictures"
    return [photo_like(seed=seed) for seed in range(2)], "made-up photos (no usable picture was given)"


def deviation(picture: np.ndarray) -> float:
    """Return the standard deviation of the channel that varies most, in grey levels."""
    return float(picture.reshape(-1, picture.shape[-1]).std(0).max())


def resample(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return a picture resampled to this size."""
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))


def held_out_pictures(folder: Path, registry: GeneratorRegistry, count: int = 3) -> list[np.ndarray]:
    """Return some pictures that a run held out of its training, for the parity check; none if they are gone.

    They are from the first option that the recipe marks as a folder of pictures.
    """
    run = load_description(folder)
    values = run["config"]
    config = recipe_config(run["recipe"], registry) or UnknownRecipeConfig
    options = folders_by_option(one for one in find_option_values(config, values, FolderOption) if one[2].pictures)
    for where, (names, _) in options.items():
        try:
            folders = resolve_folders(names, Path(run["base"]))
        except HenshinError:
            return []
        data = reduce(lambda inner, key: inner[key], where[:-1], values)
        hold_out = data.get("hold_out", 0)
        files = list_pictures(folders)
        held_out = split_files(files, hold_out if isinstance(hold_out, int) else 0)[1] or files
        return read_pictures(held_out[:count])
    return []


def read_pictures(files: Sequence[Path]) -> list[np.ndarray]:
    """Return the pictures of the files that can be read."""
    pictures = []
    for file in files:
        try:
            pictures.append(read(file).picture)
        except PictureError:
            continue
    return pictures
