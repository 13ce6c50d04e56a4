"""Reading a picture: what is checked before any pixel is decoded. The decoder itself loads Pillow, and loads last."""

from __future__ import annotations

import os
import secrets
import stat
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from henshin.errors import PictureError
from henshin.images.formats import FORMATS, WriteOptions, decoder_format
from henshin.images.picture import Metadata, Picture

if TYPE_CHECKING:
    from henshin.images.picture import Decoded


def read(path: Path) -> Decoded:
    """Read a picture of any format. Content decides what it is; the suffix only where content cannot.

    EXIF orientation is applied, colour profiles are converted to sRGB, 16-bit, gray, CMYK, palette and float
    pixels become 8-bit RGB, the first frame of an animation is taken. What was decided on the way is in
    ``metadata.notes``. Errors: PictureError with the reason; a picture that is cut off is never half read.
    """
    with open_picture(path) as file:
        return read_open(file, path.suffix)


def open_picture(path: Path) -> BufferedReader:
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
        fmt = decoder_format(file, suffix)
    except OSError as error:
        raise PictureError(f"cannot be read: {error.strerror or error}") from error
    if fmt is None:
        promised = FORMATS.get(suffix.lower())
        reason = f"not the {promised} picture that its suffix promises, nor any other" if promised else "no picture"
        raise PictureError(f"{reason} that henshin can read")

    from henshin.images.decoding import decode

    return decode(file, fmt)


def encode(picture: Picture, alpha: Picture | None, metadata: Metadata, fmt: str, options: WriteOptions) -> bytes:
    """Make the whole file of a picture.

    ``picture`` is (H, W, 3) uint8 sRGB, ``alpha`` (H, W) uint8 or None, ``fmt`` what ``output_format`` gave. EXIF
    is kept byte for byte (maker notes and position included) but for orientation 1, the size written, and no
    thumbnail; XMP and resolution are kept where the format has a place; "strip" leaves these out. The profile
    always describes the pixels: with ``colour="srgb"`` sRGB (none at all where the input had none), with "keep"
    that of the input, to which the pixels are converted back. Where a format has no alpha the picture is laid on
    white. What could not be kept is added to ``metadata.notes``. Errors: PictureError.
    """
    from henshin.images.encoding import encode_picture

    return encode_picture(picture, alpha, metadata, fmt, options)


def copy_format(metadata: Metadata, options: WriteOptions) -> str | None:
    """Name the format as which the file of a picture that nothing changed may be copied, byte for byte.

    That is the file's own, whether it could be written or not, and whatever its colours: its own profile describes
    its own pixels. None where the options ask for another format, and where metadata are to go of a file that cannot
    be searched for them; of one that can, ``only_picture`` says whether there are any.
    """
    own = {"MPO": "JPEG"}.get(metadata.format or "", metadata.format)
    if options.format not in (None, own):
        return None
    return own if options.metadata == "keep" or own in ("JPEG", "PNG", "WEBP") else None


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: to a hidden file in the same folder, then renamed over ``path``.

    The folder must exist. Errors: OSError (a full disk, no permission), with nothing left behind and an older
    file at ``path`` untouched.
    """
    # A short name of its own: the output's name may already be as long as the file system allows.
    beside = path.with_name(f".henshin-{secrets.token_hex(8)}.part")
    try:
        with beside.open("xb") as file:
            file.write(data)
        os.replace(beside, path)  # noqa: PTH105
    except BaseException:  # an interrupt too must leave nothing behind
        beside.unlink(missing_ok=True)
        raise
