"""Runs: they learn, stop, resume to the very same weights, and say what is wrong before they start."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from support_train import domains, run_yaml  # noqa: E402

from henshin.errors import HenshinError, PipelineError  # noqa: E402
from henshin.registry import build_registry  # noqa: E402
from henshin.train import checkpoint  # noqa: E402
from henshin.train.config import load_run  # noqa: E402
from henshin.train.folders import split  # noqa: E402
from henshin.train.run import RunOptions  # noqa: E402
from henshin.train.start import train  # noqa: E402

REGISTRY = build_registry()


def start(path: Path, folder: Path, **options) -> list[str]:
    said: list[str] = []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        train(
            load_run(path, REGISTRY),
            folder,
            REGISTRY,
            RunOptions(device="cpu", precision="fp32", log_every=1, **options),
            said.append,
        )
    finally:
        torch.set_num_threads(threads)
    return said


def losses(folder: Path, name: str) -> list[float]:
    return [json.loads(line)[name] for line in (folder / "log.jsonl").read_text().splitlines()]


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    checkpoint.pack(checkpoint.load(checkpoint.found(folder / "checkpoints")[-1]), "state", found)
    return found


def tiny(folder: Path, recipe: str, **options: object) -> Path:
    return run_yaml(folder, recipe, **({"scales": 1} if recipe == "cut" else {}), **options)


@pytest.mark.parametrize(("recipe", "loss"), [("cyclegan", "cycle"), ("cut", "contrast")])
def test_a_tiny_run_lowers_a_loss_that_must_fall(tmp_path, recipe, loss):
    domains(tmp_path)
    start(tiny(tmp_path, recipe, steps=30, sheet_every=15), tmp_path / "run")
    curve = losses(tmp_path / "run", loss)
    assert len(curve) == 30
    assert sum(curve[-5:]) < 0.8 * sum(curve[:5])
    assert {path.name for path in (tmp_path / "run/samples").iterdir()} == {"0000000.png", "0000015.png"}


@pytest.mark.parametrize("recipe", ["cyclegan", "cut"])
def test_an_interrupted_run_ends_with_the_weights_of_an_uninterrupted_one(tmp_path, recipe):
    domains(tmp_path)
    path = tiny(tmp_path, recipe, steps=6)
    start(path, tmp_path / "whole")
    start(path, tmp_path / "halves", max_steps=3)
    said = start(path, tmp_path / "halves", resume=True)
    assert "resumed at step 3" in said
    whole, halves = tensors(tmp_path / "whole"), tensors(tmp_path / "halves")
    assert whole.keys() == halves.keys()
    assert [name for name in whole if not torch.equal(whole[name], halves[name])] == []


def test_a_run_is_not_started_over_an_old_one(tmp_path):
    domains(tmp_path)
    path = tiny(tmp_path, "cut", steps=1)
    start(path, tmp_path / "run")
    with pytest.raises(HenshinError, match=r"holds a run already.*--resume"):
        start(path, tmp_path / "run")


def test_another_network_does_not_resume(tmp_path):
    domains(tmp_path)
    start(tiny(tmp_path, "cut", steps=2), tmp_path / "run", max_steps=1)
    path = tiny(tmp_path, "cut", steps=2)
    path.write_text(path.read_text().replace("width: 8", "width: 12"))
    with pytest.raises(HenshinError, match="does not fit this run"):
        start(path, tmp_path / "run", resume=True)


def test_time_limits_end_a_run_with_everything_saved(tmp_path):
    domains(tmp_path)
    start(tiny(tmp_path, "cut", steps=10_000), tmp_path / "run", max_time=0.01)
    assert len(checkpoint.found(tmp_path / "run/checkpoints")) == 1


def test_a_loss_that_is_no_number_stops_the_run_and_is_not_saved(tmp_path):
    domains(tmp_path)
    path = tiny(tmp_path, "cut", steps=50, learning_rate=1e30)
    with pytest.raises(HenshinError, match="became nan before step"):
        start(path, tmp_path / "run")
    for name, value in (tensors(tmp_path / "run") if checkpoint.found(tmp_path / "run/checkpoints") else {}).items():
        assert torch.isfinite(value.float()).all(), name


def test_everything_wrong_with_a_run_is_told_at_once_before_data_is_touched(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("recipe: cut\ngenerator: {use: resnet}\ndata: {a: x, b: y, size: 33}\nstpes: 5\n")
    with pytest.raises(PipelineError) as caught:
        load_run(path, REGISTRY)
    assert ":3: data.size: 33 does not fit; a multiple of 4" in str(caught.value)
    assert ":4: stpes: no such option; did you mean 'steps'?" in str(caught.value)
    path.write_text("recipe: cut\ngenerator: {use: resnet}\ndata: {a: x, b: y, size: 32}\n")
    with pytest.raises(PipelineError, match="need pictures of 48 px at least, not 32"):
        load_run(path, REGISTRY)
    path.write_text("recipe: cutt\n")
    with pytest.raises(PipelineError, match="did you mean 'cut'"):
        load_run(path, REGISTRY)
    path.write_text("recipe: cut\ngenerator: {use: resnet, width: 2, bloks: 3}\ndata: {a: x, b: y}\n")
    with pytest.raises(PipelineError) as caught:
        load_run(path, REGISTRY)
    assert "generator.bloks: no such option; did you mean 'blocks'?" in str(caught.value)
    assert "generator.width: 2 is too small; at least 4" in str(caught.value)


def test_set_goes_over_the_file(tmp_path):
    path = tiny(tmp_path, "cut", steps=5)
    config = load_run(path, REGISTRY, ["steps=7", "data.size=64", "learning_rate=1e-4"]).recipe.config
    assert (config.steps, config.data.size, config.learning_rate) == (7, 64, 1e-4)


def test_missing_and_empty_folders_are_told_in_one_line(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    path = tiny(tmp_path, "cut", steps=1)
    with pytest.raises(HenshinError, match=r"0 pictures.*none to train on"):
        start(path, tmp_path / "run")
    shutil.rmtree(tmp_path / "a")
    with pytest.raises(HenshinError, match="no such folder of training pictures"):
        start(path, tmp_path / "run")


def test_an_unreadable_picture_is_named_and_skipped(tmp_path):
    domains(tmp_path)
    (tmp_path / "a" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    said = start(tiny(tmp_path, "cut", steps=1), tmp_path / "run")
    assert any("broken.png" in line for line in said)


def test_holding_out_goes_by_name_not_by_place():
    files = [Path(f"{i}.png") for i in range(200)]
    training, held = split(files, 20)
    assert len(held) == 20
    assert not set(held) & set(training)
    assert set(split([*reversed(files), Path("new.png")], 20)[1]) - set(held) <= {Path("new.png")}


def test_checkpoints_hold_what_optimisers_and_generators_need(tmp_path):
    state = {"a": {0: {"step": torch.tensor(3.0)}, "list": [1, 2.5, None, "x"], "pair": (0.5, True)}, "big": 2**100}
    path = checkpoint.save(tmp_path, 7, state)
    back = checkpoint.load(path)
    assert torch.equal(back["a"][0].pop("step"), state["a"][0].pop("step"))
    assert back == state
    with pytest.raises(TypeError, match=r"state\.f"):
        checkpoint.save(tmp_path, 8, {"f": print})


def test_only_whole_checkpoints_are_found_and_the_last_two_kept(tmp_path):
    for step in (1, 2, 3):
        checkpoint.save(tmp_path, step, {"x": torch.zeros(2)})
    (tmp_path / ".000000004.new").mkdir()
    assert [path.name for path in checkpoint.found(tmp_path)] == ["000000002", "000000003"]
    (tmp_path / "000000003" / checkpoint.REST).write_text("{")
    with pytest.raises(HenshinError, match="not a whole checkpoint"):
        checkpoint.load(tmp_path / "000000003")
