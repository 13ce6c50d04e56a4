"""Reading: every kind of pixels, upright, whole or not at all."""

from __future__ import annotations

import contextlib
import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import pytest
from PIL import Image, ImageOps

from henshin.errors import PictureError
from henshin.images import Decoded, decoding, read, reading

SIZES = [(1, 1), (8, 8), (17, 5), (1, 9)]


def colours(size: tuple[int, int], seed: int = 0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)


def stored(path: Path, image: Image.Image, **options: Any) -> Decoded:
    image.save(path, **options)
    return read(path)


def check(decoded: Decoded, size: tuple[int, int]) -> None:
    for array in (decoded.picture, decoded.alpha):
        if array is not None:
            assert array.dtype == np.uint8
            assert array.flags.c_contiguous
            assert not array.flags.writeable
            assert array.shape[:2] == size[::-1]
    assert decoded.picture.ndim == 3
    assert decoded.metadata.size == size


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


def png16(pixels: np.ndarray[Any, Any], kind: int) -> bytes:
    """A PNG of 16 bits for each channel, which Pillow cannot write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


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


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
@pytest.mark.parametrize("fmt", ["jpg", "png", "webp", "tiff", "bmp", "gif", "avif", "heic", "jp2", "tga"])
def test_a_picture_cut_off_is_an_error(tmp_path: Path, fmt: str, share: float) -> None:
    if fmt == "heic":
        pytest.importorskip("pillow_heif").register_heif_opener()
    path = tmp_path / f"a.{fmt}"
    Image.fromarray(colours((120, 90))).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(PictureError, match=r"^is a damaged|^is damaged|^holds no"):
        read(path)


def test_a_progressive_jpeg_cut_off_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(colours((120, 90))).save(path, progressive=True)
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(PictureError, match="is a damaged JPEG picture: image file is truncated"):
        read(path)


@pytest.mark.filterwarnings("ignore")  # pytest puts away the filters that the reader has set
def test_noise_behind_a_good_beginning_never_escapes_as_another_error(tmp_path: Path, rng: np.random.Generator) -> None:
    for fmt in ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "JPEG2000", "ICO", "DDS", "TGA", "SGI", "AVIF"):
        if fmt == "DDS" and int(PIL.__version__.split(".")[0]) < 13:
            continue  # older ones read on beyond the end of a DDS, for minutes, as far as its header claims
        path = tmp_path / f"a.{fmt.lower()}"
        buffer = io.BytesIO()
        Image.fromarray(colours((40, 30))).save(buffer, fmt)
        for _ in range(15):
            data = bytearray(buffer.getvalue())
            for at in rng.integers(4, len(data), 40):
                data[at] = rng.integers(0, 256)
            path.write_bytes(data)
            with contextlib.suppress(PictureError):  # anything else fails the test
                decoded = read(path)
                check(decoded, decoded.metadata.size or (0, 0))


def test_the_size_limit_is_stated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = png16(np.zeros((1, 1, 1)), 0)
    head = struct.pack(">4sIIBBBBB", b"IHDR", 30000, 20000, 16, 0, 0, 0, 0)
    claim = small[:12] + head + struct.pack(">I", zlib.crc32(head)) + small[33:]
    (tmp_path / "bomb.png").write_bytes(claim)
    with pytest.raises(PictureError, match="larger than 400 megapixels"):
        read(tmp_path / "bomb.png")
    monkeypatch.setattr(decoding, "MOST_PIXELS", 63)
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(PictureError, match="larger than 0 megapixels: 8 x 8"):
        read(tmp_path / "a.png")
    assert reading.MOST_PIXELS == 400_000_000


def test_large_pictures_and_odd_ones_print_no_warning(tmp_path: Path) -> None:
    Image.new("1", (8, 5)).save(tmp_path / "large.png")
    palette = Image.new("P", (4, 4))
    palette.putpalette([1, 2, 3])
    palette.save(tmp_path / "palette.png", transparency=bytes((7,)))
    code = (
        "import sys; from pathlib import Path; from henshin.images import decoding, read\n"
        "decoding.Image.MAX_IMAGE_PIXELS = 30  # Pillow warns from here on, and refuses from twice as many\n"
        "for name in sys.argv[1:]: print(read(Path(name)).picture.shape)"
    )
    names = [str(tmp_path / "large.png"), str(tmp_path / "palette.png")]
    done = subprocess.run([sys.executable, "-W", "always", "-c", code, *names], capture_output=True, text=True)
    assert done.stdout.split("\n")[:2] == ["(5, 8, 3)", "(4, 4, 3)"]
    assert done.stderr == ""


def test_twice_the_size_at_which_pillow_warns_is_the_limit() -> None:
    assert Image.MAX_IMAGE_PIXELS is not None
    assert 2 * Image.MAX_IMAGE_PIXELS == reading.MOST_PIXELS
