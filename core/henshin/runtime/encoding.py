"""Latents guessed from pictures: the batches of an encoder, and what becomes of pictures that fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from henshin.errors import HenshinError, PictureError
from henshin.frame import picture_problem
from henshin.resampling import resample
from henshin.runtime.network import NetworkError, OutOfMemoryError
from henshin.words import a

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from henshin.frame import Picture
    from henshin.runtime.model import Model


def encode(model: Model, pictures: Sequence[Picture]) -> list[npt.NDArray[np.float32] | PictureError]:
    """Guess a latent from each picture; see ``Model.encode``."""
    contract = model.contract
    if contract.kind != "encoder":
        raise HenshinError(f"model '{contract.name}' is {a(contract.kind)}: it guesses no latents of pictures")
    squares = [_square(picture, contract.name, side_of(model)) for picture in pictures]
    results: list[Any] = list(squares)
    todo = [index for index, square in enumerate(squares) if not isinstance(square, PictureError)]
    size = model.samples_at_once
    while todo:
        batch = todo[:size]
        try:
            found: list[Any] = _guessed(model, np.stack([results[index] for index in batch]))
        except NetworkError as error:
            if len(batch) > 1:
                size = max(1, size // 2) if isinstance(error, OutOfMemoryError) else 1
                continue
            found = [PictureError(f"model '{contract.name}' failed on a picture: {error}")]
        for index, latent in zip(batch, found, strict=True):
            results[index] = latent
        todo = todo[len(batch) :]
    return results


def side_of(model: Model) -> int:
    """Side of an encoder's pictures: the only one its network takes, else the preferred one. Errors: HenshinError."""
    shape = model.network.inputs[0].shape
    fixed = shape[1 if model.contract.layout == "nhwc_uint8" else 2] if len(shape) == 4 else None
    side = fixed if isinstance(fixed, int) else model.contract.preferred_size
    if side is None:
        raise HenshinError(f"model '{model.contract.name}' is an encoder and does not say its preferred_size")
    return side


def _square(picture: Picture, name: str, side: int) -> Picture | PictureError:
    """Bring a picture to the encoder's square, its proportions lost: what draws it draws squares."""
    wrong = picture_problem(picture)
    if wrong is not None:
        return PictureError(f"model '{name}' was given {wrong}")
    try:
        return resample(picture, side, side)
    except PictureError as error:
        return error


def _guessed(model: Model, batch: Picture) -> list[npt.NDArray[np.float32] | PictureError]:
    """Run one batch (N, side, side, 3); a network that takes only one size of batch gets the last several times."""
    count, contract = len(batch), model.contract
    fixed = model.network.inputs[0].shape[0]
    if isinstance(fixed, int) and fixed > count:
        batch = np.concatenate([batch, np.repeat(batch[-1:], fixed - count, axis=0)])
    latents = np.asarray(model.run(batch), np.float32)
    shape = latents.shape[1:]
    if latents.ndim != 3 or len(latents) != len(batch) or shape != (contract.latent_shape or shape):
        wanted = f"({len(batch)}, {', '.join(map(str, contract.latent_shape or ('L', 'D')))})"
        raise HenshinError(f"model '{contract.name}' turned {batch.shape} into {latents.shape}, not {wanted}")
    lost = PictureError(f"model '{contract.name}' gives values that are not finite")
    return [latent if np.isfinite(latent).all() else lost for latent in latents[:count]]
