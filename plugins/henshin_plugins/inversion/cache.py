"""The cache of inversions: one file for each picture, model and set of options."""

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
"""Version of the method; it changes whenever the same options give other results."""

_IGNORED = {"model", "encoder", "batch", "output", "name"}
"""Options that do not change the result, or that the hashes of models replace."""


@dataclass(frozen=True, slots=True, eq=False)
class Inverted:
    """The inversion of a picture.

    `latent` is (L, D) float32, `picture` (S, S, 3) uint8 its reconstruction, `mse` the mean squared error in [-1, 1],
    `loss` the minimised loss, `steps` the number of steps.
    """

    latent: Any
    picture: Picture
    mse: float
    loss: float
    steps: int


class LatentCache:
    """A folder of inversions. A damaged file is ignored; a file that cannot be written causes a warning."""

    def __init__(self, folder: Path, config: InversionConfig, model: str, log: logging.Logger) -> None:
        self.folder, self.log = folder, log
        self.request = json.dumps([_METHOD, model, config.model_dump(mode="json", exclude=_IGNORED)], sort_keys=True)

    def key(self, target: Picture) -> str:
        """Return the hash of all that the result depends on; `target` is the picture at the model's size."""
        digest = hashlib.sha256(f"{self.request}{target.shape}".encode())
        digest.update(target.tobytes())
        return digest.hexdigest()

    def read(self, key: str) -> Inverted | None:
        """Return the cached inversion, or None."""
        with suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile), np.load(self._path(key)) as arrays:
            mse, loss, steps = arrays["numbers"].tolist()
            return Inverted(arrays["latent"], arrays["picture"], mse, loss, int(steps))
        return None

    def write(self, key: str, result: Inverted) -> None:
        """Write an inversion; its file is complete or missing."""
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with write_atomic(path) as part, part.open("wb") as file:
                numbers = np.array([result.mse, result.loss, result.steps])
                np.savez_compressed(file, latent=result.latent, picture=result.picture, numbers=numbers)
        except OSError as error:
            self.log.warning("inversion: %s cannot be written: %s", path, one_line(error))

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.npz"
