"""A training run's folder, or a file of weights, in a model's place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from henshin.cli import run_pipeline
from henshin.config.options import ModelOption
from henshin.engine.preparation.fingerprint import fingerprint
from henshin.errors import HenshinError
from henshin.images import WriteOptions
from henshin.models import ModelStore
from henshin.models.requirements import model_problem
from henshin.models.trained_weights import find_trained_weights, list_weight_files
from henshin.pipeline import load
from henshin.registry import build_registry

PIPELINE = "name: p\nstages:\n  - {use: inversion, model: NAME, alpha: 0, steps: 2}\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What looks like a run, one without checkpoints, a folder that is none, and a file of weights."""
    monkeypatch.chdir(tmp_path)
    for name in ("run/checkpoints/000000001", "run/checkpoints/000000002", "young/checkpoints", "other"):
        (tmp_path / name).mkdir(parents=True)
    for file in ("run/run.json", "young/run.json", "w.safetensors"):
        (tmp_path / file).write_text("{}")
    for number in (1, 2):
        (tmp_path / f"run/checkpoints/00000000{number}/state.json").write_text(f"{number}")
    return tmp_path


def store(place: Path) -> ModelStore:
    return ModelStore(user=place / "user", packaged=place / "packaged")


def test_runs_and_files_are_found_from_the_base_first(place: Path) -> None:
    assert find_trained_weights("run") == Path("run")
    assert find_trained_weights("../run", place / "other") == place / "other" / "../run"
    assert find_trained_weights("w.safetensors", place / "other") == Path("w.safetensors")
    assert [find_trained_weights(name) for name in ("other", "gone", "run/run.json", "run/checkpoints")] == [None] * 4
    assert [one.name for one in list_weight_files(Path("run"))] == ["run.json", "state.json"]
    assert list_weight_files(Path("run"))[1].read_text() == "2"  # the last one
    assert list_weight_files(Path("w.safetensors")) == [Path("w.safetensors")]
    with pytest.raises(HenshinError, match="young: this run has no checkpoint yet"):
        list_weight_files(Path("young"))


def test_only_options_that_say_so_take_them(place: Path) -> None:
    takes, other = ModelOption(kind="sampler", trained=True), ModelOption(kind="sampler")
    assert [model_problem(store(place), name, None, takes) for name in ("run", "w.safetensors")] == [None, None]
    assert "this run has no checkpoint yet" in str(model_problem(store(place), "young", None, takes))
    for name, option in (("run", other), ("w.safetensors", other), ("other", takes), ("faces-x", takes)):
        assert model_problem(store(place), name, None, option) is not None


def test_other_weights_are_other_work(place: Path) -> None:
    def now(name: str) -> str:
        Path("p.yaml").write_text(PIPELINE.replace("NAME", name))
        registry = build_registry()
        pipeline = load("p.yaml", registry, store(place))
        return fingerprint(pipeline, WriteOptions(), store(place), registry)

    first = [now("run"), now("w.safetensors")]
    Path("run/checkpoints/000000001/state.json").write_text("9")
    assert [now("run"), now("w.safetensors")] == first
    Path("run/checkpoints/000000002/state.json").write_text("9")
    Path("w.safetensors").write_text("9")
    second = [now("run"), now("w.safetensors")]
    assert not set(first) & set(second)


def test_a_run_is_inverted_with_and_told_when_it_is_of_another_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    from support.train import domains, trained

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HENSHIN_CACHE", str(tmp_path / "cache"))
    domains(tmp_path)
    network = "{use: stylegan2, size: 32, width: 4, maximum_width: 8, latent: 8, mapping_layers: 2}"
    data = "data: {pictures: b, size: 32, hold_out: 1}\nbatch: 4\nsteps: 1\n"
    Path("face.yaml").write_text(f"recipe: stylegan2\ngenerator: {network}\n{data}sheet_every: 100\n")
    trained(Path("face.yaml"), Path("face"))
    Path("in").mkdir()
    Image.fromarray(np.full((32, 32, 3), 90, np.uint8)).save("in/a.png")
    Path("p.yaml").write_text(PIPELINE.replace("NAME", "face"))
    assert run_pipeline(["p.yaml", "-i", "in", "-o", "out", "--device", "cpu"]) == 0
    assert Image.open("out/a.png").size == (32, 32)
    net = "{use: dcgan, size: 32, width: 4}"
    Path("noise.yaml").write_text(f"recipe: dcgan\ngenerator: {net}\n{data}sheet_every: 100\n")
    trained(Path("noise.yaml"), Path("noise"))
    Path("p.yaml").write_text(PIPELINE.replace("NAME", "noise"))
    capsys.readouterr()
    assert run_pipeline(["p.yaml", "-i", "in", "-o", "out", "--device", "cpu"]) == 2
    assert "'noise' has no mapping and synthesis; a StyleGAN2 is wanted" in capsys.readouterr().err
