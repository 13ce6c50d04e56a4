"""Reading: every kind of pixels, upright and whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps
from support.images import check, colours, png16, stored

from henshin.images import read

SIZES = [(1, 1), (8, 8), (17, 5), (1, 9)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("fmt", ["png", "tiff", "bmp", "ppm", "webp"])
def test_rgb_comes_as_it_is(tmp_path: Path, fmt: str, size: tuple[int, int]) -> None:
    pixels = colours(size)
    options = {"lossless": True} if fmt == "webp" else {}
    decoded = stored(tmp_path / f"a.{fmt}", Image.fromarray(pixels), **options)
    check(decoded, size)
    np.testing.assert_array_equal(decoded.picture, pixels)
    assert decoded.alpha is None


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("fmt", "mode"),
    [
        ("png", "1"), ("png", "L"), ("png", "LA"), ("png", "P"), ("png", "RGBA"), ("png", "I;16"),
        ("tiff", "1"), ("tiff", "L"), ("tiff", "LA"), ("tiff", "P"), ("tiff", "RGBA"), ("tiff", "CMYK"),
        ("tiff", "YCbCr"), ("tiff", "LAB"), ("tiff", "I;16"), ("tiff", "I;16B"), ("tiff", "I"), ("tiff", "F"),
        ("jpg", "L"), ("jpg", "RGB"), ("jpg", "CMYK"), ("jpg", "YCbCr"),
        ("webp", "RGBA"), ("webp", "L"), ("avif", "RGB"), ("avif", "RGBA"), ("gif", "P"), ("gif", "1"),
        ("tga", "RGBA"), ("tga", "LA"), ("bmp", "1"), ("bmp", "P"), ("pgm", "L"), ("pgm", "I;16"), ("pbm", "1"),
        ("jp2", "RGBA"), ("jp2", "LA"), ("ico", "RGBA"), ("qoi", "RGBA"), ("dds", "RGBA"), ("pcx", "P"),
        ("sgi", "RGB"), ("heic", "RGB"), ("heic", "RGBA"), ("heic", "L"),
    ],
)  # fmt: skip
def test_every_kind_of_pixels_becomes_a_picture(tmp_path: Path, fmt: str, mode: str, size: tuple[int, int]) -> None:
    if fmt == "heic":
        pytest.importorskip("pillow_heif").register_heif_opener()
    wide = mode.startswith("I") or mode == "F"
    image = Image.fromarray(colours(size))
    if mode == "LAB":
        image = Image.merge("LAB", image.split())
    elif wide:
        image = Image.fromarray(np.full(size[::-1], 40000, "<u2" if mode.startswith("I;16") else "<i4"))
        image = image if image.mode == mode else image.convert("I").convert(mode)
    else:
        image = image.convert("RGBA").convert(mode) if mode in ("LA", "RGBA") else image.convert(mode)
    path = tmp_path / f"a.{fmt}"
    try:
        image.save(path)
        with Image.open(path) as plain:
            plain.load()
    except (OSError, KeyError) as error:  # older ones fail on small icons and on YCbCr in a TIFF
        pytest.skip(f"this Pillow does not write {mode} as {fmt} so that it can read it: {error}")
    decoded = read(path)
    check(decoded, size)
    if wide:
        assert abs(int(decoded.picture[0, 0, 0]) - 40000 / 257) <= 1


def test_upper_case_suffix(tmp_path: Path) -> None:
    check(stored(tmp_path / "PHOTO.JPG", Image.new("RGB", (9, 7)), format="JPEG"), (9, 7))


def test_transparency_is_kept_beside_the_colours(tmp_path: Path) -> None:
    pixels = np.dstack([colours((6, 4)), np.arange(0, 240, 10, dtype=np.uint8).reshape(4, 6)])
    for name, options in (("a.png", {}), ("a.tiff", {}), ("a.webp", {"lossless": True, "exact": True}), ("a.qoi", {})):
        decoded = stored(tmp_path / name, Image.fromarray(pixels), **options)
        np.testing.assert_array_equal(decoded.picture, pixels[..., :3])
        np.testing.assert_array_equal(decoded.alpha, pixels[..., 3])


def test_palette_with_transparency(tmp_path: Path) -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.putdata([0, 1, 2])
    for options in ({"transparency": 1}, {"transparency": bytes((255, 0, 128))}):
        decoded = stored(tmp_path / "a.png", image, **options)
        assert decoded.picture[0].tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
        assert decoded.alpha is not None
        assert decoded.alpha[0].tolist()[:2] == [255, 0]
    gif = stored(tmp_path / "a.gif", image, transparency=1)
    assert gif.alpha is not None
    assert gif.alpha[0].tolist() == [255, 0, 255]


@pytest.mark.parametrize(
    ("mode", "key", "other"), [("RGB", (1, 2, 3), (9, 9, 9)), ("L", 5, 9), ("1", 0, 255), ("I;16", 500, 501)]
)
def test_one_colour_that_means_transparent(tmp_path: Path, mode: str, key: Any, other: Any) -> None:
    image = Image.new(mode, (2, 1), other)
    image.putpixel((0, 0), key)
    decoded = stored(tmp_path / "a.png", image, transparency=key)
    assert decoded.alpha is not None
    assert decoded.alpha[0].tolist() == [0, 255]


def test_premultiplied_colours_are_divided(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    pixels = np.array([[[100, 50, 0, 128], [255, 255, 255, 255]]], np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=["assocalpha"])
    decoded = read(tmp_path / "a.tif")
    assert np.abs(decoded.picture[0, 0].astype(int) - [199, 99, 0]).max() <= 1
    assert decoded.alpha is not None
    assert decoded.alpha[0].tolist() == [128, 255]


@pytest.mark.parametrize(("kind", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_png_of_16_bits(tmp_path: Path, rng: np.random.Generator, kind: int, channels: int) -> None:
    values = rng.integers(0, 65536, (7, 9, channels), dtype=np.uint16)
    (tmp_path / "a.png").write_bytes(png16(values, kind))
    decoded = read(tmp_path / "a.png")
    expected = values / 257
    shown = expected[..., : channels - 1] if channels in (2, 4) else expected
    assert np.abs(decoded.picture - np.broadcast_to(shown, (7, 9, 3))).max() <= 1
    assert (decoded.alpha is not None) == (channels in (2, 4))
    if decoded.alpha is not None:
        assert np.abs(decoded.alpha - expected[..., -1]).max() <= 1


@pytest.mark.parametrize(("order", "white_is_zero"), [("<", False), (">", False), ("<", True)])
def test_tiff_of_16_bit_gray(tmp_path: Path, rng: np.random.Generator, order: str, white_is_zero: bool) -> None:
    tifffile = pytest.importorskip("tifffile")
    values = rng.integers(0, 65536, (7, 9), dtype=np.uint16)
    photometric = "miniswhite" if white_is_zero else "minisblack"
    tifffile.imwrite(tmp_path / "a.tif", values, byteorder=order, photometric=photometric)
    expected = np.rint(values / 257)
    expected = 255 - expected if white_is_zero else expected
    np.testing.assert_array_equal(read(tmp_path / "a.tif").picture[..., 0], expected)


def test_tiff_of_16_bit_rgb(tmp_path: Path, rng: np.random.Generator) -> None:
    tifffile = pytest.importorskip("tifffile")
    values = rng.integers(0, 65536, (7, 9, 3), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb")
    assert np.abs(read(tmp_path / "a.tif").picture - values / 257).max() <= 1


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.0, 255.0), (0.0, 65535.0), (-3.0, 900.0)])
def test_float_gray_takes_the_range_it_uses(tmp_path: Path, low: float, high: float) -> None:
    values = np.linspace(low, high, 256, dtype=np.float32).reshape(16, 16)
    decoded = stored(tmp_path / "a.tif", Image.fromarray(values))
    np.testing.assert_array_equal(decoded.picture[..., 0].ravel(), np.arange(256))
    assert bool(decoded.metadata.notes) == (low < 0)


def test_nan_in_floats_is_black(tmp_path: Path) -> None:
    values = np.array([[np.nan, 0.5, 1.0]], np.float32)
    assert stored(tmp_path / "a.tif", Image.fromarray(values)).picture[0, :, 0].tolist() == [0, 128, 255]


def test_cmyk_of_adobe_jpegs_is_not_inverted(tmp_path: Path) -> None:
    # Pillow writes CMYK JPEGs as Adobe does: inverted, with the marker that says so.
    decoded = stored(tmp_path / "a.jpg", Image.new("CMYK", (16, 16), (255, 0, 0, 0)), quality=100)
    assert b"Adobe" in (tmp_path / "a.jpg").read_bytes()
    assert np.abs(decoded.picture.astype(int) - [0, 255, 255]).max() <= 2
    assert decoded.metadata.notes == ["CMYK without a colour profile: its colours are approximate"]


@pytest.mark.parametrize("fmt", ["jpg", "png", "webp", "tiff", "avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(tmp_path: Path, fmt: str, orientation: int) -> None:
    path = tmp_path / f"a.{fmt}"
    image = Image.fromarray(np.kron(colours((5, 3)), np.ones((8, 8, 1), np.uint8)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(path, exif=exif)
    with Image.open(path) as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
    decoded = read(path)
    np.testing.assert_array_equal(decoded.picture, expected)
    assert decoded.metadata.size == ((40, 24) if orientation < 5 else (24, 40))


def test_alpha_turns_with_the_picture(tmp_path: Path) -> None:
    pixels = np.dstack([colours((3, 2)), np.arange(6, dtype=np.uint8).reshape(2, 3)])
    exif = Image.Exif()
    exif[0x0112] = 6
    decoded = stored(tmp_path / "a.png", Image.fromarray(pixels), exif=exif)
    np.testing.assert_array_equal(decoded.picture, np.rot90(pixels, -1)[..., :3])
    np.testing.assert_array_equal(decoded.alpha, np.rot90(pixels, -1)[..., 3])


def test_heic_works_and_is_upright(tmp_path: Path) -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    pixels = np.kron(colours((5, 3)), np.ones((16, 16, 1), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    decoded = stored(tmp_path / "a.heic", Image.fromarray(pixels), exif=exif.tobytes(), quality=100, chroma=444)
    assert np.abs(decoded.picture.astype(int) - np.rot90(pixels, -1)).mean() < 4


@pytest.mark.parametrize("fmt", ["gif", "png", "webp", "tiff", "avif"])
def test_the_first_frame_of_an_animation_is_taken_and_that_is_said(tmp_path: Path, fmt: str) -> None:
    first, *rest = (Image.new("RGB", (32, 32), colour) for colour in ("red", "green", "blue"))
    options = {} if fmt == "tiff" else {"duration": 100}
    decoded = stored(tmp_path / f"a.{fmt}", first, save_all=True, append_images=rest, **options)
    assert np.abs(decoded.picture.astype(int) - [255, 0, 0]).max() <= 8
    assert decoded.metadata.notes == [f"first of 3 {'pages' if fmt == 'tiff' else 'frames'}"]


def test_of_a_photo_with_a_second_picture_behind_it_the_first_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "phone.jpg"
    Image.new("RGB", (32, 24), "red").save(path, "MPO", save_all=True, append_images=[Image.new("RGB", (8, 6), "blue")])
    decoded = read(path)
    assert decoded.picture.shape == (24, 32, 3)
    assert (decoded.metadata.format, decoded.metadata.notes) == ("MPO", [])
