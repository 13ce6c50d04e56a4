"""`henshin sheet` where nothing is enlarged: whole pictures side by side, and what samplers draw of the same noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.evaluation import drawn, save

pytest.importorskip("onnx")
from support.onnx import invert
from support.sampler import LENGTH, MEAN, SIDE, expected, expected_of_styles, in_halves, sampler, turn

from henshin.cli import main
from henshin.evaluation import Sheet
from henshin.images.sheets.table import GAP, LINE

HALF = "name: half\nstages:\n  - use: resize\n    width: 8\n    height: 8\n    fit: stretch\n"
TWICE = "name: twice\nstages:\n  - use: super_resolution\n    model: lanczos\n    scale: 2\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two photos, two pipelines, and models: `same` inverts; `noise`, `g` and `g-fin1` draw."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HENSHIN_MODELS", str(tmp_path / "models"))
    save(tmp_path / "photos" / "a.png", drawn(40, 60, 1))
    save(tmp_path / "photos" / "b.png", drawn(24, 12, 2))
    invert(tmp_path / "models" / "same.onnx")
    sampler(tmp_path / "models" / "noise.onnx")
    in_halves(tmp_path / "models", "g")
    in_halves(tmp_path / "models", "g-fin1", shift=40)
    Path("half.yaml").write_text(HALF)
    Path("twice.yaml").write_text(TWICE)
    return tmp_path


def sheet(*words: str) -> int:
    return main(["sheet", *words, "--device", "cpu", "-o", "s.png", "--force"])


def page() -> np.ndarray:
    return np.asarray(Image.open("s.png")).astype(int)


def fitted(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0))


def shown(page: np.ndarray, column: int, top: int, picture: np.ndarray, wide: int) -> bool:
    left = GAP + column * (wide + GAP)
    part = page[top : top + picture.shape[0], left : left + picture.shape[1]]
    return bool(np.abs(part - picture.astype(int)).max() <= 1)


def noise(number: int, seed: int = 0) -> np.ndarray:
    drawn: np.ndarray = np.random.default_rng([seed, number]).standard_normal(LENGTH).astype(np.float32)
    return drawn


def styles(number: int, seed: int = 0, truncation: float = 1.0) -> np.ndarray:
    return np.tile(MEAN + (noise(number, seed) @ turn() - MEAN) * truncation, (6, 1))


def test_source_translator_and_pipeline_stand_whole_at_one_size(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sheet("same", "half.yaml", "-i", "photos", "--cell", "48") == 0
    assert "s.png: 2 pictures: input, same, half" in capsys.readouterr().err
    found = page()
    a, b = (np.asarray(Image.open(f"photos/{name}.png")) for name in "ab")
    assert found.shape == (LINE + 2 * (48 + 2 * LINE + GAP), GAP + 3 * (48 + GAP), 3)
    top = 2 * LINE
    assert shown(found, 0, top, fitted(a, 48, 32), 48)
    assert shown(found, 1, top, fitted(255 - a, 48, 32), 48)
    assert shown(found, 2, top, fitted(fitted(a, 8, 8), 48, 48), 48), "a square one is higher"
    top += 48 + 2 * LINE + GAP
    assert shown(found, 0, top, fitted(b, 24, 48), 48)


def test_without_captions_only_columns_are_named(place: Path) -> None:
    assert sheet("half.yaml", "-i", "photos/a.png", "--cell", "48", "--no-captions") == 0
    assert page().shape == (LINE + 48 + GAP, GAP + 2 * (48 + GAP), 3)


def test_columns_are_called_as_asked_and_are_wide_enough_for_it(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["same", "half.yaml", "-i", "photos", "--cell", "32"]
    assert sheet(*words, "--label", "photo", "--label", "inversion of it", "--label", "portrait as it was drawn") == 0
    assert "2 pictures: photo, inversion of it, portrait as it was drawn" in capsys.readouterr().err
    wide = Sheet(["x"], 1, 32, headings={"x": "portrait as it was drawn"}).table.column_width
    assert wide > 100
    found = page()
    assert found.shape[1] == GAP + 3 * (wide + GAP)
    assert (found[:LINE, -GAP:] == 255).all(), "nothing runs over the edge"
    assert (found[:LINE, -GAP - 24 : -GAP] < 128).any(), "the last letters are there"
    assert sheet(*words, "--label", "one") == 2
    assert "1 --label and 2 named: there must be one for each" in capsys.readouterr().err


def test_a_pipeline_says_itself_how_far_it_enlarges(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sheet("twice.yaml", "-i", "photos", "--cell", "64") == 0
    assert "input, lanczos, bicubic, twice" in capsys.readouterr().err
    a = np.asarray(Image.open("photos/a.png"))
    found = page()
    left = GAP + 3 * (64 + GAP)
    assert (
        np.abs(found[2 * LINE : 2 * LINE + 64, left : left + 64] - found[2 * LINE :, left - 2 * 72 :][:64, :64]).max()
        <= 1
    )
    assert a.shape[0] * 2 > 64, "a part is shown"
    assert sheet("twice.yaml", "half.yaml", "-i", "photos") == 2
    assert "these pipelines enlarge by 1, 2; say with --scale what the sheet shows" in capsys.readouterr().err
    assert sheet("twice.yaml", "half.yaml", "-i", "photos", "--scale", "1") == 0
    Path("open.yaml").write_text(TWICE.replace("scale: 2", "scale: 3"))
    assert sheet("open.yaml", "-i", "photos", "--set", "super_resolution.scale={scale}") == 0
    assert "b.png" not in capsys.readouterr().err


def test_samplers_draw_the_same_noise_in_their_columns(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["g", "g-fin1", "noise", "--rows", "3", "--seed", "4", "--truncation", "0.6", "--cell", "64"]
    assert sheet(*words) == 0
    assert "s.png: 3 pictures: g, g-fin1, noise" in capsys.readouterr().err
    found = page()
    assert found.shape == (LINE + 3 * (64 + GAP), GAP + 3 * (64 + GAP), 3)
    for row in range(3):
        top = LINE + row * (64 + GAP)
        one = expected_of_styles(styles(row, 4, 0.6))
        assert shown(found, 0, top, fitted(one, 64, 64), 64)
        assert shown(found, 2, top, fitted(expected(noise(row, 4) * 0.6), 64, 64), 64)
        brighter = found[top : top + 64, GAP + 72 : GAP + 72 + 64].mean() - fitted(one, 64, 64).mean()
        assert 10 < brighter < 41


def test_cells_of_samplers_are_as_large_as_their_pictures_and_not_too_small(place: Path) -> None:
    assert sheet("noise") == 0
    assert page().shape == (LINE + 8 * (128 + GAP), GAP + 128 + GAP, 3)
    sampler(place / "models" / "large.onnx", preferred_size=200)
    assert sheet("noise", "large", "--rows", "1", "--label", "one", "--label", "two") == 0
    assert page().shape == (LINE + 200 + GAP, GAP + 2 * (200 + GAP), 3)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["g", "same", "-i", "photos"], "'g' is a sampler, which draws from noise, and 'same' takes pictures: a sheet"),
        (
            ["half.yaml", "g", "-i", "photos"],
            "'g' is a sampler, which draws from noise, and 'half.yaml' takes pictures",
        ),
        (["g", "gg"], "no model or pipeline named 'gg'"),
        (["g-fin"], "no model or pipeline named 'g-fin'; did you mean 'g-fin1'?"),
        (["g", "-i", "photos"], "-i is for what takes pictures, and samplers draw from noise"),
        (["g", "--scale", "2"], "--scale is for what takes pictures, and samplers draw from noise"),
        (["g", "--set", "sample.seed=2"], "--set changes pipelines, and none is named"),
        (["same", "-i", "photos", "--seed", "2"], "--seed is for samplers, which draw from noise"),
        (["same", "-i", "photos", "--truncation", "0.5"], "--truncation is for samplers, which draw from noise"),
        (["g", "--label", "a", "--label", "b"], "2 --label and 1 named: there must be one for each"),
        (["g-mapping", "-i", "photos"], "'g-mapping' is a mapping: it takes no pictures"),
        (["g", "--rows", "200", "--cell", "1024"], "fewer --rows or smaller --cell would do"),
    ],
)
def test_what_does_not_go_together_is_one_line(
    place: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert sheet(*words) in (2, 3)
    told = capsys.readouterr().err
    assert said in told
    assert not Path("s.png").exists()


def test_samplers_of_other_noise_cannot_be_compared(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sampler(place / "models" / "other.onnx", latent_shape=(7,))
    assert sheet("g", "other") == 2
    assert "these models draw from different amounts of noise (g: 5, other: 7)" in capsys.readouterr().err


def test_a_sampler_takes_no_pictures_in_evaluate(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "g", "--on", "photos", "--scale", "2", "--device", "cpu"]) == 2
    assert "'g' is a sampler: it takes no pictures" in capsys.readouterr().err


def test_one_picture_that_fails_is_named_and_its_place_says_so(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    worst = int(np.argmax([noise(number)[0] for number in range(4)]))
    limit = float(sorted(noise(number)[0] for number in range(4))[-1]) - 1e-3
    sampler(place / "models" / "picky.onnx", forbidden=limit)
    assert sheet("noise", "picky", "--rows", "4", "--cell", str(4 * SIDE)) == 1
    assert f"picky: picture {worst}: " in capsys.readouterr().err
    wide, side = Sheet(["noise", "picky"], 1, 32).table.column_width, 4 * SIDE
    top = LINE + worst * (side + GAP)
    cell = page()[top : top + side, GAP + wide + GAP :]
    assert (cell == 255).all(axis=2).mean() > 0.5, "paper, and a word on it"
    assert cell.min() < 128
