"""The folder of a gallery: where it is, what it leaves behind, and that no listing takes it for photos."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.engine import Bench, Invert, Multiply, Sample
from support.gallery import Recorded, data_of, picture

from henshin.errors import HenshinError, MissingError
from henshin.files import is_gallery
from henshin.gallery import Gallery, GalleryOptions
from henshin.gallery.sheet import MOST, draw_contact_sheet, spread
from henshin.train.data.folders import list_pictures


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    return Recorded(tmp_path)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def made(bench: Bench, **options: object) -> Path:
    return Gallery(bench.out, GalleryOptions(**options)).make().page  # type: ignore[arg-type]


def test_it_lies_in_the_output_folder_and_holds_all_that_it_shows(recorded: Recorded) -> None:
    recorded.add("a.jpg", results=2)
    page = recorded.make().page
    assert page == recorded.out / "gallery" / "index.html"
    assert is_gallery(page.parent)
    shutil.move(page.parent, recorded.out.parent / "sent")
    shutil.rmtree(recorded.out)
    (entry,) = data_of(recorded.out.parent / "sent" / "index.html")
    for file in (entry["b"], *entry["a"]):
        assert Image.open(recorded.out.parent / "sent" / file["s"]).size in ((40, 30), (41, 30))
    assert Image.open(recorded.out.parent / "sent" / "contact-sheet.png").size[0] > 300


def test_a_folder_of_results_called_gallery_is_left_to_them(recorded: Recorded) -> None:
    recorded.add("gallery/a.jpg")
    recorded.add("b.jpg")
    page = recorded.make().page
    assert page.parent == recorded.out / "henshin-gallery"
    assert [path.name for path in (recorded.out / "gallery").iterdir()] == ["a.png"]


def test_a_folder_of_somebody_elses_is_left_alone(recorded: Recorded) -> None:
    recorded.add("a.jpg")
    (recorded.out / "gallery").mkdir()
    (recorded.out / "gallery" / "mine.txt").write_text("mine")
    assert recorded.make().page.parent.name == "henshin-gallery"
    with pytest.raises(HenshinError, match="not empty, and is no gallery"):
        recorded.make(place=recorded.out / "gallery")
    with pytest.raises(HenshinError, match="holds the results themselves"):
        recorded.make(place=recorded.out)
    with pytest.raises(HenshinError, match="is a file"):
        recorded.make(place=recorded.out / "a.png")
    assert (recorded.out / "gallery" / "mine.txt").read_text() == "mine"


def test_another_place_has_links_to_where_the_files_are(recorded: Recorded, tmp_path: Path) -> None:
    recorded.add("a.jpg")
    page = recorded.make(place=tmp_path / "deep" / "er" / "show").page
    (entry,) = data_of(page)
    assert os.path.normpath(page.parent / entry["a"][0]["u"]) == str(recorded.out / "a.png")


def test_a_later_run_takes_no_small_picture_for_a_photo(bench: Bench) -> None:
    bench.photo("a.png")
    bench.run(Invert)
    page = made(bench)
    summary = bench.run(Invert, inputs=[bench.out], output=bench.folder / "second")
    assert (summary.done, summary.failed) == (1, 0)
    assert any("gallery" in note for note in bench.told.notes)
    again = bench.run(Invert, inputs=[f"{bench.out}/**/*.*"], output=bench.folder / "third")
    assert again.done == 1
    with pytest.raises(HenshinError, match="nothing but pictures of galleries"):
        bench.run(Invert, inputs=[f"{bench.out}/gallery*/**/*.jpg"], output=bench.folder / "fourth")
    assert [path.name for path in list_pictures([bench.out])] == ["a.png"]
    assert page.is_file()


def test_a_gallery_among_photos_is_left_out_and_one_that_is_named_is_taken(bench: Bench) -> None:
    bench.photo("a.png")
    bench.run(Invert)
    page = made(bench, place=bench.photos / "show")
    assert bench.run(Invert).total == 1
    assert bench.run(Invert, inputs=[page.parent], output=bench.folder / "of-gallery").done >= 2
    assert len(list_pictures([page.parent])) >= 2


def test_a_second_run_and_its_gallery_change_nothing(bench: Bench) -> None:
    bench.photo("a.png")
    bench.run(Invert)
    made(bench)
    before = bench.state()
    assert bench.run(Invert).up_to_date == 1
    made(bench)
    assert bench.state() == before


def test_a_run_that_only_failed_has_a_gallery(bench: Bench) -> None:
    bench.photo("a.png").write_bytes(b"")
    bench.photo("b.jpg").write_bytes(b"text")
    bench.run(Invert)
    result = Gallery(bench.out, GalleryOptions()).make()
    assert (result.entries, result.made, result.missing) == (2, 0, 0), "why they failed is no news"
    assert [item["s"] for item in data_of(result.page)] == ["failed", "failed"]
    assert Image.open(result.page.parent / "contact-sheet.png").size[0] > 100


def test_the_contact_sheet_shows_before_and_after_and_why_there_is_none(recorded: Recorded, tmp_path: Path) -> None:
    recorded.add("a.jpg", results=3)
    recorded.add("b.jpg", results=0, reason="cut off", stage="read")
    gallery = Gallery(recorded.out, GalleryOptions())
    gallery.make()
    sheet = np.asarray(Image.open(recorded.out / "gallery" / "contact-sheet.png")).astype(int)
    assert sheet.shape[1] == 8 + 4 * (150 + 8)
    assert sheet[40, 12:44].std() > 1, "a picture with its gradient"
    blank = replace(gallery.record.entries[0], before=None, after=())
    draw_contact_sheet([blank], gallery.store, tmp_path / "blank.png")
    assert Image.open(tmp_path / "blank.png").size[1] < sheet.shape[0]


def test_a_contact_sheet_of_what_was_drawn_from_noise_has_no_empty_columns(bench: Bench) -> None:
    bench.run(Sample, inputs=[])
    made(bench)
    assert Image.open(bench.out / "gallery" / "contact-sheet.png").size[0] == 8 + 3 * (150 + 8)


def test_a_contact_sheet_of_many_shows_some_from_everywhere() -> None:
    numbers = list(range(1000))
    chosen = spread(numbers, MOST)  # type: ignore[arg-type]
    assert len(chosen) == MOST
    assert chosen[0] == 0
    assert chosen[-1] > 980  # type: ignore[operator]
    assert spread(numbers[:5], MOST) == numbers[:5]  # type: ignore[arg-type, comparison-overlap]


def test_old_pages_go_with_the_pictures_that_were_on_them(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(5):
        recorded.add(f"{index}.jpg")
    monkeypatch.setattr("henshin.gallery.plain.PAGE", 2)
    folder = recorded.make().page.parent
    assert sorted(path.name for path in folder.glob("*.html")) == ["index.html", "plain-2.html", "plain-3.html"]
    monkeypatch.setattr("henshin.gallery.plain.PAGE", 200)
    recorded.make()
    assert [path.name for path in folder.glob("*.html")] == ["index.html"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_that_cannot_be_written_is_told_in_a_line(recorded: Recorded) -> None:
    recorded.add("a.jpg")
    recorded.out.chmod(0o500)
    try:
        with pytest.raises(HenshinError, match="cannot write the gallery"):
            recorded.make()
    finally:
        recorded.out.chmod(0o700)


def test_a_full_disk_ends_it_in_a_line_and_what_is_made_stays(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    from henshin import images

    for index in range(8):
        recorded.add(f"{index}.jpg")
    real, left = images.write_bytes, [6]

    def full(path: Path, data: bytes) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        real(path, data)

    monkeypatch.setattr(images, "write_bytes", full)
    with pytest.raises(MissingError, match=r"cannot write the gallery .*No space left"):
        recorded.make()
    monkeypatch.setattr(images, "write_bytes", real)
    assert recorded.make().made == 16 - 6


def test_scraps_of_a_killed_one_are_removed(recorded: Recorded) -> None:
    recorded.add("a.jpg")
    page = recorded.make().page
    scrap = next((page.parent / "files").iterdir()) / ".henshin-0123.part"
    scrap.write_bytes(b"half")
    recorded.make()
    assert not scrap.exists()


def test_several_results_of_a_photo_are_all_there(bench: Bench) -> None:
    bench.photo("a.png")
    bench.run(Multiply)
    (entry,) = data_of(made(bench))
    assert [file["n"] for file in entry["a"]] == ["a-1.png", "a-2.png"]


def test_pictures_of_other_sizes_and_odd_shapes(recorded: Recorded) -> None:
    entry = recorded.add("a.jpg")
    picture(recorded.photos / "line.png", 5, (4000, 1))
    picture(recorded.photos / "dot.png", 5, (1, 1))
    from support.gallery import sha256

    for name in ("line.png", "dot.png"):
        path = recorded.photos / name
        recorded.append(replace(entry, source=str(path), input_hash=sha256(path)))
    page = recorded.make().page
    sizes = {item["n"]: (item["b"]["w"], item["b"]["h"]) for item in data_of(page)}
    assert sizes == {"a.jpg": (40, 30), "line.png": (4000, 1), "dot.png": (1, 1)}
