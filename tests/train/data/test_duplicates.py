"""Near-duplicates: all of them are found, nothing else is, and what is dropped is never the last one."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

pytest.importorskip("torch")

from support.data import Reader, scenes

from henshin.api.training_data import PairedData, SetData
from henshin.images.measures.perceptual_hash import perceptual_hashes
from henshin.train.data import open_pairs, open_pictures
from henshin.train.data.duplicates import MAX_BITS, find_duplicates, group_pairs, near_pairs
from henshin.train.data.folders import list_pictures, split_files
from henshin.train.data.splits import write_section


def thumbs(pictures: list[Image.Image]) -> np.ndarray:
    return np.stack([np.asarray(picture.resize((16, 16), Image.Resampling.BOX)) for picture in pictures])


def brute(a: np.ndarray, b: np.ndarray) -> list[list[int]]:
    return np.argwhere(np.bitwise_count(a[:, None] ^ b[None]) <= MAX_BITS).tolist()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 60))
def test_near_hashes_are_exactly_those_that_comparing_all_finds(seed, count):
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 2**64, count, dtype=np.uint64)
    if count:  # relatives at every distance around the limit
        for flips in rng.integers(0, 12, count):
            bits = rng.choice(64, flips, replace=False).astype(np.uint64)
            a = np.append(a, a[rng.integers(len(a))] ^ np.bitwise_or.reduce(np.uint64(1) << bits, initial=np.uint64(0)))
    b = rng.permutation(a)
    assert near_pairs(a, b).tolist() == brute(a, b)


def test_a_hash_is_the_sign_of_the_low_frequencies():
    """Against the definition, written out: the type II DCT of the brightness, each of 64 waves above their median."""
    rng = np.random.default_rng(0)
    (thumb,) = rng.integers(0, 256, (1, 16, 16, 3), dtype=np.uint8)
    grey = thumb @ np.array([0.299, 0.587, 0.114])
    waves = np.zeros((8, 8))
    for u in range(8):
        for v in range(8):
            y, x = np.mgrid[:16, :16]
            waves[u, v] = (grey * np.cos(np.pi * (2 * y + 1) * u / 32) * np.cos(np.pi * (2 * x + 1) * v / 32)).sum()
    waves[0, 0] = 0
    bits = (waves > np.median(waves.ravel()[1:])).ravel()
    assert np.array_equal(np.unpackbits(perceptual_hashes(thumb[None]).view(np.uint8)), bits)


def recompressed(picture: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=30)
    return Image.open(buffer).convert("RGB")


CHANGES = {
    "recompressed": recompressed,
    "reduced": lambda picture: picture.resize((48, 48), Image.Resampling.BICUBIC),
    "brighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.1),
    "mirrored": lambda picture: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "copied": lambda picture: picture,
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_are_found_and_nothing_else(tmp_path, change):
    pictures = [Image.fromarray(picture) for picture in scenes(tmp_path, 60, 96, 96)]
    copies = [CHANGES[change](picture) for picture in pictures[:20]]
    found = find_duplicates(thumbs(pictures + copies)).tolist()
    assert {tuple(pair) for pair in found} <= {(i, 60 + i) for i in range(20)}
    assert len(found) >= 18  # clipping takes what was light away from some


def test_the_faces_of_a_real_set_are_not_taken_for_each_other(shared_data):
    files = list_pictures([shared_data / "selfie2anime" / "testB", shared_data / "selfie2anime" / "testA"])
    pictures = [Image.open(file).convert("RGB") for file in files]
    assert find_duplicates(thumbs(pictures)).tolist() == []


def test_many_copies_of_one_picture_are_not_squared():
    flat = np.full((5_000, 16, 16, 3), 90, np.uint8)
    found = find_duplicates(flat)
    assert found.tolist() == [[0, i] for i in range(1, 5_000)]


def test_of_many_hashes_only_those_that_may_be_near_are_compared():
    """Twenty thousand have two hundred million pairs; the bands look at a few of them."""
    rng = np.random.default_rng(0)
    values = rng.integers(0, 2**64, 20_000, dtype=np.uint64)
    values[10_000:10_100] = values[:100] ^ np.uint64(0b1011)
    found = near_pairs(values, values)
    assert len(found) == 20_000 + 200


def test_groups_hang_together():
    assert group_pairs(np.array([[5, 9], [0, 1], [1, 7], [2, 9]])) == [[0, 1, 7], [2, 5, 9]]
    assert group_pairs(np.zeros((0, 2), np.int64)) == []


# -- In a run --------------------------------------------------------------------------------------------------------


def copied_set(tmp_path):
    """Ten scenes; the first held-out one and one in training have a copy in training, smaller than they are."""
    folder = tmp_path / "set"
    scenes(folder, 10)
    training, held = split_files(list_pictures([folder]), 2)
    copies = []
    for number in range(1000):  # names that are not held out themselves
        name = folder / f"copy{number}.png"
        if name not in split_files([*list_pictures([folder]), name], 2)[1]:
            original = (held[0], training[0])[len(copies)]
            Image.open(original).resize((48, 48)).save(name)
            copies.append(name)
            if len(copies) == 2:
                return training, held, copies
    raise AssertionError


def opened(tmp_path, **options):
    reader = Reader(tmp_path)
    data = SetData(pictures="set", size=32, hold_out=2, **options)
    return open_pictures(reader, data.pictures, data), reader


def test_duplicates_are_reported_with_the_held_out_ones_that_leak(tmp_path):
    _, held, copies = copied_set(tmp_path)
    pictures, reader = opened(tmp_path)
    assert len(pictures) == 10
    (line,) = [line for line in reader.said if "near-duplicates" in line]
    assert line.startswith("pictures: 4 pictures are near-duplicates, in 2 groups; 1 held-out ones also stand in train")
    assert "data.duplicates: drop" in line
    listed = (reader.folder / "duplicates.txt").read_text().splitlines()
    assert listed[0] == "# pictures"
    assert f"{held[0]}  held out" in listed
    assert {str(copy) for copy in copies} <= set(listed)


def test_dropped_are_the_copies_in_training_never_a_held_out_picture(tmp_path):
    training, _, copies = copied_set(tmp_path)
    pictures, reader = opened(tmp_path, duplicates="drop")
    kept = [pictures.training.decoded.files[i] for i in pictures.training.rows]
    assert kept == training  # of the two in training the larger one stays
    assert len(pictures.held_out) == 2
    listed = (reader.folder / "duplicates.txt").read_text()
    assert all(f"{copy}  left out" in listed for copy in copies)


def test_ignored_they_are_not_looked_for(tmp_path):
    copied_set(tmp_path)
    pictures, reader = opened(tmp_path, duplicates="ignore")
    assert len(pictures) == 10
    assert not any("duplicate" in line for line in reader.said)


def test_pairs_are_duplicates_only_when_both_sides_are(tmp_path):
    scenes(tmp_path / "a", 6)
    scenes(tmp_path / "b", 6, seed=1)
    for name in "ab":
        Image.open(tmp_path / name / "00.png").save(tmp_path / name / "twin.png")
    Image.open(tmp_path / "a" / "01.png").save(tmp_path / "a" / "half.png")
    Image.open(tmp_path / "b" / "02.png").save(tmp_path / "b" / "half.png")
    reader = Reader(tmp_path)
    pairs = open_pairs(reader, PairedData(a="a", b="b", size=32, hold_out=0, duplicates="drop"))
    assert len(pairs) == 7
    assert any("2 pictures are near-duplicates, in 1 groups; 1 are left out" in line for line in reader.said)


def test_a_list_has_a_part_for_each_set_and_forgets_what_is_no_more(tmp_path):
    file = tmp_path / "list.txt"
    write_section(file, "b", ["x", "", "y", ""])
    write_section(file, "a", ["z"])
    assert file.read_text() == "# a\nz\n\n# b\nx\n\ny\n"
    write_section(file, "b", ["x", "", "y", ""])
    assert file.read_text() == "# a\nz\n\n# b\nx\n\ny\n"
    write_section(file, "b", [])
    assert file.read_text() == "# a\nz\n"
    write_section(file, "a", [])
    assert not file.exists()
