"""Small pieces of photos spoilt as real small photos are: blurred before they were reduced, noisy, kept as JPEG."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from henshin.patch_data import Degradation


@dataclass(frozen=True, slots=True)
class Damage:
    """What one piece suffers: sigma of blur in small pixels, of noise in grey levels, JPEG quality; 0 is none of it."""

    blur: float
    noise: float
    quality: int
    seed: int


def damages(options: Degradation, count: int, rng: np.random.Generator) -> list[Damage]:
    """Draw what `count` pieces suffer; all that is left to chance comes from `rng` here and now."""
    hit = rng.random((count, 3)) < (options.blur_chance, options.noise_chance, options.jpeg_chance)
    blur = rng.uniform(*options.blur, count) * hit[:, 0]
    noise = rng.uniform(*options.noise, count) * hit[:, 1]
    quality = rng.integers(*options.jpeg, count, endpoint=True) * hit[:, 2]
    seeds = rng.integers(2**63, size=count)
    return [Damage(*values) for values in zip(*(a.tolist() for a in (blur, noise, quality, seeds)), strict=True)]


def margin(damage: Damage) -> int:
    """How many small pixels around a piece its blur looks at, with two more for the filter that reduces it."""
    return math.ceil(3 * damage.blur) + 2 if damage.blur else 0


def blurred(large: np.ndarray, scale: int, sigma: float) -> np.ndarray:
    """Blur a picture (H * scale, W * scale, 3) uint8 by `sigma` small pixels, and reduce it to (H, W, 3)."""
    height, width = large.shape[0] // scale, large.shape[1] // scale
    image = Image.fromarray(large).filter(ImageFilter.GaussianBlur(sigma * scale))
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))


def spoilt(small: np.ndarray, damage: Damage) -> np.ndarray:
    """Put noise on a piece (H, W, 3) uint8, and keep it as JPEG; the same damage always gives the same."""
    if damage.noise:
        noise = np.random.default_rng(damage.seed).normal(0, damage.noise, small.shape)
        small = np.clip(np.rint(small + noise), 0, 255).astype(np.uint8)
    if damage.quality:
        kept = io.BytesIO()
        Image.fromarray(small).save(kept, "JPEG", quality=damage.quality)
        small = np.asarray(Image.open(kept))
    return small
