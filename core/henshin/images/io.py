"""Reading and writing of picture files. Pillow loads only when a picture is decoded or encoded."""

from __future__ import annotations

import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from henshin.errors import PictureError
from henshin.files import write_atomic
from henshin.images.formats import FORMATS, WriteOptions, decoder_format
from henshin.images.picture import Decoded, Metadata, Picture


def read(path: Path) -> Decoded:
    """Read a picture of any format. The content decides the format; the suffix only where the content cannot.

    EXIF orientation is applied. Colour profiles are converted to sRGB. 16-bit, gray, CMYK, palette and float pixels
    become 8-bit RGB. Of an animation the first frame is read. ``metadata.notes`` holds the notes on this.
    Errors: PictureError with the reason, also for a truncated picture.
    """
    with open_picture(path) as file:
        return read_open(file, path.suffix)


def open_picture(path: Path) -> BufferedReader:
    """Open the file of a picture. One open file serves every reader, because the file at the path may change.

    Errors: PictureError for a folder, pipe or device, or a file that cannot be opened.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for ever
            raise PictureError("not a file, but a folder, pipe or device")
        return path.open("rb")
    except OSError as error:
        raise PictureError(f"cannot be opened: {error.strerror or error}") from error


def read_open(file: BinaryIO, suffix: str) -> Decoded:
    """Read a picture from its open file, as ``read`` does, with the suffix of its name. Errors: PictureError."""
    try:
        if os.fstat(file.fileno()).st_size == 0:
            raise PictureError("empty file (0 bytes)")
        fmt = decoder_format(file, suffix)
    except OSError as error:
        raise PictureError(f"cannot be read: {error.strerror or error}") from error
    if fmt is None:
        promised = FORMATS.get(suffix.lower())
        reason = f"not the {promised} picture that its suffix promises, nor any other" if promised else "no picture"
        raise PictureError(f"{reason} that henshin can read")

    from henshin.images.decoding import decode

    return decode(file, fmt)


def header_size(file: BinaryIO, suffix: str) -> tuple[int, int] | None:
    """Return (width, height) as the head of an open picture file says, before its orientation; None if it does not."""
    try:
        fmt = decoder_format(file, suffix)
    except OSError:
        return None
    if fmt is None:
        return None
    from henshin.images.decoding import size_in_header

    return size_in_header(file, fmt)


def encode(picture: Picture, alpha: Picture | None, metadata: Metadata, fmt: str, options: WriteOptions) -> bytes:
    """Return the bytes of a whole picture file.

    ``picture`` is (H, W, 3) uint8 sRGB, ``alpha`` (H, W) uint8 or None, ``fmt`` a result of ``output_format``.
    ``metadata="keep"`` keeps EXIF byte for byte (maker notes and GPS position included), except that the orientation is
    1, the size is the size written and the thumbnail is removed; XMP and resolution are kept where the format supports
    them. "strip" writes none of these. The colour profile describes the pixels: with ``colour="srgb"`` it is sRGB
    (no profile if the input had none); with "keep" it is that of the input, and the pixels are converted back to it. In
    a format without alpha the picture is composited on white. Losses are noted in ``metadata.notes``.
    Errors: PictureError.
    """
    from henshin.images.encoding import encode_picture

    return encode_picture(picture, alpha, metadata, fmt, options)


def copy_format(metadata: Metadata, options: WriteOptions) -> str | None:
    """Return the format in which the file of an unchanged picture may be copied byte for byte, or None.

    It is the file's own format, even one that cannot be written, and whatever the colour profile: the profile in the
    file describes its pixels. None if the options ask for another format, or if metadata must be stripped from a format
    that cannot be searched for them. For the others ``has_no_metadata`` tells whether there are any.
    """
    own = {"MPO": "JPEG"}.get(metadata.format or "", metadata.format)
    if options.format not in (None, own):
        return None
    return own if options.metadata == "keep" or own in ("JPEG", "PNG", "WEBP") else None


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, as ``henshin.files.write_atomic`` does. The folder must exist.

    Errors: OSError (a full disk, no permission), with nothing left behind and an older file at ``path`` untouched.
    """
    with write_atomic(path) as part, part.open("xb") as file:
        file.write(data)
