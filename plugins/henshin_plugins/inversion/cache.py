"""What inversions found, kept by what they were asked: one file each, in the cache."""

from __future__ import annotations

import hashlib
import json
import logging
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from henshin.files import write_atomic
from henshin.text import one_line

if TYPE_CHECKING:
    from henshin import Picture
    from henshin_plugins.inversion.config import InversionConfig

_METHOD = 3
"""Changes whenever the same options would find something else."""

_NEITHER = {"model", "encoder", "batch", "output", "name"}
"""Options that change nothing of what is found, or that the hashes of models stand for."""


@dataclass(frozen=True, slots=True, eq=False)
class Inverted:
    """What was found for a picture.

    `latent` is (L, D) float32, `picture` (S, S, 3) uint8 what is drawn from it, `mse` the mean square apart in
    [-1, 1], `loss` what was minimised, `steps` how many it took.
    """

    latent: Any
    picture: Picture
    mse: float
    loss: float
    steps: int


class LatentCache:
    """A folder of what was found. A file that is damaged counts as none; one that cannot be written is a warning."""

    def __init__(self, folder: Path, config: InversionConfig, model: str, log: logging.Logger) -> None:
        self.folder, self.log = folder, log
        self.asked = json.dumps([_METHOD, model, config.model_dump(mode="json", exclude=_NEITHER)], sort_keys=True)

    def key(self, target: Picture) -> str:
        """Return the hash of all that the result depends on; `target` is the picture as the model would draw it."""
        digest = hashlib.sha256(f"{self.asked}{target.shape}".encode())
        digest.update(target.tobytes())
        return digest.hexdigest()

    def read(self, key: str) -> Inverted | None:
        """Return what was found, or None."""
        with suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile), np.load(self._path(key)) as held:
            mse, loss, steps = held["numbers"].tolist()
            return Inverted(held["latent"], held["picture"], mse, loss, int(steps))
        return None

    def write(self, key: str, found: Inverted) -> None:
        """Keep what was found."""
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with write_atomic(path) as part, part.open("wb") as file:
                numbers = np.array([found.mse, found.loss, found.steps])
                np.savez_compressed(file, latent=found.latent, picture=found.picture, numbers=numbers)
        except OSError as error:
            self.log.warning("inversion: %s cannot be written: %s", path, one_line(error))

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.npz"
