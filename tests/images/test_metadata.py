"""EXIF, XMP and resolution: kept, and true of the picture that is written."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from henshin.images import WriteOptions, encode, output_format, read
from henshin.images.exif import renew_exif, renew_xmp
from henshin.images.picture import Metadata

PLAIN = WriteOptions()
WITH_EXIF = ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"]
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/" '
    b'tiff:Orientation="6" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:creator="Anna">'
    b"<exif:PixelXDimension>4000</exif:PixelXDimension></rdf:Description></rdf:RDF></x:xmpmeta>"
)


def camera_exif() -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "Camera Works"
    exif[0x0110] = "Model 1"
    exif[0x0112] = 6
    exif[0x011A] = 300.0
    exif[0x0128] = 2
    exif[0x013B] = "Änne".encode()  # cameras and programs of today write UTF-8
    exif[0x8769] = {
        0x829A: 0.005,
        0x8827: 200,
        0x9003: "2024:05:01 12:00:00",
        0x927C: b"Maker\0\x01\x02\x03" * 9,
        0xA001: 0xFFFF,
        0xA002: 4000,
        0xA003: 3000,
    }
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 12.5), 3: "E", 4: (13.0, 24.0, 30.25)}
    return exif.tobytes()


def with_thumbnail(block: bytes, tail: bytes = b"") -> bytes:
    """Append a directory of a thumbnail, and the thumbnail, as cameras do."""
    prefix, data = block[:6], bytearray(block[6:])
    order = "<" if data[:2] == b"II" else ">"
    main = struct.unpack_from(order + "I", data, 4)[0]
    link = main + 2 + 12 * struct.unpack_from(order + "H", data, main)[0]
    struct.pack_into(order + "I", data, link, len(data))
    thumb = io.BytesIO()
    Image.new("RGB", (160, 120), "red").save(thumb, "JPEG")
    start = len(data) + 2 + 3 * 12 + 4
    data += struct.pack(order + "H", 3)
    for tag, kind, value in ((0x0103, 3, 6), (0x0201, 4, start), (0x0202, 4, thumb.tell())):
        packed = struct.pack(order + "HH", value, 0) if kind == 3 else struct.pack(order + "I", value)
        data += struct.pack(order + "HHI", tag, kind, 1) + packed
    return prefix + bytes(data) + bytes(4) + thumb.getvalue() + tail


def tags(exif: Image.Exif) -> dict[int, Any]:
    found = {tag: value for tag, value in exif.items() if tag not in (0x8769, 0x8825)}
    for group in (0x8769, 0x8825):
        found |= {(group << 16) + tag: value for tag, value in exif.get_ifd(group).items()}
    return found


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def source(tmp_path: Path, **options: Any) -> Path:
    path = tmp_path / "source.jpg"
    Image.new("RGB", (40, 30), "teal").save(path, **options)
    return path


@pytest.mark.parametrize("fmt", WITH_EXIF)
def test_exif_goes_in_and_out(tmp_path: Path, fmt: str) -> None:
    if output_format(fmt) != fmt:
        pytest.skip(f"{fmt} cannot be written here")
    decoded = read(source(tmp_path, exif=with_thumbnail(camera_exif())))
    larger = np.repeat(np.repeat(decoded.picture, 2, axis=0), 2, axis=1)
    written = opened(encode(larger, None, decoded.metadata, fmt, PLAIN))
    after = tags(written.getexif())
    before = tags(opened(source(tmp_path, exif=camera_exif()).read_bytes()).getexif())
    assert after.pop(0x0112, 1) == 1
    assert (after.pop(0x8769_A002), after.pop(0x8769_A003)) == (60, 80)
    for tag in (0x0112, 0x8769_A002, 0x8769_A003):
        del before[tag]
    assert {tag: after.get(tag) for tag in before} == before
    assert written.size == (60, 80)
    assert not written.getexif().get_ifd(1)


def test_all_but_the_patched_numbers_stays_byte_for_byte() -> None:
    block = camera_exif()
    renewed = renew_exif(block, (4000, 3000))
    assert renewed is not None
    assert len(renewed) == len(block)
    assert sum(a != b for a, b in zip(block, renewed, strict=True)) == 1  # orientation 6 -> 1


def test_the_orientation_can_be_taken_out() -> None:
    before, after = Image.Exif(), Image.Exif()
    before.load(camera_exif())
    renewed = renew_exif(camera_exif(), (4000, 3000), orientation=False)
    assert renewed is not None
    after.load(renewed)
    assert tags(before).keys() - tags(after).keys() == {0x0112}
    assert after.get_ifd(0x8769) == before.get_ifd(0x8769)


@pytest.mark.parametrize("tail", [b"", b"maker notes may lie behind the thumbnail"])
def test_the_thumbnail_goes(tail: bytes) -> None:
    block = with_thumbnail(camera_exif(), tail)
    assert Image.open(io.BytesIO(block[block.index(b"\xff\xd8") :])).size == (160, 120)
    renewed = renew_exif(block, (10, 10))
    assert renewed is not None
    assert b"\xff\xd8" not in renewed
    assert renewed.endswith(tail)
    exif = Image.Exif()
    exif.load(renewed)
    assert not exif.get_ifd(1)
    assert exif[0x0110] == "Model 1"


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders(order: str) -> None:
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, 1)
    before, after = (start + struct.pack(order + "HHIHHI", 0x0112, 3, 1, value, 0, 0) for value in (8, 1))
    assert renew_exif(before, (1, 1)) == after


@pytest.mark.parametrize("cut", [3, 7, 12, 30])
def test_a_damaged_block_is_left_out_and_that_is_said(cut: int) -> None:
    metadata = Metadata(exif=camera_exif()[:cut])
    data = encode(np.zeros((4, 4, 3), np.uint8), None, metadata, "PNG", PLAIN)
    assert not opened(data).getexif()
    assert metadata.notes == ["EXIF left out: it is damaged"]


def test_noise_in_a_block_raises_nothing(rng: np.random.Generator) -> None:
    block = with_thumbnail(camera_exif())
    for _ in range(300):
        data = bytearray(block)
        for at in rng.integers(6, 300, 8):
            data[at] = rng.integers(0, 256)
        renew_exif(bytes(data), (5, 5), now_srgb=True)


def test_too_long_for_a_jpeg_is_said(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "x" * 70_000
    metadata = Metadata(exif=exif.tobytes(), xmp=b"<x/>" + b" " * 70_000)
    picture = np.zeros((4, 4, 3), np.uint8)
    encode(picture, None, metadata, "JPEG", PLAIN)
    assert metadata.notes == ["EXIF left out: it is too long for a JPEG", "XMP left out: it is too long for a JPEG"]
    assert len(encode(picture, None, metadata, "PNG", PLAIN)) > 70_000 - 65_536


def test_converted_colours_are_told_in_exif(tmp_path: Path) -> None:
    from support.profiles import P3

    decoded = read(source(tmp_path, exif=camera_exif(), icc_profile=P3))
    for options, space in ((PLAIN, 1), (WriteOptions(colour="keep"), 0xFFFF)):
        data = encode(decoded.picture, None, decoded.metadata, "JPEG", options)
        assert opened(data).getexif().get_ifd(0x8769)[0xA001] == space


@pytest.mark.parametrize("fmt", WITH_EXIF)
def test_xmp_and_resolution(tmp_path: Path, fmt: str) -> None:
    if output_format(fmt) != fmt:
        pytest.skip(f"{fmt} cannot be written here")
    decoded = read(source(tmp_path, xmp=XMP, dpi=(300, 150)))
    assert decoded.picture.shape == (40, 30, 3)  # the orientation of the XMP counts where EXIF has none
    assert decoded.metadata.dpi == (300.0, 150.0)
    written = opened(encode(decoded.picture, None, decoded.metadata, fmt, PLAIN))
    xmp = written.info["xmp"]
    assert b'dc:creator="Anna"' in xmp
    assert b'tiff:Orientation="6"' not in xmp
    assert b"<exif:PixelXDimension>30</exif:PixelXDimension>" in xmp
    if fmt in ("JPEG", "PNG", "TIFF"):
        assert [round(float(value)) for value in written.info["dpi"]] == [300, 150]


def test_xmp_that_points_to_what_is_not_written_goes() -> None:
    ultra = XMP.replace(
        b'dc:creator="Anna"', b'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"'
    )
    assert renew_xmp(ultra, (3, 4)) is None
    metadata = Metadata(xmp=ultra)
    assert b"hdr-gain" not in encode(np.zeros((4, 4, 3), np.uint8), None, metadata, "JPEG", PLAIN)
    assert metadata.notes == ["XMP left out: it describes a second picture or a film inside the input"]


@pytest.mark.parametrize("fmt", WITH_EXIF)
def test_strip_leaves_nothing(tmp_path: Path, fmt: str) -> None:
    if output_format(fmt) != fmt:
        pytest.skip(f"{fmt} cannot be written here")
    decoded = read(source(tmp_path, exif=camera_exif(), xmp=XMP, dpi=(300, 300)))
    data = encode(decoded.picture, None, decoded.metadata, fmt, WriteOptions(metadata="strip"))
    for trace in (b"Camera Works", b"Anna", b"Maker"):
        assert trace not in data
    image = opened(data)
    assert [round(float(value)) for value in image.info.get("dpi", (1, 1))] in ([1, 1], [72, 72], [0, 0])
    assert not {0x010F, 0x8825} & set(image.getexif())


def test_exif_of_a_tiff_goes_to_a_jpeg_without_its_layout(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    exif = Image.Exif()
    exif.load(camera_exif())
    exif[0x013B] = "Änne".encode()  # loaded as text, Pillow would write it as "??nne"
    Image.new("RGB", (40, 30), "teal").save(path, exif=exif)
    decoded = read(path)
    assert decoded.picture.shape == (40, 30, 3)
    exif = opened(encode(decoded.picture, None, decoded.metadata, "JPEG", PLAIN)).getexif()
    assert (exif[0x010F], exif[0x013B]) == ("Camera Works", "Änne".encode().decode("latin-1"))
    assert exif.get_ifd(0x8769)[0x8827] == 200
    assert exif.get_ifd(0x8825)[2] == (52.0, 31.0, 12.5)
    assert not {0x0103, 0x0111, 0x0117} & set(exif)


def test_a_tiff_is_not_laid_out_by_the_exif_of_another_file() -> None:
    exif = Image.Exif()
    for tag, value in ((0x0103, 6), (0x0106, 6), (0x0115, 1), (0x0110, "Model 1")):
        exif[tag] = value
    picture = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    image = opened(encode(picture, None, Metadata(exif=exif.tobytes()), "TIFF", PLAIN))
    np.testing.assert_array_equal(np.asarray(image), picture)
    assert image.getexif()[0x0110] == "Model 1"


def test_a_bitmap_has_no_place_for_exif_and_that_is_said() -> None:
    metadata = Metadata(exif=camera_exif())
    encode(np.zeros((4, 4, 3), np.uint8), None, metadata, "BMP", PLAIN)
    assert metadata.notes == ["EXIF left out: BMP has no place for it"]


@pytest.mark.parametrize("dpi", [(0, 0), (1e9, 1e9), (float("nan"), 72)])
def test_a_senseless_resolution_is_none(tmp_path: Path, dpi: tuple[float, float]) -> None:
    from henshin.images.decoding import _resolution

    assert _resolution(dpi) is None
    assert _resolution("300") is None
    assert _resolution((72, 72.5)) == (72.0, 72.5)


def test_exif_that_a_webp_holds_without_its_mark_is_found_in_a_jpeg(tmp_path: Path) -> None:
    path = tmp_path / "a.webp"
    Image.new("RGB", (9, 7)).save(path, exif=camera_exif())
    decoded = read(path)
    assert decoded.metadata.exif is not None
    data = encode(decoded.picture, None, decoded.metadata, "JPEG", PLAIN)
    held = Image.open(io.BytesIO(data)).getexif()
    assert held[0x010F] == "Camera Works"
    assert held.get_ifd(0x8769)[0x9003] == "2024:05:01 12:00:00"
    assert decoded.metadata.notes == []
