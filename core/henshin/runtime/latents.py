"""Pictures drawn from noise or styles: the batches of a sampler, and what becomes of those that fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from henshin.errors import HenshinError, PictureError
from henshin.images.picture import picture_problem
from henshin.images.resizing import resample
from henshin.runtime.session import NetworkError, OutOfMemoryError
from henshin.text import with_article

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from henshin.images.picture import Picture
    from henshin.runtime.onnx_model import OnnxModel
    from henshin.runtime.session import OnnxSession


_MEAN = "mean_style"
"""The output of a mapping that gives the mean style, (D,) or (L, D), whatever the noise."""


def numbered_noise(seed: int, numbers: Iterable[int], length: int) -> npt.NDArray[np.float32]:
    """Return the noise of these numbers, (N, length) from a normal distribution; each depends on seed and number alone.

    The stage `sample` and sheets of samplers draw from it, so that picture i is the same in all of them.
    """
    drawn = [np.random.default_rng([seed, number]).standard_normal(length) for number in numbers]
    return np.stack(drawn).astype(np.float32)


def sample(model: OnnxModel, latents: npt.NDArray[np.float32], truncation: float = 1.0) -> list[Picture | PictureError]:
    """Draw a picture from each latent; see ``Model.sample``."""
    contract = model.contract
    if contract.kind not in ("sampler", "synthesis"):
        raise HenshinError(f"model '{contract.name}' is {with_article(contract.kind)}: it draws nothing from noise")
    if truncation != 1 and contract.kind == "synthesis":
        raise HenshinError(f"model '{contract.name}' takes styles, which only its mapping can truncate")
    latents = np.ascontiguousarray(latents, np.float32)
    mapping, shape = model.mapping, contract.latent_shape
    if mapping is not None and latents.ndim == 3:
        if truncation != 1:
            raise HenshinError(f"model '{contract.name}' was given styles, and truncates only what it makes of noise")
        mapping, shape = None, style_shape(model)
    if latents.ndim < 2 or (shape is not None and latents.shape[1:] != shape):
        wanted = f"(N, {', '.join(map(str, shape))})" if shape else "(N, D)"
        raise HenshinError(f"model '{contract.name}' draws from latents {wanted}, not {latents.shape}")
    if mapping is None and truncation != 1:
        latents = latents * np.float32(truncation)
    results: list[Picture | PictureError] = []
    size = model.samples_at_once
    while len(results) < len(latents):
        batch = latents[len(results) : len(results) + size]
        try:
            results += _sample_batch(model, batch if mapping is None else styles(mapping, batch, truncation))
        except NetworkError as error:
            if len(batch) > 1:
                size = max(1, size // 2) if isinstance(error, OutOfMemoryError) else 1
                continue
            results.append(PictureError(f"model '{contract.name}' failed on a latent: {error}"))
    return results


def styles(mapping: OnnxModel, noise: npt.NDArray[np.float32], truncation: float = 1.0) -> npt.NDArray[np.float32]:
    """Turn noise (N, D) into styles (N, L, D); see ``Model.styles``."""
    contract, network = mapping.contract, mapping.network
    if contract.kind != "mapping":
        raise HenshinError(f"model '{contract.name}' is {with_article(contract.kind)}: it makes no styles of noise")
    outputs = network.run({network.inputs[0].name: np.ascontiguousarray(noise, np.float32)})
    made = np.asarray(outputs[contract.output or network.outputs[0].name], np.float32)
    if truncation == 1:
        return made
    if _MEAN not in outputs:
        raise HenshinError(f"model '{contract.name}' does not say its mean style, so truncation can only be 1")
    mean = np.asarray(outputs[_MEAN], np.float32)
    return mean + (made - mean) * np.float32(truncation)


def style_shape(model: OnnxModel) -> tuple[int, ...] | None:
    """Return the shape (L, D) of the styles that a synthesis takes, or a sampler with a mapping; None if it is open."""
    sides = model.network.inputs[0].shape[1:]
    fixed = tuple(side for side in sides if isinstance(side, int))
    return fixed if len(fixed) == len(sides) else None


def check_pair(mapping: OnnxSession, synthesis: OnnxSession) -> None:
    """Compare what a mapping gives with what a synthesis takes. Errors: HenshinError when these are two shapes."""
    gives, takes = mapping.outputs[0].shape[1:], synthesis.inputs[0].shape[1:]
    if gives != takes:
        raise HenshinError(f"{synthesis.path.name} takes styles {takes}, and {mapping.path.name} gives {gives}")


def _sample_batch(model: OnnxModel, batch: npt.NDArray[np.float32]) -> list[Picture]:
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


def encode(model: OnnxModel, pictures: Sequence[Picture]) -> list[npt.NDArray[np.float32] | PictureError]:
    """Guess a latent from each picture; see ``Model.encode``."""
    contract = model.contract
    if contract.kind != "encoder":
        raise HenshinError(
            f"model '{contract.name}' is {with_article(contract.kind)}: it guesses no latents of pictures"
        )
    squares = [_resize_to_square(picture, contract.name, encoder_side(model)) for picture in pictures]
    results: list[Any] = list(squares)
    todo = [index for index, square in enumerate(squares) if not isinstance(square, PictureError)]
    size = model.samples_at_once
    while todo:
        batch = todo[:size]
        try:
            found: list[Any] = _encode_batch(model, np.stack([results[index] for index in batch]))
        except NetworkError as error:
            if len(batch) > 1:
                size = max(1, size // 2) if isinstance(error, OutOfMemoryError) else 1
                continue
            found = [PictureError(f"model '{contract.name}' failed on a picture: {error}")]
        for index, latent in zip(batch, found, strict=True):
            results[index] = latent
        todo = todo[len(batch) :]
    return results


def encoder_side(model: OnnxModel) -> int:
    """Side of an encoder's pictures: the only one its network takes, else the preferred one. Errors: HenshinError."""
    shape = model.network.inputs[0].shape
    fixed = shape[1 if model.contract.layout == "nhwc_uint8" else 2] if len(shape) == 4 else None
    side = fixed if isinstance(fixed, int) else model.contract.preferred_size
    if side is None:
        raise HenshinError(f"model '{model.contract.name}' is an encoder and does not say its preferred_size")
    return side


def _resize_to_square(picture: Picture, name: str, side: int) -> Picture | PictureError:
    """Bring a picture to the encoder's square, its proportions lost: what draws it draws squares."""
    wrong = picture_problem(picture)
    if wrong is not None:
        return PictureError(f"model '{name}' was given {wrong}")
    try:
        return resample(picture, side, side)
    except PictureError as error:
        return error


def _encode_batch(model: OnnxModel, batch: Picture) -> list[npt.NDArray[np.float32] | PictureError]:
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
