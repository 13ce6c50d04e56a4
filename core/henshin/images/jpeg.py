"""JPEG by the libjpeg-turbo of kornia-rs: the pixels, and the bytes, that Pillow gives, in less time.

Pillow keeps pixels in four bytes each and hands them over in pieces; this writes them where they are wanted. Heads are
read and written by Pillow alone, and it decodes what libjpeg-turbo refuses or warns of: CMYK, damage, a file cut off.
"""

from __future__ import annotations

import io
from typing import Any, BinaryIO

import numpy as np
from kornia_rs.io import decode_image_jpegturbo, encode_image_jpegturbo
from PIL import Image

from henshin.images.picture import Picture

_TABLES = b"\xff\xdb"
"""Marker of the quantisation tables: libjpeg writes them first, right behind the head."""
_HEAD_SIDE = 8
_CHROMA = {0: "4:4:4", 2: "4:2:0"}
"""Pillow's numbers for the resolution of colour, and kornia-rs's names."""


def decode_jpeg(file: BinaryIO, image: Image.Image) -> Picture | None:
    """Return the pixels (H, W, 3) of an open JPEG whose head Pillow has read as `image`, or None: Pillow decodes it.

    The file must be of grey or RGB pixels; of a file with several pictures it is the first.
    """
    if image.format not in ("JPEG", "MPO") or image.mode not in ("L", "RGB"):
        return None
    file.seek(0)
    try:
        pixels = np.asarray(decode_image_jpegturbo(file.read(), "rgb"), np.uint8)
    except Exception:  # it has only one kind of error, also for mere warnings
        return None
    return pixels if pixels.shape == (image.height, image.width, 3) else None


def encode_jpeg(picture: Picture, *, quality: int, subsampling: int, **head: Any) -> bytes:
    """Return the bytes of a JPEG of `picture` (H, W, 3), the same as those that Pillow writes with these arguments.

    `subsampling` is 0 (4:4:4) or 2 (4:2:0); `head` holds Pillow's arguments for metadata. Errors: Pillow's for these.
    """
    buffer = io.BytesIO()
    small = Image.new("RGB", (_HEAD_SIDE, _HEAD_SIDE))
    small.save(buffer, "JPEG", quality=quality, subsampling=subsampling, **head)
    written = buffer.getvalue()
    data: bytes = encode_image_jpegturbo(np.ascontiguousarray(picture), quality, _CHROMA[subsampling])
    return written[: _tables_at(written)] + data[_tables_at(data) :]


def _tables_at(data: bytes) -> int:
    """Return where the quantisation tables begin: each segment before them gives its own length."""
    at = 2
    while data[at : at + 2] != _TABLES:
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return at
