"""Colour profiles (ICC): conversion to sRGB and back, and standard profiles. Only this module uses ImageCms."""

from __future__ import annotations

import io
import struct
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image, ImageCms

if TYPE_CHECKING:
    import numpy.typing as npt

    Matrix = npt.NDArray[np.float64]


Space = Literal["RGB", "GRAY", "CMYK"]

# Relative colorimetric with black point compensation suits photographs. NOCACHE: one transform serves several threads.
_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC

_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION | ImageCms.Flags.NOCACHE | ImageCms.Flags.HIGHRESPRECALC

_SPACES: dict[str, Space] = {"RGB": "RGB", "GRAY": "GRAY", "CMYK": "CMYK"}

_MODES: dict[Space, str] = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}

_D50 = np.array([0.9642, 1.0, 0.8249])
"""White of the profile connection space, XYZ."""

_D65 = (0.3127, 0.3290)
"""White D65, xy."""

_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
"""Bradford matrix: from XYZ to the cone responses in which whites are adapted, (3, 3)."""

_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
"""Parameters (g, a, b, c, d) of the ICC parametric curve of sRGB."""

# Primaries: xy of red, green and blue.
_REC709 = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
_P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
_ADOBE = ((0.640, 0.330), (0.210, 0.710), (0.150, 0.060))


@lru_cache(maxsize=16)
def colour_space(icc: bytes) -> Space | None:
    """Return the colour space of a profile's pixels, or None for a damaged profile or another colour space."""
    try:
        space = _SPACES.get(ImageCms.ImageCmsProfile(io.BytesIO(icc)).profile.xcolor_space.strip())
        if space is not None:
            _to_srgb(icc, space)
    except (OSError, ImageCms.PyCMSError, ValueError, TypeError):
        return None
    return space


@lru_cache(maxsize=16)
def is_srgb(icc: bytes) -> bool:
    """Return whether a profile equals sRGB, whatever its name: it changes no 8-bit colour by more than one level."""
    if colour_space(icc) != "RGB":
        return False
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3)
    converted = np.asarray(ImageCms.applyTransform(Image.fromarray(colours), _to_srgb(icc, "RGB")))
    return int(np.abs(converted.astype(np.int16) - colours).max()) <= 1


def to_srgb(image: Image.Image, icc: bytes | None) -> tuple[Image.Image, bytes | None, str | None]:
    """Convert a picture of mode RGB, L or CMYK to RGB in sRGB.

    Returns the RGB picture, the profile if it was used (else None), and a note or None.
    """
    space: Space | None = None
    note = None
    if icc:
        space = colour_space(icc)
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
    return _apply(image, _to_srgb(icc, space)), icc, None


def from_srgb(image: Image.Image, icc: bytes) -> Image.Image | None:
    """Convert an RGB picture from sRGB to a profile; None for a profile that is not RGB or cannot be inverted."""
    if colour_space(icc) != "RGB":
        return None
    if is_srgb(icc):
        return image
    transform = _from_srgb(icc)
    return None if transform is None else _apply(image, transform)


def _apply(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    converted = ImageCms.applyTransform(image, transform)
    if converted is None:  # only with inPlace, which is not used here
        raise AssertionError("no picture came back from the colour transform")
    return converted


@lru_cache(maxsize=16)
def _gray_levels(icc: bytes) -> list[list[int]]:
    """Return the red, green and blue of the 256 levels of gray, (3, 256).

    A table is faster, and more exact in shadows.
    """
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    return np.asarray(_apply(ramp, _to_srgb(icc, "GRAY")))[0].T.tolist()  # type: ignore[no-any-return]


@lru_cache(maxsize=16)
def _to_srgb(icc: bytes, space: Space) -> ImageCms.ImageCmsTransform:
    source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    target = ImageCms.createProfile("sRGB")
    # Without NOOPTIMIZE Little CMS approximates a gray curve by a coarse table, six levels off in the shadows.
    flags = _FLAGS | ImageCms.Flags.NOOPTIMIZE if space == "GRAY" else _FLAGS
    return ImageCms.buildTransform(source, target, _MODES[space], "RGB", _INTENT, flags)


@lru_cache(maxsize=16)
def _from_srgb(icc: bytes) -> ImageCms.ImageCmsTransform | None:
    target = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    try:
        return ImageCms.buildTransform(ImageCms.createProfile("sRGB"), target, "RGB", "RGB", _INTENT, _FLAGS)
    except ImageCms.PyCMSError:
        return None


@cache
def srgb() -> bytes:
    """Return the profile of sRGB (IEC 61966-2-1). Its bytes never change; a profile of Little CMS holds a date."""
    return matrix_profile("sRGB", _REC709, _D65, _SRGB_CURVE)


@cache
def display_p3() -> bytes:
    """Return the profile of Display P3: the primaries of DCI-P3, white D65, the curve of sRGB."""
    return matrix_profile("Display P3", _P3, _D65, _SRGB_CURVE)


@cache
def adobe_rgb() -> bytes:
    """Return the profile of Adobe RGB (1998): gamma 563/256, white D65."""
    return matrix_profile("Compatible with Adobe RGB (1998)", _ADOBE, _D65, (563 / 256,))


def matrix_profile(
    name: str,
    primaries: tuple[tuple[float, float], ...],
    white: tuple[float, float],
    curve: tuple[float, ...],
) -> bytes:
    """Return an RGB display profile (ICC 4.3).

    ``primaries`` and ``white`` are xy chromaticities; ``curve`` holds the parameters of an ICC parametric curve: (g,)
    for a plain gamma, or (g, a, b, c, d) for a curve that is linear below d.
    """
    columns, adaptation = _matrix_to_d50(primaries, white)
    trc = b"para" + struct.pack(">IHH", 0, 3 if len(curve) == 5 else 0, 0) + _fixed(*curve)
    tags = {
        b"desc": _text(name),
        b"cprt": _text("No copyright, use freely"),
        b"wtpt": b"XYZ \0\0\0\0" + _fixed(*_D50),
        b"chad": b"sf32\0\0\0\0" + _fixed(*adaptation.ravel()),
        b"rXYZ": b"XYZ \0\0\0\0" + _fixed(*columns[:, 0]),
        b"gXYZ": b"XYZ \0\0\0\0" + _fixed(*columns[:, 1]),
        b"bXYZ": b"XYZ \0\0\0\0" + _fixed(*columns[:, 2]),
        b"rTRC": trc,
        b"gTRC": trc,
        b"bTRC": trc,
    }
    return _assemble(tags)


def _matrix_to_d50(primaries: tuple[tuple[float, float], ...], white: tuple[float, float]) -> tuple[Matrix, Matrix]:
    """Return the matrix from linear RGB to XYZ relative to D50, (3, 3), and the Bradford adaptation in it, (3, 3)."""
    directions = np.array([_xyz(*primary) for primary in primaries]).T
    white_xyz = _xyz(*white)
    matrix = directions * np.linalg.solve(directions, white_xyz)
    gains = (_BRADFORD @ _D50) / (_BRADFORD @ white_xyz)
    adaptation = np.linalg.inv(_BRADFORD) @ np.diag(gains) @ _BRADFORD
    return adaptation @ matrix, adaptation


def _xyz(x: float, y: float) -> Matrix:
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _fixed(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(float(value) * 65536) for value in values))


def _text(text: str) -> bytes:
    data = text.encode("utf-16-be")
    return b"mluc" + struct.pack(">III2s2sII", 0, 1, 12, b"en", b"US", len(data), 28) + data


def _assemble(tags: dict[bytes, bytes]) -> bytes:
    table, body, offsets = b"", b"", dict[bytes, int]()
    start = 128 + 4 + 12 * len(tags)
    for tag, data in tags.items():
        if data not in offsets:  # the three curves share their bytes
            offsets[data] = start + len(body)
            body += data + b"\0" * (-len(data) % 4)
        table += tag + struct.pack(">II", offsets[data], len(data))
    head = struct.pack(">I4x4s4s4s4s6H4s24x", start + len(body), b"\x04\x30\0\0", b"mntr", b"RGB ", b"XYZ ",
                       2000, 1, 1, 0, 0, 0, b"acsp")  # fmt: skip
    head += struct.pack(">I", 0) + _fixed(*_D50)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body
