"""Reading a picture: what is checked before any pixel is decoded. The decoder itself loads Pillow, and loads last."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from henshin.errors import PictureError
from henshin.frame import Metadata, Picture
from henshin.images.formats import FORMATS, reader_of

MOST_PIXELS = 500_000_000
"""Larger pictures are refused: a file of a few bytes can claim any size, and 500 megapixels already fill 1.5 GB.
The same ends what stages may make of a picture: 125 megapixels can still be doubled, 55 be enlarged three times."""


@dataclass(slots=True, eq=False)
class Decoded:
    """A picture as read: ``picture`` (H, W, 3) uint8 RGB in sRGB, upright, C-contiguous, read-only.

    ``alpha`` is (H, W) uint8, read-only, or None; ``metadata`` what else the file held, and the reader's notes.
    """

    picture: Picture
    alpha: Picture | None
    metadata: Metadata


def read(path: Path) -> Decoded:
    """Read a picture of any format. Content decides what it is; the suffix only where content cannot.

    EXIF orientation is applied, colour profiles are converted to sRGB, 16-bit, gray, CMYK, palette and float
    pixels become 8-bit RGB, the first frame of an animation is taken. What was decided on the way is in
    ``metadata.notes``. Errors: PictureError with the reason; a picture that is cut off is never half read.
    """
    with opened(path) as file:
        return read_open(file, path.suffix)


def opened(path: Path) -> BufferedReader:
    """Open the file of a picture, once for all that is to be known of it: what its name stands for may change.

    Errors: PictureError when it is no file, or cannot be opened.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for ever
            raise PictureError("not a file, but a folder, pipe or device")
        return path.open("rb")
    except OSError as error:
        raise PictureError(f"cannot be opened: {error.strerror or error}") from error


def read_open(file: BinaryIO, suffix: str) -> Decoded:
    """Read a picture from its open file, as ``read`` does; ``suffix`` is that of its name. Errors: PictureError."""
    try:
        if os.fstat(file.fileno()).st_size == 0:
            raise PictureError("empty file (0 bytes)")
        fmt = reader_of(file, suffix)
    except OSError as error:
        raise PictureError(f"cannot be read: {error.strerror or error}") from error
    if fmt is None:
        promised = FORMATS.get(suffix.lower())
        reason = f"not the {promised} picture that its suffix promises, nor any other" if promised else "no picture"
        raise PictureError(f"{reason} that henshin can read")

    from henshin.images.decoding import decode

    return decode(file, fmt)
