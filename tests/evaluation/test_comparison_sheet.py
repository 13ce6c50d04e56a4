"""`henshin sheet` and `evaluate --sheet`: what stands where, and how large it may be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.evaluation import drawn, save

from henshin.cli import main
from henshin.errors import HenshinError
from henshin.evaluation import Sheet
from henshin.evaluation.comparison_sheet import most_detailed
from henshin.images.sheets.table import GAP, LINE


def at(page: np.ndarray, column: int, cell: int, height: int, width: int, top: int = 2 * LINE) -> np.ndarray:
    left = GAP + column * (cell + GAP)
    return page[top : top + height, left : left + width]


def test_the_window_is_where_the_detail_is() -> None:
    picture = np.full((60, 80, 3), 90, np.uint8)
    picture[30:40, 50:60] = np.random.default_rng(0).integers(0, 255, (10, 10, 3))
    found = most_detailed(picture, 20, 20)
    assert (found.height, found.width) == (20, 20)
    assert found.top <= 30 <= 40 <= found.top + 20
    assert found.left <= 50 <= 60 <= found.left + 20
    whole = most_detailed(picture, 500, 500)
    assert (whole.top, whole.left, whole.height, whole.width) == (0, 0, 60, 80)


def test_a_folder_without_truth_stands_side_by_side(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = drawn(15, 12, 4)
    save(bench / "faces" / "f.png", small)
    words = ["sheet", "copy", "-i", "faces", "-o", "s.png", "--scale", "3", "--cell", "48", "--device", "cpu"]
    assert main(words) == 0
    assert "s.png: 1 picture: input, lanczos, bicubic, copy" in capsys.readouterr().err
    page = np.asarray(Image.open("s.png"))
    assert page.shape == (LINE + 45 + 2 * LINE + GAP, GAP + 4 * (48 + GAP), 3)
    image = Image.fromarray(small)
    filters = (Image.Resampling.NEAREST, Image.Resampling.LANCZOS, Image.Resampling.BICUBIC, Image.Resampling.NEAREST)
    for column, filter in enumerate(filters):
        shown = at(page, column, 48, 45, 36)
        assert np.array_equal(shown, np.asarray(image.resize((36, 45), filter))), column


def test_the_same_part_is_shown_in_all_columns_of_a_large_picture(bench: Path) -> None:
    picture = np.full((64, 96, 3), 70, np.uint8)
    picture[40:56, 64:80] = drawn(16, 16, 3)
    save(bench / "large" / "l.png", picture)
    words = ["sheet", "copy", "-i", "large", "-o", "s.png", "--scale", "2", "--cell", "64", "--device", "cpu"]
    assert main(words) == 0
    page = np.asarray(Image.open("s.png"))
    window = most_detailed(picture, 32, 32)
    expected = picture[window.top : window.top + 32, window.left : window.left + 32].repeat(2, 0).repeat(2, 1)
    assert np.array_equal(at(page, 0, 64, 64, 64), expected)
    assert np.array_equal(at(page, 3, 64, 64, 64), expected)


def test_only_the_first_rows_and_by_default_as_far_as_the_models_go(
    bench: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(5):
        save(bench / "faces" / f"{number}.png", drawn(10, 10, number))
    assert main(["sheet", "copy", "-i", "faces", "--rows", "2", "--cell", "32", "--device", "cpu"]) == 0
    said = capsys.readouterr().err
    assert "the first 2 pictures; 3 more have no room (--rows)" in said
    assert "sheet.png: 2 pictures" in said
    assert np.asarray(Image.open("sheet.png")).shape[0] == LINE + 2 * (30 + 2 * LINE + GAP)


def test_evaluate_draws_the_truth_last(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", "copy", "--on", "set", "--sheet", "s.png", "--rows", "1", "--cell", "64", "--device", "cpu"]
    assert main(words) == 0
    assert "s.png: 2 pictures: input, lanczos, bicubic, copy, truth" in capsys.readouterr().err
    page = np.asarray(Image.open("s.png"))
    truth = np.asarray(Image.open("set/a.png"))
    assert np.array_equal(at(page, 4, 64, 36, 42), truth[:36, :42])
    assert np.array_equal(at(page, 0, 64, 36, 42), at(page, 3, 64, 36, 42)), "copying repeats pixels, as the input does"


def test_what_fails_is_said_in_its_cell_and_in_the_exit_code(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(bench / "faces" / "a.png", drawn(20, 20, 1))
    save(bench / "faces" / "white.png", np.full((20, 20, 3), 255, np.uint8))
    (bench / "faces" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    words = ["sheet", "picky", "-i", "faces", "-o", "s.png", "--cell", "64", "--scale", "1", "--device", "cpu"]
    assert main(words) == 1
    said = capsys.readouterr().err
    assert "white.png: picky: " in said
    assert "failed: broken.png: " in said
    assert "s.png: 2 pictures: input, picky" in said
    page = np.asarray(Image.open("s.png"))
    second = at(page, 1, 64, 64, 64, LINE + (64 + 2 * LINE + GAP) + LINE)
    assert second.min() < 128, "the word stands there"
    assert (second == 255).mean() > 0.8, "and nothing else"


def test_a_sheet_replaces_nothing_and_must_be_a_picture(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("s.png").write_bytes(b"mine")
    assert main(["sheet", "copy", "-i", "set", "-o", "s.png"]) == 2
    assert "s.png: a file of this name is there already; give another name, or --force" in capsys.readouterr().err
    assert Path("s.png").read_bytes() == b"mine"
    assert main(["evaluate", "copy", "--on", "set", "--sheet", "s.txt"]) == 2
    assert "'s.txt': a sheet is a picture, such as sheet.png" in capsys.readouterr().err
    assert main(["sheet", "copy", "-i", "set", "-o", "s.png", "--force", "--device", "cpu"]) == 0
    assert Image.open("s.png").size[0] > 1000
    assert main(["sheet", "copy"]) == 2
    assert "no input" in capsys.readouterr().err


def test_a_sheet_is_bounded() -> None:
    Sheet(["a", "b"], 16, 256, truth=False).check(1)
    with pytest.raises(HenshinError, match="fewer --rows or smaller --cell would do"):
        Sheet(["a", "b"], 200, 1024, truth=True).check(1)


def test_names_of_any_alphabet_are_written(bench: Path) -> None:
    save(bench / "faces" / "変身-Übung.png", drawn(20, 20, 1))
    assert main(["sheet", "-i", "faces", "-o", "s.webp", "--cell", "80", "--scale", "4"]) == 0
    assert Image.open("s.webp").format == "WEBP"


def test_means_of_two_folders_stand_side_by_side_and_half_by_half(
    bench: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(3):
        save(bench / "left" / f"{i}.png", np.full((40, 60, 3), 100 + 30 * i, np.uint8))
        save(bench / "right" / f"{i}.png", np.full((50, 50, 3), 20 + 10 * i, np.uint8))
    words = ["sheet", "--mean", "left", "--mean", "right", "-o", "m.png", "--cell", "40", "--no-captions"]
    assert main(words) == 0
    assert "left, right, left | right" in capsys.readouterr().err
    page = np.asarray(Image.open("m.png"))
    wide = (page.shape[1] - GAP) // 3 - GAP
    for column, (first, second) in enumerate([(130, 130), (30, 30), (130, 30)]):
        shown = at(page, column, wide, 40, 40, LINE)
        lines = [40 * part // 10 for part in range(1, 10)]
        plain = np.delete(shown, lines, axis=0)
        assert (plain[:, :20] == first).all()
        assert (plain[:, 20:] == second).all()
        assert (shown[lines][:, :20] < first * 0.7).all(), "a line at every tenth"


def test_means_say_what_cannot_be_read_and_what_does_not_go_with_them(
    bench: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(bench / "faces" / "good.png", drawn(20, 20, 1))
    (bench / "faces" / "bad.png").write_bytes(b"no picture")
    assert main(["sheet", "--mean", "faces", "-o", "m.png"]) == 1
    told = capsys.readouterr()
    assert "bad.png" in told.err
    assert "m.png: 1 mean picture: faces" in told.err
    assert Path("m.png").exists()
    assert main(["sheet", "--mean", "faces", "-i", "faces", "-o", "n.png"]) == 2
    assert "-i is for pictures side by side" in capsys.readouterr().err
    for option in ("--rows=3", "--seed=4", "--truncation=0.5", "--set=resize.width=3"):
        assert main(["sheet", "--mean", "faces", option, "-o", "n.png"]) == 2
        assert f"{option.partition('=')[0]} is for " in capsys.readouterr().err
    (bench / "worse").mkdir()
    (bench / "worse" / "bad.png").write_bytes(b"no picture")
    assert main(["sheet", "--mean", "worse", "-o", "o.png"]) != 0
    assert "none of the pictures of 'worse' can be read" in capsys.readouterr().err
