"""Pictures of noise, and what holds for every decoded one."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from henshin.images import Decoded, read


def colours(size: tuple[int, int], seed: int = 0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)


def stored(path: Path, image: Image.Image, **options: Any) -> Decoded:
    image.save(path, **options)
    return read(path)


def check(decoded: Decoded, size: tuple[int, int]) -> None:
    for array in (decoded.picture, decoded.alpha):
        if array is not None:
            assert array.dtype == np.uint8
            assert array.flags.c_contiguous
            assert not array.flags.writeable
            assert array.shape[:2] == size[::-1]
    assert decoded.picture.ndim == 3
    assert decoded.metadata.size == size


def png16(pixels: np.ndarray[Any, Any], kind: int) -> bytes:
    """A PNG of 16 bits for each channel, which Pillow cannot write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts
