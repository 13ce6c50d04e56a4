"""Runs on two processes of the CPU: one game, played together."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from support.parallel import PLUGIN, Lines  # noqa: E402
from support.train import different, domains, last_state, run_yaml  # noqa: E402

from henshin.errors import HenshinError  # noqa: E402
from henshin.models.trained_weights import last_checkpoint  # noqa: E402
from henshin.registry import build_registry  # noqa: E402
from henshin.train.config.run_config import TrainOptions, load_run  # noqa: E402
from henshin.train.loop.launch import RunResult, train, train_on_many  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two domains, a plugin and a run of six steps."""
    folder = tmp_path_factory.mktemp("place")
    domains(folder)
    (folder / "watched.py").write_text(PLUGIN)
    run_yaml(folder, "watched", steps=6, sheet_every=3, pool=3)
    (folder / "failing.yaml").write_text("recipe: failing\n")
    return folder


def together(place: Path, run: str, recipe: str = "watched", **options) -> RunResult:
    plugins = (place / "watched.py",)
    chosen = TrainOptions(
        **{"device": "cpu", "devices": 2, "precision": "fp32", "log_every": 2, "plugins": plugins, **options}
    )
    plan = load_run(place / f"{recipe}.yaml", build_registry(plugins))
    return train_on_many(plan, place / run, chosen, Lines(place / f"{run}.txt"))


@pytest.fixture(scope="module")
def whole(place: Path) -> Path:
    assert together(place, "whole") == RunResult(6, False)
    return place / "whole"


def told(place: Path, name: str):
    return json.loads((place / f"{name}.json").read_text())


def test_all_processes_end_with_the_same_networks_and_their_own_pictures(place: Path, whole: Path):
    first, second = told(place, "whole-0"), told(place, "whole-1")
    assert {name for name in first if first[name] != second[name]} == {"pool_a", "pool_b"}
    said = (place / "whole.txt").read_text().splitlines()
    assert "trains on 2 processes on the CPU, in fp32" in said
    assert len([line for line in said if line.startswith("step ")]) == 3  # one process speaks
    assert len((whole / "log.jsonl").read_text().splitlines()) == 3


def test_two_processes_with_a_picture_each_step_as_one_with_both(place: Path, whole: Path):
    plugins = (place / "watched.py",)
    registry = build_registry(plugins)
    plan = load_run(place / "watched.yaml", registry)
    train(plan, place / "alone", registry, TrainOptions(device="cpu", precision="fp32", max_steps=1), lambda _: None)
    alone = np.array(told(place, "alone-step1-0"))
    for rank in (0, 1):
        both = np.array(told(place, f"whole-step2-{rank}"))
        assert np.abs(both - alone).max() < 1e-6
    assert alone[-1] == 1  # a weight without a gradient has none in any process


def test_a_run_of_two_goes_on_as_if_without_a_break(place: Path, whole: Path):
    together(place, "halves", max_steps=3)
    newest = last_checkpoint(place / "halves")
    assert {path.name for path in newest.iterdir()} == {
        "state.json",
        "state.safetensors",
        "rank1.json",
        "rank1.safetensors",
    }
    together(place, "halves", resume=True)
    for rank in (0, 1):
        assert told(place, f"halves-{rank}") == told(place, f"whole-{rank}")
    assert different(last_state(place / "halves"), last_state(whole)) == []


def test_what_is_wrong_with_one_process_ends_all_and_is_told(place: Path):
    with pytest.raises(HenshinError, match=r"^the second one cannot go on$"):
        together(place, "failing", "failing")


def test_a_limit_of_time_ends_all_at_the_same_step(place: Path):
    ended = together(place, "short", max_time=0.01)
    assert ended.steps >= 1
    assert int(last_checkpoint(place / "short").name) == ended.steps
