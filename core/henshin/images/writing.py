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


def keeps_bytes(metadata: Metadata, fmt: str, options: WriteOptions) -> bool:
    """Say whether a picture that nothing changed may keep its file's own bytes under these options.

    True when the format is the file's own, no metadata is to be removed, and the profile inside is the one asked for.
    """
    if (metadata.format, fmt) != ("MPO", "JPEG") and metadata.format != fmt:
        return False
    if options.metadata == "strip":
        return False
    if options.colour == "keep" or metadata.icc is None:
        return True

    from henshin.images.colour import is_srgb

    return is_srgb(metadata.icc)


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
