"""Colour profiles: from that of a file to sRGB, and back. The only place that knows ImageCms (Little CMS)."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Literal

import numpy as np
from PIL import Image, ImageCms

Space = Literal["RGB", "GRAY", "CMYK"]

# Photographs are taken over colour by colour, with black on black. NOCACHE: one transform serves several threads.
_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION | ImageCms.Flags.NOCACHE | ImageCms.Flags.HIGHRESPRECALC
_SPACES: dict[str, Space] = {"RGB": "RGB", "GRAY": "GRAY", "CMYK": "CMYK"}
_MODES: dict[Space, str] = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}


@lru_cache(maxsize=16)
def space_of(icc: bytes) -> Space | None:
    """Name the kind of pixels a profile is for, or None for a damaged profile or one of another kind."""
    try:
        space = _SPACES.get(ImageCms.ImageCmsProfile(io.BytesIO(icc)).profile.xcolor_space.strip())
        if space is not None:
            _to_srgb(icc, space)
    except (OSError, ImageCms.PyCMSError, ValueError, TypeError):
        return None
    return space


@lru_cache(maxsize=16)
def is_srgb(icc: bytes) -> bool:
    """Say whether a profile means sRGB, whatever its name: it moves no 8-bit colour by more than one level."""
    if space_of(icc) != "RGB":
        return False
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3)
    moved = np.asarray(ImageCms.applyTransform(Image.fromarray(colours), _to_srgb(icc, "RGB")))
    return int(np.abs(moved.astype(np.int16) - colours).max()) <= 1


def to_srgb(image: Image.Image, icc: bytes | None) -> tuple[Image.Image, bytes | None, str | None]:
    """Convert a picture of mode RGB, L or CMYK to RGB in sRGB.

    Returns the RGB picture, the profile if it could be used (else None), and a note if there is something to say.
    """
    space: Space | None = None
    note = None
    if icc:
        space = space_of(icc)
        if space is None:
            note = "its colour profile is damaged and was ignored"
        elif space == "RGB" and image.mode == "L":
            image = image.convert("RGB")
        elif _MODES[space] != image.mode:
            note = f"its colour profile is for {space} pixels, which it does not have, and was ignored"
            space = None
    if icc is None or space is None:
        if image.mode == "CMYK" and note is None:
            note = "CMYK without a colour profile: its colours are approximate"
        return image if image.mode == "RGB" else image.convert("RGB"), None, note
    if is_srgb(icc):
        return image, icc, None
    if space == "GRAY":
        return Image.merge("RGB", [image.point(levels) for levels in _gray_levels(icc)]), icc, None
    return _applied(image, _to_srgb(icc, space)), icc, None


def from_srgb(image: Image.Image, icc: bytes) -> Image.Image | None:
    """Convert an RGB picture from sRGB to the pixels of a profile; None if that cannot be: not RGB, or one-way."""
    if space_of(icc) != "RGB":
        return None
    if is_srgb(icc):
        return image
    transform = _from_srgb(icc)
    return None if transform is None else _applied(image, transform)


def _applied(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    converted = ImageCms.applyTransform(image, transform)
    if converted is None:  # only with inPlace, which is not asked for
        raise AssertionError("no picture came back from the colour transform")
    return converted


@lru_cache(maxsize=16)
def _gray_levels(icc: bytes) -> list[list[int]]:
    """What each of the 256 levels of gray becomes in red, green and blue; faster and, in shadows, more exact."""
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    return np.asarray(_applied(ramp, _to_srgb(icc, "GRAY")))[0].T.tolist()  # type: ignore[no-any-return]


@lru_cache(maxsize=16)
def _to_srgb(icc: bytes, space: Space) -> ImageCms.ImageCmsTransform:
    source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    target = ImageCms.createProfile("sRGB")
    # Little CMS makes a coarse table of a gray curve, six levels off in the shadows, unless it is told not to.
    flags = _FLAGS | ImageCms.Flags.NOOPTIMIZE if space == "GRAY" else _FLAGS
    return ImageCms.buildTransform(source, target, _MODES[space], "RGB", _INTENT, flags)


@lru_cache(maxsize=16)
def _from_srgb(icc: bytes) -> ImageCms.ImageCmsTransform | None:
    target = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    try:
        return ImageCms.buildTransform(ImageCms.createProfile("sRGB"), target, "RGB", "RGB", _INTENT, _FLAGS)
    except ImageCms.PyCMSError:
        return None
