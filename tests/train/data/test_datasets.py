"""Training data: what is drawn, what is kept between runs, what is left out, and what is told."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from support.data import Reader, scenes  # noqa: E402

from henshin.api.training_data import PairedData, SetData, UnpairedData  # noqa: E402
from henshin.errors import HenshinError, PipelineError  # noqa: E402
from henshin.registry import build_registry  # noqa: E402
from henshin.train.config.run_config import load_run  # noqa: E402
from henshin.train.data import datasets as data_module  # noqa: E402
from henshin.train.data import open_domains, open_pairs, open_pictures, to_float  # noqa: E402
from henshin.train.data.folders import list_pictures, split_files  # noqa: E402


def one_set(tmp_path, **options):
    data = SetData(pictures="set", **{"size": 32, "hold_out": 2, **options})
    reader = Reader(tmp_path)
    return open_pictures(reader, data.pictures, data), reader


def as_nchw(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))


# -- What is drawn ---------------------------------------------------------------------------------------------------


def test_pictures_are_kept_as_they_are_and_split_by_name(tmp_path):
    made = scenes(tmp_path / "set", 9, 32, 32)
    pictures, _ = one_set(tmp_path)
    files = list_pictures([tmp_path / "set"])
    training, held = split_files(files, 2)
    assert (len(pictures), pictures.training.shape) == (7, (7, 3, 32, 32))
    for kept, names in ((pictures.training[:], training), (pictures.held_out, held)):
        assert torch.equal(kept, torch.stack([as_nchw(made[files.index(name)]) for name in names]))
    assert pictures.held_out.dtype == torch.uint8


def test_a_pixel_store_is_indexed_as_a_tensor_is(tmp_path):
    scenes(tmp_path / "set", 9)
    store = one_set(tmp_path)[0].training
    whole = store[:]
    assert torch.equal(store[2:5], whole[2:5])
    assert torch.equal(store[[4, 1]], whole[[4, 1]])
    assert torch.equal(store[torch.tensor([3])], whole[3:4])
    assert torch.equal(store[-1], whole[-1])
    assert store[:0].shape == (0, 3, 32, 32)


def test_draws_are_the_training_pictures_and_their_mirror_images_evenly(tmp_path):
    scenes(tmp_path / "set", 6, 32, 32)
    pictures, _ = one_set(tmp_path)
    drawn = pictures.draw(4000, np.random.default_rng(1))
    assert drawn.shape == (4000, 3, 32, 32)
    known = torch.cat([to_float(pictures.training[:]), to_float(pictures.training[:]).flip(3)])
    which = torch.tensor([int((known - one).abs().flatten(1).amax(1).argmin()) for one in drawn])
    assert torch.equal(known[which], drawn)
    counts = torch.bincount(which, minlength=8)
    assert ((counts - 500).abs() < 100).all()


def test_without_flip_nothing_is_mirrored(tmp_path):
    scenes(tmp_path / "set", 6, 32, 32)
    pictures, _ = one_set(tmp_path, flip=False)
    known = to_float(pictures.training[:])
    for one in pictures.draw(40, np.random.default_rng(1)):
        assert any(torch.equal(one, other) for other in known)


def test_a_draw_hangs_on_nothing_but_the_state_of_the_generator(tmp_path):
    scenes(tmp_path / "set", 8, 48, 80)
    pictures, _ = one_set(tmp_path, crop="random")
    rng = np.random.default_rng(5)
    pictures.draw(3, rng)
    state = rng.bit_generator.state
    first = pictures.draw(4, rng)
    again, _ = one_set(tmp_path, crop="random")
    other = np.random.default_rng(0)
    other.bit_generator.state = state
    assert torch.equal(again.draw(4, other), first)


def test_the_middle_square_is_taken_and_antialiased(tmp_path):
    (made,) = scenes(tmp_path / "set", 1, 64, 128)
    pictures, _ = one_set(tmp_path, hold_out=0)
    middle = Image.fromarray(made).resize((32, 32), Image.Resampling.LANCZOS, (32, 0, 96, 64))
    assert torch.equal(pictures.training[0], as_nchw(np.asarray(middle)))


def test_random_crops_come_from_the_whole_picture_at_the_loaded_size(tmp_path):
    (made,) = scenes(tmp_path / "set", 1, 40, 90)
    pictures, _ = one_set(tmp_path, hold_out=0, crop="random", load=40, flip=False)
    whole = as_nchw(made)
    middle = pictures.training[0]
    assert torch.equal(middle, whole[:, 4:36, 29:61])
    windows = whole.unfold(1, 32, 1).unfold(2, 32, 1).permute(1, 2, 0, 3, 4).reshape(-1, 3, 32, 32)
    seen = set()
    for one in pictures.draw(300, np.random.default_rng(0)):
        (place,) = torch.nonzero((to_float(windows) == one).flatten(1).all(1)).flatten().tolist()
        seen.add(divmod(place, 90 - 32 + 1))
    assert {top for top, _ in seen} == set(range(9))
    assert {min(left for _, left in seen), max(left for _, left in seen)} <= {0, 1, 2, 56, 57, 58}


def test_the_loaded_size_is_the_papers_unless_said(tmp_path):
    assert SetData(pictures="x", crop="random").side == 286
    assert SetData(pictures="x").side == 256
    scenes(tmp_path / "set", 3, 64, 64)
    pictures, _ = one_set(tmp_path, hold_out=0, crop="random")
    assert (pictures.training.decoded.shapes == 36).all()


def test_a_set_that_outgrows_the_device_draws_the_same(tmp_path, monkeypatch):
    """The path of large sets, with the "device" played by another name for the CPU's memory."""
    scenes(tmp_path / "set", 8, 48, 48)
    for options in ({}, {"crop": "random"}):
        pictures, _ = one_set(tmp_path, **options)
        expected = pictures.draw(5, np.random.default_rng(2))
        copied = pictures.training.pixels.clone()  # as a set that was moved to a device's own memory
        monkeypatch.setattr(data_module, "place_pixels", lambda found, device, copied=copied: copied)
        moved, _ = one_set(tmp_path, **options)
        assert moved.training.pixels is copied
        assert torch.equal(moved.draw(5, np.random.default_rng(2)), expected)
        monkeypatch.undo()


# -- Options ---------------------------------------------------------------------------------------------------------


def test_small_pictures_are_enlarged_left_out_or_refused(tmp_path):
    scenes(tmp_path / "set", 6, 64, 64)
    Image.fromarray(np.full((20, 30, 3), 200, np.uint8)).save(tmp_path / "set" / "small.png")
    pictures, reader = one_set(tmp_path, hold_out=0)
    assert len(pictures) == 7
    assert "pictures: of 7 pictures 1 are smaller than 32 px, and enlarged (data.small: skip leaves them out)" in (
        reader.said
    )
    pictures, reader = one_set(tmp_path, hold_out=0, small="skip")
    assert len(pictures) == 6
    assert any("1 are smaller than 32 px, and left out" in line for line in reader.said)
    with pytest.raises(HenshinError, match=r"data\.pictures: 1 of 7 .*small\.png; data\.size: 20 takes them all"):
        one_set(tmp_path, hold_out=0, small="fail")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("size: 64, crop: random, load: 48", "data.load: 48 is too small; at least 64"),
        ("size: 64, load: 96", "data.load: goes with crop: random"),
        ("size: 64, crop: centre", "data.crop: 'centre' is not known; 'middle' or 'random'"),
        ("size: 64, small: drop", "data.small: 'drop' is not known"),
        ("size: 32, hold_out: 6", "data.hold_out: 6 of 6 pictures in {place}/a: none left to train on; at most 5"),
    ],
)
def test_wrong_options_are_told_with_file_and_line(tmp_path, options, told):
    for name in "ab":
        scenes(tmp_path / name, 6, 8, 8)
    path = tmp_path / "run.yaml"
    path.write_text(f"recipe: cyclegan\ngenerator: {{use: resnet}}\ndata: {{a: a, b: b, {options}}}\n")
    with pytest.raises(PipelineError) as caught:
        load_run(path, build_registry())
    assert f"{path}:3: data." in str(caught.value)
    assert told.format(place=tmp_path) in str(caught.value)


def test_empty_folders_are_told_with_file_and_line_before_anything_is_decoded(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "notes.txt").write_text("no picture")
    path = tmp_path / "run.yaml"
    path.write_text("recipe: cyclegan\ngenerator: {use: resnet}\ndata:\n  a: a\n  b: b\n")
    with pytest.raises(PipelineError) as caught:
        load_run(path, build_registry())
    first, second = str(caught.value).splitlines()
    assert first.startswith(f"{path}:4: data.a: ")
    assert "a: holds no picture; it is empty" in first
    assert second.startswith(f"{path}:5: data.b: ")
    assert "b: holds no picture; files of other kinds: 1" in second


# -- Files that cannot be read ---------------------------------------------------------------------------------------


def test_unreadable_files_are_named_and_when_many_listed_in_a_file(tmp_path):
    scenes(tmp_path / "set", 5)
    (tmp_path / "set" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    pictures, reader = one_set(tmp_path)
    assert len(pictures) + len(pictures.held_out) == 5
    assert [line for line in reader.said if "bad.png" in line]
    assert not (reader.folder / "skipped.txt").exists()
    for i in range(11):
        (tmp_path / "set" / f"bad{i}.png").write_bytes(b"")
    _, reader = one_set(tmp_path)
    (line,) = [line for line in reader.said if "skipped" in line]
    assert line.startswith("pictures: 12 skipped, the first ")
    listed = (reader.folder / "skipped.txt").read_text().splitlines()
    assert listed[0] == "# pictures"
    assert sum("bad" in line and "empty file (0 bytes)" in line for line in listed) == 11


def test_a_folder_of_which_nothing_can_be_read_is_refused(tmp_path):
    (tmp_path / "set").mkdir()
    for i in range(3):
        (tmp_path / "set" / f"{i}.png").write_bytes(b"")
    with pytest.raises(HenshinError, match=r"data\.pictures: none of the 3 pictures can be read.*0\.png: empty file"):
        one_set(tmp_path)


def test_the_same_folder_on_both_sides_is_told(tmp_path):
    scenes(tmp_path / "set", 5)
    reader = Reader(tmp_path)
    open_domains(reader, UnpairedData(a="set", b="set", size=32, hold_out=1))
    assert any("data.a and data.b name the same folder" in line for line in reader.said)


# -- Pairs -----------------------------------------------------------------------------------------------------------


def paired(tmp_path, **options):
    reader = Reader(tmp_path)
    return open_pairs(reader, PairedData(a="a", b="b", **{"size": 32, "hold_out": 2, **options})), reader


def negatives(tmp_path, count=8, height=48, width=64):
    made = scenes(tmp_path / "a", count, height, width)
    (tmp_path / "b").mkdir()
    for i, picture in enumerate(made):
        Image.fromarray(255 - picture).save(tmp_path / "b" / f"{i:02d}.webp", lossless=True)


@pytest.mark.parametrize("crop", ["middle", "random"])
def test_partners_are_mirrored_and_cut_alike(tmp_path, crop):
    negatives(tmp_path)
    pairs, reader = paired(tmp_path, crop=crop)
    assert len(pairs) == 6
    assert [len(part) for part in (*pairs.training, *pairs.held_out)] == [6, 6, 2, 2]
    a, b = pairs.draw(50, np.random.default_rng(0))
    assert (a + b).abs().max() < 3 / 127.5  # what is left is the resampling's rounding
    assert (pairs.held_out[0].int() + pairs.held_out[1].int() - 255).abs().max() <= 2
    assert "6 pairs, 32 px" in reader.said


def test_files_without_a_partner_and_pairs_that_do_not_match_are_told(tmp_path):
    negatives(tmp_path)
    scenes(tmp_path / "a" / "more", 1)
    (tmp_path / "b" / "03.webp").write_bytes(b"")
    Image.fromarray(np.zeros((64, 48, 3), np.uint8)).save(tmp_path / "b" / "04.webp")
    pairs, reader = paired(tmp_path, hold_out=0)
    assert len(pairs) == 6
    said = "\n".join(reader.said)
    assert f"without a partner: {tmp_path / 'a' / 'more' / '00.png'}" in said
    assert "03.webp: empty file" in said
    assert f"{tmp_path / 'a' / '04.png'} is 64x48 px, {tmp_path / 'b' / '04.webp'} 48x64: no pair" in said
    a, b = pairs.draw(50, np.random.default_rng(0))
    assert (a + b).abs().max() < 3 / 127.5


def test_partners_of_another_size_but_the_same_proportions_fit(tmp_path):
    negatives(tmp_path, height=96, width=128)
    for file in (tmp_path / "b").iterdir():
        with Image.open(file) as picture:
            half = picture.resize((64, 48), Image.Resampling.BOX)
        half.save(file, lossless=True)
    pairs, _ = paired(tmp_path, crop="random", load=40)
    a, b = pairs.draw(20, np.random.default_rng(0))
    assert (a + b).abs().mean() < 0.02


def test_folders_without_a_pair_are_refused(tmp_path):
    scenes(tmp_path / "a", 3)
    scenes(tmp_path / "b" / "deeper", 3)
    with pytest.raises(HenshinError, match=r"3 pictures, and 3 in .*no pair.*such as .*b/00\.\*"):
        paired(tmp_path)
