"""Artificial photos: pictures with the statistics of photos, for parity checks and tests of recipes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from henshin.images.picture import Picture


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
