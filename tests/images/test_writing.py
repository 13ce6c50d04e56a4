"""Writing: pixels, alpha and files come back."""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from henshin.errors import PictureError
from henshin.images import WRITABLE, WriteOptions, copy_format, encode, output_format, read, write_bytes
from henshin.images.picture import Metadata

PLAIN = WriteOptions()
LOSSLESS = ("PNG", "TIFF", "BMP")
# Largest mean difference at quality 95 on a soft picture.
TOLERANCE = 3.0
ALPHA = ("PNG", "TIFF", "WEBP", "AVIF", "HEIF")


def pixels_of(size: tuple[int, int], channels: int = 3) -> Any:
    return np.random.default_rng(1).integers(0, 256, (size[1], size[0], channels), dtype=np.uint8)


def soft(size: tuple[int, int]) -> Any:
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    return np.stack([40 + 5 * x, 200 - 4 * y, 60 + 2 * x + 2 * y], axis=-1).astype(np.uint8)


def needs(fmt: str) -> None:
    if output_format(fmt) != fmt:
        pytest.skip(f"{fmt} cannot be written here")


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (17, 5), (3, 31)])
@pytest.mark.parametrize("with_alpha", [False, True])
@pytest.mark.parametrize("fmt", list(WRITABLE))
def test_round_trip(tmp_path: Path, fmt: str, with_alpha: bool, size: tuple[int, int]) -> None:
    needs(fmt)
    picture = pixels_of(size) if fmt in LOSSLESS else soft(size)
    alpha = pixels_of(size, 1)[..., 0] // 2 if with_alpha else None
    path = tmp_path / f"a{WRITABLE[fmt]}"
    write_bytes(path, encode(picture, alpha, Metadata(), fmt, PLAIN))
    again = read(path)
    assert again.metadata.format == fmt
    assert again.picture.shape == picture.shape
    if fmt in LOSSLESS and not (with_alpha and fmt == "BMP"):
        np.testing.assert_array_equal(again.picture, picture)
    elif alpha is None:
        assert np.abs(again.picture.astype(float) - picture).mean() <= TOLERANCE
    assert (again.alpha is not None) == (with_alpha and fmt in ALPHA)
    if again.alpha is not None and fmt in (*LOSSLESS, "WEBP"):
        np.testing.assert_array_equal(again.alpha, alpha)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    fmt=st.sampled_from(LOSSLESS),
    seed=st.integers(0, 2**32 - 1),
    with_alpha=st.booleans(),
)
def test_lossless_formats_lose_nothing(
    tmp_path: Path, width: int, height: int, fmt: str, seed: int, with_alpha: bool
) -> None:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 4), dtype=np.uint8)
    picture = np.ascontiguousarray(values[..., :3])
    alpha = np.ascontiguousarray(values[..., 3]) if with_alpha and fmt != "BMP" else None
    path = tmp_path / f"a{WRITABLE[fmt]}"
    write_bytes(path, encode(picture, alpha, Metadata(), fmt, PLAIN))
    again = read(path)
    np.testing.assert_array_equal(again.picture, picture)
    assert (again.alpha is None) == (alpha is None)
    if alpha is not None:
        np.testing.assert_array_equal(again.alpha, alpha)


@pytest.mark.parametrize("fmt", ["JPEG", "BMP"])
def test_where_there_is_no_alpha_the_picture_is_laid_on_white(fmt: str) -> None:
    picture = np.zeros((16, 48, 3), np.uint8)
    alpha = np.repeat(np.array([0, 128, 255], np.uint8), 16)[None].repeat(16, axis=0)
    metadata = Metadata()
    image = Image.open(io.BytesIO(encode(picture, alpha, metadata, fmt, PLAIN)))
    assert np.abs(np.asarray(image)[8, [4, 24, 44], 0].astype(int) - [255, 127, 0]).max() <= 3
    assert metadata.notes == [f"laid on white: {fmt} has no transparency"]
    encode(picture, alpha, metadata, fmt, PLAIN)
    assert len(metadata.notes) == 1  # said once
    opaque = Metadata()
    encode(picture, np.full((16, 48), 255, np.uint8), opaque, fmt, PLAIN)
    assert opaque.notes == []


@pytest.mark.parametrize("fmt", ["JPEG", "WEBP", "AVIF", "HEIF"])
def test_quality_counts(fmt: str) -> None:
    needs(fmt)
    picture = pixels_of((64, 64))
    sizes = [len(encode(picture, None, Metadata(), fmt, WriteOptions(quality=q))) for q in (20, 60, 95)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2]


def test_jpeg_keeps_full_colour_resolution_from_quality_90_on() -> None:
    sampling = {}
    for quality in (89, 90):
        data = encode(pixels_of((32, 32)), None, Metadata(), "JPEG", WriteOptions(quality=quality))
        image = Image.open(io.BytesIO(data))
        sampling[quality] = [layer[1:3] for layer in image.layer]  # type: ignore[attr-defined]
    assert sampling == {89: [(2, 2), (1, 1), (1, 1)], 90: [(1, 1)] * 3}


def test_the_same_picture_gives_the_same_bytes() -> None:
    for fmt in ("JPEG", "PNG", "TIFF", "WEBP"):
        first, second = (encode(pixels_of((20, 20)), None, Metadata(dpi=(72, 72)), fmt, PLAIN) for _ in range(2))
        assert first == second


def test_read_only_pictures_can_be_written_and_stay_as_they_are() -> None:
    picture = pixels_of((9, 9))
    picture.flags.writeable = False
    before = picture.copy()
    encode(picture, pixels_of((9, 9), 1)[..., 0], Metadata(), "PNG", PLAIN)
    np.testing.assert_array_equal(picture, before)


@pytest.mark.parametrize(
    ("picture", "alpha", "fmt", "reason"),
    [
        (np.zeros((4, 4), np.uint8), None, "PNG", "^an array of uint8 \\(4, 4\\); a picture is"),
        (np.zeros((4, 4, 3), np.float32), None, "PNG", "float32"),
        (np.zeros((0, 4, 3), np.uint8), None, "PNG", "\\(0, 4, 3\\); a picture is"),
        (np.zeros((4, 4, 3), np.uint8), np.zeros((3, 4), np.uint8), "PNG", "alpha of \\(3, 4\\)"),
        (np.zeros((1, 16384, 3), np.uint8), None, "WEBP", "too large for WEBP: 16384 x 1.*16383"),
        (np.zeros((65501, 1, 3), np.uint8), None, "JPEG", "too large for JPEG: 1 x 65501.*65500"),
    ],
)
def test_what_cannot_be_written_says_why(picture: Any, alpha: Any, fmt: str, reason: str) -> None:
    with pytest.raises(PictureError, match=reason):
        encode(picture, alpha, Metadata(), fmt, PLAIN)


def test_the_longest_sides_are_the_encoders_own() -> None:
    encode(np.zeros((1, 16383, 3), np.uint8), None, Metadata(), "WEBP", PLAIN)
    encode(np.zeros((65500, 1, 3), np.uint8), None, Metadata(), "JPEG", PLAIN)


def test_what_may_be_copied() -> None:
    assert copy_format(Metadata(format="MPO"), PLAIN) == "JPEG", "two pictures, and both the user's"
    assert copy_format(Metadata(format="GIF"), PLAIN) == "GIF", "though it cannot be written"
    assert copy_format(Metadata(format="GIF"), WriteOptions(format="png")) is None
    assert copy_format(Metadata(), PLAIN) is None
    strip = WriteOptions(metadata="strip")
    assert [copy_format(Metadata(format=fmt), strip) for fmt in ("PNG", "TIFF", "GIF")] == ["PNG", None, None]


def test_write_bytes_replaces_whole_files(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 250 + ".png")  # a name as long as a file system allows
    write_bytes(path, b"one")
    write_bytes(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_full_disk_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def full(source: Path, target: Path) -> None:
        raise error

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(type(error)):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_really_full_device_is_an_oserror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.open
    monkeypatch.setattr(Path, "open", lambda self, mode: real(Path("/dev/full"), "wb"))
    with pytest.raises(OSError, match="No space left"):
        write_bytes(tmp_path / "a.png", bytes(100_000))
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []


def test_without_a_folder_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_bytes(tmp_path / "none" / "a.png", b"x")


@pytest.mark.parametrize("animated", [False, True])
@pytest.mark.parametrize("lossless", [False, True])
def test_a_webp_that_lost_nothing_loses_nothing(tmp_path: Path, lossless: bool, animated: bool) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (20, 30, 4), dtype=np.uint8)
    more = {"save_all": True, "append_images": [Image.new("RGBA", (30, 20))]} if animated else {}
    Image.fromarray(pixels).save(tmp_path / "a.webp", lossless=lossless, exif=b"Exif\0\0MM", **more)
    decoded = read(tmp_path / "a.webp")
    assert decoded.metadata.lossless == lossless
    (tmp_path / "b.webp").write_bytes(encode(255 - decoded.picture, decoded.alpha, decoded.metadata, "WEBP", PLAIN))
    again = read(tmp_path / "b.webp")
    assert again.metadata.lossless == lossless
    if lossless:
        assert (again.picture == 255 - decoded.picture).all()
