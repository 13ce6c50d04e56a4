"""Whatever pixels Pillow decodes: into colours of 8 bits (RGB, L or CMYK) and an alpha of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

_BITS_PER_SAMPLE = 258
_PHOTOMETRIC = 262


def separate(image: Image.Image) -> tuple[Image.Image, Image.Image | None, str | None]:
    """Take a decoded picture apart.

    Returns the colours as mode RGB, L or CMYK (what a colour profile can be for), the alpha as mode L or None, and
    a note if values had to be spread. Premultiplied colours are divided by their alpha.
    """
    if image.mode.startswith("I") or image.mode == "F":
        return _reduced(image)
    if image.has_transparency_data and image.mode != "CMYK":
        _narrow_key(image)
        with_alpha = image.convert("LA" if image.mode in ("1", "L", "LA", "La") else "RGBA")
        return with_alpha.convert(with_alpha.mode.removesuffix("A")), with_alpha.getchannel("A"), None
    if image.mode in ("RGB", "L", "CMYK"):
        return image, None, None
    return image.convert("L" if image.mode == "1" else "RGB"), None, None


def _narrow_key(image: Image.Image) -> None:
    """Pillow halves 16-bit RGB of a PNG to 8 bits, but not the colour that stands for "transparent"."""
    key = image.info.get("transparency")
    if isinstance(key, tuple) and max(key) > 255:
        image.info["transparency"] = tuple(value >> 8 for value in key)


def _reduced(image: Image.Image) -> tuple[Image.Image, Image.Image | None, str | None]:
    """Bring gray values of 12, 16 or 32 bits, or floats, to 8 bits."""
    values = np.asarray(image)
    key = image.info.get("transparency")
    alpha = None if not isinstance(key, int) else Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8))
    low, high, note = _range(image, values)
    # float32 holds 16 bits exactly; for wider values the loss is far below one level of 256
    scaled = (np.nan_to_num(values.astype(np.float32), nan=low, posinf=high, neginf=low) - low) * (255 / (high - low))
    levels = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    if _tag(image, _PHOTOMETRIC) == 0:  # a TIFF where zero is white: Pillow turns only its 8-bit kinds
        levels = 255 - levels
    return Image.fromarray(levels), alpha, note


def _range(image: Image.Image, values: np.ndarray[Any, Any]) -> tuple[float, float, str | None]:
    """Find which values mean black and white: what the format says, else the nearest usual range, else their own."""
    if image.mode.startswith("I;16"):
        bits = _tag(image, _BITS_PER_SAMPLE)
        return 0, 4095 if bits == 12 else 65535, None
    if image.mode == "I" and image.format in ("PNG", "PPM", "JPEG2000"):
        return 0, 65535, None
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    usual = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
    for white in usual:
        if low >= 0 and high <= white:
            return 0, white, None
    white = high if high > low else low + 1
    return low, white, f"its values from {low:g} to {high:g} were spread over black to white"


def _tag(image: Image.Image, number: int) -> int | None:
    tags = getattr(image, "tag_v2", None)
    value = None if tags is None else tags.get(number)
    if isinstance(value, tuple) and value:
        value = value[0]
    return value if isinstance(value, int) else None
