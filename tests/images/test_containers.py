"""Whether a file holds anything besides its picture: where metadata are to go, only then may it be copied."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from support.images import colours
from support.profiles import P3

from henshin.images import has_no_metadata

EXIF = b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"


def saved(fmt: str, image: Image.Image | None = None, **options: Any) -> bytes:
    buffer = io.BytesIO()
    (image or Image.fromarray(colours((70, 50)))).save(buffer, fmt, **options)
    return buffer.getvalue()


def text() -> PngInfo:
    info = PngInfo()
    info.add_text("Comment", "at home")
    return info


def frames() -> dict[str, Any]:
    return {"save_all": True, "append_images": [Image.fromarray(colours((70, 50), 1))]}


@pytest.mark.parametrize(
    ("fmt", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("JPEG", {"restart_marker_blocks": 2}),
        ("PNG", {}),
        ("PNG", frames()),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", frames()),
    ],
)
def test_a_picture_alone(fmt: str, options: Any) -> None:
    assert has_no_metadata(saved(fmt, **options))


def test_other_kinds_of_a_picture_alone() -> None:
    image = Image.fromarray(colours((70, 50)))
    assert has_no_metadata(saved("JPEG", image.convert("CMYK")))
    assert has_no_metadata(saved("PNG", image.convert("P"), transparency=0))
    image.putalpha(100)
    assert has_no_metadata(saved("WEBP", image))


@pytest.mark.parametrize(
    ("fmt", "options"),
    [
        *((fmt, {"exif": EXIF}) for fmt in ("JPEG", "PNG", "WEBP")),
        *((fmt, {"icc_profile": P3}) for fmt in ("JPEG", "PNG", "WEBP")),
        *((fmt, {"xmp": b"<x/>"}) for fmt in ("JPEG", "WEBP")),
        *((fmt, {"dpi": (72, 72)}) for fmt in ("JPEG", "PNG")),
        ("JPEG", {"comment": b"at home"}),
        ("PNG", {"pnginfo": text()}),
    ],
)
def test_a_picture_with_anything_else(fmt: str, options: Any) -> None:
    assert not has_no_metadata(saved(fmt, **options))


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP"])
def test_what_is_appended_or_cut_off_is_no_picture_alone(fmt: str) -> None:
    data = saved(fmt)
    assert not has_no_metadata(data + b"film")
    assert not has_no_metadata(data + data)
    assert not any(has_no_metadata(data[:length]) for length in (0, 3, 15, 40, len(data) - 3))


def test_formats_that_cannot_be_searched() -> None:
    assert not has_no_metadata(saved("TIFF"))
    assert not has_no_metadata(saved("GIF"))
