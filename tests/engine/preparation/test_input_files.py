"""Listing: files, folders and globs, whatever lies around, in an order that depends on names alone."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from henshin.engine.preparation.input_files import SourceFile, list_inputs, natural_key
from henshin.engine.preparation.outputs import OutputNames, path_key
from henshin.errors import HenshinError, PictureError


def make(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\x89PNG\r\n\x1a\n" if path.suffix == "" else b"content")
    return folder


def relatives(*inputs: Path | str, output: Path | None = None) -> list[str]:
    return [source.relative for source in list_inputs(inputs, output).sources]


def test_a_folder_is_listed_with_all_below_it_in_natural_order(tmp_path: Path) -> None:
    make(tmp_path, "10.jpg", "9.jpg", "b/2.png", "b/11.PNG", "a.webp", "notes.txt", "b/data.csv")
    listing = list_inputs([tmp_path], None)
    assert [source.relative for source in listing.sources] == ["9.jpg", "10.jpg", "a.webp", "b/2.png", "b/11.PNG"]
    assert listing.non_pictures == 2


def test_a_picture_without_a_suffix_is_known_by_its_content(tmp_path: Path) -> None:
    assert relatives(make(tmp_path, "scan", "readme.md")) == ["scan"]


def test_hidden_files_and_folders_are_ignored_unless_named(tmp_path: Path) -> None:
    make(tmp_path, "x.jpg", ".x.jpg", ".thumbs/y.jpg", "._x.jpg")
    assert relatives(tmp_path) == ["x.jpg"]
    assert relatives(tmp_path / ".thumbs") == ["y.jpg"]
    assert relatives(tmp_path / ".x.jpg") == [".x.jpg"]


def test_several_inputs_keep_the_names_of_their_folders(tmp_path: Path) -> None:
    make(tmp_path, "one/x.jpg", "two/x.jpg", "three.jpg")
    found = relatives(tmp_path / "two", tmp_path / "one", tmp_path / "three.jpg")
    assert sorted(found) == ["one/x.jpg", "three.jpg", "two/x.jpg"]


def test_a_glob_that_no_shell_expanded_mirrors_what_follows_its_fixed_part(tmp_path: Path) -> None:
    make(tmp_path, "photos/a/1.jpg", "photos/b/2.jpg", "photos/b/2.png", "photos/3.jpg")
    assert relatives(f"{tmp_path}/photos/*/*.jpg") == ["a/1.jpg", "b/2.jpg"]
    assert sorted(relatives(f"{tmp_path}/photos/**/*.jpg")) == ["3.jpg", "a/1.jpg", "b/2.jpg"]
    assert sorted(relatives(f"{tmp_path}/photos/*")) == ["3.jpg", "a/1.jpg", "b/2.jpg", "b/2.png"]


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path: Path) -> None:
    make(tmp_path, "x[1].jpg", "x1.jpg")
    assert relatives(f"{tmp_path}/x[1].jpg") == ["x[1].jpg"]


@pytest.mark.parametrize(("text", "says"), [("gone.jpg", "no such file or folder"), ("*.jpg", "nothing matches")])
def test_what_is_not_there_is_told_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(HenshinError, match=says) as caught:
        list_inputs([tmp_path / text], None)
    assert "\n" not in str(caught.value)


def test_loops_of_links_end_and_no_file_is_listed_twice(tmp_path: Path) -> None:
    make(tmp_path, "a/x.jpg", "b/y.jpg")
    (tmp_path / "a" / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "b" / "to_a").symlink_to(tmp_path / "a", target_is_directory=True)
    assert relatives(tmp_path) == ["a/x.jpg", "b/y.jpg"]


def test_pipes_are_no_pictures_and_links_to_nowhere_fail_later(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    listing = list_inputs([make(tmp_path, "x.jpg")], None)
    assert [source.relative for source in listing.sources] == ["gone.jpg", "x.jpg"]
    assert listing.non_pictures == 1


def test_a_link_that_leads_round_to_itself_is_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    make(tmp_path, "x.jpg", "odd/sub/y.jpg")
    for name in ("self", "self.jpg"):
        (tmp_path / "odd" / "sub" / name).symlink_to(name)
    listing = list_inputs([tmp_path], tmp_path / "out")
    assert [source.relative for source in listing.sources] == ["odd/sub/self.jpg", "odd/sub/y.jpg", "x.jpg"]
    assert listing.non_pictures == 1
    assert relatives(tmp_path / "odd" / "sub" / "self.jpg", output=tmp_path / "out") == ["self.jpg"]


def test_overlapping_inputs_list_a_file_once_and_in_either_order_alike(tmp_path: Path) -> None:
    make(tmp_path, "p/sub/x.jpg", "p/y.jpg")
    inputs = [tmp_path / "p", tmp_path / "p" / "sub", tmp_path / "p" / "y.jpg"]
    expected = relatives(*inputs)
    assert sorted(expected) == ["p/sub/x.jpg", "p/y.jpg"]
    assert relatives(*reversed(inputs)) == expected


def test_results_are_no_input(tmp_path: Path) -> None:
    make(tmp_path, "x.jpg", "out/x.jpg", "earlier/x.jpg", "earlier/.henshin/run.jsonl")
    listing = list_inputs([tmp_path], tmp_path / "out")
    assert [source.relative for source in listing.sources] == ["x.jpg"]
    assert listing.excluded == [str(tmp_path / "earlier"), str(tmp_path / "out")]
    assert relatives(tmp_path / "earlier") == ["x.jpg"], "named by hand, results of one run are the input of another"


def test_the_output_folder_cannot_be_an_input(tmp_path: Path) -> None:
    make(tmp_path, "x.jpg")
    with pytest.raises(HenshinError, match="both an input and the output"):
        list_inputs([tmp_path], tmp_path / "sub" / "..")


def test_results_that_a_shell_put_among_the_inputs_are_left_out(tmp_path: Path) -> None:
    make(tmp_path, "photos/x.jpg", "out/x.jpg", "out/.henshin/run.jsonl", "other/y.jpg")
    output = tmp_path / "out"
    listing = list_inputs([tmp_path / "out", tmp_path / "photos"], output)
    assert [source.relative for source in listing.sources] == ["x.jpg"], "named as if photos were the only input"
    assert listing.excluded == [str(output)]
    listing = list_inputs([f"{tmp_path}/*"], output)
    assert [source.relative for source in listing.sources] == ["other/y.jpg", "photos/x.jpg"]
    assert listing.excluded == [str(output)]
    for alone in ([output], [f"{tmp_path}/ou*"], [output, output]):
        with pytest.raises(HenshinError, match="both an input and the output"):
            list_inputs(alone, output)
    (output / ".henshin" / "run.jsonl").unlink()
    with pytest.raises(HenshinError, match="both an input and the output"):
        list_inputs([tmp_path / "photos", output], output)


def test_the_order_of_the_file_system_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, *(f"{folder}/{number}.jpg" for folder in "abc" for number in range(12)))
    expected = relatives(tmp_path)
    scandir = os.scandir

    class Shuffled:
        def __init__(self, path: Path) -> None:
            with scandir(path) as entries:
                self.entries = list(entries)
            random.shuffle(self.entries)

        def __enter__(self) -> object:
            return iter(self.entries)

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(os, "scandir", Shuffled)
    assert relatives(tmp_path) == expected


@given(st.lists(st.text(max_size=8), max_size=8))
def test_natural_order_can_compare_any_names(names: list[str]) -> None:
    keys = [natural_key(name) for name in names]
    assert sorted(keys, reverse=True) == sorted(keys)[::-1]


# -- Names of outputs ------------------------------------------------------------------------------------------------


def source(relative: str, root: str = "/in") -> SourceFile:
    return SourceFile.at(Path(root) / relative, relative)


def to_png(_: SourceFile) -> str:
    return ".png"


def predicted(*sources: SourceFile, **more: object) -> list[str]:
    names = OutputNames(sources, to_png, **more)  # type: ignore[arg-type]
    return [names.predicted(one) for one in sources]


def test_names_that_meet_are_told_apart_by_suffix_then_folder_then_hash() -> None:
    assert predicted(source("x.jpg"), source("y.jpg")) == ["x", "y"]
    assert predicted(source("x.jpg"), source("x.webp"), source("y.jpg")) == ["x.jpg", "x.webp", "y"]
    assert predicted(source("x.jpg", "/a"), source("x.jpg", "/b")) == ["a/x", "b/x"]
    one, other = predicted(source("X.jpg"), source("x.jpg"))
    assert one.startswith("X-")
    assert other.startswith("x-")
    assert path_key(one) != path_key(other)


def test_whose_output_is_called_as_itself_keeps_its_name() -> None:
    assert predicted(source("x.png"), source("x.jpg")) == ["x", "x.jpg"]
    assert predicted(source("x.gif"), source("x.jpg"), source("x.png"), source("x.jpg.png"))[2:] == ["x", "x.jpg"]
    assert predicted(source("x.png", "/a"), source("x.png", "/b"), source("x.jpg", "/a")) == ["a/x", "b/x", "x.jpg"]
    assert predicted(source("x.png"), source("x.jpg"), forbidden=["x.png"]) == ["x.png", "x.jpg"]
    hashed = predicted(source("X.jpg"), source("x.jpg"))[0]
    met = predicted(source("X.jpg"), source("x.jpg"), source(f"{hashed}.png"))
    assert len({path_key(name) for name in met}) == 3, "what has given way as far as it can is given way to"


def test_names_that_only_differ_in_composition_meet() -> None:
    one, other = predicted(source("café.jpg"), source("café.webp"))
    assert (one, other) == ("café.jpg", "café.webp")


def test_a_name_that_moves_up_may_meet_another_one() -> None:
    found = predicted(source("x.jpg"), source("x.webp"), source("x.jpg.png"))
    assert len({path_key(name) for name in found}) == 3


def test_a_file_never_takes_the_name_of_a_folder() -> None:
    found = predicted(source("x.jpg"), source("x.png/y.jpg"))
    assert found[0] != "x"


relative = st.from_regex(r"([abAB]/)?[xXé](-1)?\.(jpg|JPG|webp|png|jpg\.png)", fullmatch=True)


@given(st.lists(st.tuples(st.sampled_from(["/r", "/s", "/t/r"]), relative), unique=True, max_size=12), st.randoms())
def test_told_apart_always_and_in_any_order_alike(pairs: list[tuple[str, str]], rng: random.Random) -> None:
    sources = [source(one, root) for root, one in pairs]
    names = dict(zip((one.key for one in sources), predicted(*sources), strict=True))
    assert len({path_key(name) for name in names.values()}) == len(sources)
    rng.shuffle(sources)
    assert dict(zip((one.key for one in sources), predicted(*sources), strict=True)) == names


def test_what_the_record_says_belongs_to_another_source_is_left_to_it() -> None:
    owners = {"x.png": "/elsewhere/x.jpg"}
    assert predicted(source("x.jpg"), owner=owners.get) != ["x"]
    owners = {"x.png": "/in/x.jpg"}
    assert predicted(source("x.jpg"), owner=owners.get) == ["x"]


def test_what_a_stage_makes_never_lands_on_another_source() -> None:
    one, other = source("x.jpg"), source("x-1.jpg")
    names = OutputNames([one, other], to_png)
    made = [names.claim(one, "x-1", ".png"), names.claim(one, "x-2", ".png"), names.claim(other, "x-1", ".png")]
    assert made[2] == "x-1.png"
    assert made[1] == "x-2.png"
    assert len(set(made)) == 3


def test_two_pictures_of_one_name_are_both_kept() -> None:
    one = source("x.jpg")
    names = OutputNames([one], to_png)
    assert [names.claim(one, "x", ".png") for _ in range(3)] == ["x.png", "x-2.png", "x-2-2.png"]


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", ""])
def test_a_name_never_leaves_the_output_folder(name: str) -> None:
    with pytest.raises(PictureError, match="below the output folder"):
        OutputNames([], to_png).claim(source("x.jpg"), name, ".png")


@pytest.mark.parametrize("name", ["C:x", "c:/x", "x:stream", "a/C:x"])
def test_a_colon_is_part_of_a_name_except_on_windows(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one = source("x.jpg")
    assert OutputNames([], to_png).claim(one, name, ".png") == f"{name}.png"
    monkeypatch.setattr("henshin.engine.preparation.outputs.WINDOWS", True)
    with pytest.raises(PictureError, match="below the output folder"):
        OutputNames([], to_png).claim(one, name, ".png")


def test_an_input_in_the_output_folder_is_never_written_over() -> None:
    one = source("x.png")
    assert OutputNames([one], to_png, forbidden=["x.png"]).claim(one, "x", ".png") != "x.png"
