"""Batches of samplers and encoders: pictures from latents (noise or styles), latents from pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from henshin.errors import HenshinError, PictureError
from henshin.images.picture import Picture, picture_problem
from henshin.images.resizing import resample
from henshin.runtime.session import NetworkError, OutOfMemoryError
from henshin.text import with_article

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from henshin.runtime.onnx_model import OnnxModel
    from henshin.runtime.session import Session

    Latents = npt.NDArray[np.float32]


_MEAN = "mean_style"
"""Name of a mapping's output that holds its mean style, (D,) or (L, D), for any noise."""


def numbered_noise(seed: int, numbers: Iterable[int], length: int) -> npt.NDArray[np.float32]:
    """Return normally distributed noise (N, length) float32; each row depends only on the seed and its number.

    The stage `sample` and sheets of samplers both use it, so that picture i is the same in all of them.
    """
    rows = [np.random.default_rng([seed, number]).standard_normal(length) for number in numbers]
    return np.stack(rows).astype(np.float32)


def spherical(start: Latents, end: Latents, count: int) -> Latents:
    """Interpolate between two noises (D,) at even angles, ends included: (count, D), all about as long as noise is.

    White 2016, "Sampling Generative Networks". Two noises of equal or opposite direction are interpolated linearly.
    """
    start_length, end_length = float(np.linalg.norm(start)), float(np.linalg.norm(end))
    angle = float(np.arccos(np.clip(float(start @ end) / max(start_length * end_length, 1e-12), -1, 1)))
    if np.sin(angle) < 1e-3:
        return straight(start, end, count)
    t = np.linspace(0, 1, count)[:, None]
    directions = np.sin((1 - t) * angle) * start / start_length + np.sin(t * angle) * end / end_length
    lengths = (1 - t) * start_length + t * end_length
    return _with_ends(directions / np.sin(angle) * lengths, start, end)


def straight(start: Latents, end: Latents, count: int) -> Latents:
    """Interpolate linearly between two arrays of one shape in even steps, ends included: (count, ...)."""
    t = np.linspace(0, 1, count).reshape(-1, *[1] * start.ndim)
    return _with_ends((1 - t) * start + t * end, start, end)


def _with_ends(points: npt.NDArray[np.float64], start: Latents, end: Latents) -> Latents:
    """Put in the exact ends, which rounding may have moved: they are pictures that are known by their numbers."""
    interpolated = points.astype(np.float32)
    interpolated[0], interpolated[-1] = start, end
    return interpolated


def sample(model: OnnxModel, latents: npt.NDArray[np.float32], truncation: float = 1.0) -> list[Picture | PictureError]:
    """Generate a picture from each latent; see ``Model.sample``."""
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
    result = np.asarray(outputs[contract.output or network.outputs[0].name], np.float32)
    if truncation == 1:
        return result
    if _MEAN not in outputs:
        raise HenshinError(f"model '{contract.name}' does not say its mean style, so truncation can only be 1")
    mean = np.asarray(outputs[_MEAN], np.float32)
    return mean + (result - mean) * np.float32(truncation)


def style_shape(model: OnnxModel) -> tuple[int, ...] | None:
    """Return the shape (L, D) of the styles of a synthesis or of a sampler with a mapping; None if it may vary."""
    sides = model.network.inputs[0].shape[1:]
    fixed = tuple(side for side in sides if isinstance(side, int))
    return fixed if len(fixed) == len(sides) else None


def check_pair(mapping: Session, synthesis: Session) -> None:
    """Check that a mapping's output has the shape of a synthesis' input. Errors: HenshinError if it does not."""
    output, expected = mapping.outputs[0].shape[1:], synthesis.inputs[0].shape[1:]
    if output != expected:
        raise HenshinError(f"{synthesis.path.name} takes styles {expected}, and {mapping.path.name} gives {output}")


def _sample_batch(model: OnnxModel, batch: npt.NDArray[np.float32]) -> list[Picture]:
    """Run one batch. For a network with a fixed batch size the last latent is repeated."""
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
    """Estimate a latent for each picture; see ``Model.encode``."""
    contract = model.contract
    if contract.kind != "encoder":
        raise HenshinError(
            f"model '{contract.name}' is {with_article(contract.kind)}: it guesses no latents of pictures"
        )
    resized = [_resize_to_square(picture, contract.name, encoder_side(model)) for picture in pictures]
    results: list[Any] = list(resized)
    todo = [index for index, item in enumerate(resized) if not isinstance(item, PictureError)]
    size = model.samples_at_once
    while todo:
        batch = todo[:size]
        try:
            encoded: list[Any] = _encode_batch(model, np.stack([results[index] for index in batch]))
        except NetworkError as error:
            if len(batch) > 1:
                size = max(1, size // 2) if isinstance(error, OutOfMemoryError) else 1
                continue
            encoded = [PictureError(f"model '{contract.name}' failed on a picture: {error}")]
        for index, latent in zip(batch, encoded, strict=True):
            results[index] = latent
        todo = todo[len(batch) :]
    return results


def encoder_side(model: OnnxModel) -> int:
    """Return the side of an encoder's pictures: fixed by the network, else the preferred size. Errors: HenshinError."""
    shape = model.network.inputs[0].shape
    fixed = shape[1 if model.contract.layout == "nhwc_uint8" else 2] if len(shape) == 4 else None
    side = fixed if isinstance(fixed, int) else model.contract.preferred_size
    if side is None:
        raise HenshinError(f"model '{model.contract.name}' is an encoder and does not say its preferred_size")
    return side


def _resize_to_square(picture: Picture, name: str, side: int) -> Picture | PictureError:
    """Resize a picture to the encoder's square without keeping its proportions: generators make squares."""
    wrong = picture_problem(picture)
    if wrong is not None:
        return PictureError(f"model '{name}' was given {wrong}")
    try:
        return resample(picture, side, side)
    except PictureError as error:
        return error


def _encode_batch(model: OnnxModel, batch: Picture) -> list[npt.NDArray[np.float32] | PictureError]:
    """Run one batch (N, side, side, 3). For a network with a fixed batch size the last picture is repeated."""
    count, contract = len(batch), model.contract
    fixed = model.network.inputs[0].shape[0]
    if isinstance(fixed, int) and fixed > count:
        batch = np.concatenate([batch, np.repeat(batch[-1:], fixed - count, axis=0)])
    latents = np.asarray(model.run(batch), np.float32)
    shape = latents.shape[1:]
    if latents.ndim != 3 or len(latents) != len(batch) or shape != (contract.latent_shape or shape):
        wanted = f"({len(batch)}, {', '.join(map(str, contract.latent_shape or ('L', 'D')))})"
        raise HenshinError(f"model '{contract.name}' turned {batch.shape} into {latents.shape}, not {wanted}")
    failure = PictureError(f"model '{contract.name}' gives values that are not finite")
    return [latent if np.isfinite(latent).all() else failure for latent in latents[:count]]
