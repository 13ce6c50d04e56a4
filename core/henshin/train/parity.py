"""Whether an exported model draws what PyTorch draws: the check without which none is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from henshin.errors import HenshinError
from henshin.runtime import Device, Network
from henshin.train.examples import photo_like

STYLES, STYLES_FP16 = 1e-4, 5e-3
"""By how much of the largest the values of a mapping or encoder may differ; with weights in fp16 the exporter rounds
products of them once more."""

FLAT = 6.0
"""Deviation of its values, in grey levels, below which a picture is as good as one colour."""


@dataclass(frozen=True, slots=True)
class Parity:
    """How far a model is from PyTorch, in grey levels: the worst value and the mean over all.

    Of a mapping or an encoder, which draw nothing, `styles` is the worst value over the largest one.
    """

    worst: int
    mean: float
    styles: float | None = None

    def __str__(self) -> str:
        """Say it in words, to follow "draws as PyTorch does: "."""
        if self.styles is not None:
            return f"styles at most {self.styles:.0e} of the largest apart"
        if self.worst == 0:
            return "the very same grey levels"
        mean = f"{self.mean:.2f}" if self.mean >= 0.01 else "less than 0.01"
        return f"at most {self.worst} grey level{'s' * (self.worst > 1)} apart, {mean} on average"


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One batch for the model, and what it is in words: "2 pictures of 96x64"."""

    batch: np.ndarray
    words: str


@torch.inference_mode()
def check_parity(wrapped: nn.Module, path: Path, trials: Sequence[Trial], fp16: bool = False) -> Parity:
    """Compare ONNX Runtime with PyTorch on every trial. `fp16`: the file stores its weights so.

    Errors: HenshinError when a value differs by more than one grey level (styles by more than `STYLES` of the
    largest), or there is nothing to compare them on.
    """
    if not trials:
        raise HenshinError("parity cannot be checked on nothing")
    network = Network(path, Device("cpu"))
    (port,), result = network.inputs, network.outputs[0]
    if result.type == "tensor(float)":
        return Parity(0, 0.0, _styles_parity(wrapped, network, trials, STYLES_FP16 if fp16 else STYLES))
    worst, total, count = 0, 0.0, 0
    for trial in trials:
        expected = wrapped(torch.from_numpy(trial.batch)).numpy()
        got = network.run({port.name: trial.batch})[result.name]
        apart = np.abs(expected.astype(np.int16) - got.astype(np.int16))
        if apart.max() > 1:
            raise HenshinError(
                f"the exported model differs from PyTorch by {apart.max()} grey levels on {trial.words}; nothing was "
                "written"
            )
        worst, total, count = max(worst, int(apart.max())), total + float(apart.sum()), count + apart.size
    return Parity(worst, total / count)


def _styles_parity(wrapped: nn.Module, network: Network, trials: Sequence[Trial], limit: float) -> float:
    """How far styles are apart, over the largest of a trial. Errors: HenshinError above `limit`."""
    worst = 0.0
    for trial in trials:
        expected = wrapped(torch.from_numpy(trial.batch)).numpy()
        got = network.run({network.inputs[0].name: trial.batch})[network.outputs[0].name]
        apart = float(np.abs(expected - got).max() / max(float(np.abs(expected).max()), 1e-12))
        if not apart <= limit:
            raise HenshinError(
                f"the exported model's styles differ from PyTorch's by {apart:.1g} of the largest value on "
                f"{trial.words}; nothing was written"
            )
        worst = max(worst, apart)
    return worst


def picture_trials(pictures: Sequence[np.ndarray], multiple: int, preferred: int | None) -> Iterator[Trial]:
    """One picture alone and two together, at two sizes that the network can take; the second is not square.

    One of the sizes is the preferred one, up to 256 px. Pictures of almost one colour are left out, and where none is
    left some are made that are like photos: on a flat picture a norm divides noise by almost nothing, so that the last
    bit of an addition becomes a picture, and neither is right.
    """
    usable, kind = usable_of(pictures)
    small, side = ((side + multiple - 1) // multiple * multiple for side in (64, min(preferred or 96, 256)))
    other = small if small != side else side + multiple
    for count, (height, width) in ((1, (side, side)), (2, (other, side))):
        batch = np.stack([cut(usable[i % len(usable)], height, width) for i in range(count)])
        yield Trial(batch, f"{count} {kind} of {width}x{height}")


def square_trials(pictures: Sequence[np.ndarray], side: int) -> Iterator[Trial]:
    """One picture alone and three together, all squares of the only size that an encoder takes."""
    usable, kind = usable_of(pictures)
    for first, count in ((0, 1), (1, 3)):
        batch = np.stack([cut(usable[i % len(usable)], side, side) for i in range(first, first + count)])
        yield Trial(batch, f"{count} {kind} of {side}x{side}")


def usable_of(pictures: Sequence[np.ndarray]) -> tuple[Sequence[np.ndarray], str]:
    """Those that are more than one colour, or some that are made; and what they are in words."""
    usable = [picture for picture in pictures if deviation(picture) >= FLAT]
    if usable:
        return usable, "pictures"
    return [photo_like(seed=seed) for seed in range(2)], "made-up photos (no usable picture was given)"


def noise_trials(latent_shape: tuple[int, ...]) -> Iterator[Trial]:
    """One latent alone and three together: the noise that a `sample` stage draws its first pictures from."""
    drawn = [np.random.default_rng([0, i]).standard_normal(latent_shape).astype(np.float32) for i in range(4)]
    for chosen in (drawn[:1], drawn[1:]):
        yield Trial(np.stack(chosen), f"{len(chosen)} latents")


def deviation(picture: np.ndarray) -> float:
    """Standard deviation of a picture's values, of the channel that varies most, in grey levels."""
    return float(picture.reshape(-1, picture.shape[-1]).std(0).max())


def cut(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """A picture at this size, by resampling."""
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))
