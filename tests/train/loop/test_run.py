"""Runs: they learn, stop, resume to the very same weights, and say what is wrong before they start."""

from __future__ import annotations

import json
import shutil
import types
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pydantic import Field  # noqa: E402
from support.train import domains, run_yaml  # noqa: E402

from henshin import Recipe, RecipeConfig, Run, hookimpl  # noqa: E402
from henshin.errors import HenshinError, MissingError, PipelineError  # noqa: E402
from henshin.models.trained_weights import last_checkpoint, list_checkpoints  # noqa: E402
from henshin.registry import build_registry  # noqa: E402
from henshin.train.config.run_config import TrainOptions, load_run  # noqa: E402
from henshin.train.data import ImagePool  # noqa: E402
from henshin.train.data.folders import split_files  # noqa: E402
from henshin.train.devices.fabric import make_fabric  # noqa: E402
from henshin.train.loop.launch import train  # noqa: E402
from henshin.train.weights import checkpoint  # noqa: E402
from henshin.train.weights.from_run import from_run  # noqa: E402

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
            TrainOptions(device="cpu", precision="fp32", log_every=1, **options),
            said.append,
        )
    finally:
        torch.set_num_threads(threads)
    return said


def losses(folder: Path, name: str) -> list[float]:
    return [json.loads(line)[name] for line in (folder / "log.jsonl").read_text().splitlines()]


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    checkpoint.pack(checkpoint.load(last_checkpoint(folder)), "state", found)
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
    assert {path.name for path in (tmp_path / "run/samples").iterdir()} == {"0000000.png", "0000015.png", "0000029.png"}
    for name in ("adversarial", "total", "real_score", "fake_score", "epoch"):
        assert len(losses(tmp_path / "run", name)) == 30, name
    if recipe == "cut":
        parts = (losses(tmp_path / "run", name) for name in ("adversarial", "contrast"))
        assert losses(tmp_path / "run", "total") == pytest.approx(
            [sum(pair) for pair in zip(*parts, strict=True)], rel=1e-4
        )


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
    with pytest.raises(HenshinError, match=r"fit this run \('enc.* is \(8, .* there and \(12, .* here; changed"):
        start(path, tmp_path / "run", resume=True)


def test_time_limits_end_a_run_with_everything_saved(tmp_path):
    domains(tmp_path)
    start(tiny(tmp_path, "cut", steps=10_000), tmp_path / "run", max_time=0.01)
    assert len(list_checkpoints(tmp_path / "run/checkpoints")) == 1


def test_a_loss_that_is_no_number_stops_the_run_and_is_not_saved(tmp_path):
    domains(tmp_path)
    start(tiny(tmp_path, "cut", steps=50), tmp_path / "run", max_steps=2)
    path = tiny(tmp_path, "cut", steps=50, temperature=1e-40)
    with pytest.raises(HenshinError, match="became nan before step"):
        start(path, tmp_path / "run", resume=True)
    assert last_checkpoint(tmp_path / "run").name == "000000002"
    assert all(torch.isfinite(value.float()).all() for value in tensors(tmp_path / "run").values())


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
    domains(tmp_path)
    path = tiny(tmp_path, "cut", steps=5)
    config = load_run(path, REGISTRY, ["steps=7", "data.size=64", "learning_rate=1e-4"]).recipe.config
    assert (config.steps, config.data.size, config.learning_rate) == (7, 64, 1e-4)


def test_missing_and_empty_folders_are_told_in_one_line(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    path = tiny(tmp_path, "cut", steps=1)
    with pytest.raises(HenshinError, match=r"data\.a: .*holds no picture; it is empty"):
        start(path, tmp_path / "run")
    shutil.rmtree(tmp_path / "a")
    with pytest.raises(PipelineError, match=r"cut\.yaml:3: data\.a: .*no such folder"):
        load_run(path, REGISTRY)


def test_mistakes_in_a_run_do_not_hide_each_other(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("recipe: cut\ngenerator: {use: resnt}\nbatch: 0\nstep: 3\ndata: {a: x, b: y}\n")
    with pytest.raises(PipelineError) as caught:
        load_run(path, REGISTRY)
    told = str(caught.value).splitlines()
    assert [line.split(":")[1] for line in told] == ["2", "3", "4"]
    assert "did you mean 'resnet'" in told[0]


def test_a_folder_with_other_things_in_it_is_refused(tmp_path):
    domains(tmp_path)
    with pytest.raises(HenshinError, match="holds other files and no run"):
        start(tiny(tmp_path, "cut", steps=1), tmp_path / "a")


def test_a_run_keeps_its_precision_when_it_goes_on(tmp_path):
    domains(tmp_path)
    path = tiny(tmp_path, "cut", steps=2)
    start(path, tmp_path / "run", max_steps=1)
    said: list[str] = []
    train(load_run(path, REGISTRY), tmp_path / "run", REGISTRY, TrainOptions(device="cpu", resume=True), said.append)
    assert "trains on the CPU, in fp32" in said


def test_an_unreadable_picture_is_named_and_skipped(tmp_path):
    domains(tmp_path)
    (tmp_path / "a" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    said = start(tiny(tmp_path, "cut", steps=1), tmp_path / "run")
    assert any("broken.png" in line for line in said)


def test_holding_out_goes_by_name_not_by_place():
    files = [Path(f"{i}.png") for i in range(200)]
    training, held = split_files(files, 20)
    assert len(held) == 20
    assert not set(held) & set(training)
    assert set(split_files([*reversed(files), Path("new.png")], 20)[1]) - set(held) <= {Path("new.png")}


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
    (tmp_path / ".henshin-000000004.part").mkdir()
    assert [path.name for path in list_checkpoints(tmp_path)] == ["000000002", "000000003"]
    (tmp_path / "000000003" / checkpoint.VALUES).write_text("{")
    with pytest.raises(HenshinError, match="not a whole checkpoint"):
        checkpoint.load(tmp_path / "000000003")


class LonelyConfig(RecipeConfig):
    """A stranger's recipe: one network that learns to give back what it gets."""

    leaves_after: int = Field(1000, description="Steps after which it leaves its loop by itself.")


class Lonely(Recipe[LonelyConfig]):
    """Written from the contract alone: it publishes nothing and leaves the end to the command line."""

    name = "lonely"
    Config = LonelyConfig

    def train(self, run: Run) -> None:
        network = run.generator("resnet", {"width": 8, "blocks": 1})
        optimiser = torch.optim.Adam(network.parameters(), 1e-3)
        network, optimiser = run.prepare(network, optimiser)
        run.track(network=network, optimiser=optimiser)
        while run.step():
            x = torch.rand(1, 3, 32, 32, device=run.device) * 2 - 1
            loss = (network(x) - x).abs().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            run.log(run.steps, loss=loss, rate=0.5)
            run.sheet("now", [x, [np.zeros((8, 16, 3), np.uint8)]])
            if run.steps + 1 == self.config.leaves_after:
                break


def lonely_run(folder: Path, text: str = "", precision: str = "fp32", **options) -> None:
    registry = build_registry()
    module = types.ModuleType("lonely")
    module.henshin_recipes = hookimpl(lambda: [Lonely], specname="henshin_recipes")
    registry.register(module, "lonely")
    (folder / "lonely.yaml").write_text("recipe: lonely\n" + text)
    plan = load_run(folder / "lonely.yaml", registry)
    train(plan, folder / "run", registry, TrainOptions(device="cpu", precision=precision, **options), lambda _: None)


def test_a_recipe_written_from_the_contract_runs_until_the_command_line_ends_it_and_can_be_exported(tmp_path):
    lonely_run(tmp_path, max_steps=4)
    assert last_checkpoint(tmp_path / "run").name == "000000004"
    assert (tmp_path / "run/samples/now.png").is_file()
    source = from_run(tmp_path / "run", build_registry())
    saved = tensors(tmp_path / "run")
    for name, value in source.network.state_dict().items():
        assert torch.equal(value, saved[f"state.network.{name}"])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_recipe_that_leaves_its_loop_keeps_what_it_learned(tmp_path, precision):
    lonely_run(tmp_path, "leaves_after: 3\n", precision)
    assert last_checkpoint(tmp_path / "run").name == "000000003"


def test_a_run_that_names_no_network_is_told_when_it_is_exported(tmp_path):
    lonely_run(tmp_path, max_steps=1)
    described = tmp_path / "run/run.json"
    run = json.loads(described.read_text())
    described.write_text(json.dumps({**run, "publish": {}}))
    with pytest.raises(HenshinError, match=r"says of no network.*run\.publish"):
        from_run(tmp_path / "run", build_registry())
    described.write_text("{")
    with pytest.raises(HenshinError, match=r"run\.json: is damaged"):
        from_run(tmp_path / "run", build_registry())


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_missing_not_wrong():
    with pytest.raises(MissingError, match=r"cuda:3.*PyTorch sees no GPU here"):
        make_fabric("cuda:3", "auto")
    with pytest.raises(HenshinError, match="it is auto, cpu, cuda or cuda:N"):
        make_fabric("gpu", "auto")


def test_a_pool_forgets_pictures_of_another_size():
    pool = ImagePool(4, np.random.default_rng(0))
    for _ in range(5):
        pool(torch.zeros(2, 3, 8, 8))
    assert pool(torch.ones(2, 3, 16, 16)).shape == (2, 3, 16, 16)
    assert {tuple(picture.shape) for picture in pool.pictures} == {(3, 16, 16)}


def test_pictures_grow_by_steps(tmp_path):
    domains(tmp_path)
    path = run_yaml(tmp_path, "cut", grow={64: 10, 48: 5})
    path.write_text(path.read_text().replace("size: 32", "size: 96"))
    config = load_run(path, REGISTRY).recipe.config
    assert [config.size_at(step) for step in (0, 4, 5, 9, 10)] == [48, 48, 64, 64, 96]
