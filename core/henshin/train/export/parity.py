"""Parity check: the output of an exported model compared with that of PyTorch, and the batches for it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from henshin.errors import HenshinError
from henshin.runtime import Device, OnnxSession
from henshin.runtime.latents import numbered_noise
from henshin.train.export.parity_pictures import resample, usable_pictures
from henshin.train.export.storage import Storage

STYLES, STYLES_FP16 = 1e-4, 5e-3
"""Allowed difference of a mapping's or encoder's values, relative to the largest; with weights in fp16 the exporter
rounds their products once more."""


@dataclass(frozen=True, slots=True)
class Parity:
    """Difference of a model from PyTorch in grey levels: the largest one and the mean.

    `styles` is that of a mapping or an encoder, relative to the largest value; None for models with pictures.
    """

    worst: int
    mean: float
    styles: float | None = None

    def __str__(self) -> str:
        """Return the parity as words that follow "draws as PyTorch does: "."""
        if self.styles is not None:
            return f"styles at most {self.styles:.0e} of the largest apart"
        if self.worst == 0:
            return "the very same grey levels"
        mean = f"{self.mean:.2f}" if self.mean >= 0.01 else "less than 0.01"
        return f"at most {self.worst} grey level{'s' * (self.worst > 1)} apart, {mean} on average"


@dataclass(frozen=True, slots=True, eq=False)
class ParityInput:
    """One batch for the model, and its description in words: "2 pictures of 96x64"."""

    batch: np.ndarray
    words: str


@torch.inference_mode()
def check_parity(wrapped: nn.Module, path: Path, trials: Sequence[ParityInput], storage: Storage = "fp32") -> Parity:
    """Compare ONNX Runtime with PyTorch on every trial; `storage` is that of the weights in the file.

    Errors: HenshinError when a value differs by more than one grey level (styles by more than `STYLES` of the
    largest), or without trials.
    """
    if not trials:
        raise HenshinError("parity cannot be checked on nothing")
    network = OnnxSession(path, Device("cpu"))
    (port,), result = network.inputs, network.outputs[0]
    if result.type == "tensor(float)":
        return Parity(0, 0.0, _styles_parity(wrapped, network, trials, STYLES if storage == "fp32" else STYLES_FP16))
    worst, total, count = 0, 0.0, 0
    for trial in trials:
        expected = wrapped(torch.from_numpy(trial.batch)).numpy()
        actual = network.run({port.name: trial.batch})[result.name]
        difference = np.abs(expected.astype(np.int16) - actual.astype(np.int16))
        if difference.max() > 1:
            raise HenshinError(
                f"the exported model differs from PyTorch by {difference.max()} grey levels on {trial.words}; "
                "nothing was written"
            )
        worst, total, count = (
            max(worst, int(difference.max())),
            total + float(difference.sum()),
            count + difference.size,
        )
    return Parity(worst, total / count)


def _styles_parity(wrapped: nn.Module, network: OnnxSession, trials: Sequence[ParityInput], limit: float) -> float:
    """Return the largest relative difference of styles. Errors: HenshinError above `limit`."""
    worst = 0.0
    for trial in trials:
        expected = wrapped(torch.from_numpy(trial.batch)).numpy()
        actual = network.run({network.inputs[0].name: trial.batch})[network.outputs[0].name]
        difference = float(np.abs(expected - actual).max() / max(float(np.abs(expected).max()), 1e-12))
        if not difference <= limit:
            raise HenshinError(
                f"the exported model's styles differ from PyTorch's by {difference:.1g} of the largest value on "
                f"{trial.words}; nothing was written"
            )
        worst = max(worst, difference)
    return worst


def picture_trials(pictures: Sequence[np.ndarray], multiple: int, preferred: int | None) -> Iterator[ParityInput]:
    """Yield one picture alone and two together, at two sizes that the network supports; the second is not square.

    One of the sizes is the preferred one, up to 256 px. Flat pictures are left out, because on them a norm divides by
    almost zero, and rounding errors become visible; where none is left, artificial photos take their place.
    """
    usable, kind = usable_pictures(pictures)
    small, side = ((side + multiple - 1) // multiple * multiple for side in (64, min(preferred or 96, 256)))
    other = small if small != side else side + multiple
    for count, (height, width) in ((1, (side, side)), (2, (other, side))):
        batch = np.stack([resample(usable[i % len(usable)], height, width) for i in range(count)])
        yield ParityInput(batch, f"{count} {kind} of {width}x{height}")


def square_trials(pictures: Sequence[np.ndarray], side: int) -> Iterator[ParityInput]:
    """Yield one picture alone and three together, all squares of the encoder's size."""
    usable, kind = usable_pictures(pictures)
    for first, count in ((0, 1), (1, 3)):
        batch = np.stack([resample(usable[i % len(usable)], side, side) for i in range(first, first + count)])
        yield ParityInput(batch, f"{count} {kind} of {side}x{side}")


def noise_trials(latent_shape: tuple[int, ...]) -> Iterator[ParityInput]:
    """Yield one latent alone and three together: the noise of the first pictures of a `sample` stage."""
    latents = numbered_noise(0, range(4), math.prod(latent_shape)).reshape(4, *latent_shape)
    for batch in (latents[:1], latents[1:]):
        yield ParityInput(batch, f"{len(batch)} latents")
