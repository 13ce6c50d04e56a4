"""Figures of the `sample` stage: which picture stands where, from which latents, and what cannot be had."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

pytest.importorskip("onnx")
from support.runtime import model_of
from support.sampler import LENGTH, MEAN, SIDE, expected, expected_of_styles, in_halves, sampler, turn

from henshin.cli import run_pipeline
from henshin.errors import HenshinError
from henshin.testing import check_stage
from henshin_plugins.sample import Sample
from henshin_plugins.sample.config import SampleConfig

GAP = 4
ROWS = 6


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `noise`, which draws from noise at once, and `style`, of a mapping and a synthesis."""
    folder = tmp_path_factory.mktemp("models")
    sampler(folder / "noise.onnx")
    in_halves(folder, "style")
    return folder


@pytest.fixture
def place(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HENSHIN_MODELS", str(models))
    return tmp_path


def write(*lines: str) -> None:
    Path("p.yaml").write_text("stages:\n  - use: sample\n" + "".join(f"    {line}\n" for line in lines))


def run(*words: str) -> int:
    return run_pipeline(["p.yaml", "-o", "out", "--device", "cpu", *words])


def page(name: str) -> np.ndarray:
    found = list(Path("out").glob("*.png"))
    assert [path.name for path in found] == [f"{name}.png"]
    return np.asarray(Image.open(found[0])).astype(int)


def cell(page: np.ndarray, row: int, column: int, side: int = SIDE, gap: int = GAP) -> np.ndarray:
    top, left = row * (side + gap), column * (side + gap)
    return page[top : top + side, left : left + side]


def noise(number: int, seed: int = 0) -> np.ndarray:
    drawn: np.ndarray = np.random.default_rng([seed, number]).standard_normal(LENGTH).astype(np.float32)
    return drawn


def style(number: int, seed: int = 0, truncation: float = 1.0) -> np.ndarray:
    """w+ of a number, every row alike."""
    w = noise(number, seed) @ turn()
    return np.tile(MEAN + (w - MEAN) * truncation, (ROWS, 1))


def near(drawn: np.ndarray, wanted: np.ndarray) -> bool:
    return bool(np.abs(drawn - wanted.astype(int)).max() <= 1)


@pytest.mark.parametrize("size", ["1", "3", "auto"])
def test_a_grid_holds_the_pictures_of_single_files(place: Path, size: str) -> None:
    write("model: noise", "layout: grid", "count: 7", "columns: 3", "seed: 5", "truncation: 0.5", "name: face")
    assert run("--batch-size", size) == 0
    drawn = page("face-grid")
    assert drawn.shape == (3 * (SIDE + GAP) - GAP, 3 * (SIDE + GAP) - GAP, 3)
    for number in range(7):
        assert near(cell(drawn, *divmod(number, 3)), expected(noise(number, 5) * 0.5))
    assert (cell(drawn, 2, 1) == 255).all(), "an empty place is white"
    assert (drawn[:, SIDE : SIDE + GAP] == 255).all()


def test_a_grid_of_another_count_is_drawn_anew(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write("model: noise", "layout: grid", "count: 2")
    assert run() == 0
    assert page("sample-grid").shape[1] == 2 * (SIDE + GAP) - GAP
    capsys.readouterr()
    assert run("--set", "sample.count=3") == 0
    assert "1 done" in capsys.readouterr().out
    assert page("sample-grid").shape[1] == 3 * (SIDE + GAP) - GAP
    assert run("--set", "sample.count=3") == 0
    assert "1 up to date" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("mix", "lent"), [("{from: 1, to: 2}", range(3)), ("{from: 2, to: 2}", range(1, 3)), ("{last: 1}", range(3, 6))]
)
def test_a_mixing_table_takes_blocks_from_the_left_and_the_others_from_above(
    place: Path, mix: str, lent: range
) -> None:
    write("model: style", "layout: mixing", "columns: 3", "rows: 2", "seed: 1", "truncation: 0.7", f"mix: {mix}")
    assert run() == 0
    drawn = page("sample-mixing")
    assert drawn.shape == (3 * (SIDE + GAP) - GAP, 4 * (SIDE + GAP) - GAP, 3)
    assert (cell(drawn, 0, 0) == 255).all()
    above, beside = ([style(number, 1, 0.7) for number in numbers] for numbers in (range(3), range(3, 5)))
    for column, one in enumerate(above, 1):
        assert near(cell(drawn, 0, column), expected_of_styles(one))
    for row, one in enumerate(beside, 1):
        assert near(cell(drawn, row, 0), expected_of_styles(one))
        for column, other in enumerate(above, 1):
            mixed = other.copy()
            mixed[list(lent)] = one[list(lent)]
            assert near(cell(drawn, row, column), expected_of_styles(mixed))
            assert not near(cell(drawn, row, column), expected_of_styles(other))


def test_by_default_the_two_coarsest_blocks_are_lent(place: Path) -> None:
    write("model: style", "layout: mixing", "columns: 1", "rows: 1")
    assert run() == 0
    mixed = np.concatenate([style(1)[:3], style(0)[3:]])
    assert near(cell(page("sample-mixing"), 1, 1), expected_of_styles(mixed))


def test_strips_go_straight_from_style_to_style(place: Path) -> None:
    write("model: style", "layout: between", "rows: 2", "steps: 5", "truncation: 0.8")
    assert run() == 0
    drawn = page("sample-between")
    assert drawn.shape == (2 * (SIDE + GAP) - GAP, 5 * (SIDE + GAP) - GAP, 3)
    for row in range(2):
        start, end = style(2 * row, truncation=0.8), style(2 * row + 1, truncation=0.8)
        for column in range(5):
            t = column / 4
            assert near(cell(drawn, row, column), expected_of_styles((1 - t) * start + t * end))


@pytest.mark.parametrize("model", ["noise", "style"])
def test_strips_go_along_the_sphere_of_the_noise(place: Path, model: str) -> None:
    write(f"model: {model}", "layout: between", "rows: 1", "steps: 4", "space: z", "seed: 3")
    assert run() == 0
    drawn = page("sample-between")
    start, end = noise(0, 3).astype(float), noise(1, 3).astype(float)
    long, longer = np.linalg.norm(start), np.linalg.norm(end)
    angle = np.arccos(start @ end / long / longer)
    across = end - start * (start @ end) / long**2  # at a right angle to the start, in the plane of both
    for column in range(4):
        t = column / 3
        along = np.cos(t * angle) * start / long + np.sin(t * angle) * across / np.linalg.norm(across)
        along *= (1 - t) * long + t * longer
        own = expected(along) if model == "noise" else expected_of_styles(np.tile(along @ turn(), (ROWS, 1)))
        assert near(cell(drawn, 0, column), own)


def test_without_a_mapping_strips_go_along_the_sphere(place: Path) -> None:
    write("model: noise", "layout: between", "rows: 1")
    assert run() == 0
    assert run("--set", "sample.space=z") == 0
    left = page("sample-between")
    assert near(cell(left, 0, 0), expected(noise(0)))
    assert near(cell(left, 0, 7), expected(noise(1)))


def test_between_noises_of_one_direction_it_goes_straight() -> None:
    from henshin.runtime.latents import spherical

    one = noise(0)
    assert np.allclose(spherical(one, one, 3), one)
    assert np.allclose(spherical(one, 3 * one, 3)[1], 2 * one)
    assert np.isfinite(spherical(one, -one, 4)).all()


def test_cells_and_gaps_have_the_sizes_that_were_asked_for(place: Path) -> None:
    write("model: noise", "layout: grid", "count: 2", "cell: 24", "gap: 0")
    assert run() == 0
    drawn = page("sample-grid")
    assert drawn.shape == (24, 48, 3)
    whole = np.asarray(Image.fromarray(expected(noise(1))).resize((24, 24), Image.Resampling.LANCZOS)).astype(int)
    assert near(drawn[:, 24:], whole)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["columns: 4"], "p.yaml:4: sample.columns: is for layout grid or mixing, and this one is 'pictures'"),
        (["layout: between", "count: 4"], "p.yaml:5: sample.count: is for layout pictures or grid, and this one"),
        (["layout: grid", "steps: 4"], "p.yaml:5: sample.steps: is for layout between, and this one is 'grid'"),
        (["layout: between", "mix: {to: 3}"], "p.yaml:5: sample.mix: is for layout mixing, and this one is 'between'"),
        (["layout: mixing", "mix: {from: 3, last: 2}"], "p.yaml:5: sample.mix: 'last' says which blocks; 'from' and"),
        (["layout: mixing", "mix: {from: 0}"], "p.yaml:5: sample.mix.from: 0 is too small; at least 1"),
        (["layout: strips"], "p.yaml:4: sample.layout: 'strips' is not known"),
        (["layout: mixing"], "sample.layout: mixing is of styles, and 'noise' has no mapping; grid and between do"),
        (["layout: between", "space: w"], "sample.space: w is made by a mapping, and 'noise' has none; z would do"),
        (["layout: grid", "count: 1000000", "cell: 64"], "this grid would be 540 x 8499996, and 500 megapixels are"),
    ],
)
def test_what_does_not_go_together_is_told(
    place: Path, capsys: pytest.CaptureFixture[str], lines: list[str], said: str
) -> None:
    write("model: noise", *lines)
    assert run() == 2
    assert said in capsys.readouterr().err
    assert not list(Path("out").glob("*.png"))


def test_the_plan_names_options_as_they_are_written(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write("model: style", "layout: mixing", "mix: {from: 2}")
    assert run("--dry-run") == 0
    assert 'mix={"from": 2, "to": null' in capsys.readouterr().out


def test_blocks_that_are_not_there_are_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write("model: style", "layout: mixing")
    assert run("--set", "sample.mix.to=4") == 2
    assert "sample.mix: 'style': blocks 1 to 4 are asked for, and there are blocks 1 to 3" in capsys.readouterr().err
    assert run("--set", "sample.mix={from: 3, to: 2}") == 2
    assert "sample.mix: 'style': blocks 3 to 2 are asked for" in capsys.readouterr().err


def test_in_the_adain_form_each_block_has_two_rows(tmp_path: Path) -> None:
    from henshin.runtime import Model
    from henshin_plugins.sample.grids import _mixed_layers

    in_halves(tmp_path, "adain", config={"form": "adain"})
    halves = [model_of(tmp_path / f"adain-{half}.onnx") for half in ("mapping", "synthesis")]
    model = Model(halves[1].contract, halves[1].network, mapping=halves[0])
    options = SampleConfig.model_validate({"model": "adain", "layout": "mixing", "mix": {"from": 2, "to": 3}})
    assert _mixed_layers(options, model) == [2, 3, 4, 5]


def test_a_picture_that_fails_is_named_by_its_place(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    limit = float(sorted(noise(number)[0] for number in range(6))[-1]) - 1e-3
    worst = int(np.argmax([noise(number)[0] for number in range(6)]))
    sampler(place / "picky.onnx", forbidden=limit)
    write("model: ./picky.onnx", "layout: grid", "count: 6", "columns: 2")
    assert run() == 1
    said = capsys.readouterr()
    assert f"row {worst // 2 + 1}, column {worst % 2 + 1}: " in said.out + said.err


def test_the_kit_is_content_with_every_layout(models: Path) -> None:
    for options in (
        {"layout": "grid", "count": 3},
        {"layout": "mixing", "rows": 1, "columns": 2},
        {"layout": "between"},
    ):
        check_stage(Sample, {"model": str(models / "style.onnx"), **options})


def test_options_of_figures_are_bounded() -> None:
    wrong: list[dict[str, Any]] = [
        {"layout": "between", "steps": 1},
        {"layout": "between", "space": "x"},
        {"layout": "grid", "cell": 4},
        {"layout": "grid", "gap": -1},
        {"layout": "mixing", "mix": {"until": 3}},
    ]
    for one in wrong:
        with pytest.raises(ValidationError):
            SampleConfig.model_validate({"model": "style", **one})


def test_a_sampler_of_two_models_also_draws_from_styles(models: Path) -> None:
    from henshin.models import ModelStore
    from henshin.runtime import Model

    found = ModelStore(user=models).find("style")
    assert found.mapping is not None
    model = Model(found.contract, model_of(found.path).network, 2, mapping=model_of(found.mapping.path))
    styles = np.stack([style(number) for number in range(3)])
    for drawn, own in zip(model.sample(styles), styles, strict=True):
        assert isinstance(drawn, np.ndarray)
        assert near(drawn, expected_of_styles(own))
    with pytest.raises(HenshinError, match="was given styles, and truncates only what it makes of noise"):
        model.sample(styles, 0.5)
    with pytest.raises(HenshinError, match=r"draws from latents \(N, 6, 5\), not \(3, 2, 5\)"):
        model.sample(styles[:, :2])
