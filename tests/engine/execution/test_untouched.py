"""A picture that nothing has changed: its file is copied, unless something else was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.engine import Bench, Faces, FacesConfig, Invert, Same
from support.profiles import P3


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def frames() -> dict[str, Any]:
    return {"save_all": True, "append_images": [Image.new("RGB", (12, 8), (1, 2, 3))]}


def copied(bench: Bench, name: str) -> bool:
    return (bench.out / name).read_bytes() == (bench.photos / name).read_bytes()


def test_wide_colours_are_copied(bench: Bench) -> None:
    bench.photo("x.jpg", icc_profile=P3)
    assert bench.run(Same).unchanged == 1
    assert copied(bench, "x.jpg")


def test_with_another_format_they_become_srgb(bench: Bench) -> None:
    bench.photo("x.png", icc_profile=P3)
    assert bench.run(Same, format="jpeg").unchanged == 0
    assert Image.open(bench.out / "x.jpg").info["icc_profile"] != P3


@pytest.mark.parametrize("name", ["x.jpg", "x.png", "x.webp"])
def test_where_there_is_nothing_to_strip_the_file_is_copied(bench: Bench, name: str) -> None:
    bench.photo(name)
    assert bench.run(Same, metadata="strip").unchanged == 1
    assert copied(bench, name)


def test_where_there_is_something_it_goes(bench: Bench) -> None:
    bench.photo("x.jpg", comment=b"at home")
    bench.photo("y.gif", comment=b"at home")
    assert bench.run(Same, metadata="strip").unchanged == 0
    assert bench.files() == ["x.jpg", "y.png"]
    assert not any(b"at home" in (bench.out / name).read_bytes() for name in bench.files())


@pytest.mark.parametrize("name", ["x.webp", "x.gif", "x.png"])
def test_an_animation_is_copied_whole_and_nothing_is_said_of_its_first_frame(bench: Bench, name: str) -> None:
    bench.photo(name, **frames())
    assert bench.run(Same).unchanged == 1
    assert copied(bench, name)
    assert bench.told.notes == []
    assert bench.run(Same).up_to_date == 1


def test_where_frames_are_dropped_that_is_said(bench: Bench) -> None:
    bench.photo("x.webp", **frames())
    bench.photo("y.gif", **frames())
    bench.run(Invert)
    assert bench.files() == ["x.webp", "y.png"]
    assert [note.split(": ")[1] for note in bench.told.notes] == ["first of 2 frames"] * 2
    bench.run(Same, output=bench.folder / "more", format="png")
    assert len(bench.told.notes) == 2


def test_a_gif_without_faces_stays_one_and_takes_nobodys_name(bench: Bench) -> None:
    """Expected was a PNG for each; where two names meet, they were told apart as that."""
    bench.photo("x.gif", (0, 0, 0))
    bench.photo("x.bmp", (0, 0, 0))
    bench.photo("x.png", (0, 0, 0))
    assert bench.run(Faces(FacesConfig())).unchanged == 3
    assert bench.files() == ["x.bmp", "x.gif.gif", "x.png"]


def test_a_gif_by_another_name_gets_its_own_suffix(bench: Bench) -> None:
    bench.photo("x.gif").rename(bench.photos / "x.jpg")
    bench.run(Same)
    assert bench.files() == ["x.gif"]


def test_how_many_faces_a_picture_has_is_told(bench: Bench) -> None:
    bench.photo("a.png")
    bench.photo("b.png", (0, 0, 0))
    bench.run(Faces(FacesConfig(number=1)))
    assert bench.told.ended == [("a.png", "done", "1 face"), ("b.png", "done", "no face")]
    bench.run(Faces(FacesConfig(number=2)))
    assert bench.told.ended[0] == ("a.png", "done", "2 faces")


def test_a_failure_is_told_with_its_stage_also_the_next_time(bench: Bench) -> None:
    (bench.photos / "zero.jpg").touch()
    for when in ("", " (in an earlier run)"):
        bench.run(Same)
        assert bench.told.ended == [("zero.jpg", "failed", f"read: empty file (0 bytes){when}")]
