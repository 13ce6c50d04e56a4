"""Pictures drawn from noise: the batches of a sampler, and what becomes of those that fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from henshin.errors import HenshinError, PictureError
from henshin.runtime.network import NetworkError, OutOfMemoryError

if TYPE_CHECKING:
    import numpy.typing as npt

    from henshin.frame import Picture
    from henshin.runtime.model import Model

_BATCH_PIXELS = {"cpu": 4 * 256 * 256, "cuda": 16 * 256 * 256}
"""Pixels drawn in one batch, when the user names no batch size. The many small layers of a sampler are run faster
together, also on a CPU."""


def sample(model: Model, latents: npt.NDArray[np.float32]) -> list[Picture | PictureError]:
    """Draw a picture from each latent; see ``Model.sample``."""
    contract = model.contract
    if contract.kind != "sampler":
        raise HenshinError(f"model '{contract.name}' is a {contract.kind}: it draws nothing from noise")
    latents = np.ascontiguousarray(latents, np.float32)
    shape = contract.latent_shape
    if latents.ndim < 2 or (shape is not None and latents.shape[1:] != shape):
        wanted = f"(N, {', '.join(map(str, shape))})" if shape else "(N, D)"
        raise HenshinError(f"model '{contract.name}' draws from latents {wanted}, not {latents.shape}")
    results: list[Picture | PictureError] = []
    size = model.samples_at_once
    while len(results) < len(latents):
        batch = latents[len(results) : len(results) + size]
        try:
            results += _drawn(model, batch)
        except NetworkError as error:
            if len(batch) > 1:
                size = max(1, size // 2) if isinstance(error, OutOfMemoryError) else 1
                continue
            results.append(PictureError(f"model '{contract.name}' failed on a latent: {error}"))
    return results


def at_once(model: Model, asked: int | None) -> int:
    """Say how many latents go into one batch: as many as the network fixes, the user says, or suit the device."""
    fixed = model.network.inputs[0].shape[0]
    if isinstance(fixed, int):
        return fixed
    if asked is not None:
        return asked
    side = model.contract.preferred_size or 64
    return max(1, _BATCH_PIXELS.get(model.network.device.kind, _BATCH_PIXELS["cpu"]) // side**2)


def _drawn(model: Model, batch: npt.NDArray[np.float32]) -> list[Picture]:
    """Run one batch; a network that takes only one size of batch gets the last latent several times."""
    count = len(batch)
    fixed = model.network.inputs[0].shape[0]
    if isinstance(fixed, int) and fixed > count:
        batch = np.concatenate([batch, np.repeat(batch[-1:], fixed - count, axis=0)])
    pictures = model.run(batch)
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or len(pictures) != len(batch) or pictures.shape[3] != 3:
        raise HenshinError(
            f"model '{model.contract.name}' turned {batch.shape} into {pictures.dtype} {pictures.shape}, which are not "
            f"{len(batch)} pictures"
        )
    return [np.ascontiguousarray(picture) for picture in pictures[:count]]
