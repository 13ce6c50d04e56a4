"""Small ICC profiles made from primaries: for pixels whose colours a file names without holding their profile.

A matrix profile as in ICC.1:2022 (version 4): a linear RGB colour is three columns of XYZ, adapted from the white of
the primaries to D50 by the Bradford transform, and each channel is first bent by a parametric curve.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Matrix = npt.NDArray[np.float64]

_D50 = np.array([0.9642, 1.0, 0.8249])
_D65 = (0.3127, 0.3290)
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_REC709 = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
_P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
_ADOBE = ((0.640, 0.330), (0.210, 0.710), (0.150, 0.060))


@cache
def srgb() -> bytes:
    """Make the profile of IEC 61966-2-1 sRGB; the same bytes in every run, unlike lcms with its date."""
    return matrix_profile("sRGB", _REC709, _D65, _SRGB_CURVE)


@cache
def display_p3() -> bytes:
    """Make the profile of Display P3: the primaries of DCI-P3, white D65, the curve of sRGB."""
    return matrix_profile("Display P3", _P3, _D65, _SRGB_CURVE)


@cache
def adobe_rgb() -> bytes:
    """Make the profile of Adobe RGB (1998): gamma 563/256, white D65."""
    return matrix_profile("Compatible with Adobe RGB (1998)", _ADOBE, _D65, (563 / 256,))


def matrix_profile(
    name: str,
    primaries: tuple[tuple[float, float], ...],
    white: tuple[float, float],
    curve: tuple[float, ...],
) -> bytes:
    """Make an RGB display profile.

    ``primaries`` and ``white`` are xy chromaticities; ``curve`` the parameters of an ICC parametric curve: (g,) for
    a plain gamma or (g, a, b, c, d) for one that is linear below d.
    """
    columns, adaptation = _adapted(primaries, white)
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
    return _assembled(tags)


def _adapted(primaries: tuple[tuple[float, float], ...], white: tuple[float, float]) -> tuple[Matrix, Matrix]:
    """Give the matrix linear RGB -> XYZ relative to D50, and the adaptation that is in it."""
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


def _assembled(tags: dict[bytes, bytes]) -> bytes:
    table, body, places = b"", b"", dict[bytes, int]()
    start = 128 + 4 + 12 * len(tags)
    for tag, data in tags.items():
        if data not in places:  # the three curves are one
            places[data] = start + len(body)
            body += data + b"\0" * (-len(data) % 4)
        table += tag + struct.pack(">II", places[data], len(data))
    head = struct.pack(">I4x4s4s4s4s6H4s24x", start + len(body), b"\x04\x30\0\0", b"mntr", b"RGB ", b"XYZ ",
                       2000, 1, 1, 0, 0, 0, b"acsp")  # fmt: skip
    head += struct.pack(">I", 0) + _fixed(*_D50)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body
