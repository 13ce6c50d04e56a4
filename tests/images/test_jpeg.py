"""JPEGs are read and written as Pillow reads and writes them, to the bit, whichever decoder and encoder does it."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.face import EXAMPLES

from henshin.errors import PictureError
from henshin.images import WriteOptions, encode, read
from henshin.images.colour import display_p3
from henshin.images.jpeg import decode_jpeg, encode_jpeg
from henshin.images.picture import Metadata

PHOTO = np.asarray(Image.open(EXAMPLES / "astronaut.jpg").convert("RGB"))
SUBSAMPLINGS = (0, 1, 2, "4:1:1")


def part(rng: np.random.Generator, largest: int = 60) -> Any:
    """A part of a photo, of odd sizes too, or noise."""
    height, width = rng.integers(1, largest + 1, 2)
    if rng.random() < 0.2:
        return rng.integers(0, 256, (height, width, 3), np.uint8)
    top, left = rng.integers(0, 400, 2)
    return np.ascontiguousarray(PHOTO[top : top + height, left : left + width])


def written(rng: np.random.Generator) -> bytes:
    """A JPEG of any size, quality, subsampling and kind."""
    image, buffer = Image.fromarray(part(rng)), io.BytesIO()
    options: dict[str, Any] = {
        "quality": int(rng.integers(1, 101)),
        "progressive": bool(rng.random() < 0.4),
        "optimize": bool(rng.random() < 0.3),
    }
    if rng.random() < 0.2:
        image = image.convert("L")
    elif rng.random() < 0.1:
        options |= {"keep_rgb": True, "subsampling": 0}
    else:
        options["subsampling"] = SUBSAMPLINGS[rng.integers(len(SUBSAMPLINGS))]
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """The file cut off, with a hole, or with some other bytes in it."""
    kind, at = rng.integers(4), int(rng.integers(4, len(data)))
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + data[at + int(rng.integers(1, 9)) :]
    changed = bytearray(data)
    for place in rng.integers(4 if kind == 2 else len(data) * 2 // 3, len(data), 3):
        changed[place] = rng.integers(0, 256)
    return bytes(changed)


def by_pillow(data: bytes) -> Any:
    """Pillow's pixels in RGB, or its error."""
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            return np.asarray(image.convert("RGB"))
    except Exception as error:
        return error


def by_turbo(data: bytes) -> Any:
    with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
        return decode_jpeg(io.BytesIO(data), image)


def test_whole_files_have_pillows_pixels(rng: np.random.Generator) -> None:
    for _ in range(300):
        data = written(rng)
        assert np.array_equal(by_turbo(data), by_pillow(data))


@pytest.mark.filterwarnings("ignore")
def test_of_damaged_files_pillow_decides_what_can_be_read(rng: np.random.Generator, tmp_path: Path) -> None:
    path, seen = tmp_path / "a.jpg", Counter[str]()
    for _ in range(300):
        data = damaged(written(rng), rng)
        expected = by_pillow(data)
        path.write_bytes(data)
        try:
            picture = read(path).picture
        except PictureError:
            seen["error"] += 1
            assert isinstance(expected, Exception)
        else:
            seen["picture"] += 1
            assert np.array_equal(picture, expected)
    assert min(seen["error"], seen["picture"]) > 30


@pytest.mark.parametrize(("at", "value"), [(0, 0xC9), (0, 0xC3), (4, 12), (9, 2)])
def test_rare_kinds_are_what_pillow_makes_of_them(at: int, value: int, tmp_path: Path) -> None:
    """Arithmetic coding, lossless, 12 bits, two channels: headers of these over the pixels of a plain file."""
    path, buffer = tmp_path / "a.jpg", io.BytesIO()
    Image.fromarray(PHOTO[:40, :50]).save(buffer, "JPEG")
    data = bytearray(buffer.getvalue())
    data[data.index(b"\xff\xc0") + 1 + at] = value
    path.write_bytes(data)
    expected = by_pillow(bytes(data))
    if isinstance(expected, np.ndarray):
        assert np.array_equal(read(path).picture, expected)
    else:
        with pytest.raises(PictureError, match=r"^damaged"):
            read(path)


def test_cmyk_is_left_to_pillow() -> None:
    buffer = io.BytesIO()
    Image.fromarray(PHOTO[:40, :50]).convert("CMYK").save(buffer, "JPEG")
    assert by_turbo(buffer.getvalue()) is None


def test_a_size_that_only_the_head_claims_is_refused_before_anything_is_decoded(tmp_path: Path) -> None:
    path, buffer = tmp_path / "a.jpg", io.BytesIO()
    Image.fromarray(PHOTO[:8, :8]).save(buffer, "JPEG")
    data = bytearray(buffer.getvalue())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = (60_000).to_bytes(2) * 2
    path.write_bytes(data)
    with pytest.raises(PictureError, match="larger than 500 megapixels"):
        read(path)


@pytest.mark.parametrize("profile", [None, "grey", "wide"])
def test_grey_and_wide_gamut_are_converted_as_from_any_other_file(profile: str | None, tmp_path: Path) -> None:
    image = Image.fromarray(PHOTO[:60, :70])
    options = {"icc_profile": display_p3()} if profile == "wide" else {}
    if profile == "grey":
        image = image.convert("L")
    image.save(tmp_path / "a.jpg", quality=100, subsampling=0, **options)
    with Image.open(tmp_path / "a.jpg") as stored:
        stored.save(tmp_path / "a.png", **options)
    assert np.array_equal(read(tmp_path / "a.jpg").picture, read(tmp_path / "a.png").picture)


def test_the_files_are_those_that_pillow_writes(rng: np.random.Generator) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a photo"
    parts: dict[str, Any] = {
        "exif": b"Exif\0\0" + exif.tobytes().removeprefix(b"Exif\0\0"),
        "icc_profile": rng.integers(0, 256, 150_000, np.uint8).tobytes(),  # in three segments
        "xmp": b"<x:xmpmeta/>" * 400,
        "dpi": (300.0, 150.0),
    }
    for quality in (1, 2, 20, 24, 50, 74, 89, 90, 95, 99, 100):
        for subsampling in (0, 2):
            head = {name: value for name, value in parts.items() if rng.random() < 0.5}
            picture, buffer = part(rng), io.BytesIO()
            Image.fromarray(picture).save(buffer, "JPEG", quality=quality, subsampling=subsampling, **head)
            assert encode_jpeg(picture, quality=quality, subsampling=subsampling, **head) == buffer.getvalue()


def test_a_transparent_picture_without_contiguous_pixels_is_written() -> None:
    alpha = np.full((30, 20), 128, np.uint8)
    data = encode(PHOTO[:60:2, :40:2], alpha, Metadata(), "JPEG", WriteOptions(quality=100))
    expected = PHOTO[:60:2, :40:2].astype(float) / 2 + 127
    assert np.abs(np.asarray(Image.open(io.BytesIO(data))) - expected).max() < 6
