"""Colours stay right: against arithmetic of its own, not against another colour library."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.profiles import (
    ADOBE,
    P3,
    SRGB,
    SRGB_D50,
    Bytes,
    adobe_in_srgb,
    cmyk_profile,
    encode_srgb,
    gray_profile,
    p3_in_srgb,
)

from henshin.images import WriteOptions, colour, copy_format, encode, read
from henshin.images.colour import colour_space, is_srgb, to_srgb

KEEP = WriteOptions(colour="keep")
PLAIN = WriteOptions()


@pytest.fixture
def pixels(rng: np.random.Generator) -> Bytes:
    corners = np.array(np.meshgrid([0, 255], [0, 255], [0, 255])).T.reshape(-1, 3)
    return np.concatenate([corners, rng.integers(0, 256, (248, 3))]).reshape(16, 16, 3).astype(np.uint8)


def stored(path: Path, image: Image.Image, icc: bytes, **options: Any) -> Path:
    image.save(path, icc_profile=icc, **options)
    return path


def reopened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("fmt", ["png", "tiff"])
def test_display_p3(tmp_path: Path, pixels: Bytes, fmt: str) -> None:
    decoded = read(stored(tmp_path / f"a.{fmt}", Image.fromarray(pixels), P3))
    assert np.abs(decoded.picture - p3_in_srgb(pixels)).max() <= 2
    assert np.abs(decoded.picture - pixels.astype(float)).max() > 20  # the profile does matter
    assert decoded.metadata.icc == P3


def test_adobe_rgb(tmp_path: Path, pixels: Bytes) -> None:
    decoded = read(stored(tmp_path / "a.png", Image.fromarray(pixels), ADOBE))
    assert np.abs(decoded.picture - adobe_in_srgb(pixels)).max() <= 2


def test_a_wide_gamut_photo_with_alpha_and_orientation(tmp_path: Path, pixels: Bytes) -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    image = Image.fromarray(np.dstack([pixels, pixels[..., 0]]))
    decoded = read(stored(tmp_path / "a.png", image, P3, exif=exif))
    assert np.abs(decoded.picture - np.rot90(p3_in_srgb(pixels))).max() <= 2
    np.testing.assert_array_equal(decoded.alpha, np.rot90(pixels[..., 0]))


def test_a_palette_with_a_profile(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 90, 200, 30])
    image.putpixel((1, 0), 1)
    decoded = read(stored(tmp_path / "a.png", image, P3))
    expected = p3_in_srgb(np.array([[[255, 0, 0], [90, 200, 30]]], np.uint8))
    assert np.abs(decoded.picture - expected).max() <= 2


@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.2])
def test_gray_with_a_gray_profile(tmp_path: Path, gamma: float) -> None:
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    decoded = read(stored(tmp_path / "a.png", Image.fromarray(values), gray_profile(gamma)))
    assert np.abs(decoded.picture[..., 1] - encode_srgb((values / 255) ** gamma) * 255).max() <= 2


def test_16_bit_gray_with_a_gray_profile(tmp_path: Path) -> None:
    values = np.arange(0, 65536, 256, dtype=np.uint16).reshape(16, 16)
    decoded = read(stored(tmp_path / "a.png", Image.fromarray(values), gray_profile(1.8)))
    assert np.abs(decoded.picture[..., 1] - encode_srgb((values / 65535) ** 1.8) * 255).max() <= 3


def test_gray_with_a_profile_for_rgb(tmp_path: Path) -> None:
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    decoded = read(stored(tmp_path / "a.png", Image.fromarray(values), ADOBE))
    expected = adobe_in_srgb(np.repeat(values[..., None], 3, axis=2))
    assert np.abs(decoded.picture - expected).max() <= 2
    assert decoded.metadata.notes == []


def test_cmyk_with_its_profile(tmp_path: Path) -> None:
    lab = (60.0, -30.0, -40.0)
    decoded = read(stored(tmp_path / "a.tif", Image.new("CMYK", (4, 4), (255, 0, 0, 0)), cmyk_profile(lab)))
    fy = (lab[0] + 16) / 116
    f = np.array([fy + lab[1] / 500, fy, fy - lab[2] / 200])
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * (0.9642, 1.0, 0.8249)
    assert np.abs(decoded.picture[0, 0] - encode_srgb(np.linalg.inv(SRGB_D50) @ xyz) * 255).max() <= 3
    assert decoded.metadata.notes == []
    paper = read(stored(tmp_path / "b.jpg", Image.new("CMYK", (8, 8)), cmyk_profile(lab), quality=100))
    assert paper.picture.min() >= 253


@pytest.mark.parametrize("broken", [b"no profile", P3[:200], P3[:16] + b"XYZ " + P3[20:], bytes(3000)])
def test_a_broken_profile_is_ignored_and_that_is_said(tmp_path: Path, pixels: Bytes, broken: bytes) -> None:
    decoded = read(stored(tmp_path / "a.tif", Image.fromarray(pixels), broken))
    np.testing.assert_array_equal(decoded.picture, pixels)
    assert decoded.metadata.notes == ["its colour profile is damaged and was ignored"]
    assert decoded.metadata.icc is None


def test_a_profile_for_other_pixels_is_ignored_and_that_is_said(tmp_path: Path, pixels: Bytes) -> None:
    decoded = read(stored(tmp_path / "a.tif", Image.fromarray(pixels), gray_profile(2.2)))
    np.testing.assert_array_equal(decoded.picture, pixels)
    assert "for GRAY pixels" in decoded.metadata.notes[0]


def test_an_srgb_profile_moves_nothing_whatever_its_name(tmp_path: Path, pixels: Bytes) -> None:
    assert is_srgb(SRGB)
    assert not is_srgb(P3)  # although it calls itself sRGB
    decoded = read(stored(tmp_path / "a.png", Image.fromarray(pixels), SRGB))
    np.testing.assert_array_equal(decoded.picture, pixels)


def test_own_profiles_are_what_they_say(pixels: Bytes) -> None:
    assert is_srgb(colour.srgb())
    assert len(colour.srgb()) < 700
    for made, reference in ((colour.display_p3(), p3_in_srgb), (colour.adobe_rgb(), adobe_in_srgb)):
        assert colour_space(made) == "RGB"
        assert np.abs(np.asarray(to_srgb(Image.fromarray(pixels), made)[0]) - reference(pixels)).max() <= 2


def test_adobe_rgb_that_only_exif_names(tmp_path: Path, pixels: Bytes) -> None:
    exif = Image.Exif()
    exif[0x8769] = {0xA001: 0xFFFF, 0xA005: {1: "R03"}}
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    decoded = read(tmp_path / "a.png")
    assert np.abs(decoded.picture - adobe_in_srgb(pixels)).max() <= 2
    written = reopened(encode(decoded.picture, None, decoded.metadata, "PNG", PLAIN)).getexif()
    assert written.get_ifd(0x8769)[0xA001] == 1
    assert written.get_ifd(0xA005)[1] == "R98"


def test_by_default_srgb_is_written_and_labelled(tmp_path: Path, pixels: Bytes) -> None:
    decoded = read(stored(tmp_path / "a.png", Image.fromarray(pixels), P3))
    image = reopened(encode(decoded.picture, None, decoded.metadata, "PNG", PLAIN))
    np.testing.assert_array_equal(np.asarray(image), decoded.picture)
    assert is_srgb(image.info["icc_profile"])


@pytest.mark.parametrize("metadata", ["keep", "strip"])
def test_keep_converts_back_and_embeds_the_profile(tmp_path: Path, pixels: Bytes, metadata: Any) -> None:
    inside = (pixels // 4 + 90).astype(np.uint8)  # colours that sRGB has too come back as they were
    decoded = read(stored(tmp_path / "a.png", Image.fromarray(inside), P3))
    options = WriteOptions(colour="keep", metadata=metadata)
    image = reopened(encode(decoded.picture, None, decoded.metadata, "PNG", options))
    assert image.info["icc_profile"] == P3
    assert np.abs(np.asarray(image).astype(int) - inside).max() <= 2


def test_keep_needs_a_profile_for_rgb_and_a_place_for_it(tmp_path: Path, pixels: Bytes) -> None:
    gray = read(stored(tmp_path / "g.png", Image.fromarray(pixels[..., 0]), gray_profile(1.8)))
    image = reopened(encode(gray.picture, None, gray.metadata, "PNG", KEEP))
    assert is_srgb(image.info["icc_profile"])
    assert gray.metadata.notes == ["written in sRGB: its colour profile is not for RGB"]
    wide = read(stored(tmp_path / "w.png", Image.fromarray(pixels), P3))
    bitmap = reopened(encode(wide.picture, None, wide.metadata, "BMP", KEEP))
    np.testing.assert_array_equal(np.asarray(bitmap), wide.picture)
    assert wide.metadata.notes == ["written in sRGB: BMP holds no colour profile"]


def test_the_profile_of_an_srgb_file_stays_and_strip_removes_it(tmp_path: Path, pixels: Bytes) -> None:
    decoded = read(stored(tmp_path / "a.png", Image.fromarray(pixels), SRGB))
    assert reopened(encode(decoded.picture, None, decoded.metadata, "PNG", PLAIN)).info["icc_profile"] == SRGB
    stripped = encode(decoded.picture, None, decoded.metadata, "PNG", WriteOptions(metadata="strip"))
    assert "icc_profile" not in reopened(stripped).info


def test_a_file_without_a_profile_gets_none(tmp_path: Path, pixels: Bytes) -> None:
    Image.fromarray(pixels).save(tmp_path / "a.png")
    decoded = read(tmp_path / "a.png")
    for options in (PLAIN, KEEP):
        assert "icc_profile" not in reopened(encode(decoded.picture, None, decoded.metadata, "PNG", options)).info


def test_a_file_may_be_copied_whatever_its_profile_unless_another_format_is_asked_for(
    tmp_path: Path, pixels: Bytes
) -> None:
    wide = read(stored(tmp_path / "w.png", Image.fromarray(pixels), P3)).metadata
    plain = read(stored(tmp_path / "p.png", Image.fromarray(pixels), SRGB)).metadata
    assert [copy_format(one, how) for one in (wide, plain) for how in (PLAIN, KEEP)] == ["PNG"] * 4
    assert copy_format(wide, WriteOptions(format="png")) == "PNG"
    assert copy_format(wide, WriteOptions(format="jpeg")) is None
