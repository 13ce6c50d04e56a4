"""Where results go: files that no run wrote, single files, and wrong use."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from support.engine import (
    Bench,
    Invert,
    Multiply,
)

from henshin.errors import HenshinError


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


# -- Files that no run wrote -----------------------------------------------------------------------------------------


@pytest.fixture
def strange(bench: Bench) -> Bench:
    for name in "abcde":
        bench.photo(f"{name}.png")
    bench.out.mkdir()
    for name in "abcd":
        (bench.out / f"{name}.png").write_bytes(b"somebody's work")
    return bench


def test_strange_files_are_refused_before_anything_runs(strange: Bench) -> None:
    before = strange.state()
    with pytest.raises(HenshinError, match=r"'a\.png', 'b\.png', 'c\.png' and 1 more.*--on-existing"):
        strange.run(Invert)
    assert strange.state() == before
    assert not (strange.out / ".henshin").exists()


def test_strange_files_are_left_alone_or_replaced_as_asked(strange: Bench) -> None:
    summary = strange.run(Invert, on_existing="skip")
    assert (summary.existing, summary.done) == (4, 1)
    assert (strange.out / "a.png").read_bytes() == b"somebody's work"
    summary = strange.run(Invert, on_existing="overwrite")
    assert (summary.done, summary.up_to_date) == (4, 1)
    assert strange.run(Invert).up_to_date == 5, "now they are henshin's own"


def test_a_strange_file_in_the_way_of_a_multiplied_name_fails_or_skips(bench: Bench) -> None:
    bench.photo("x.png")
    bench.out.mkdir()
    (bench.out / "x-2.png").write_bytes(b"somebody's work")
    summary = bench.run(Multiply, Invert)
    assert summary.failures[0].stage == "write"
    assert "x-2.png" in summary.failures[0].reason
    assert bench.run(Multiply, Invert, on_existing="skip", retry_failed=True).done == 1
    assert (bench.out / "x-2.png").read_bytes() == b"somebody's work"


# -- Where to --------------------------------------------------------------------------------------------------------


def test_a_single_picture_goes_to_the_file_that_is_named(bench: Bench) -> None:
    photo = bench.photo("a.jpg", (200, 200, 200))
    target = bench.folder / "new" / "b.v2.png"
    summary = bench.run(Invert, inputs=[photo], output=target)
    assert summary.done == 1
    assert Image.open(target).format == "PNG"
    assert [path.name for path in target.parent.iterdir()] == ["b.v2.png"], "no record is kept for a single file"
    with pytest.raises(HenshinError, match=r"'.*b\.v2\.png' exists already, .* no record .*--on-existing overwrite"):
        bench.run(Invert, inputs=[photo], output=target)
    assert bench.run(Invert, inputs=[photo], output=target, on_existing="overwrite").done == 1


@pytest.mark.parametrize(
    ("inputs", "output", "says"),
    [
        (["a.png", "b.png"], "out.png", "not a single file"),
        (["."], "out.png", "not a single file"),
        (["a.png"], "a.png", "both input and output"),
        (["a.png"], "b.gif", "gif"),
        (["a.png"], "b.xyz", r"'\.xyz', which is no format of pictures: \.jpg, \.png, .*'.*b\.xyz/'"),
        (["notes.txt"], "out", "no pictures"),
        (["nowhere"], "out", "no such file"),
        (["a.png"], "notes.txt", "is a file"),
        (["."], ".", "both an input and the output"),
        ([], "out", "no input"),
    ],
)
def test_wrong_use_is_told_in_one_line(bench: Bench, inputs: list[str], output: str, says: str) -> None:
    bench.photo("a.png")
    bench.photo("b.png")
    (bench.photos / "notes.txt").write_text("no picture")
    paths = [bench.photos / name for name in inputs]
    with pytest.raises(HenshinError, match=says) as caught:
        bench.run(Invert, inputs=paths, output=bench.photos / output)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_a_folder_may_have_a_dot_if_it_is_there_or_ends_with_a_slash(bench: Bench) -> None:
    photo = bench.photo("a.png")
    for name in ("b.xyz", "b.png"):
        assert bench.run(Invert, inputs=[photo], output=f"{bench.folder / name}/").done == 1
        assert bench.files(bench.folder / name) == ["a.png"]
        assert bench.run(Invert, inputs=[photo], output=bench.folder / name).up_to_date == 1
    assert bench.run(Invert, inputs=[bench.photos], output=bench.folder / "c.xyz").done == 1


def test_renamed_outputs_are_told(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("x.jpg", "x.png", "y.jpg"):
        bench.photo(name)
    bench.run(Invert)
    assert bench.told.notes == []
    with caplog.at_level("INFO", "henshin"):
        bench.run(Invert, output=bench.folder / "more", format="png")
    assert bench.files(bench.folder / "more") == ["x.jpg.png", "x.png", "y.png"]
    assert bench.told.notes == ["1 output has a longer name, for its plain one would meet another's (-v names it)"]
    assert f"{bench.photos / 'x.jpg'} -> x.jpg.png" in caplog.messages
    assert bench.plan(Invert, output=bench.folder / "third", format="png").notes == bench.told.notes


def test_a_link_that_leads_round_to_itself_fails_alone(bench: Bench) -> None:
    bench.photo("a.png")
    for name in ("self", "self.jpg"):
        (bench.photos / name).symlink_to(name)
    summary = bench.run(Invert)
    assert (summary.done, summary.non_pictures, summary.exit_code) == (1, 1, 1)
    assert [failure.source for failure in summary.failures] == [str(bench.photos / "self.jpg")]


def test_files_that_are_no_pictures_are_counted(bench: Bench) -> None:
    bench.photo("a.png")
    (bench.photos / "notes.txt").write_text("no picture")
    (bench.photos / ".hidden.png").write_text("not even this")
    summary = bench.run(Invert)
    assert (summary.non_pictures, summary.done, summary.exit_code) == (1, 1, 0)


def test_the_output_may_lie_in_the_input(bench: Bench) -> None:
    bench.photo("a.png")
    inside = bench.photos / "out"
    assert bench.run(Invert, output=inside).done == 1
    assert (summary := bench.run(Invert, output=inside)).up_to_date == 1
    assert summary.total == 1


def test_an_input_is_never_written_over(bench: Bench) -> None:
    photo = bench.photo("a.png", (9, 9, 9))
    before = photo.read_bytes()
    bench.run(Invert, inputs=[photo], output=bench.photos, on_existing="overwrite")
    assert photo.read_bytes() == before
    assert len(bench.files(bench.photos)) == 2


def test_limit_takes_the_first_of_the_listing(bench: Bench) -> None:
    for number in (1, 2, 10):
        bench.photo(f"{number}.png")
    assert bench.run(Invert, limit=2).total == 2
    assert bench.files() == ["1.png", "2.png"]


def test_by_default_results_go_to_a_folder_named_after_the_pipeline(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from henshin.engine.preparation.outputs import resolve_target
    from henshin.images import WriteOptions

    target = resolve_target(None, "selfie2anime", ["photos"], WriteOptions())
    assert target.folder == Path("henshin-out/selfie2anime")
