"""The groups' file in its form, and the pictures that are held out."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from quality.groups import hashed, is_member, load_groups, load_sets
from quality.hold_out import main, pictures_of, split

from henshin import HenshinError

NAMES = [f"{i:03d}.jpg" for i in range(60)]

KNOWN = ["002.jpg", "007.jpg", "008.jpg"]
"""The three of the first ten names with the smallest MD5, for good: another hash would let tests into training."""


def folder(tmp_path: Path, names: list[str]) -> Path:
    place = tmp_path / "photos"
    place.mkdir(exist_ok=True)
    for name in names:
        (place / name).write_bytes(name.encode())
    return place


def test_groups_contradict_nothing_and_all_have_somebody() -> None:
    groups = load_groups()
    assert {"women", "men", "dark skin", "light skin", "old", "glasses", "beards", "grey photos", "children"} <= {
        *groups
    }
    assert all(groups.values())
    for one, other in (("women", "men"), ("dark skin", "light skin"), ("old", "children"), ("women", "children")):
        assert not groups[one] & groups[other]


def test_sets_know_their_names_of_files(shared_data: Path) -> None:
    places = {"portraits-cc0": "portraits-cc0", "testA": "selfie2anime/testA", "faces-lfw": "faces-lfw"}
    there = {name: pictures_of(shared_data / place) for name, place in places.items()}
    there["faces-lfw"] = split(there["faces-lfw"], 100)[0]
    stems = {name: {file.stem for file in files} for name, files in there.items()}
    stems["faces-lfw"] = {hashed(stem) for stem in stems["faces-lfw"]}
    for group, sets in load_sets().items():
        for name, named in sets.items():
            assert set(named) <= stems[name], (group, name)


def test_a_stem_is_named_by_itself_or_by_its_hash() -> None:
    group = frozenset({"one", hashed("two")})
    assert [stem for stem in ("one", "two", "three") if is_member(stem, group)] == ["one", "two"]
    assert hashed("two") == "b8a9f715dbb6"


@pytest.mark.parametrize(
    "text",
    ["women: [a, b]", "women: {set: [1]}", "women: {set: a}", "- women", "women: {set: [a", "a: {b: [c], d: [c]}"],
)
def test_a_file_of_another_form_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "groups.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(HenshinError, match=r"groups\.yaml: [^\n]+$"):
        load_groups(path)


def test_who_is_held_out_depends_on_names_alone(tmp_path: Path) -> None:
    files = pictures_of(folder(tmp_path, NAMES))
    held_out, rest = split(files, 20)
    assert (len(held_out), len(rest)) == (20, 40)
    assert {*held_out, *rest} == {*files}
    assert split(files[::-1], 20) == (held_out, rest)
    elsewhere = split([Path("other") / file.name for file in files], 20)[0]
    assert [file.name for file in elsewhere] == [file.name for file in held_out]
    assert [file.name for file in split([Path(name) for name in NAMES[:10]], 3)[0]] == KNOWN


def test_added_pictures_push_few_out() -> None:
    before = {file.name for file in split([Path(name) for name in NAMES], 20)[0]}
    after = {file.name for file in split([Path(name) for name in [*NAMES, "new.jpg", "other.jpg"]], 20)[0]}
    assert len(before - after) <= 2
    assert {file.name for file in split([Path(name) for name in NAMES], 10)[0]} <= before


def call(*words: object) -> None:
    sys.argv = ["hold_out.py", *map(str, words)]
    main()


def test_the_helper_writes_links_that_open_and_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [])
    place = folder(tmp_path, NAMES)
    held_out, rest = split(pictures_of(place), 5)
    call(place, tmp_path / "test", "--count", 5, "--rest", tmp_path / "train")
    for made, files in ((tmp_path / "test", held_out), (tmp_path / "train", rest)):
        assert {link.name: link.read_bytes() for link in made.iterdir()} == {f.name: f.name.encode() for f in files}
    call(place, tmp_path / "test.txt", "--count", 5, "--list")
    assert (tmp_path / "test.txt").read_text().split() == [str(file) for file in held_out]


@pytest.mark.parametrize("words", [("--count", 60), ("--count", 0)])
def test_the_helper_keeps_something_to_train_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[object, ...]
) -> None:
    monkeypatch.setattr(sys, "argv", [])
    with pytest.raises(SystemExit, match="between 1 and 59"):
        call(folder(tmp_path, NAMES), tmp_path / "test", *words)
    assert not (tmp_path / "test").exists()


def test_the_helper_replaces_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [])
    place = folder(tmp_path, NAMES)
    (tmp_path / "train").mkdir()
    with pytest.raises(SystemExit, match="train: is there already"):
        call(place, tmp_path / "test", "--rest", tmp_path / "train", "--count", 5)
    with pytest.raises(SystemExit, match="--rest must be another name"):
        call(place, tmp_path / "test", "--rest", tmp_path / "train" / ".." / "test", "--count", 5)
    assert not (tmp_path / "test").exists()
