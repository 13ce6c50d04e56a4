"""The kit for strangers' recipes: what keeps the rules passes, and what breaks one of them is named."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from henshin.train.loop.run import TrainingRun  # noqa: E402
from henshin.train.networks import make_generator  # noqa: E402
from henshin.train.testing import check_recipe  # noqa: E402

PLUGIN = '''\
from henshin import Generator, GeneratorConfig, NetworkChoice, Recipe, RecipeConfig, SetData, hookimpl
from pydantic import Field

class TinyConfig(GeneratorConfig):
    width: int = Field(4, ge=1, description="Channels.")

class Tiny(Generator[TinyConfig]):
    name = "tiny"
    Config = TinyConfig
    reach = 2

    def build(self):
        from torch import nn
        w = self.config.width
        return nn.Sequential(nn.Conv2d(3, w, 3, 1, 1), nn.ReLU(), nn.Conv2d(w, 3, 3, 1, 1), nn.Tanh())

class EchoConfig(RecipeConfig):
    generator: NetworkChoice = Field(NetworkChoice(use="tiny"), description="The network that learns.")
    data: SetData = Field(description="The pictures.")
    steps: int = Field(100, ge=1, description="Steps of training.")

class Echo(Recipe[EchoConfig]):
    """Teach a network to copy."""
    name = "echo"
    Config = EchoConfig

    def train(self, run):
        import torch
        from henshin.train.data import open_pictures
        c = self.config
        photos = open_pictures(run, c.data.pictures, c.data)
        network = run.generator(c.generator)
        optimiser = torch.optim.Adam(network.parameters(), 1e-2)
        network, optimiser = run.prepare(network, optimiser)
        run.until(c.steps)
        run.track(network=network, optimiser=optimiser)
        while run.step():
            real = photos.draw(2, run.rng)
            loss = (network(real) - real).abs().mean()
            optimiser.zero_grad()
            run.backward(loss)
            optimiser.step()
            run.log(run.steps, loss=loss)

@hookimpl
def henshin_generators():
    return [Tiny]

@hookimpl
def henshin_recipes():
    return [Echo]
'''
OPTIONS = {"data": {"pictures": "pictures", "size": 32, "hold_out": 2}}


@pytest.fixture
def recipe() -> Iterator[Any]:
    """Make the recipe of the plugin above, with texts in it replaced."""

    def made(*changes: tuple[str, str]) -> Any:
        source = PLUGIN
        for old, new in changes:
            assert old in source
            source = source.replace(old, new)
        module = sys.modules["stranger_recipe"] = ModuleType("stranger_recipe")
        exec(source, module.__dict__)
        return module.Echo

    yield made
    sys.modules.pop("stranger_recipe", None)


def test_a_proper_recipe_passes(recipe: Any) -> None:
    before = torch.get_num_threads(), torch.random.get_rng_state()
    check_recipe(recipe(), OPTIONS)
    assert before[0] == torch.get_num_threads()
    assert torch.equal(before[1], torch.random.get_rng_state())


def test_pictures_may_be_ones_own_and_the_folder_stays_as_it_was(recipe: Any, tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    (tmp_path / "mine").mkdir()
    for i in range(3):
        noise = np.random.default_rng(i).integers(0, 256, (40, 40, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / "mine" / f"{i}.png")
    options = {"data": {"pictures": "mine", "size": 32, "hold_out": 0}}
    check_recipe(recipe(("run.generator(c.generator)", "make()"), HOME_MADE), options, tmp_path, publishes=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine"]
    with pytest.raises(AssertionError, match="echo says of no network that it is the one to export"):
        check_recipe(recipe(("run.generator(c.generator)", "make()"), HOME_MADE), options, tmp_path)


HOME_MADE = (
    "class EchoConfig",
    "def make():\n    from torch import nn\n    return nn.Conv2d(3, 3, 1)\n\nclass EchoConfig",
)
DRAWN = "real = photos.draw(2, run.rng)"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([(', description="Steps of training."', "")], "Echo has an option 'steps' without a description"),
        ([("run.track(network=network, optimiser=optimiser)", "pass")], r"tracked|run\.track|track\("),
        ([("(network=network, optimiser=optimiser)", "(network=network)")], "'network.*' becomes another; run.track"),
        (
            [(DRAWN, "import numpy; real = photos.draw(2, numpy.random.default_rng())")],
            "becomes another; so do two runs without: draw from run.rng",
        ),
        ([("            optimiser.step()\n", "")], "echo: nothing that it tracks has changed from step 3 to step 6"),
        ([("while run.step():", "while False:")], "echo made no step"),
        ([(DRAWN, "real = 1 / 0")], "echo failed when trained for 6 steps: ZeroDivisionError"),
        (
            [(DRAWN, "real = (photos.draw(2, run.rng) + 1) / 2")],
            r"with values from \S+ to \S+; pictures are in \[-1, 1\]",
        ),
        ([(DRAWN, "real = (photos.draw(2, run.rng) + 1) * 127.5")], r"pictures are in \[-1, 1\] there"),
        ([("return [Echo]", "return []")], "is not that of the registry"),
        ([('name = "echo"', 'name = "cyclegan"')], "the recipe name 'cyclegan' is taken by"),
    ],
)
def test_a_recipe_that_breaks_a_rule_is_told(recipe: Any, changes: list[tuple[str, str]], said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check_recipe(recipe(*changes), OPTIONS)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({**OPTIONS, "stpes": 3}, "^recipe 'echo': stpes: no such option; did you mean 'steps'"),
        ({**OPTIONS, "steps": 4}, "^echo stops after 4 steps; give it options for at least 6"),
        ({**OPTIONS, "generator": {"use": "tiny", "wide": 3}}, "^recipe 'echo': generator.wide: no such option"),
        ({**OPTIONS, "generator": {"use": "tinny"}}, "no generator named 'tinny'; did you mean 'tiny'"),
        ({"data": {"pictures": "photos", "size": 32}}, "^recipe 'echo': data.pictures: .*photos"),
    ],
)
def test_wrong_options_are_told(recipe: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check_recipe(recipe(), options)


def test_a_model_that_draws_otherwise_than_the_recipe_saw_is_told(recipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def as_it_is(self: TrainingRun, choice: Any, options: Any = None) -> Any:
        network = make_generator(self.registry, choice.use, choice.options).build()
        monkeypatch.setattr(self, "_publish_built_network", lambda: self.publish(choice, "network"))
        return network

    monkeypatch.setattr(TrainingRun, "generator", as_it_is)
    changes = (("    reach = 2\n", "    reach = 2\n    value_range = (0.0, 1.0)\n"), ("nn.Tanh()", "nn.Sigmoid()"))
    with pytest.raises(AssertionError, match=r"differs by \d+ grey levels from what 'tiny' gave the recipe"):
        check_recipe(recipe(*changes), OPTIONS)


@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_a_network_of_another_range_and_order_is_trained_as_it_is_exported(recipe: Any, order: str) -> None:
    declared = f"    reach = 2\n    value_range = (0.0, 1.0)\n    channel_order = '{order}'\n"
    check_recipe(recipe(("    reach = 2\n", declared), ("nn.Tanh()", "nn.Sigmoid()")), OPTIONS)
