"""What a resumed run keeps of its optimisers, and what it takes from the file that was changed since."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from pydantic import Field  # noqa: E402
from support.train import domains, run_yaml  # noqa: E402

from henshin import Recipe, RecipeConfig, Run, hookimpl  # noqa: E402
from henshin.errors import HenshinError, PipelineError  # noqa: E402
from henshin.models.trained_weights import last_checkpoint  # noqa: E402
from henshin.registry import Registry, build_registry  # noqa: E402
from henshin.train.config.run_config import TrainOptions, load_run  # noqa: E402
from henshin.train.loop.launch import train  # noqa: E402
from henshin.train.weights import checkpoint  # noqa: E402


class SlopeConfig(RecipeConfig):
    rate: float = Field(0.5, gt=0, le=1, description="Learning rate.")
    track: str = Field("all", description="What is tracked.")


class Slope(Recipe[SlopeConfig]):
    """Sets its rate once, and lowers it by a schedule of PyTorch."""

    name = "slope"
    Config = SlopeConfig

    def train(self, run: Run) -> None:
        network = torch.nn.Linear(1, 1)
        optimiser = torch.optim.Adam(network.parameters(), self.config.rate)
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimiser, 0.5)
        if self.config.track == "all":
            run.track(network=network, optimiser=optimiser, schedule=schedule)
        elif self.config.track == "wrong":
            run.track(number=3)
        while run.step():
            optimiser.zero_grad()
            network(torch.ones(1, 1)).square().sum().backward()
            optimiser.step()
            schedule.step()


class Plugin:
    @hookimpl
    def henshin_recipes(self) -> list[type[Recipe[Any]]]:
        return [Slope]


@pytest.fixture
def registry() -> Registry:
    registry = build_registry()
    registry.register(Plugin(), "slope-plugin")
    return registry


def go(registry: Registry, folder: Path, steps: int, *overrides: str, resume: bool = False) -> float:
    """Train, and return the learning rate with which the run ended."""
    (folder / "slope.yaml").write_text("recipe: slope\n")
    plan = load_run(folder / "slope.yaml", registry, overrides)
    options = TrainOptions(device="cpu", precision="fp32", max_steps=steps, resume=resume, overrides=overrides)
    train(plan, folder / "run", registry, options, lambda _: None)
    state = checkpoint.load(last_checkpoint(folder / "run"))
    return state["optimiser"]["param_groups"][0]["lr"]


def test_a_schedule_goes_on_where_it_was(registry: Registry, tmp_path: Path) -> None:
    assert go(registry, tmp_path, 2) == pytest.approx(0.125)
    assert go(registry, tmp_path, 3, resume=True) == pytest.approx(0.0625)


def test_a_changed_setting_is_taken(registry: Registry, tmp_path: Path) -> None:
    go(registry, tmp_path, 2)
    assert go(registry, tmp_path, 3, "rate=0.01", resume=True) == pytest.approx(0.005)


@pytest.mark.parametrize(
    ("track", "said"),
    [("wrong", r"run\.track\(number=\.\.\.\): a int has no state_dict"), ("none", "the recipe tracks nothing")],
)
def test_a_recipe_that_keeps_nothing_is_told(registry: Registry, tmp_path: Path, track: str, said: str) -> None:
    with pytest.raises(HenshinError, match=said):
        go(registry, tmp_path, 1, f"track={track}")


def test_a_recipe_of_more_than_forward_wants_plain_networks(tmp_path: Path) -> None:
    from henshin_plugins.cyclegan import ResNet

    class Unit(ResNet):
        name = "unit"
        value_range = (0.0, 1.0)

    class More:
        @hookimpl
        def henshin_generators(self) -> list[type[Any]]:
            return [Unit]

    registry = build_registry()
    registry.register(More(), "more")
    domains(tmp_path)
    path = run_yaml(tmp_path, "cut", scales=1)
    path.write_text(path.read_text().replace("use: resnet", "use: unit"))
    with pytest.raises(PipelineError, match=r"'unit' speaks RGB in \[0, 1\]; cut needs RGB in \[-1, 1\]"):
        load_run(path, registry)
