"""Picture formats: their suffixes, their first bytes, and the choice of the format to read and to write."""

from __future__ import annotations

import difflib
import stat
from pathlib import Path
from typing import BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from henshin.errors import HenshinError, MissingError
from henshin.files import is_folder

FORMATS: dict[str, str] = {
    f".{suffix}": name
    for name, suffixes in {
        "JPEG": "jpg jpeg jpe jfif",
        "MPO": "mpo",
        "PNG": "png apng",
        "WEBP": "webp",
        "TIFF": "tif tiff",
        "BMP": "bmp dib",
        "GIF": "gif",
        "AVIF": "avif avifs",
        "HEIF": "heic heif heics heifs hif",
        "JPEG2000": "jp2 j2k jpf jpx j2c jpc",
        "PPM": "ppm pgm pbm pnm pfm",
        "TGA": "tga icb vda vst",
        "ICO": "ico",
        "CUR": "cur",
        "ICNS": "icns",
        "PSD": "psd",
        "QOI": "qoi",
        "DDS": "dds",
        "SGI": "sgi rgb rgba bw",
        "SUN": "ras",
        "PCX": "pcx",
        "DCX": "dcx",
        "XBM": "xbm",
        "XPM": "xpm",
        "FITS": "fits fit",
        "FLI": "fli flc",
        "PCD": "pcd",
    }.items()
    for suffix in suffixes.split()
}
"""Suffix (lower case, with its dot) -> Pillow's name of its format."""

WRITABLE: dict[str, str] = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "TIFF": ".tif",
    "BMP": ".bmp",
    "AVIF": ".avif",
    "HEIF": ".heic",
}
"""Formats that can be written -> the suffix of an output whose input had another suffix."""

# Pillow reads a camera's raw file as a TIFF and finds only its thumbnail, so raw files are not pictures here.
_RAW = frozenset(
    f".{suffix}"
    for kind in ("3fr arw cr2 cr3 dcr dng erf iiq kdc mef mos", "nef nrw orf pef raw rw2 sr2 srw")
    for suffix in kind.split()
)

# Formats without distinctive first bytes: only the suffix tells them.
_BY_SUFFIX_ALONE = frozenset({"TGA", "PCX", "DCX", "XBM", "FLI", "PCD"})

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"8BPS\0\x01", "PSD"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
    (b"qoif", "QOI"),
    (b"DDS ", "DDS"),
    (b"icns", "ICNS"),
    (b"\x01\xda\x00", "SGI"),
    (b"\x01\xda\x01", "SGI"),
    (b"\x59\xa6\x6a\x95", "SUN"),
    (b"/* XPM */", "XPM"),
    (b"SIMPLE  =", "FITS"),
)

_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"})

_HEAD = 64


def is_picture(path: Path) -> bool:
    """Return whether a file is a picture: by a known suffix, else by its first bytes.

    True for a damaged or empty file with a picture's suffix (``read`` gives the error). False for a folder, for a
    camera's raw file, and for an unreadable file without a picture's suffix.
    """
    if path.suffix.lower() in FORMATS:
        return not is_folder(path)
    return format_of(path) is not None


def format_of(path: Path) -> str | None:
    """Return the format of a file's content, else the format of its suffix, else None.

    The content comes first, because a suffix may be wrong. For an empty or unreadable file the suffix decides.
    """
    suffix = path.suffix.lower()
    if suffix in _RAW:
        return None
    return sniff(_head(path)) or FORMATS.get(suffix)


def decoder_format(file: BinaryIO, suffix: str) -> str | None:
    """Return the format with which to decode an open file: by its content, by its suffix where needed, else None.

    Errors: OSError.
    """
    if suffix.lower() in _RAW:
        return None
    file.seek(0)
    promised = FORMATS.get(suffix.lower())
    return sniff(file.read(_HEAD)) or (promised if promised in _BY_SUFFIX_ALONE else None)


def _head(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would block
            return b""
        with path.open("rb") as file:
            return file.read(_HEAD)
    except OSError:
        return b""


def sniff(head: bytes) -> str | None:
    """Return the picture format that begins with these bytes (64 are enough), or None."""
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    for check in (_sniff_box, _sniff_riff, _sniff_bitmap, _sniff_icon, _sniff_portable):
        found = check(head)
        if found:
            return found
    return None


def _sniff_box(head: bytes) -> str | None:
    if head[4:8] != b"ftyp":
        return None
    brands = {head[at : at + 4] for at in (8, *range(16, min(len(head), int.from_bytes(head[:4])), 4))}
    if brands & {b"avif", b"avis"}:
        return "AVIF"
    return "HEIF" if head[8:12] in _HEIF_BRANDS else None


def _sniff_riff(head: bytes) -> str | None:
    return "WEBP" if head[:4] == b"RIFF" and head[8:12] == b"WEBP" else None


def _sniff_bitmap(head: bytes) -> str | None:
    # Two letters are not distinctive enough: the length of the second header must also be a known one.
    known = {12, 16, 40, 52, 56, 64, 108, 124}
    return "BMP" if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in known else None


def _sniff_icon(head: bytes) -> str | None:
    kind = {b"\0\0\1\0": "ICO", b"\0\0\2\0": "CUR"}.get(head[:4])
    # Number of pictures, then the reserved byte of the first one.
    return kind if kind and 1 <= int.from_bytes(head[4:6], "little") <= 256 and head[9:10] == b"\0" else None


def _sniff_portable(head: bytes) -> str | None:
    kind = head[:1] == b"P" and head[1:2] in (*(b"%d" % n for n in range(1, 7)), b"f", b"F")
    return "PPM" if kind and head[2:3].isspace() and (head[3:4].isdigit() or head[3:4] == b"#") else None


def format_named(name: str) -> str:
    """Return the writable format of a name: "JPEG" for "jpg", ".JPG" or "jpeg". Errors: ValueError with the choices."""
    upper = name.strip().lstrip(".").upper()
    found = upper if upper in WRITABLE else FORMATS.get(f".{upper.lower()}")
    if found in WRITABLE:
        return found
    known = [suffix[1:] for suffix, kind in FORMATS.items() if kind in WRITABLE]
    near = [] if found else difflib.get_close_matches(upper.lower(), known, 1)
    hint = f"; did you mean '{near[0]}'?" if near else f"; one of {', '.join(s[1:] for s in WRITABLE.values())}"
    raise ValueError(f"no format named '{name}' that can be written{hint}")


def output_format(source: str | None, wanted: str | None = None) -> str:
    """Return the format to write: the wanted one, else that of the source if it can be written, else PNG.

    ``source`` is a format ("JPEG", "GIF"), a suffix (".jpg") or None; ``wanted`` is any spelling of a format.
    Errors: HenshinError if the wanted format is unknown, MissingError if it cannot be written on this machine.
    """
    if wanted is not None:
        try:
            name = format_named(wanted)
        except ValueError as error:
            raise HenshinError(str(error)) from error
        reason = _write_problem(name)
        if reason:
            raise MissingError(reason)
        return name
    name = FORMATS.get((source or "").lower(), source or "")
    name = {"MPO": "JPEG", "DIB": "BMP"}.get(name, name)
    return name if name in WRITABLE and not _write_problem(name) else "PNG"


def suffix_for(fmt: str, original_suffix: str) -> str:
    """Return the suffix of an output: the original one, unchanged, if it fits the format, else the usual one."""
    if FORMATS.get(original_suffix.lower()) == fmt:
        return original_suffix
    return WRITABLE.get(fmt) or next(suffix for suffix, name in FORMATS.items() if name == fmt)


def _write_problem(fmt: str) -> str | None:
    """Return why a writable format cannot be written on this machine, or None. Loads Pillow only for AVIF and HEIF."""
    if fmt == "AVIF":
        from PIL import features

        return None if features.check("avif") else "AVIF cannot be written: this Pillow was built without it"
    if fmt == "HEIF":
        try:
            import pillow_heif
        except ImportError:
            return "HEIC files need an extra: pip install 'henshin[heic]'"
        writes = pillow_heif.libheif_info().get("HEIF")
        return None if writes else "HEIC cannot be written: this pillow-heif was built without an encoder"
    return None


class WriteOptions(BaseModel):
    """Options of writing pictures. Errors: a pydantic ValidationError that names the option.

    ``format`` takes any spelling ("jpg", ".JPG", "JPEG") and holds Pillow's name, or None for the input's format.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: str | None = Field(
        default=None,
        description="Format of every output; without it the input's own where it can be written, else PNG.",
    )
    quality: int = Field(default=95, ge=1, le=100, description="Quality of JPEG, WebP, AVIF and HEIC files.")
    metadata: Literal["keep", "strip"] = Field(
        default="keep", description="Keep EXIF, XMP and resolution, or leave them out."
    )
    colour: Literal["srgb", "keep"] = Field(
        default="srgb", description="Write sRGB, or convert back to the profile of the input and embed it."
    )

    @field_validator("format")
    @classmethod
    def _check_format(cls, value: str | None) -> str | None:
        return None if value is None else format_named(value)
