"""Whether an exported model draws what PyTorch draws: the check without which none is written."""

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
class ParityInput:
    """One batch for the model, and what it is in words: "2 pictures of 96x64"."""

    batch: np.ndarray
    words: str


@torch.inference_mode()
def check_parity(wrapped: nn.Module, path: Path, trials: Sequence[ParityInput], fp16: bool = False) -> Parity:
    """Compare ONNX Runtime with PyTorch on every trial. `fp16`: the file stores its weights so.

    Errors: HenshinError when a value differs by more than one grey level (styles by more than `STYLES` of the
    largest), or there is nothing to compare them on.
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
        got = network.run({port.name: trial.batch})[result.name]
        apart = np.abs(expected.astype(np.int16) - got.astype(np.int16))
        if apart.max() > 1:
            raise HenshinError(
                f"the exported model differs from PyTorch by {apart.max()} grey levels on {trial.words}; nothing was "
                "written"
            )
        worst, total, count = max(worst, int(apart.max())), total + float(apart.sum()), count + apart.size
    return Parity(worst, total / count)


def _styles_parity(wrapped: nn.Module, network: OnnxSession, trials: Sequence[ParityInput], limit: float) -> float:
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


def picture_trials(pictures: Sequence[np.ndarray], multiple: int, preferred: int | None) -> Iterator[ParityInput]:
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
        yield ParityInput(batch, f"{count} {kind} of {width}x{height}")


def square_trials(pictures: Sequence[np.ndarray], side: int) -> Iterator[ParityInput]:
    """One picture alone and three together, all squares of the only size that an encoder takes."""
    usable, kind = usable_of(pictures)
    for first, count in ((0, 1), (1, 3)):
        batch = np.stack([cut(usable[i % len(usable)], side, side) for i in range(first, first + count)])
        yield ParityInput(batch, f"{count} {kind} of {side}x{side}")


def usable_of(pictures: Sequence[np.ndarray]) -> tuple[Sequence[np.ndarray], str]:
    """Those that are more than one colour, or some that are made; and what they are in words."""
    usable = [picture for picture in pictures if deviation(picture) >= FLAT]
    if usable:
        return usable, "pictures"
    return [photo_like(seed=seed) for seed in range(2)], "made-up photos (no usable picture was given)"


def noise_trials(latent_shape: tuple[int, ...]) -> Iterator[ParityInput]:
    """One latent alone and three together: the noise that a `sample` stage draws its first pictures from."""
    drawn = [np.random.default_rng([0, i]).standard_normal(latent_shape).astype(np.float32) for i in range(4)]
    for chosen in (drawn[:1], drawn[1:]):
        yield ParityInput(np.stack(chosen), f"{len(chosen)} latents")


def deviation(picture: np.ndarray) -> float:
    """Standard deviation of a picture's values, of the channel that varies most, in grey levels."""
    return float(picture.reshape(-1, picture.shape[-1]).std(0).max())


def cut(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """A picture at this size, by resampling."""
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))


def photo_like(width: int = 288, height: int = 224, seed: int = 0) -> Picture:
    """A picture (height, width, 3) uint8 that is to a network like a photo.

    Its amplitudes fall with the frequency, as those of natural pictures do (Field 1987), most of it is light and
    little of it colour; a slope of light lies over it as in a sky, and flat things with hard edges before it.
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
    made: Picture = pixels.clip(0, 255).round().astype(np.uint8)
    return made


def photo_folders(place: Path, count: int = 8, width: int = 72, height: int = 64) -> Path:
    """Write such pictures into `a`, `b` and `pictures`; those of `b` are the negatives of `a`'s, under their names."""
    for name in ("a", "b", "pictures"):
        (place / name).mkdir()
        for i in range(count):
            photo = photo_like(width, height, seed=i)
            Image.fromarray(255 - photo if name == "b" else photo).save(place / name / f"{i}.png")
    return place


def _field(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Noise (height, width) of mean 0 and deviation 1 whose amplitudes are frequency ** -1.4: like clouds."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = np.inf
    noise = np.fft.rfft2(rng.normal(size=(height, width)))
    field: np.ndarray = np.fft.irfft2(noise / frequency**1.4, (height, width))
    field /= field.std()
    return field


def held_pictures(folder: Path, registry: GeneratorRegistry, count: int = 3) -> list[np.ndarray]:
    """Some pictures that a run held out of its training, for the parity check; none if they are gone.

    They are those of the first option that the recipe marks as a folder of pictures.
    """
    run = load_description(folder)
    values = run["config"]
    config = recipe_config(run["recipe"], registry) or UnknownRecipeConfig
    found = folders_by_option(one for one in find_option_values(config, values, FolderOption) if one[2].pictures)
    for where, (names, _) in found.items():
        try:
            folders = resolve_folders(names, Path(run["base"]))
        except HenshinError:
            return []
        beside = reduce(lambda inner, key: inner[key], where[:-1], values)
        hold_out = beside.get("hold_out", 0)
        files = list_pictures(folders)
        held = split_files(files, hold_out if isinstance(hold_out, int) else 0)[1] or files
        return pictures_of(held[:count])
    return []


def pictures_of(files: Sequence[Path]) -> list[np.ndarray]:
    """The pictures of these files, those that can be read."""
    found = []
    for file in files:
        try:
            found.append(read(file).picture)
        except PictureError:
            continue
    return found
