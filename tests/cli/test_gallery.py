"""`henshin gallery` and `run-pipeline --gallery`: where the page is, what is said of it, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from support.cli import run
from support.gallery import data_of

from henshin.cli import main


def test_a_run_makes_its_gallery_and_says_where(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "photos" / "empty.png").write_bytes(b"")
    assert run("-i", "photos", "-o", "out", "--gallery") == 1
    said = capsys.readouterr()
    assert "gallery: out/gallery/index.html (4 pictures, 6 made small)" in said.err
    assert [item["n"] for item in data_of(place / "out" / "gallery" / "index.html")] == [
        "a.png",
        "b.png",
        "deep/c.png",
        "empty.png",
    ]
    assert Image.open(place / "out" / "gallery" / "contact-sheet.png").format == "PNG"


def test_json_names_the_page_and_quiet_says_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-i", "photos", "-o", "out", "--gallery", "--json") == 0
    assert json.loads(capsys.readouterr().out)["gallery"] == "out/gallery/index.html"
    assert run("-i", "photos", "-o", "out", "--gallery", "-q") == 0
    assert capsys.readouterr() == ("", "")
    assert run("-i", "photos", "-o", "out", "--json") == 0
    assert json.loads(capsys.readouterr().out)["gallery"] is None


def test_a_single_file_has_no_gallery_and_nothing_is_run(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-i", "photos/a.png", "-o", "b.png", "--gallery") == 2
    assert "'b.png' is a single picture; --gallery wants a folder with -o" in capsys.readouterr().err
    assert not (place / "b.png").exists()


def test_a_plan_makes_none(place: Path) -> None:
    assert run("-i", "photos", "-o", "out", "--gallery", "--dry-run") == 0
    assert not (place / "out").exists()


def test_the_gallery_of_a_finished_run(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-i", "photos", "-o", "out", "-q") == 0
    assert main(["gallery", "out", "-o", "show", "--copy"]) == 0
    assert "gallery: show/index.html (3 pictures, 6 made small)" in capsys.readouterr().err
    for item in data_of(place / "show" / "index.html"):
        assert (place / "show" / item["b"]["u"]).is_file()
    (place / "photos" / "a.png").unlink()
    assert main(["gallery", "out"]) == 0
    assert "1 file moved, changed or unreadable since" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["nowhere"], "no such folder: 'nowhere'"),
        (["photos"], "'photos' holds no record of a run"),
        (["out", "-o", "photos"], "'photos' is not empty, and is no gallery"),
        (["out", "--large", "3"], "3 is not in the range"),
        ([], "Missing argument 'OUT'"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(
    place: Path, capsys: pytest.CaptureFixture[str], words: list[str], reason: str
) -> None:
    assert run("-i", "photos", "-o", "out", "-q") == 0
    assert main(["gallery", *words]) == 2
    assert reason in capsys.readouterr().err
    assert not (place / "out" / "gallery").exists()


def test_a_gallery_that_cannot_be_made_hides_no_summary(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("gallery", "henshin-gallery"):
        (place / "out" / name).mkdir(parents=True)
        (place / "out" / name / "mine.txt").write_text("mine")
    assert run("-i", "photos", "-o", "out", "--gallery") == 2
    said = capsys.readouterr()
    assert "out: 3 done" in said.out
    assert "'out/henshin-gallery' is not empty, and is no gallery" in said.err
