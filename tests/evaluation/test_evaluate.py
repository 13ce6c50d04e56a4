"""`henshin evaluate`: its figures against a restatement, its ways through models and pipelines, what goes wrong."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import onnx as onnx_models
from support.evaluation import drawn, save, table, told

from henshin.cli import main

PIPELINE = "stages:\n  - use: super_resolution\n    model: bicubic\n    scale: {scale}\n"


def restated(path: Path, scale: int, filter: Image.Resampling) -> float:
    """The method as the field states it, in a few lines of Pillow."""
    whole = Image.open(path).convert("RGB")
    width, height = whole.width // scale * scale, whole.height // scale * scale
    truth = whole.crop((0, 0, width, height))
    small = truth.resize((width // scale, height // scale), Image.Resampling.BICUBIC)
    result = small.resize((width, height), filter)
    weights = np.array([65.481, 128.553, 24.966]) / 255
    one, other = (16 + np.asarray(image, float) @ weights for image in (result, truth))
    error = (one - other)[scale:-scale, scale:-scale]
    return float(10 * np.log10(255**2 / np.mean(error**2)))


def rows(found: dict[str, Any]) -> dict[tuple[int, str], dict[str, Any]]:
    return {(row["scale"], row["method"]): row for row in found["results"]}


def test_the_figures_are_those_of_the_method(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(told(capsys, "copy", "--on", "set"))
    assert list(found) == [(s, m) for s in (2, 3) for m in ("lanczos", "bicubic", "copy")]
    filters = {
        "lanczos": Image.Resampling.LANCZOS,
        "bicubic": Image.Resampling.BICUBIC,
        "copy": Image.Resampling.NEAREST,
    }
    for (scale, method), row in found.items():
        each = {one["picture"]: one["psnr"] for one in row["each"]}
        assert list(each) == ["a.png", "deep/b.png"]
        for name, value in each.items():
            assert value == pytest.approx(restated(Path("set") / name, scale, filters[method]), abs=1e-9)
        assert row["psnr"] == pytest.approx(np.mean(list(each.values())))
        assert 0 < row["ssim"] < 1
        assert (row["pictures"], row["failed"]) == (2, 0)
        assert row["megapixels_per_second"] > 0


def test_the_table_has_a_line_for_each_set_scale_and_method(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(bench / "other" / "c.png", drawn(24, 24, 3))
    assert main(["evaluate", "copy", "--on", "set", "--on", "other", "--scale", "2", "--each", "--device", "cpu"]) == 0
    said = capsys.readouterr()
    each, _, means = said.out.partition("\n\n")
    found = table(means)
    assert list(found) == [(name, "x2", m) for name in ("set", "other") for m in ("lanczos", "bicubic", "copy")]
    assert found["set", "x2", "copy"][2] == "2"
    assert "deep/b.png" in each
    assert each.splitlines()[0].split() == ["SET", "SCALE", "PICTURE", "METHOD", "PSNR", "SSIM"]
    assert "runs on CPUExecutionProvider" in said.err
    mean = np.mean([restated(Path("set") / name, 2, Image.Resampling.BICUBIC) for name in ("a.png", "deep/b.png")])
    assert found["set", "x2", "bicubic"][0] == f"{mean:.2f}"


def test_sets_of_one_name_are_told_apart(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(bench / "x" / "set" / "a.png", drawn(24, 24, 3))
    found = told(capsys, "--on", "set", "--on", "x/set", "--scale", "2")
    assert [row["set"] for row in found["results"]] == ["set", "set", "x/set", "x/set"]


def test_a_pipeline_gives_what_its_stage_gives(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("up.yaml").write_text(PIPELINE.format(scale=4))
    words = ["up.yaml", "copy", "--on", "set", "--scale", "3", "--scale", "2"]
    found = rows(told(capsys, *words, "--set", "super_resolution.scale={scale}"))
    for scale in (2, 3):
        assert found[scale, "up.yaml"]["each"] == found[scale, "bicubic"]["each"]
        assert found[scale, "up.yaml"]["seconds"] > 0
    Path("net.yaml").write_text("stages:\n  - use: super_resolution\n    model: copy\n    scale: 2\n")
    found = rows(told(capsys, "net.yaml", "copy", "--on", "set", "--scale", "2"))
    assert found[2, "net.yaml"]["each"] == found[2, "copy"]["each"]
    assert not Path("henshin-out").exists()


def test_a_pipelines_failures_are_those_of_its_pictures(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(bench / "set" / "white.png", np.full((32, 32, 3), 255, np.uint8))
    Path("p.yaml").write_text(
        "stages:\n  - use: super_resolution\n    scale: 2\n  - use: generator\n    model: picky\n"
    )
    found = told(capsys, "p.yaml", "--on", "set", "--scale", "2", code=1)
    (fault,) = found["failures"]
    assert (fault["picture"], fault["method"]) == ("white.png", "p.yaml")
    assert fault["reason"].startswith("generator: ")
    assert [row["pictures"] for row in found["results"]] == [3, 3, 2]
    Path("q.yaml").write_text(PIPELINE.format(scale=3))
    found = told(capsys, "q.yaml", "--on", "set", "--scale", "2", code=1)
    assert len(found["failures"]) == 3
    assert found["failures"][0]["reason"] == "the result is 63x54 pixels and the truth 42x36"


def test_a_damaged_picture_is_named_once_and_the_others_are_measured(
    bench: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (bench / "set" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    save(bench / "set" / "tiny.png", drawn(1, 1, 1))
    save(bench / "set" / "thin.png", drawn(200, 13, 1))
    assert main(["evaluate", "copy", "--on", "set", "--scale", "2", "--device", "cpu"]) == 1
    said = capsys.readouterr()
    assert {cells[2] for cells in table(said.out).values()} == {"2 of 5"}
    assert said.err.count("failed: set/broken.png: ") == 1
    assert "set/tiny.png: 1x1 pixels cannot be reduced by 2" in said.err
    least = "it takes 11x11 within a border of 2"
    assert said.err.count(f"set/thin.png: 12x200 pixels are too few to be measured: {least}\n") == 1
    assert "3 pictures could not be measured by every method" in said.err
    found = told(capsys, "copy", "--on", "set", "--scale", "2", "-q", code=1)
    assert {(fault["picture"], fault["method"]) for fault in found["failures"] if fault["method"] is None} == {
        ("broken.png", None),
        ("tiny.png", None),
        ("thin.png", None),
    }


# -- Pairs -----------------------------------------------------------------------------------------------------------


def test_pairs_are_matched_by_name_whatever_the_suffix(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, seed in (("a", 1), ("deep/b", 2)):
        save(bench / "photos" / f"{name}.png", 255 - drawn(32, 32, seed))
        save(bench / "truth" / f"{name}.bmp", drawn(32, 32, seed))
    save(bench / "photos" / "alone.png", drawn(32, 32, 5))
    found = told(capsys, "same", "--on", "photos", "--truth", "truth", "--channels", "rgb", code=1)
    by_method = rows(found)
    assert list(by_method) == [(1, "input"), (1, "same")]
    assert by_method[1, "same"]["psnr"] is None, "they are equal, and JSON knows no infinity"
    assert by_method[1, "same"]["ssim"] == pytest.approx(1)
    assert by_method[1, "input"]["psnr"] < 20
    (fault,) = found["failures"]
    assert (fault["picture"], fault["reason"]) == ("alone.png", "no picture of its name in 'truth'")
    assert main(["evaluate", "same", "--on", "photos", "--truth", "truth", "--device", "cpu"]) == 1
    assert table(capsys.readouterr().out)["photos", "x1", "same"][:3] == ["equal", "1.0000", "2"]


def test_pairs_of_two_sizes_are_enlarged(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, seed in (("a", 1), ("b", 2)):
        truth = drawn(36, 36, seed)
        save(bench / "truth" / f"{name}.png", truth)
        save(bench / "small" / f"{name}.png", np.asarray(Image.fromarray(truth).resize((12, 12), Image.Resampling.BOX)))
    found = rows(told(capsys, "copy", "--on", "small", "--truth", "truth"))
    assert list(found) == [(3, "lanczos"), (3, "bicubic"), (3, "copy")]
    assert all(row["pictures"] == 2 for row in found.values())
    save(bench / "truth" / "b.png", drawn(24, 24, 2))
    found = told(capsys, "copy", "--on", "small", "--truth", "truth", code=1)  # type: ignore[assignment]
    reasons = {fault["reason"] for fault in found["failures"]}  # type: ignore[index]
    assert reasons == {"the result is 36x36 pixels and the truth 24x24"}


def test_the_border_can_be_chosen(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = drawn(32, 32, 1)
    spoiled = truth.copy()
    spoiled[:3] = 0
    save(bench / "truth" / "a.png", truth)
    save(bench / "mine" / "a.png", spoiled)
    words = ["--on", "mine", "--truth", "truth"]
    assert told(capsys, *words)["results"][0]["psnr"] < 25
    assert told(capsys, *words, "--border", "3")["results"][0]["psnr"] is None


# -- What is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (["copy", "--on", "nowhere"], 2, "no such file or folder: 'nowhere'"),
        (["copy", "--on", "empty"], 2, "no pictures in 'empty'"),
        (["copi", "--on", "set"], 3, "no model or pipeline named 'copi'; did you mean 'copy'?"),
        (["qqqqqq", "--on", "set"], 3, "copy-x2, copy-x3, "),
        (["./there.onnx", "--on", "set"], 3, "there is no model file there.onnx"),
        (["set/a.png", "--on", "set"], 2, "'set/a.png' is neither a model (.onnx) nor a pipeline (.yaml)"),
        (["none.yaml", "--on", "set", "--scale", "2"], 2, "pipeline 'none.yaml': no such file"),
        (["bicubic", "--on", "set"], 2, "'bicubic' need not be named"),
        (["copy", "--on", "set", "--scale", "4"], 2, "model 'copy' does not enlarge by 4; it has: 2, 3"),
        (["same", "--on", "set"], 2, "model 'same' keeps the size of pictures: it is measured on pairs"),
        (["same", "--on", "set", "--scale", "2"], 2, "keeps the size of pictures and cannot enlarge by 2"),
        (["copy-x2", "copy-x3", "--on", "set"], 2, "no scale in common (copy-x2: 2; copy-x3: 3)"),
        (["up.yaml", "--on", "set"], 2, "a pipeline does not say how far it enlarges; say it with --scale"),
        (["sampler", "--on", "set"], 2, "model 'sampler' is a sampler: it takes no pictures"),
        (["copy", "--on", "set", "--scale", "1"], 2, "--scale 1 is for pairs"),
        (["copy", "--on", "set", "--set", "a.b=1"], 2, "--set changes pipelines"),
        (["--on", "set", "--truth", "set", "--truth", "set"], 2, "there must be one for each"),
        (["--on", "set", "--truth", "set", "--scale", "2", "--scale", "3"], 2, "pairs have one --scale"),
        (["--on", "set/a.png", "--truth", "set/deep"], 2, "has one of its name"),
        (["copy", "--on", "set", "--truth", "set"], 2, "'copy' enlarges, and the truths are no larger"),
        (["copy"], 2, "--on"),
    ],
)
def test_wrong_use_is_one_line(
    words: list[str], code: int, part: str, bench: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (bench / "empty").mkdir()
    Path("up.yaml").write_text(PIPELINE.format(scale=2))
    onnx_models.invert(bench / "models" / "sampler.onnx", kind="sampler", latent_shape=(3,))
    assert main(["evaluate", *words, "--device", "cpu"]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("henshin: ")
    assert part in said.err
    assert len(said.err.splitlines()) == 1


def test_everything_wrong_with_a_pipeline_is_told(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("wrong.yaml").write_text("stages:\n  - use: super_resolution\n    scala: 2\n  - use: resise\n")
    assert main(["evaluate", "wrong.yaml", "--on", "set", "--scale", "2"]) == 2
    said = capsys.readouterr().err
    assert "wrong.yaml:3: " in said
    assert "wrong.yaml:4: " in said


def test_the_limit_takes_the_first(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "--on", "set", "--scale", "2", "--limit", "1")
    assert [one["picture"] for one in found["results"][0]["each"]] == ["a.png"]
    assert not any(math.isnan(row["psnr"]) for row in found["results"])


def test_the_help_loads_nothing_heavy() -> None:
    from support.startup import HEAVY, command, loaded_by

    assert not loaded_by(command("evaluate", "--help")) & (HEAVY | {"pydantic", "yaml"})


@pytest.mark.slow
def test_bicubic_on_set5_is_what_it_is(shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(told(capsys, "--on", str(shared_data / "sr" / "Set5")))
    reached = {scale: row["psnr"] for (scale, method), row in found.items() if method == "bicubic"}
    assert reached == pytest.approx({2: 33.67, 3: 30.40, 4: 28.43}, abs=0.006)


@pytest.mark.slow
def test_the_authors_network_reaches_its_figures_through_model_and_pipeline(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = shared_data.parent / "weights" / "carn_m.pth"
    if not weights.is_file():
        pytest.skip("the authors' weights are not at hand")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HENSHIN_MODELS", str(tmp_path / "models"))
    assert main(["import", str(weights), "--name", "theirs"]) == 0
    capsys.readouterr()
    Path("up.yaml").write_text("stages:\n  - use: super_resolution\n    model: theirs\n    scale: 2\n")
    sets = [word for name in ("Set5", "Set14") for word in ("--on", str(shared_data / "sr" / name))]
    scales = [word for scale in "234" for word in ("--scale", scale)]
    found = told(capsys, "theirs", "up.yaml", *sets, *scales, "--set", "super_resolution.scale={scale}")
    reached = {(row["set"], row["scale"], row["method"]): row["psnr"] for row in found["results"]}
    wanted = {"Set5": (37.68, 34.07, 31.89), "Set14": (33.32, 30.11, 28.43)}
    for name, figures in wanted.items():
        for scale, figure in zip((2, 3, 4), figures, strict=True):
            assert reached[name, scale, "theirs"] == pytest.approx(figure, abs=0.02)
            assert reached[name, scale, "up.yaml"] == pytest.approx(figure, abs=0.02)
