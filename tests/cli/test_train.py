"""`henshin train` and `henshin export`: from folders of pictures to a model that a pipeline runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from henshin.cli import main, run_pipeline
from henshin.cli.options import parse_duration


@pytest.mark.parametrize(("text", "seconds"), [("45s", 45), ("9m", 540), ("1.5h", 5400), ("30", 30)])
def test_times_are_read(text: str, seconds: float) -> None:
    assert parse_duration(None, None, text) == seconds  # type: ignore[arg-type]


def test_without_the_packages_of_training_the_command_to_install_them_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("henshin.cli.training_packages.find_spec", lambda name: None)
    for words in (["train", "run.yaml"], ["export", "runs/mine"]):
        assert main(words) == 3
        assert "pip install 'henshin[train]'" in capsys.readouterr().err


def test_a_wrong_time_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "run.yaml", "--max-time", "soon"]) == 2
    assert "say 45s, 9m or 2h" in capsys.readouterr().err


def test_from_pictures_to_a_model_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    from support.onnx import traced_before
    from support.train import domains, run_yaml

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HENSHIN_MODELS", str(tmp_path / "models"))
    domains(tmp_path)
    run_yaml(tmp_path, "cyclegan", steps=4)
    train = ["train", "cyclegan.yaml", "--device", "cpu", "--precision", "fp32", "--set", "seed=5"]
    assert main([*train, "--max-steps", "2"]) == 0
    assert (tmp_path / "runs" / "cyclegan" / "run.json").is_file()
    assert main([*train, "--max-steps", "2"]) == 2
    assert "--resume" in capsys.readouterr().err
    assert main([*train, "--max-steps", "3", "--resume", "-q"]) == 0
    assert capsys.readouterr().out == ""

    export = ["export", "runs/cyclegan", "--name", "tiny", "--data", "drawn squares", "--licence", "CC0-1.0"]
    export += ["--description", "Squares with a line around them."]
    assert main(export) == 0, capsys.readouterr().err
    assert (tmp_path / "models" / "tiny.onnx").is_file()
    assert main(export) == 2
    assert "--force" in capsys.readouterr().err
    before = shutil.copyfile(tmp_path / "models" / "tiny.onnx", tmp_path / "before.onnx")
    monkeypatch.setattr("henshin.train.export.exporter.write_graph", traced_before(lambda _: before))
    assert main([*export, "--force", "--fp16", "--keep-weights"]) == 0
    assert (tmp_path / "models" / "tiny.onnx").stat().st_size < before.stat().st_size
    assert (tmp_path / "models" / "tiny.safetensors").is_file()

    assert main(["models", "list", "--json"]) == 0
    text = capsys.readouterr().out
    listed = {one["name"]: one for one in json.loads(text[text.index("[") :])}
    assert listed["tiny"]["contract"]["licence"] == "CC0-1.0"
    assert listed["tiny"]["contract"]["preferred_size"] == 32
    assert main(["models", "show", "tiny"]) == 0
    shown = capsys.readouterr().out
    assert "drawn squares" in shown
    assert "Squares with a line around them." in shown

    (tmp_path / "draw.yaml").write_text("name: draw\nstages:\n  - use: generator\n    model: tiny\n")
    assert run_pipeline(["draw.yaml", "-i", "a", "-o", "out", "--device", "cpu"]) == 0
    assert "tiny runs on CPUExecutionProvider" in capsys.readouterr().err
    drawn = np.asarray(Image.open(tmp_path / "out" / "0.png"))
    assert drawn.shape[2] == 3
    assert not np.array_equal(drawn, np.asarray(Image.open(tmp_path / "a" / "0.png")))


def test_everything_wrong_with_a_run_is_told_with_its_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    Path("run.yaml").write_text("recipe: cyclegan\ngenerator: {use: resnte}\ndata: {a: a, b: b, sise: 32}\n")
    assert main(["train", "run.yaml"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert any(line.startswith("run.yaml:3: ") and "'size'" in line for line in lines)
    Path("run.yaml").write_text("recipe: cyclegan\ngenerator: {use: resnte}\ndata: {a: a, b: b, size: 32}\n")
    assert main(["train", "run.yaml"]) == 2
    assert "run.yaml:2: " in capsys.readouterr().err


def test_export_wants_one_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    assert main(["export"]) == 2
    assert "nothing to export" in capsys.readouterr().err
    assert main(["export", str(tmp_path)]) == 2
    assert "no folder of a training run" in capsys.readouterr().err
    assert main(["export", "--best", "--generator", "resnet", "--weights", "x.safetensors"]) == 2
    assert "--best: only for a run's folder" in capsys.readouterr().err
