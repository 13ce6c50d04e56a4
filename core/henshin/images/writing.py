"""Writing a picture: into bytes, and those to disk, whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from henshin.frame import Metadata, Picture
from henshin.images.options import WriteOptions


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


def copied_as(metadata: Metadata, options: WriteOptions) -> str | None:
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
        os.replace(beside, path)  # noqa: PTH105  (what is meant is the system call that is atomic)
    except BaseException:  # an interrupt too must leave nothing behind
        beside.unlink(missing_ok=True)
        raise
