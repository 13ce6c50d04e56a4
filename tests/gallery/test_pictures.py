"""The small pictures of a gallery: as the engine reads a file, made once, and never of another content."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.gallery import Recorded, data_of, picture, sha256

from henshin import images
from henshin.engine.record.manifest import Output, RecordEntry
from henshin.gallery import Gallery, GalleryOptions
from henshin.gallery.entries import RecordedFile
from henshin.gallery.pictures import ByteBudget, PictureStore, link_to
from henshin.images.colour import adobe_rgb


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    return Recorded(tmp_path)


def stored(tmp_path: Path, path: Path, large: int = 1024) -> tuple[PictureStore, Any]:
    store = PictureStore(tmp_path / "gallery", large)
    file = RecordedFile(path, sha256(path))
    store.show([file], lambda _: None)
    return store, store.shown(file)


def pixels(path: Path) -> Any:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def test_orientation_and_colour_are_those_of_the_engine(tmp_path: Path) -> None:
    image = Image.new("RGB", (60, 30), (200, 30, 30))
    image.paste((30, 30, 200), (0, 0, 30, 30))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    store, shown = stored(tmp_path, tmp_path / "turned.jpg")
    assert (shown.picture.width, shown.picture.height) == (30, 60)
    found = pixels(store.gallery / shown.picture.small)
    expected = images.read(tmp_path / "turned.jpg").picture.astype(int)
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() < 4


def test_a_profile_is_converted(tmp_path: Path) -> None:
    Image.new("RGB", (32, 32), (40, 220, 40)).save(tmp_path / "wide.png", icc_profile=adobe_rgb())
    store, shown = stored(tmp_path, tmp_path / "wide.png")
    expected = images.read(tmp_path / "wide.png").picture[0, 0].astype(int)
    assert np.abs(pixels(store.gallery / shown.picture.small)[16, 16] - expected).max() < 6
    assert np.abs(expected - (40, 220, 40)).max() > 10, "the profile must matter for this test"


@pytest.mark.parametrize(
    ("size", "small", "large"),
    [
        ((3000, 1500), (320, 160), (1024, 512)),
        ((500, 250), (320, 160), (500, 250)),
        ((320, 100), (320, 100), None),
        ((1, 1), (1, 1), None),
    ],
)
def test_sizes(tmp_path: Path, size: tuple[int, int], small: tuple[int, int], large: tuple[int, int] | None) -> None:
    store, shown = stored(tmp_path, picture(tmp_path / "a.png", size=size))
    assert Image.open(store.gallery / shown.picture.small).size == small
    assert (shown.picture.large != shown.picture.small) == (large is not None)
    assert Image.open(store.gallery / shown.picture.large).size == (large or small)
    assert (shown.picture.width, shown.picture.height) == size


def test_alpha_is_kept(tmp_path: Path) -> None:
    image = Image.new("RGBA", (40, 20), (255, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, 20, 20))
    image.save(tmp_path / "clear.png")
    store, shown = stored(tmp_path, tmp_path / "clear.png")
    found = np.asarray(Image.open(store.gallery / shown.picture.small).convert("RGBA"))
    assert found[10, 2, 3] == 0
    assert found[10, 38, 3] == 255
    assert found[10, 38, 0] > 240


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "I;16"])
def test_every_mode_has_a_picture(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("a.tiff" if mode == "CMYK" else "a.png")
    image = Image.linear_gradient("L").resize((64, 64))
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    else:
        image = image.convert("RGB").convert(mode)
    image.save(path)
    store, shown = stored(tmp_path, path)
    found = pixels(store.gallery / shown.picture.small)
    assert found[-4:].mean() - found[:4].mean() > 100
    assert shown.is_viewable is (mode != "CMYK"), "browsers show no TIFF"


def test_making_it_again_makes_nothing(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(4):
        recorded.add(f"{index}.jpg")
    first = recorded.make()
    assert first.made == len({sha256(path) for path in [*recorded.photos.iterdir(), *recorded.out.glob("*.png")]})
    before = {path: path.stat().st_mtime_ns for path in first.page.parent.rglob("*") if path.is_file()}
    monkeypatch.setattr(images, "read_open", lambda *_: pytest.fail("nothing is decoded again"))
    monkeypatch.setattr("henshin.gallery.file_state.hash_file", lambda *_: pytest.fail("nothing is read again"))
    assert recorded.make().made == 0
    assert {path: path.stat().st_mtime_ns for path in first.page.parent.rglob("*") if path.is_file()} == before


def test_only_what_changed_is_made_and_what_is_gone_is_removed(recorded: Recorded) -> None:
    recorded.add("a.jpg")
    recorded.add("b.jpg")
    page = recorded.make().page
    files = set((page.parent / "files").rglob("*.jpg"))
    picture(recorded.out / "b.png", 90)
    entry = RecordEntry(
        str(recorded.photos / "b.jpg"),
        [output(recorded.out / "b.png")],
        "done", None, None, sha256(recorded.photos / "b.jpg"), "other", 0.1,
    )  # fmt: skip
    recorded.append(entry)
    assert recorded.make().made == 1
    after = set((page.parent / "files").rglob("*.jpg"))
    assert len(after - files) == 1
    shown = {
        value for item in data_of(page) for file in (item["b"], *item["a"]) for value in (file["s"], file.get("l"))
    }
    assert {path.relative_to(page.parent).as_posix() for path in after} == shown - {None}


def output(path: Path) -> Output:
    return Output(path.name, path.stat().st_size, sha256(path))


def test_a_damaged_mark_or_lost_pictures_are_made_again(recorded: Recorded) -> None:
    recorded.add("a.jpg")
    page = recorded.make().page
    (page.parent / ".henshin" / "gallery.json").write_text("{")
    assert recorded.make().made == 2
    next((page.parent / "files").rglob("*.jpg")).unlink()
    assert recorded.make().made == 1


def test_another_size_is_made_anew(recorded: Recorded) -> None:
    recorded.add("a.jpg")
    recorded.make()
    assert recorded.make(large=512).made == 2


def test_moved_and_changed_files_are_told_and_never_shown_as_what_they_were(recorded: Recorded) -> None:
    for name in ("gone.jpg", "changed.jpg", "whole.jpg"):
        recorded.add(name)
    (recorded.photos / "gone.jpg").unlink()
    picture(recorded.photos / "changed.jpg", 99)
    (recorded.out / "whole.png").unlink()
    made = recorded.make()
    assert made.missing == 3
    found = {item["n"]: item for item in data_of(made.page)}
    assert found["gone.jpg"]["b"] == {"n": "gone.jpg", "e": "moved or deleted since the run"}
    assert found["changed.jpg"]["b"] == {"n": "changed.jpg", "e": "changed since the run"}
    assert found["whole.jpg"]["a"] == [{"n": "whole.png", "e": "moved or deleted since the run"}]
    assert "s" in found["gone.jpg"]["a"][0]


def test_a_gallery_outlives_the_photos_that_it_was_made_of(recorded: Recorded) -> None:
    recorded.add("a.jpg")
    recorded.make()
    (recorded.photos / "a.jpg").unlink()
    made = recorded.make()
    (found,) = data_of(made.page)
    assert (made.page.parent / found["b"]["s"]).is_file(), "its small copy is that of the photo as it was"
    assert found["b"]["e"] == "moved or deleted since the run"
    assert "u" not in found["b"]


def test_a_file_that_may_not_be_read_is_told(recorded: Recorded) -> None:
    recorded.add("a.jpg")
    (recorded.photos / "a.jpg").unlink()
    (recorded.photos / "a.jpg").mkdir()
    (found,) = data_of(recorded.make().page)
    assert found["b"]["e"].startswith("cannot be read")


def test_copies_hold_every_byte_and_no_link_leads_out(recorded: Recorded) -> None:
    recorded.add("a.jpg")
    page = recorded.make(copies=True).page
    (found,) = data_of(page)
    assert (page.parent / found["b"]["u"]).read_bytes() == (recorded.photos / "a.jpg").read_bytes()
    assert (page.parent / found["a"][0]["u"]).read_bytes() == (recorded.out / "a.png").read_bytes()
    assert "../" not in page.read_text()
    (found,) = data_of(recorded.make().page)
    assert found["b"]["u"] == "../../photos/a.jpg"
    assert not list(page.parent.rglob("*-full*"))


def test_an_interrupted_making_goes_on_where_it_stopped(recorded: Recorded) -> None:
    for index in range(30):
        recorded.add(f"{index}.jpg", results=0)
    calls = []

    def finish(name: str) -> None:
        calls.append(name)
        if len(calls) == 5:
            raise KeyboardInterrupt

    gallery = Gallery(recorded.out, GalleryOptions())
    with pytest.raises(KeyboardInterrupt):
        gallery.make(finish)
    done = gallery.store.made
    assert done >= 5
    assert recorded.make().made == 30 - done


def test_links_are_relative_and_escaped(tmp_path: Path) -> None:
    odd = tmp_path / "a #1 100%" / "写真 ?x=1&y.jpg"
    assert link_to(odd, tmp_path / "out" / "gallery") == (
        "../../a%20%231%20100%25/%E5%86%99%E7%9C%9F%20%3Fx%3D1%26y.jpg"
    )
    assert link_to(tmp_path / "c:d.jpg", tmp_path) == "c%3Ad.jpg"


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such names")
def test_a_name_that_is_no_text_has_a_link(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(bytes(tmp_path) + b"/\xff.jpg"))
    assert link_to(odd, tmp_path) == "%FF.jpg"


def test_memory_is_bounded_and_one_larger_than_the_bound_still_passes() -> None:
    budget = ByteBudget(10)
    with budget.hold(50):
        assert budget.held == 50
    most, held, lock = [0], [0], threading.Lock()

    def work() -> None:
        for _ in range(200):
            with budget.hold(4):
                with lock:
                    held[0] += 4
                    most[0] = max(most[0], held[0])
                with lock:
                    held[0] -= 4

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0 < most[0] <= 10


def test_an_unreadable_result_is_told_and_the_rest_goes_on(recorded: Recorded) -> None:
    recorded.add("a.jpg")
    (recorded.out / "b.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    photo = picture(recorded.photos / "b.jpg", 3)
    recorded.append(
        RecordEntry(str(photo), [output(recorded.out / "b.png")], "done", None, None, sha256(photo), "p", 0)
    )
    made = recorded.make()
    assert made.missing == 1
    assert "e" in {item["n"]: item for item in data_of(made.page)}["b.jpg"]["a"][0]
