"""The segments and chunks of JPEG, PNG and WebP files: checks for metadata, lossless compression and checksums."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import IO

_PNG_PICTURE = frozenset(
    b"IHDR PLTE IDAT IEND tRNS sBIT gAMA cHRM sRGB cICP mDCV cLLI bKGD hIST acTL fcTL fdAT".split()
)
_WEBP_PICTURE = frozenset({b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF"})
_JPEG_END, _JPEG_SCAN, _JFIF, _ADOBE = 0xD9, 0xDA, 0xE0, 0xEE
_JPEG_PICTURE = frozenset({*range(0xC0, 0xD0), _JPEG_SCAN, 0xDB, 0xDC, 0xDD})
# Within a scan 0xFF is followed by a zero, or begins a restart marker; anything else begins the next segment.
_AFTER_SCAN = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]", re.DOTALL)
_ANIMATION_HEAD = 16


def has_no_metadata(data: bytes) -> bool:
    """Return whether a file holds only its picture: no EXIF, XMP, profile, resolution, comment or trailing data.

    False also for a damaged file, and for any format but JPEG, PNG and WebP.
    """
    try:
        if data.startswith(b"\xff\xd8"):
            return all(_is_plain(marker, content) for marker, content in _segments(data))
        if data.startswith(b"\x89PNG"):
            names = list(_chunks(data))
            return _PNG_PICTURE.issuperset(names) and names.index(b"IEND") == len(names) - 1
        return data.startswith(b"RIFF") and _WEBP_PICTURE.issuperset(_webp_parts(data, 12, len(data)))
    except (IndexError, ValueError):
        return False


def is_lossless_webp(data: bytes) -> bool:
    """Return whether the (first) picture of a WebP file is compressed without loss."""
    try:
        kinds = (name for name in _webp_parts(data, 12, len(data)) if name in (b"VP8 ", b"VP8L"))
        return next(kinds, None) == b"VP8L"
    except ValueError:
        return False


def pixel_checksums_match(file: IO[bytes]) -> bool:
    """Return whether the checksums (CRC-32) of a PNG's pixels are right. Pillow checks those of the other chunks."""
    file.seek(8)
    while len(head := file.read(8)) == 8 and head[4:] != b"IEND":
        size = int.from_bytes(head[:4])
        if head[4:] == b"IDAT":
            if zlib.crc32(file.read(size), zlib.crc32(b"IDAT")) != int.from_bytes(file.read(4)):
                return False
        else:
            file.seek(size + 4, 1)
    return True


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (marker, content) of each segment of a JPEG (ITU-T T.81, annex B). Errors: ValueError, IndexError."""
    at = 2
    while True:
        if data[at] != 0xFF:
            raise ValueError("no segment begins here")
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if marker == _JPEG_END:
            if at + 2 != len(data):
                raise ValueError("something follows the picture")
            return
        end = at + 2 + max(2, int.from_bytes(data[at + 2 : at + 4]))
        yield marker, data[at + 4 : end]
        at = end
        if marker == _JPEG_SCAN:
            found = _AFTER_SCAN.search(data, at)
            if found is None:
                raise ValueError("the scan does not end")
            at = found.start()


def _is_plain(marker: int, content: bytes) -> bool:
    if marker == _JFIF:
        return len(content) == 14 and content[:5] == b"JFIF\0" and content[7] == 0  # no thumbnail, no resolution
    if marker == _ADOBE:
        return len(content) == 12 and content[:5] == b"Adobe"
    return marker in _JPEG_PICTURE


def _chunks(data: bytes) -> Iterator[bytes]:
    """Yield the names of a PNG's chunks. Errors: ValueError if they do not end at the end of the file."""
    at = 8
    while at < len(data):
        yield data[at + 4 : at + 8]
        at += 12 + int.from_bytes(data[at : at + 4])
    if at != len(data):
        raise ValueError("the last chunk is cut off")


def _webp_parts(data: bytes, at: int, end: int) -> Iterator[bytes]:
    """Yield the names of a WebP's chunks, also of those in its frames. Errors: ValueError as in ``_chunks``."""
    while at < end:
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        yield name
        if name == b"ANMF":
            yield from _webp_parts(data, at + 8 + _ANIMATION_HEAD, at + 8 + size)
        at += 8 + size + size % 2
    if at != end:
        raise ValueError("the last chunk is cut off")
