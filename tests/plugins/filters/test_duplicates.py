"""`drop_duplicates`: the first is kept, whatever the batches, the runs and what happened between them."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.engine import Bench
from support.filters import COPIES, array, compressed, save, scene, smaller

from henshin.api.frame import Face, Frame
from henshin.api.stage import NO_MEMORY, Stage, StageConfig
from henshin.images.measures.perceptual_hash import HashIndex
from henshin_plugins.filters import DropDuplicates, duplicates
from henshin_plugins.filters.config import MAX_DISTANCE
from henshin_plugins.filters.duplicates import DuplicateIndex, read_sign, signs, written

SCENES = [scene(seed) for seed in range(8)]


def stage(**options: Any) -> Stage[Any]:
    return DropDuplicates(DropDuplicates.Config.model_validate(options))


def frames(*pictures: Image.Image) -> list[Frame]:
    return [Frame(f"{i:03}.png", f"{i:03}", array(picture)) for i, picture in enumerate(pictures)]


def kept_of(given_: list[Frame], at_once: int = 100, **options: Any) -> list[str]:
    kept = DuplicateIndex(stage(**options).config, NO_MEMORY)
    for begin in range(0, len(given_), at_once):
        kept.check(given_[begin : begin + at_once])
    return [frame.name for frame in given_ if frame.dropped is None]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


# -- What is alike ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", COPIES)
def test_copies_are_found_and_other_pictures_are_not(change: str) -> None:
    given_ = frames(*SCENES, *map(COPIES[change], SCENES))
    assert kept_of(given_) == [f"{i:03}" for i in range(8)]
    assert given_[9].dropped is not None
    assert given_[9].dropped.reason.startswith("like 001: ")
    assert (given_[9].dropped.kind, given_[9].dropped.instead) == ("near-duplicates", "001.png")


def test_the_options_say_what_counts() -> None:
    both = [SCENES[0], COPIES["mirrored"](SCENES[0])]
    assert len(kept_of(frames(*both))) == 1
    assert len(kept_of(frames(*both), mirrored=False)) == 2
    near = [SCENES[0], compressed(SCENES[0], 5)]
    assert len(kept_of(frames(*near))) == 1
    assert len(kept_of(frames(*near), distance=0, difference=0)) == 2
    tinted = Image.fromarray(array(SCENES[0])[..., ::-1])
    assert len(kept_of(frames(SCENES[0], tinted))) == 2  # the same shapes in other colours


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from(sorted(COPIES))), max_size=14), st.sampled_from([1, 3, 8]))
def test_of_each_scene_the_first_is_kept_in_any_order_and_batches(chosen: Any, at_once: int) -> None:
    given_ = frames(*(COPIES[change](SCENES[number]) for number, change in chosen))
    numbers = [number for number, _ in chosen]
    firsts = [f"{i:03}" for i, number in enumerate(numbers) if number not in numbers[:i]]
    assert kept_of(given_, at_once) == firsts


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, MAX_DISTANCE))
def test_near_hashes_are_exactly_those_that_comparing_all_finds(seed: int, bits: int) -> None:
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 2**64, 40, dtype=np.uint64)
    for flips in rng.integers(0, 14, 60):
        turned = rng.choice(64, flips, replace=False).astype(np.uint64)
        a = np.append(a, a[rng.integers(len(a))] ^ np.bitwise_or.reduce(np.uint64(1) << turned, initial=np.uint64(0)))
    assert HashIndex(a).search(a, bits).tolist() == np.argwhere(np.bitwise_count(a[:, None] ^ a[None]) <= bits).tolist()


def test_the_search_is_the_same_before_and_after_hashes_were_put_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    given_ = [picture for number in (5, 6, 7, 5, 0, 6, 0) for picture in (SCENES[number], smaller(SCENES[number]))]
    expected = kept_of(frames(*given_))
    monkeypatch.setattr(duplicates, "TAIL", 2)
    assert kept_of(frames(*given_)) == expected == ["000", "002", "004", "008"]


def test_a_sign_survives_being_written() -> None:
    sign, _ = signs(array(SCENES[3]))
    again = read_sign(written(sign))
    assert again is not None
    assert again.hash == sign.hash
    assert np.array_equal(again.thumb, sign.thumb)
    assert len(written(sign)) == 272
    assert [read_sign(text) for text in ("", "x" * 272, written(sign)[:-4], written(sign)[:20])] == [None] * 4


def test_many_pictures_take_little_time() -> None:
    kept = DuplicateIndex(stage().config, NO_MEMORY)
    rng = np.random.default_rng(0)
    count = 100_000
    kept._hashes = rng.integers(0, 2**64, count, dtype=np.uint64)
    kept._thumbs = np.zeros((count, 8, 8, 3), np.uint8)
    kept.owners = [duplicates.Owner("x", "x", 0, None)] * count
    kept._ordered, kept._bands = count, HashIndex(kept._hashes)
    given_ = frames(*SCENES * 5)
    start = time.process_time()  # its own: how busy the machine is does not count
    kept.check(given_)
    assert (time.process_time() - start) / len(given_) < 0.1
    assert sum(frame.dropped is None for frame in given_) == 8


def test_faces_of_one_photo_and_of_others_are_compared_as_crops() -> None:
    def photo(name: str, *crops: Image.Image) -> Frame:
        faces = [Face(np.zeros(4, np.float32), 1.0, np.zeros((5, 2), np.float32), crop=array(crop)) for crop in crops]
        return Frame(f"{name}.png", name, array(scene(99)), faces=faces)

    given_ = [photo("a", SCENES[0], SCENES[1], smaller(SCENES[0])), photo("b", SCENES[1], SCENES[2])]
    DuplicateIndex(stage().config, NO_MEMORY).check(given_)
    told = [[face.dropped and (face.dropped.reason[:17], face.dropped.instead) for face in one.faces] for one in given_]
    assert told[0][:2] == [None, None]
    assert told[0][2] == ("like a face of a:", None)  # of the same photo: nothing else to watch
    assert told[1] == [("like a face of a:", "a.png"), None]
    assert [len(one.remembered) for one in given_] == [2, 1]


def test_a_face_that_was_found_a_little_beside_its_place_in_a_copy_is_known() -> None:
    def photos(*pictures: Image.Image) -> list[Frame]:
        given_ = frames(*pictures)
        for one in given_:
            one.faces = [Face(np.zeros(4, np.float32), 1.0, None, crop=one.picture)]
        return given_

    for seed in range(8):
        whole = scene(seed, 240, 240)
        moved = whole.crop((14, 8, 234, 228))
        faces = photos(whole.crop((6, 14, 226, 234)), moved, smaller(whole.crop((10, 10, 230, 230))), scene(seed + 50))
        DuplicateIndex(stage().config, NO_MEMORY).check(faces)
        assert [one.faces[0].dropped is None for one in faces] == [True, False, False, True]


def test_a_frame_that_is_asked_about_again_is_no_copy_of_itself() -> None:
    given_ = frames(SCENES[0], SCENES[1])
    kept = DuplicateIndex(stage().config, NO_MEMORY)
    kept.check(given_)
    again = [replace(frame, dropped=None) for frame in given_]
    kept.check(again)
    assert [frame.dropped for frame in again] == [None, None]


# -- In runs ---------------------------------------------------------------------------------------------------------


def fill(bench: Bench, **pictures: Image.Image) -> None:
    for name, picture in pictures.items():
        save(picture, bench.photos / f"{name}.png")


MANY = {
    f"{letter}{number}": change(SCENES[number])
    for letter, change in (("a", COPIES["copied"]), ("b", smaller), ("c", compressed))
    for number in (0, 3, 5, 7)
}


@pytest.mark.parametrize("size", [1, 3, 8])
def test_the_first_in_order_stays_whatever_the_batches_and_threads(bench: Bench, size: int) -> None:
    fill(bench, **MANY)
    summary = bench.run(stage(), batch_size=size, chunk=size, workers=1 + size % 4)
    assert bench.files() == ["a0.png", "a3.png", "a5.png", "a7.png"]
    assert summary.dropped == {"drop_duplicates": {"near-duplicates": 8}}
    assert bench.run(stage()).up_to_date == 12


@pytest.mark.parametrize("first", range(1, 12, 2))
def test_a_run_that_goes_on_in_the_middle_ends_as_one_that_was_whole(bench: Bench, first: int) -> None:
    fill(bench, **MANY)
    bench.run(stage(), limit=first)
    bench.run(stage())
    assert bench.files() == ["a0.png", "a3.png", "a5.png", "a7.png"]


def test_what_an_earlier_run_kept_comes_first(bench: Bench) -> None:
    fill(bench, m=SCENES[0])
    bench.run(stage())
    fill(bench, a=smaller(SCENES[0]), z=compressed(SCENES[0]), n=SCENES[1])
    before = bench.state()
    bench.run(stage())
    assert bench.files() == ["m.png", "n.png"]
    assert bench.state()["m.png"] == before["m.png"]
    state = bench.state()
    assert bench.run(stage()).up_to_date == 4
    assert bench.state() == state


def test_a_picture_that_is_made_again_is_no_copy_of_itself_or_of_what_was_like_it(bench: Bench) -> None:
    fill(bench, b=SCENES[0], c=smaller(SCENES[0]))
    bench.run(stage())
    (bench.out / "b.png").unlink()
    fill(bench, a=compressed(SCENES[0]))
    for size in (1, 8):
        summary = bench.run(stage(), chunk=size)
        assert bench.files() == ["b.png"]
    assert (summary.done, summary.up_to_date) == (0, 3)


def test_what_was_dropped_comes_back_when_that_which_stayed_is_another_picture_or_gone(bench: Bench) -> None:
    fill(bench, a=SCENES[0], b=smaller(SCENES[0]), c=smaller(SCENES[1]), d=SCENES[1])
    bench.run(stage())
    assert bench.files() == ["a.png", "c.png"]
    fill(bench, a=SCENES[5])
    bench.run(stage())
    assert bench.files() == ["a.png", "b.png", "c.png"]
    (bench.photos / "c.png").unlink()
    assert bench.run(stage()).up_to_date == 3  # its result is there still
    (bench.out / "c.png").unlink()
    bench.run(stage())
    assert bench.files() == ["a.png", "b.png", "d.png"]
    assert bench.run(stage()).up_to_date == 3


class FailsOn(Stage[StageConfig]):
    """A later stage that fails on the first of the copies, as long as it is told to."""

    name = "fails_on"
    works_on = "frames"
    broken = True

    def run(self, items: Any) -> Any:
        if self.broken and any(frame.name == "a" for frame in items):
            raise ValueError("not this one")
        return items


def test_a_copy_of_what_failed_later_is_kept_by_the_next_run(bench: Bench) -> None:
    fill(bench, a=SCENES[0], b=smaller(SCENES[0]))
    later = FailsOn(StageConfig())
    assert bench.run(stage(), later).failed == 1
    bench.run(stage(), later)
    assert bench.files() == ["b.png"]
    later.broken = False
    assert bench.run(stage(), later, retry_failed=True).dropped == {"drop_duplicates": {"near-duplicates": 1}}
    assert bench.files() == ["b.png"]


def test_other_options_look_at_everything_anew(bench: Bench) -> None:
    fill(bench, a=SCENES[0], b=COPIES["mirrored"](SCENES[0]))
    bench.run(stage())
    assert bench.files() == ["a.png"]
    bench.run(stage(mirrored=False))
    assert bench.files() == ["a.png", "b.png"]
    summary = bench.run(stage())
    assert summary.left_behind == ["b.png"]
    assert summary.dropped == {"drop_duplicates": {"near-duplicates": 1}}


def test_photos_and_results_that_were_moved_together_are_known(bench: Bench, tmp_path: Path) -> None:
    fill(bench, a=SCENES[0], b=smaller(SCENES[0]))
    bench.run(stage())
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    bench.photos.rename(moved / "photos")
    bench.out.rename(moved / "out")
    there = Bench(moved)
    assert there.run(stage()).up_to_date == 2
    fill(there, c=compressed(SCENES[0]))
    there.run(stage())
    assert there.files() == ["a.png"]
