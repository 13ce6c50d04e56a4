"""Images: the picture array, reading, writing, formats, metadata, colour profiles, resizing and measures.

Everything handed on here loads quickly: Pillow and numpy load when the first picture is read or written.

- ``read(path) -> Decoded``: picture ``(H, W, 3)`` uint8 sRGB upright, alpha ``(H, W)`` uint8 or None, ``Metadata``.
  In two steps, to use the open file for more than its picture: ``open_picture(path)`` and
  ``read_open(file, suffix) -> Decoded``; ``header_size(file, suffix)`` is (width, height) without decoding.
- ``is_picture(path) -> bool``: by suffix, else by content. A damaged picture is a picture; a text file is not.
- ``format_of(path) -> str | None``: the format of the content (a PNG may be called .jpg), else that of the suffix.
- ``output_format(source, wanted) -> str``: the format to write; ``suffix_for(format, original) -> str``: its suffix.
- ``WriteOptions``: format, quality, metadata, colour, as on the command line.
- ``encode(picture, alpha, metadata, fmt, options) -> bytes``: the whole file; ``write_bytes(path, data)``: atomic.
- ``copy_format(metadata, options) -> str | None``: the format in which the file of an unchanged picture may be copied.
- ``has_no_metadata(data) -> bool``: the file holds only its picture; with "strip" such a file may be copied too.
- ``FORMATS``: suffix (lower case, with dot) -> Pillow's name of the format.

Notes of the reader and the writer, such as an approximate conversion, are appended to ``metadata.notes``.
"""

from __future__ import annotations

from henshin.images.containers import has_no_metadata
from henshin.images.formats import FORMATS, WRITABLE, WriteOptions, format_of, is_picture, output_format, suffix_for
from henshin.images.io import copy_format, encode, header_size, open_picture, read, read_open, write_bytes
from henshin.images.picture import MOST_PIXELS, Decoded

__all__ = [
    "FORMATS",
    "MOST_PIXELS",
    "WRITABLE",
    "Decoded",
    "WriteOptions",
    "copy_format",
    "encode",
    "format_of",
    "has_no_metadata",
    "header_size",
    "is_picture",
    "open_picture",
    "output_format",
    "read",
    "read_open",
    "suffix_for",
    "write_bytes",
]
