"""Decoding with Pillow: from an open file to a picture, its alpha and its metadata."""

from __future__ import annotations

import logging
import math
import warnings
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from henshin.errors import PictureError
from henshin.images.colour import is_srgb, to_srgb
from henshin.images.containers import is_lossless_webp, pixel_checksums_match
from henshin.images.exif import encode_text, is_adobe_rgb
from henshin.images.jpeg import decode_jpeg
from henshin.images.picture import MOST_PIXELS, Decoded, Metadata
from henshin.text import flatten

# Pillow warns above this number and refuses twice as many, also for the pictures inside a file (an icon).
Image.MAX_IMAGE_PIXELS = MOST_PIXELS // 2

warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

# Pillow warns of odd metadata and odd palettes. The user can do nothing about them, and real faults are raised.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

# Without a handler Python prints a library's log messages. Real faults are raised as errors.
logging.getLogger("PIL").addHandler(logging.NullHandler())

_ORIENTATION = 0x0112

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_FRAMES = {"TIFF": "page", "DCX": "page"} | dict.fromkeys(("GIF", "PNG", "WEBP", "AVIF", "FLI"), "frame")

# The tags of a TIFF's directory that describe the picture; the others describe the layout of the file.
_TIFF_TAGS = (0x010D, 0x010E, 0x010F, 0x0110, _ORIENTATION, 0x0131, 0x0132, 0x013B, 0x8298, 0x9C9B, 0x9C9C, 0x9C9D)

_TIFF_GROUPS = (0x8769, 0x8825)

_DISPLAY_P3 = 12
"""Colour primaries of H.273: SMPTE EG 432-1."""


def decode(file: BinaryIO, fmt: str) -> Decoded:
    """Decode an open file of a known format. Errors: PictureError, also for every error of the decoder."""
    if fmt == "HEIF":
        _register_heif()
    try:
        file.seek(0)
        with Image.open(file, formats=[fmt]) as image:
            decoded = _decode(image, file)
            if fmt == "WEBP":
                file.seek(0)
                decoded.metadata.lossless = is_lossless_webp(file.read())
            if fmt == "PNG" and not pixel_checksums_match(file):
                raise PictureError("damaged PNG picture: the checksum of its pixels is wrong")
            return decoded
    except PictureError:
        raise
    except Exception as error:  # decoders raise anything on damaged data, down to IndexError and struct.error
        raise PictureError(_reason(error, fmt)) from error


def size_in_header(file: BinaryIO, fmt: str) -> tuple[int, int] | None:
    """Return (width, height) of an open file of a known format without decoding its pixels; None if it is damaged."""
    try:
        if fmt == "HEIF":
            _register_heif()
        file.seek(0)
        with Image.open(file, formats=[fmt]) as image:
            return image.size
    except Exception:  # decoders raise anything on damaged data
        return None


def _register_heif() -> None:
    try:
        import pillow_heif
    except ImportError:
        raise PictureError("a HEIC picture, which needs an extra: pip install 'henshin[heic]'") from None
    if "HEIF" not in Image.OPEN:
        pillow_heif.register_heif_opener()


def _reason(error: Exception, fmt: str) -> str:
    if isinstance(error, Image.DecompressionBombError):
        return f"larger than {MOST_PIXELS // 1_000_000} megapixels"
    if isinstance(error, MemoryError):
        return "too large for the memory there is"
    if isinstance(error, UnidentifiedImageError):
        return f"damaged, or a kind of {fmt} that is not supported"
    text = flatten(error) or type(error).__name__
    return f"damaged {fmt} picture: {text}"


def _decode(image: Image.Image, file: BinaryIO) -> Decoded:
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise PictureError(f"larger than {MOST_PIXELS // 1_000_000} megapixels: {width} x {height}")
    if width < 1 or height < 1:
        raise PictureError(f"no pixels: {width} x {height}")
    if image.format in ("JPEG", "MPO"):
        return _decode_jpeg(image, file)
    image.load()
    return _converted(image, _metadata(image), _TURNS.get(_orientation(image)))


def _decode_jpeg(image: Image.Image, file: BinaryIO) -> Decoded:
    """Decode a JPEG. Its head holds all metadata, so that Pillow need not load its pixels."""
    metadata, turn = _metadata(image), _TURNS.get(_orientation(image))
    pixels = decode_jpeg(file, image) if metadata.icc is None or image.mode == "RGB" else None
    if pixels is None:
        image.load()
    elif turn is not None or (metadata.icc is not None and not is_srgb(metadata.icc)):
        image = Image.fromarray(pixels)
    else:
        pixels.flags.writeable = False
        metadata.size = image.size
        return Decoded(pixels, None, metadata)
    return _converted(image, metadata, turn)


def _converted(image: Image.Image, metadata: Metadata, turn: Image.Transpose | None) -> Decoded:
    """Return the picture of a loaded image: without alpha, in sRGB, upright."""
    colours, alpha, note = split_alpha(image)
    colours, metadata.icc, colour_note = to_srgb(colours, metadata.icc)
    metadata.notes += [text for text in (note, colour_note) if text]
    if turn is not None:
        colours = colours.transpose(turn)
        alpha = alpha and alpha.transpose(turn)
    metadata.size = colours.size
    return Decoded(_array(colours), None if alpha is None else _array(alpha), metadata)


def _array(image: Image.Image) -> np.ndarray[Any, np.dtype[np.uint8]]:
    array = np.ascontiguousarray(np.asarray(image))
    array.flags.writeable = False
    return array


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation of a loaded image. A PNG may hold it after the pixels; a loaded TIFF is upright."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # a damaged block; the pixels are intact
        return 1


def _metadata(image: Image.Image) -> Metadata:
    info = image.info
    exif = _exif(image)
    xmp = info.get("xmp") or info.get("XML:com.adobe.xmp")
    metadata = Metadata(
        format=image.format,
        exif=exif,
        icc=_profile(image, exif),
        xmp=xmp.encode() if isinstance(xmp, str) else xmp if isinstance(xmp, bytes) else None,
        dpi=_resolution(info.get("dpi")),
        mode=image.mode,
    )
    frames = _count(image)
    if frames > 1 and image.format in _FRAMES:
        metadata.notes.append(f"first of {frames} {_FRAMES[image.format]}s")
    return metadata


def _exif(image: Image.Image) -> bytes | None:
    try:
        if image.format == "TIFF":
            return _tiff_exif(image)
        if "exif" not in image.info and "Raw profile type exif" in image.info:  # a PNG of ImageMagick
            return image.getexif().tobytes()
    except Exception:  # a damaged block is dropped; the pixels are intact
        return None
    exif = image.info.get("exif")
    return exif if isinstance(exif, bytes) and exif else None


def _tiff_exif(image: Image.Image) -> bytes | None:
    source, block = image.getexif(), Image.Exif()
    for tag in _TIFF_TAGS:
        if tag in source:
            block[tag] = encode_text(source[tag])
    for group in _TIFF_GROUPS:
        entries = source.get_ifd(group)
        if entries:
            block[group] = dict(entries)
    return block.tobytes() if len(block) else None


def _profile(image: Image.Image, exif: bytes | None) -> bytes | None:
    """Return the colour profile of the file's pixels: embedded, or made from the name that the file gives."""
    icc = image.info.get("icc_profile")
    if isinstance(icc, bytes) and icc:
        return icc
    coded = image.info.get("nclx_profile")  # a HEIC file may name its primaries instead
    if isinstance(coded, dict) and coded.get("color_primaries") == _DISPLAY_P3:
        from henshin.images.colour import display_p3

        return display_p3()
    if exif and is_adobe_rgb(exif) and image.mode == "RGB":
        from henshin.images.colour import adobe_rgb as adobe_rgb_profile

        return adobe_rgb_profile()
    return None


def _resolution(dpi: Any) -> tuple[float, float] | None:
    try:
        across, down = (float(value) for value in dpi)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    usable = all(math.isfinite(value) and 0 < value < 65536 for value in (across, down))
    return (across, down) if usable else None


def _count(image: Image.Image) -> int:
    try:
        return int(getattr(image, "n_frames", 1))
    except Exception:  # later frames may be damaged although the first is not
        return 1


_BITS_PER_SAMPLE = 258

_PHOTOMETRIC = 262


def split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None, str | None]:
    """Split a loaded image into colours and alpha.

    Returns the colours in mode RGB, L or CMYK (the modes of colour profiles), the alpha in mode L or None, and a note
    if the range of the values was stretched. Premultiplied colours are divided by their alpha.
    """
    if image.mode.startswith("I") or image.mode == "F":
        return _to_8_bits(image)
    if image.has_transparency_data and image.mode != "CMYK":
        _narrow_transparency_key(image)
        with_alpha = image.convert("LA" if image.mode in ("1", "L", "LA", "La") else "RGBA")
        return with_alpha.convert(with_alpha.mode.removesuffix("A")), with_alpha.getchannel("A"), None
    if image.mode in ("RGB", "L", "CMYK"):
        return image, None, None
    return image.convert("L" if image.mode == "1" else "RGB"), None, None


def _narrow_transparency_key(image: Image.Image) -> None:
    """Reduce the transparent colour of a 16-bit RGB PNG to 8 bits, as Pillow does with its pixels only."""
    key = image.info.get("transparency")
    if isinstance(key, tuple) and max(key) > 255:
        image.info["transparency"] = tuple(value >> 8 for value in key)


def _to_8_bits(image: Image.Image) -> tuple[Image.Image, Image.Image | None, str | None]:
    """Convert gray values of 12, 16 or 32 bits, or floats, to 8 bits."""
    values = np.asarray(image)
    key = image.info.get("transparency")
    alpha = None if not isinstance(key, int) else Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8))
    low, high, note = _value_range(image, values)
    # float32 holds 16 bits exactly; for wider values the loss is far below one level of 256.
    scaled = (np.nan_to_num(values.astype(np.float32), nan=low, posinf=high, neginf=low) - low) * (255 / (high - low))
    levels = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    if _tag(image, _PHOTOMETRIC) == 0:  # WhiteIsZero: Pillow inverts only 8-bit values
        levels = 255 - levels
    return Image.fromarray(levels), alpha, note


def _value_range(image: Image.Image, values: np.ndarray[Any, Any]) -> tuple[float, float, str | None]:
    """Return the values of black and white, and a note or None.

    They come from the format, else from the smallest usual range that holds all values, else from the values.
    """
    if image.mode.startswith("I;16"):
        bits = _tag(image, _BITS_PER_SAMPLE)
        return 0, 4095 if bits == 12 else 65535, None
    if image.mode == "I" and image.format in ("PNG", "PPM", "JPEG2000"):
        return 0, 65535, None
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    usual = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
    for white in usual:
        if low >= 0 and high <= white:
            return 0, white, None
    white = high if high > low else low + 1
    return low, white, f"its values from {low:g} to {high:g} were spread over black to white"


def _tag(image: Image.Image, number: int) -> int | None:
    tags = getattr(image, "tag_v2", None)
    value = None if tags is None else tags.get(number)
    if isinstance(value, tuple) and value:
        value = value[0]
    return value if isinstance(value, int) else None
