"""The cache of decoded pictures: decoded once, whole or not there, within bounds, and one process at a time."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from support.data import scenes

from henshin.errors import MissingError
from henshin.files import PARTS, user_cache
from henshin.train.data import cache
from henshin.train.data.cache import INDEX, PIXELS, load_decoded, prune
from henshin.train.data.folders import list_pictures
from henshin.train.data.preprocessing import cached_size


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("HENSHIN_CACHE", str(tmp_path / "kept"))
    return tmp_path / "kept" / "pictures"


@pytest.fixture
def reads(monkeypatch) -> list[Path]:
    """The files that were decoded."""
    seen: list[Path] = []
    real = cache.load_preprocessed
    monkeypatch.setattr(
        cache, "load_preprocessed", lambda file, side, crop: seen.append(file) or real(file, side, crop)
    )
    return seen


def get(tmp_path: Path, side: int = 32, crop: str = "middle", said: list[str] | None = None) -> cache.DecodedImages:
    return load_decoded(list_pictures([tmp_path / "set"]), side, crop, (said if said is not None else []).append, "set")


def test_a_set_is_decoded_once_and_again_only_when_it_changed(tmp_path, reads, folder):
    scenes(tmp_path / "set", 4)
    first = get(tmp_path)
    assert len(reads) == 4
    again = get(tmp_path)
    assert len(reads) == 4
    assert np.array_equal(first.pixels, again.pixels)
    assert first.files == again.files
    assert np.array_equal(first.thumbs, again.thumbs)
    get(tmp_path, side=40)
    get(tmp_path, crop="random")
    assert len(reads) == 12
    os.utime(tmp_path / "set" / "00.png", ns=(1, 1))
    get(tmp_path)
    assert len(reads) == 16
    scenes(tmp_path / "set", 5)
    get(tmp_path)
    assert len(reads) == 21
    assert not list(folder.glob(PARTS))


def test_pixels_lie_one_after_the_other_at_their_own_sizes(tmp_path):
    scenes(tmp_path / "set", 2, 40, 60)
    wide = np.full((32, 400, 3), 7, np.uint8)
    Image.fromarray(wide).save(tmp_path / "set" / "wide.png")
    found = get(tmp_path, crop="random")
    assert found.shapes.tolist() == [[32, 48], [32, 48], [32, 128]]  # at most four times as long as it is wide
    assert found.starts.tolist() == [0, 4608, 9216]
    assert len(found.pixels) == 9216 + 3 * 32 * 128
    assert (found.pixels[9216:] == 7).all()
    assert found.sizes.tolist() == [[40, 60], [40, 60], [32, 400]]
    assert found.thumbs.shape == (3, 16, 16, 3)


@pytest.mark.parametrize(("size", "kept"), [((100, 50), (64, 32)), ((1, 1000), (32, 128)), ((33, 32), (33, 32))])
def test_the_shorter_side_is_brought_to_the_side_asked_for(size, kept):
    assert cached_size(*size, 32, "random") == kept
    assert cached_size(*size, 32, "middle") == (32, 32)


@pytest.mark.parametrize("damage", ["pixels short", "no index", "index broken"])
def test_a_set_that_is_not_whole_is_made_again(tmp_path, folder, reads, damage):
    scenes(tmp_path / "set", 3)
    whole = get(tmp_path).pixels.copy()
    (entry,) = [path for path in folder.iterdir() if path.is_dir()]
    if damage == "pixels short":
        (entry / PIXELS).write_bytes(whole.tobytes()[:-1])
    elif damage == "no index":
        (entry / INDEX).unlink()
    else:
        (entry / INDEX).write_text("{")
    assert np.array_equal(get(tmp_path).pixels, whole)
    assert len(reads) == 6


def test_a_build_that_breaks_off_leaves_nothing(tmp_path, folder, monkeypatch):
    scenes(tmp_path / "set", 3)
    with monkeypatch.context() as broken:
        broken.setattr(cache, "load_preprocessed", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            get(tmp_path)
    assert [path for path in folder.iterdir() if path.is_dir()] == []
    assert len(get(tmp_path).files) == 3


def test_of_several_that_ask_at_once_one_decodes_and_the_others_wait(tmp_path, reads, monkeypatch):
    scenes(tmp_path / "set", 6)
    waits = "set: waits for another process, which decodes the same pictures"
    both = threading.Event()

    class Said(list):
        def append(self, line: str) -> None:
            super().append(line)
            if self.count(waits) == 2:
                both.set()

    real = cache.load_preprocessed
    monkeypatch.setattr(cache, "load_preprocessed", lambda *what: real(*what) if both.wait(60) else "nobody waits")
    said = Said()
    found: list[cache.DecodedImages] = []
    threads = [threading.Thread(target=lambda: found.append(get(tmp_path, said=said))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reads) == 6
    assert len(found) == 3
    assert all(np.array_equal(one.pixels, found[0].pixels) for one in found)
    assert said.count(waits) == 2


BUILDER = """\
import os, sys, threading
from pathlib import Path
from henshin.train.data import cache
from henshin.train.data.folders import list_pictures
def held(*_):
    os.write(1, b"decodes\\n")  # in one piece, for several threads speak
    threading.Event().wait()
cache.load_preprocessed = held
cache.load_decoded(list_pictures([Path(sys.argv[1])]), 32, "middle", print, "set")
"""


def test_a_killed_process_leaves_no_lock_and_no_half_set_to_the_next(tmp_path, folder, reads):
    made = scenes(tmp_path / "set", 3, 32, 32)
    words = [sys.executable, "-c", BUILDER, str(tmp_path / "set")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout.readline() == "decodes\n"
        killed.kill()
    assert len(list(folder.glob(PARTS))) == 1
    for _ in range(2):
        found = get(tmp_path)
        assert (len(found.files), int(found.pixels.sum())) == (3, sum(int(picture.sum()) for picture in made))
        assert len(reads) == 3


def test_progress_is_told_when_it_takes_long(tmp_path, monkeypatch):
    scenes(tmp_path / "set", 3)
    said: list[str] = []
    get(tmp_path, said=said)
    assert said == []
    monkeypatch.setattr(cache, "REPORT_EVERY", 0.0)
    get(tmp_path, side=36, said=said)
    assert said[0].startswith("set: 1 of 3 pictures decoded, ")
    assert "3 pictures decoded in " in said[-1]


def test_a_cache_that_cannot_be_written_says_what_to_set(tmp_path, monkeypatch):
    scenes(tmp_path / "set", 3)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HENSHIN_CACHE", str(tmp_path / "file"))
    with pytest.raises(MissingError, match="set HENSHIN_CACHE to a folder with room"):
        get(tmp_path)
    monkeypatch.setenv("HENSHIN_CACHE", str(tmp_path / "kept"))
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 100})())
    with pytest.raises(MissingError, match=r"GiB are needed and 0\.0 GiB are free"):
        get(tmp_path)


def test_the_oldest_sets_go_when_there_are_too_many(tmp_path, folder):
    said: list[str] = []
    now = time.time()
    for name, age in (("old", 9000), ("older", 99000), ("young", 60), ("new", 0)):
        (folder / name).mkdir(parents=True)
        (folder / name / PIXELS).write_bytes(bytes(1000))
        os.utime(folder / name / PIXELS, (now - age, now - age))
    left = folder / ".henshin-dead.part"
    left.mkdir()
    os.utime(left, (now - 9000, now - 9000))
    prune(folder, folder / "new", said.append, limit=3000)
    assert {path.name for path in folder.iterdir()} == {"old", "young", "new"}
    assert said == [f"{folder}: dropped 1 old sets of decoded pictures, for all may take 0 GiB"]
    prune(folder, folder / "new", said.append, limit=10)
    assert {path.name for path in folder.iterdir()} == {"young", "new"}  # used within the hour


def test_the_folder_is_the_users_or_the_one_that_is_said(tmp_path, monkeypatch):
    assert user_cache() == tmp_path / "kept"
    monkeypatch.delenv("HENSHIN_CACHE")
    assert user_cache().name == "henshin"
