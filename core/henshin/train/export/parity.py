"""Parity check: the output of an exported model compared with that of PyTorch, and the pictures for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from henshin.api.generator import GeneratorRegistry
from henshin.config.options import FolderOption, find_option_values
from henshin.errors import HenshinError, PictureError
from henshin.images import read
from henshin.images.picture import Picture
from henshin.runtime import Device, OnnxSession
from henshin.train.data.folders import folders_by_option, list_pictures, resolve_folders, split_files
from henshin.train.weights.from_run import UnknownRecipeConfig, recipe_config
from henshin.train.weights.run_folder import load_description

STYLES, STYLES_FP16 = 1e-4, 5e-3
"""Allowed difference of a mapping's or encoder's values, relative to the largest; with weights in fp16 the exporter
rounds their products once more."""

LEAST_DEVIATION = 6.0
"""Standard deviation, in grey levels, below which a picture counts as one flat colour."""


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
def check_parity(wrapped: nn.Module, path: Path, trials: Sequence[ParityInput], fp16: bool = False) -> Parity:
    """Compare ONNX Runtime with PyTorch on every trial; `fp16` is whether the file stores its weights in fp16.

    Errors: HenshinError when a value differs by more than one grey level (styles by more than `STYLES` of the
    largest), or without trials.
    """
    if not trials:
        raise HenshinError("parity cannot be checked on nothing")
    network = OnnxSession(path, Device("cpu"))
    (port,), result = network.inputs, network.outputs[0]
    if result.type == "tensor(float)":
        return Parity(0, 0.0, _styles_parity(wrapped, network, trials, STYLES_FP16 if fp16 else STYLES))
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


def usable_pictures(pictures: Sequence[np.ndarray]) -> tuple[Sequence[np.ndarray], str]:
    """Return (the pictures that are not flat, or else artificial photos; their name in words)."""
    usable = [picture for picture in pictures if deviation(picture) >= LEAST_DEVIATION]
    if usable:
        return usable, "pictures"
    return [photo_like(seed=seed) for seed in range(2)], "made-up photos (no usable picture was given)"


def noise_trials(latent_shape: tuple[int, ...]) -> Iterator[ParityInput]:
    """Yield one latent alone and three together: the noise of the first pictures of a `sample` stage."""
    latents = [np.random.default_rng([0, i]).standard_normal(latent_shape).astype(np.float32) for i in range(4)]
    for batch in (latents[:1], latents[1:]):
        yield ParityInput(np.stack(batch), f"{len(batch)} latents")


def deviation(picture: np.ndarray) -> float:
    """Return the standard deviation of the channel that varies most, in grey levels."""
    return float(picture.reshape(-1, picture.shape[-1]).std(0).max())


def resample(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return a picture resampled to this size."""
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))


def photo_like(width: int = 288, height: int = 224, seed: int = 0) -> Picture:
    """Return an artificial picture (height, width, 3) uint8 with the statistics of a photo.

    Its amplitudes fall with the frequency, as in natural pictures (Field 1987), mostly in lightness and little in
    colour; added to them are a vertical gradient of lightness and six flat ellipses with hard edges.
    """
    rng = np.random.default_rng([seed, width, height])
    fields = np.stack([_field(rng, height, width) for _ in range(3)], -1)
    light, colours = fields[..., :1], fields[..., 1:]
    pixels = light + 0.25 * np.concatenate([colours, -colours.sum(-1, keepdims=True)], -1)
    rows, columns = np.mgrid[0:height, 0:width] / min(height, width)
    pixels = 120 + 38 * pixels + 60 * (0.5 - rows * min(height, width) / height)[..., None]
    for _ in range(6):
        middle, radii = rng.random(2) * (height, width) / min(height, width), rng.uniform(0.05, 0.25, 2)
        inside = ((rows - middle[0]) / radii[0]) ** 2 + ((columns - middle[1]) / radii[1]) ** 2 < 1
        pixels[inside] = rng.uniform(10, 245, 3)
    picture: Picture = pixels.clip(0, 255).round().astype(np.uint8)
    return picture


def photo_folders(place: Path, count: int = 8, width: int = 72, height: int = 64) -> Path:
    """Write artificial photos into `a`, `b` and `pictures`; those of `b` are the negatives of those in `a`."""
    for name in ("a", "b", "pictures"):
        (place / name).mkdir()
        for i in range(count):
            photo = photo_like(width, height, seed=i)
            Image.fromarray(255 - photo if name == "b" else photo).save(place / name / f"{i}.png")
    return place


def _field(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Return noise (height, width) of mean 0 and deviation 1 with amplitudes of frequency ** -1.4."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = np.inf
    noise = np.fft.rfft2(rng.normal(size=(height, width)))
    field: np.ndarray = np.fft.irfft2(noise / frequency**1.4, (height, width))
    field /= field.std()
    return field


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
