"""Colour profiles made by hand, and the colours that they must give: independent of the code that is tested."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]

# Columns red, green, blue relative to D50, as in Apple's and Adobe's own profiles.
P3_D50 = np.array([[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]])
ADOBE_D50 = np.array([[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]])
SRGB_D50 = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
# The same two spaces relative to D65, as CSS Color 4 gives them: the reference never touches D50.
P3_TO_SRGB = np.array([[1.22494, -0.22494, 0.0], [-0.04206, 1.04206, 0.0], [-0.01964, -0.07864, 1.09827]])


def decode_srgb(values: npt.ArrayLike) -> Floats:
    """sRGB values 0..1 to light."""
    v = np.asarray(values, dtype=np.float64)
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def encode_srgb(light: npt.ArrayLike) -> Floats:
    """Light to sRGB values 0..1, clipped."""
    v = np.clip(np.asarray(light, dtype=np.float64), 0, 1)
    return np.where(v <= 0.0031308, v * 12.92, 1.055 * v ** (1 / 2.4) - 0.055)


def p3_in_srgb(pixels: Bytes) -> Floats:
    """What Display P3 pixels look like in sRGB, 0..255, unrounded."""
    return encode_srgb(decode_srgb(pixels / 255) @ P3_TO_SRGB.T) * 255


def adobe_in_srgb(pixels: Bytes) -> Floats:
    """What Adobe RGB pixels look like in sRGB, 0..255, unrounded."""
    light = (pixels / 255) ** (563 / 256) @ (np.linalg.inv(SRGB_D50) @ ADOBE_D50).T
    return encode_srgb(light) * 255


def _fixed(values: Any) -> bytes:
    return b"".join(struct.pack(">i", round(float(v) * 65536)) for v in values)


def _profile(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    body, table = b"", b""
    start = 132 + 12 * len(tags)
    for tag, data in tags.items():
        table += tag + struct.pack(">II", start + len(body), len(data))
        body += data + b"\0" * (-len(data) % 4)
    head = struct.pack(">I", start + len(body)) + b"lcms" + b"\x02\x40\0\0" + kind + space + connection
    head += struct.pack(">6H", 2001, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _fixed((0.9642, 1.0, 0.8249))
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def _described(name: str) -> bytes:
    text = name.encode() + b"\0"
    return b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78)


def matrix_profile(matrix: Floats, curve: bytes, name: str = "sRGB (the name means nothing)") -> bytes:
    """A version 2 display profile from the columns of red, green and blue relative to D50."""
    tags = {b"desc": _described(name), b"wtpt": b"XYZ \0\0\0\0" + _fixed((0.9642, 1.0, 0.8249))}
    for letter, column in zip("rgb", matrix.T, strict=True):
        tags[f"{letter}XYZ".encode()] = b"XYZ \0\0\0\0" + _fixed(column)
        tags[f"{letter}TRC".encode()] = curve
    return _profile(b"mntr", b"RGB ", b"XYZ ", tags)


def gamma_curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))


def srgb_curve() -> bytes:
    table = np.rint(decode_srgb(np.linspace(0, 1, 4096)) * 65535).astype(">u2")
    return b"curv\0\0\0\0" + struct.pack(">I", table.size) + table.tobytes()


def gray_profile(gamma: float) -> bytes:
    white = b"XYZ \0\0\0\0" + _fixed((0.9642, 1.0, 0.8249))
    return _profile(
        b"mntr", b"GRAY", b"XYZ ", {b"desc": _described("gray"), b"wtpt": white, b"kTRC": gamma_curve(gamma)}
    )


def cmyk_profile(lab_of_cyan: tuple[float, float, float]) -> bytes:
    """A printer whose paper is white, whose cyan is as given, and on which every other ink and mixture is black."""
    cells = np.zeros((2, 2, 2, 2, 3))
    cells[..., :] = (0, 0, 0)
    cells[0, 0, 0, 0] = (100, 0, 0)
    cells[1, 0, 0, 0] = lab_of_cyan
    codes = np.rint(np.stack([cells[..., 0] * 2.55, cells[..., 1] + 128, cells[..., 2] + 128], axis=-1))
    ramp = bytes(range(256))
    lut = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + _fixed((1, 0, 0, 0, 1, 0, 0, 0, 1))
    lut += ramp * 4 + codes.astype(np.uint8).tobytes() + ramp * 3
    white = b"XYZ \0\0\0\0" + _fixed((0.9642, 1.0, 0.8249))
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"desc": _described("cmyk"), b"wtpt": white, b"A2B0": lut})


P3 = matrix_profile(P3_D50, srgb_curve())
ADOBE = matrix_profile(ADOBE_D50, gamma_curve(563 / 256))
SRGB = matrix_profile(SRGB_D50, srgb_curve(), "some other name")
