"""Encoding with Pillow: from a picture, its alpha and its metadata to the bytes of a file."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from henshin.errors import PictureError
from henshin.images import colour
from henshin.images.colour import from_srgb, is_srgb
from henshin.images.exif import EXIF_PREFIX, encode_text, renew_exif, renew_xmp
from henshin.images.formats import WriteOptions
from henshin.images.jpeg import encode_jpeg
from henshin.images.picture import Metadata, Picture, picture_problem
from henshin.text import flatten

_LONGEST_SIDE = {"JPEG": 65_500, "WEBP": 16_383, "AVIF": 65_536, "HEIF": 16_384}
_WITH_ALPHA = frozenset({"PNG", "WEBP", "TIFF", "AVIF", "HEIF"})
_WITH_EXIF = _WITH_XMP = frozenset({"JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"})
_WITH_PROFILE = frozenset({"JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"})
_WITH_RESOLUTION = frozenset({"JPEG", "PNG", "TIFF", "BMP"})
# A JPEG segment holds 64 KiB less its header; EXIF and XMP have one segment each.
_JPEG_EXIF, _JPEG_XMP = 65_533, 65_504
# Tags that describe the layout of a file: a TIFF must not take them over from another file's EXIF block.
_LAYOUT_TAGS = (*range(0x0100, 0x0104), 0x0106, 0x0111, *range(0x0115, 0x0118), 0x011C, 0x0212, 0x0213, 0x02BC, 0x8773)
_XMP_TAG = 0x02BC


def encode_picture(
    picture: Picture, alpha: Picture | None, metadata: Metadata, fmt: str, options: WriteOptions
) -> bytes:
    """Return the bytes of a whole picture file; see ``henshin.images.encode``."""
    _check(picture, alpha, fmt)
    picture, icc = _convert_colour(picture, metadata, fmt, options)
    if alpha is not None and fmt not in _WITH_ALPHA:
        picture, alpha = _laid_on_white(picture, alpha, metadata, fmt), None
    arguments = _pixel_arguments(fmt, options.quality, lossless=metadata.lossless)
    if icc is not None:
        arguments["icc_profile"] = icc
    if options.metadata == "keep":
        now_srgb = metadata.icc is not None and icc != metadata.icc
        size = picture.shape[1], picture.shape[0]
        arguments |= _metadata_arguments(metadata, fmt, size, now_srgb=now_srgb)
    try:
        return encode_jpeg(picture, **arguments) if fmt == "JPEG" else _saved(picture, alpha, fmt, arguments)
    except MemoryError as error:
        raise PictureError(f"cannot be written as {fmt}: it does not fit into memory") from error
    except Exception as error:  # encoders have no common base for their errors
        raise PictureError(f"cannot be written as {fmt}: {flatten(error)}") from error


def _saved(picture: Picture, alpha: Picture | None, fmt: str, arguments: dict[str, Any]) -> bytes:
    if fmt == "HEIF":
        import pillow_heif

        if "HEIF" not in Image.SAVE:
            pillow_heif.register_heif_opener()
    image = Image.fromarray(picture)
    if alpha is not None:
        image.putalpha(Image.fromarray(alpha))
    buffer = io.BytesIO()
    image.save(buffer, fmt, **arguments)
    return buffer.getvalue()


def _check(picture: Picture, alpha: Picture | None, fmt: str) -> None:
    problem = picture_problem(picture)
    if problem:
        raise PictureError(problem)
    if alpha is not None and (alpha.shape != picture.shape[:2] or alpha.dtype != np.uint8):
        raise PictureError(f"an alpha of {alpha.shape} {alpha.dtype} beside a picture of {picture.shape}")
    longest = _LONGEST_SIDE.get(fmt)
    if longest and max(picture.shape) > longest:
        height, width = picture.shape[:2]
        raise PictureError(f"too large for {fmt}: {width} x {height}, and no side may exceed {longest}")


def _add_note(metadata: Metadata, note: str) -> None:
    if note not in metadata.notes:
        metadata.notes.append(note)


def _convert_colour(
    picture: Picture, metadata: Metadata, fmt: str, options: WriteOptions
) -> tuple[Picture, bytes | None]:
    """Return the pixels to write and the profile to embed (None: sRGB without a profile)."""
    source = metadata.icc
    if source is None or (fmt not in _WITH_PROFILE and is_srgb(source)):
        return picture, None
    if is_srgb(source):
        return picture, source if options.metadata == "keep" else None
    if options.colour == "keep":
        back = from_srgb(Image.fromarray(picture), source) if fmt in _WITH_PROFILE else None
        if back is not None:
            return np.asarray(back), source
        reason = "its colour profile is not for RGB" if fmt in _WITH_PROFILE else f"{fmt} holds no colour profile"
        _add_note(metadata, f"written in sRGB: {reason}")
    return picture, colour.srgb() if fmt in _WITH_PROFILE and options.metadata == "keep" else None


def _laid_on_white(picture: Picture, alpha: Picture, metadata: Metadata, fmt: str) -> Picture:
    if alpha.min() == 255:
        return picture
    _add_note(metadata, f"laid on white: {fmt} has no transparency")
    return on_white(picture, alpha)


def on_white(picture: Picture, alpha: Picture | None) -> Picture:
    """Return a picture (H, W, 3) with an alpha (H, W) as it looks on white paper; one without alpha as it is."""
    if alpha is None:
        return picture
    height, width = alpha.shape
    white = Image.new("RGB", (width, height), "white")
    white.paste(Image.fromarray(picture), mask=Image.fromarray(alpha))
    return np.asarray(white)


def _pixel_arguments(fmt: str, quality: int, *, lossless: bool) -> dict[str, Any]:
    full_chroma = quality >= 90
    if fmt == "JPEG":
        return {"quality": quality, "subsampling": 0 if full_chroma else 2}
    if fmt == "PNG":
        return {"compress_level": 2}  # level 6 takes three times as long for a tenth less
    if fmt == "TIFF":
        return {"compression": "tiff_adobe_deflate"}
    if fmt == "WEBP":
        # "exact" keeps the colours of fully transparent pixels.
        return {"lossless": True, "exact": True} if lossless else {"quality": quality}
    if fmt == "AVIF":
        # Speed 8 of 10 takes 3 seconds for 12 megapixels instead of 8, for a sixth more bytes.
        return {"quality": quality, "speed": 8, "subsampling": "4:4:4" if full_chroma else "4:2:0"}
    if fmt == "HEIF":
        # The encoder's default preset takes three times as long and saves a few per cent.
        chroma = 444 if full_chroma else 420
        return {"quality": quality, "chroma": chroma, "enc_params": {"preset": "veryfast"}}
    return {}


def _metadata_arguments(metadata: Metadata, fmt: str, size: tuple[int, int], *, now_srgb: bool) -> dict[str, Any]:
    """Return Pillow's arguments for EXIF, XMP and resolution, as far as the format supports them."""
    arguments: dict[str, Any] = {}
    exif = _exif_to_write(metadata, fmt, size, now_srgb=now_srgb)
    xmp = _xmp_to_write(metadata, fmt, size)
    if fmt == "TIFF":
        if exif or xmp:
            # Pillow writes the sub-directories of EXIF, and non-ASCII text, only without compression.
            arguments |= {"exif": _tiff_block(exif, xmp), "compression": "raw"}
    else:
        if exif:
            arguments["exif"] = exif
        if xmp and fmt == "PNG":
            text = PngInfo()
            text.add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8", "replace"))
            arguments["pnginfo"] = text
        elif xmp:
            arguments["xmp"] = xmp
    if metadata.dpi and fmt in _WITH_RESOLUTION:
        arguments["dpi"] = metadata.dpi
    return arguments


def _exif_to_write(metadata: Metadata, fmt: str, size: tuple[int, int], *, now_srgb: bool) -> bytes | None:
    if metadata.exif is None:
        return None
    if fmt not in _WITH_EXIF:
        _add_note(metadata, f"EXIF left out: {fmt} has no place for it")
        return None
    # Pillow's AVIF writer rewrites a block that has an orientation; AVIF stores the orientation elsewhere.
    exif = renew_exif(metadata.exif, size, now_srgb=now_srgb, orientation=fmt != "AVIF")
    if exif is None:
        _add_note(metadata, "EXIF left out: it is damaged")
        return None
    if fmt == "JPEG" and not exif.startswith(EXIF_PREFIX):
        exif = EXIF_PREFIX + exif  # a WebP holds EXIF without the prefix; a JPEG needs it
    if fmt == "JPEG" and len(exif) > _JPEG_EXIF:
        _add_note(metadata, "EXIF left out: it is too long for a JPEG")
        return None
    return exif


def _xmp_to_write(metadata: Metadata, fmt: str, size: tuple[int, int]) -> bytes | None:
    if metadata.xmp is None or fmt not in _WITH_XMP:
        return None
    xmp = renew_xmp(metadata.xmp, size)
    if xmp is None:
        _add_note(metadata, "XMP left out: it describes a second picture or a film inside the input")
    elif fmt == "JPEG" and len(xmp) > _JPEG_XMP:
        _add_note(metadata, "XMP left out: it is too long for a JPEG")
        return None
    return xmp


def _tiff_block(exif: bytes | None, xmp: bytes | None) -> Image.Exif:
    block = Image.Exif()
    if exif:
        block.load(exif)
    for tag in _LAYOUT_TAGS:
        block.pop(tag, None)
    for tag, value in list(block.items()):
        block[tag] = encode_text(value)
    if xmp:
        block[_XMP_TAG] = xmp
    return block
