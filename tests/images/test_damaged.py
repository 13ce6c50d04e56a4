"""Reading pictures that are damaged, too large or odd."""

from __future__ import annotations

import contextlib
import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import PIL
import pytest
from PIL import Image
from support.images import check, colours, png16

from henshin.errors import PictureError
from henshin.images import MOST_PIXELS, decoding, read


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
@pytest.mark.parametrize("fmt", ["jpg", "png", "webp", "tiff", "bmp", "gif", "avif", "heic", "jp2", "tga"])
def test_a_picture_cut_off_is_an_error(tmp_path: Path, fmt: str, share: float) -> None:
    if fmt == "heic":
        pytest.importorskip("pillow_heif").register_heif_opener()
    path = tmp_path / f"a.{fmt}"
    Image.fromarray(colours((120, 90))).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(PictureError, match=r"^damaged|^not the"):
        read(path)


def test_a_png_whose_pixels_are_not_those_that_were_written_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    pixels = colours((120, 90))
    Image.fromarray(pixels).save(path)
    data = bytearray(path.read_bytes())
    at = data.index(b"IDAT")
    size = int.from_bytes(data[at - 4 : at])
    # Other pixels, well compressed: only the checksum of the chunk can tell.
    other = zlib.compress(b"".join(b"\0" + row.tobytes() for row in 255 - pixels), 0)
    data[at - 4 : at + 4 + size] = struct.pack(">I", len(other)) + b"IDAT" + other
    path.write_bytes(data)
    with pytest.raises(PictureError, match=r"^damaged PNG picture: the checksum of its pixels is wrong$"):
        read(path)
    data[at + 4 + len(other) : at + 8 + len(other)] = struct.pack(">I", zlib.crc32(b"IDAT" + other))
    path.write_bytes(data)
    assert np.array_equal(read(path).picture, 255 - pixels)


def test_a_progressive_jpeg_cut_off_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(colours((120, 90))).save(path, progressive=True)
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(PictureError, match=r"^damaged JPEG picture: image file is truncated"):
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
    with pytest.raises(PictureError, match="larger than 500 megapixels"):
        read(tmp_path / "bomb.png")
    monkeypatch.setattr(decoding, "MOST_PIXELS", 63)
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(PictureError, match="larger than 0 megapixels: 8 x 8"):
        read(tmp_path / "a.png")
    assert MOST_PIXELS == 500_000_000


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
    assert 2 * Image.MAX_IMAGE_PIXELS == MOST_PIXELS
