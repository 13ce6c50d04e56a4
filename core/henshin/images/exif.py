"""Updates of EXIF and XMP blocks for a picture that is written.

Nothing here is used for reading: ``henshin.images.decoding`` applies the orientation.

An EXIF block is patched in place, not parsed and rebuilt: maker notes contain offsets into the block, which stay valid
only if no bytes move.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

EXIF_PREFIX = b"Exif\0\0"
_ORIENTATION, _WIDTH, _LENGTH = 0x0112, 0x0100, 0x0101
_EXIF_IFD, _INTEROP_IFD = 0x8769, 0xA005
_COLOUR_SPACE, _PIXEL_WIDTH, _PIXEL_HEIGHT = 0xA001, 0xA002, 0xA003
_INTEROP_INDEX = 0x0001
_THUMBNAIL, _THUMBNAIL_LENGTH = 0x0201, 0x0202


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry of a directory: its tag, type and count, and the offset of its four bytes of value in the block."""

    tag: int
    kind: int
    count: int
    at: int


class _Block:
    """A TIFF structure whose numbers are read and overwritten in place."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        self.order = {b"II*\0": "<", b"MM\0*": ">"}[data[:4]]

    def number(self, kind: str, at: int) -> int:
        value: int = struct.unpack_from(self.order + kind, self.data, at)[0]
        return value

    def entries(self, at: int) -> Iterator[_Entry]:
        for index in range(self.number("H", at)):
            place = at + 2 + 12 * index
            tag, kind, count = struct.unpack_from(self.order + "HHI", self.data, place)
            yield _Entry(tag, kind, count, place + 8)

    def next_at(self, at: int) -> int:
        """Return the offset of the link to the next directory."""
        return at + 2 + 12 * self.number("H", at)

    def value(self, entry: _Entry) -> int:
        return self.number("H" if entry.kind == 3 else "I", entry.at)

    def put(self, entry: _Entry, value: int) -> None:
        if entry.kind == 3 and entry.count == 1:
            struct.pack_into(self.order + "HH", self.data, entry.at, value & 0xFFFF, 0)
        elif entry.kind in (4, 9) and entry.count == 1:
            struct.pack_into(self.order + "I", self.data, entry.at, value)

    def remove(self, directory: int, tag: int) -> None:
        """Remove a tag from a directory. The bytes after the directory do not move."""
        entry = next((entry for entry in self.entries(directory) if entry.tag == tag), None)
        if entry is None:
            return
        end = self.next_at(directory) + 4
        self.data[entry.at - 8 : end] = self.data[entry.at + 4 : end] + bytes(12)
        struct.pack_into(self.order + "H", self.data, directory, self.number("H", directory) - 1)


def renew_exif(exif: bytes, size: tuple[int, int], *, now_srgb: bool = False, orientation: bool = True) -> bytes | None:
    """Update an EXIF block for the picture written: upright, ``size`` (width, height) in pixels, without a thumbnail.

    With ``now_srgb`` its colour space becomes sRGB. Without ``orientation`` that tag is removed instead of set to 1.
    Everything else stays byte for byte. Returns None for a damaged block: an orientation that cannot be reset would
    turn the picture again.
    """
    prefix = EXIF_PREFIX if exif.startswith(EXIF_PREFIX) else b""
    try:
        block = _Block(exif[len(prefix) :])
        main = block.number("I", 4)
        new = {_ORIENTATION: 1, _WIDTH: size[0], _LENGTH: size[1]}
        for entry in block.entries(main):
            if entry.tag in new:
                block.put(entry, new[entry.tag])
            elif entry.tag == _EXIF_IFD:
                _renew_details(block, block.value(entry), size, now_srgb)
        _drop_thumbnail(block, block.next_at(main))
        if not orientation:
            block.remove(main, _ORIENTATION)
    except (KeyError, struct.error):
        return None
    return prefix + bytes(block.data)


def _renew_details(block: _Block, at: int, size: tuple[int, int], now_srgb: bool) -> None:
    new = {_PIXEL_WIDTH: size[0], _PIXEL_HEIGHT: size[1]} | ({_COLOUR_SPACE: 1} if now_srgb else {})
    for entry in block.entries(at):
        if entry.tag in new:
            block.put(entry, new[entry.tag])
        elif entry.tag == _INTEROP_IFD and now_srgb:
            for inner in block.entries(block.value(entry)):
                if inner.tag == _INTEROP_INDEX and block.data[inner.at : inner.at + 3] == b"R03":  # Adobe RGB
                    block.data[inner.at : inner.at + 3] = b"R98"


def _drop_thumbnail(block: _Block, link: int) -> None:
    """Unlink the directory of the thumbnail and erase the thumbnail."""
    if link + 4 > len(block.data):
        return  # some writers omit the link
    at = block.number("I", link)
    if at == 0:
        return
    struct.pack_into(block.order + "I", block.data, link, 0)
    try:
        found = {entry.tag: block.value(entry) for entry in block.entries(at)}
    except struct.error:
        return  # a damaged directory, unlinked above
    start, length = found.get(_THUMBNAIL, 0), found.get(_THUMBNAIL_LENGTH, 0)
    end = min(start + length, len(block.data))
    if block.data[start : start + 2] != b"\xff\xd8":
        return
    if end + 4 >= len(block.data):
        del block.data[start:]
    else:
        block.data[start:end] = bytes(end - start)


def is_adobe_rgb(exif: bytes) -> bool:
    """Return whether an EXIF block states Adobe RGB. Cameras state it by interoperability "R03", without a profile."""
    try:
        block = _Block(exif.removeprefix(EXIF_PREFIX))
        details = _find(block, block.number("I", 4), _EXIF_IFD)
        if details is None:
            return False
        space = _find(block, block.value(details), _COLOUR_SPACE)
        interop = _find(block, block.value(details), _INTEROP_IFD)
        index = interop and _find(block, block.value(interop), _INTEROP_INDEX)
        if space is None:
            return False
        has_r03 = index is not None and block.data[index.at : index.at + 3] == b"R03"
        return block.value(space) == 2 or (block.value(space) == 0xFFFF and has_r03)
    except (KeyError, struct.error):
        return False


def _find(block: _Block, at: int, tag: int) -> _Entry | None:
    return next((entry for entry in block.entries(at) if entry.tag == tag), None)


def encode_text(value: Any) -> Any:
    """Return text that Pillow read from EXIF as its bytes: Pillow reads Latin-1, but writes ASCII and "?"."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("latin-1", "replace")
    return value


_XMP_NUMBERS = re.compile(
    rb"(tiff:Orientation|tiff:ImageWidth|tiff:ImageLength|exif:PixelXDimension|exif:PixelYDimension)"
    rb"(\s*=\s*[\"']\s*|\s*>\s*)(\d+)"
)
# Signs of a gain map, a depth map or a video after the picture. Files written here have none, so nothing may refer to
# it.
_APPENDED = (b"ns.google.com/photos/1.0/", b"hdr-gain-map", b"ns.apple.com/HDRGainMap", b"hdrgm:")


def renew_xmp(xmp: bytes, size: tuple[int, int]) -> bytes | None:
    """Update an XMP packet for the picture written; None if it describes data that are not written."""
    if any(mark in xmp for mark in _APPENDED):
        return None
    width, height = (b"%d" % side for side in size)
    new = {
        b"tiff:Orientation": b"1",
        b"tiff:ImageWidth": width,
        b"tiff:ImageLength": height,
        b"exif:PixelXDimension": width,
        b"exif:PixelYDimension": height,
    }
    return _XMP_NUMBERS.sub(lambda found: found[1] + found[2] + new[found[1]], xmp)
