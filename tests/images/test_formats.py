"""What is a picture, which format it is, and how outputs are named."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image, features
from pydantic import ValidationError

from henshin.errors import HenshinError, MissingError, PictureError
from henshin.images import FORMATS, WriteOptions, format_of, is_picture, output_format, read, suffix_for

SAVEABLE = ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "JPEG2000", "PPM", "ICO", "QOI", "SGI", "DDS", "PSD"]


def saved(fmt: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (20, 16), (200, 30, 60)).save(buffer, fmt)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["photo.jpg", "PHOTO.JPG", "a.JpEg", "x.webp", "scan.TIFF", "i.heic"])
def test_a_known_suffix_makes_a_picture_even_of_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert is_picture(tmp_path / name)
    with pytest.raises(PictureError, match=r"^empty file \(0 bytes\)"):
        read(tmp_path / name)


@pytest.mark.parametrize("fmt", [fmt for fmt in SAVEABLE if fmt in Image.SAVE or fmt in ("JPEG2000", "QOI")])
@pytest.mark.parametrize("name", ["without", "wrong.dat", "lying.jpg"])
def test_content_decides_where_the_suffix_is_missing_or_wrong(tmp_path: Path, fmt: str, name: str) -> None:
    Image.init()
    if fmt not in Image.SAVE:
        pytest.skip(f"this Pillow cannot write {fmt}")
    path = tmp_path / name
    path.write_bytes(saved(fmt))
    assert is_picture(path)
    assert format_of(path) == fmt
    decoded = read(path)
    assert decoded.picture.shape[2] == 3
    assert decoded.metadata.format == fmt


def test_files_that_are_no_pictures(tmp_path: Path) -> None:
    texts = {
        "notes.txt": b"P1 is the first player\n",
        "letter": b"BM is a place; this is a letter to it, long enough for a header\n",
        "code.py": b"import this\n",
        "model.h": b"#define width 3\n",
        "film.mp4": b"\0\0\0\x18ftypisom\0\0\0\0isomiso2",
        "empty": b"",
        "noise.bin": bytes(range(256)),
        "page.pdf": b"%PDF-1.7\n",
        "drawing.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n",
    }
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        archive.writestr("a.txt", "text")
    for name, data in texts.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "folder.jpg").mkdir()
    assert [path.name for path in tmp_path.iterdir() if is_picture(path)] == []
    with pytest.raises(PictureError, match=r"^no picture that henshin can read"):
        read(tmp_path / "notes.txt")


def test_a_text_called_jpg_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "page.jpg"
    path.write_text("<html>not found</html>" * 10)
    with pytest.raises(PictureError, match=r"^not the JPEG picture that its suffix promises"):
        read(path)


def test_a_raw_file_is_not_taken_for_its_thumbnail(tmp_path: Path) -> None:
    path = tmp_path / "DSC_0001.NEF"
    path.write_bytes(saved("TIFF"))
    assert not is_picture(path)
    with pytest.raises(PictureError):
        read(path)


def test_a_pipe_or_an_absent_file_is_an_error_and_no_wait(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="cannot be opened"):
        read(tmp_path / "none.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(PictureError, match=r"^not a file"):
        read(tmp_path / "pipe.jpg")
    os.mkfifo(tmp_path / "pipe")
    assert not is_picture(tmp_path / "pipe")


def test_formats_without_a_beginning_of_their_own_go_by_suffix(tmp_path: Path) -> None:
    Image.new("RGB", (5, 4), (9, 8, 7)).save(tmp_path / "a.tga")
    assert read(tmp_path / "a.tga").picture[0, 0].tolist() == [9, 8, 7]
    (tmp_path / "a.tga").rename(tmp_path / "a")
    assert not is_picture(tmp_path / "a")


@pytest.mark.parametrize(
    ("source", "wanted", "expected"),
    [
        (".jpg", None, "JPEG"),
        (".JPEG", None, "JPEG"),
        ("JPEG", None, "JPEG"),
        ("MPO", None, "JPEG"),
        (".mpo", None, "JPEG"),
        (".tif", None, "TIFF"),
        ("WEBP", None, "WEBP"),
        (".gif", None, "PNG"),
        ("PSD", None, "PNG"),
        (".ico", None, "PNG"),
        (".xyz", None, "PNG"),
        (None, None, "PNG"),
        (".png", "jpg", "JPEG"),
        (".png", ".JPG", "JPEG"),
        ("GIF", "TIFF", "TIFF"),
    ],
)
def test_output_format(source: str | None, wanted: str | None, expected: str) -> None:
    assert output_format(source, wanted) == expected


def test_an_unknown_format_is_refused_with_what_is_near() -> None:
    with pytest.raises(HenshinError, match=r"no format named 'jpgg'.*did you mean 'jpg'"):
        output_format(".png", "jpgg")
    with pytest.raises(ValidationError, match="did you mean 'png'"):
        WriteOptions(format="pngg")
    with pytest.raises(ValidationError, match="one of jpg, png, webp, tif, bmp, avif, heic"):
        WriteOptions(format="gif")
    assert WriteOptions(format=".jpg").format == "JPEG"


def test_suffixes_are_kept_where_they_fit() -> None:
    assert suffix_for("JPEG", ".JPG") == ".JPG"
    assert suffix_for("JPEG", ".jpeg") == ".jpeg"
    assert suffix_for("TIFF", ".tiff") == ".tiff"
    assert suffix_for("PNG", ".gif") == ".png"
    assert suffix_for("JPEG", ".png") == ".jpg"
    assert suffix_for("HEIF", ".HEIC") == ".HEIC"
    assert suffix_for("JPEG", "") == ".jpg"


def test_heic_without_its_extra_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert is_picture(path)
    with pytest.raises(PictureError, match=r"pip install 'henshin\[heic\]'"):
        read(path)
    with pytest.raises(MissingError, match=r"pip install 'henshin\[heic\]'"):
        output_format(".jpg", "heic")
    assert output_format(".heic") == "PNG"


def test_avif_that_this_pillow_lacks_is_not_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "check", lambda name: False)
    assert output_format(".avif") == "PNG"
    with pytest.raises(MissingError, match="AVIF"):
        output_format(".jpg", "avif")


def test_pillow_knows_every_format_promised() -> None:
    Image.init()
    assert set(FORMATS.values()) - {"HEIF"} <= set(Image.OPEN) | {"MPO"}


def test_importing_the_room_loads_neither_pillow_nor_numpy() -> None:
    code = "import sys, henshin.images; print({'PIL', 'numpy', 'pillow_heif'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
