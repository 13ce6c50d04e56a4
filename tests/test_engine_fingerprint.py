"""The fingerprint changes with all that a result depends on, and with nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import Field
from support_onnx import box, invert

from henshin import hookimpl
from henshin.engine.fingerprint import fingerprint
from henshin.images import WriteOptions
from henshin.models import ModelStore
from henshin.pipeline import Pipeline
from henshin.registry import Registry
from henshin.stage import ModelName, Stage, StageConfig


class UsesConfig(StageConfig):
    model: ModelName | None = Field(None, description="A model, or the word 'none'.")
    table: Path | None = Field(None, description="A file with numbers.")


class Uses(Stage[UsesConfig]):
    """Use a model and a table."""

    name = "uses"
    Config = UsesConfig

    def run(self, items: Any) -> Any:
        return items


@hookimpl
def henshin_stages() -> list[type[Stage[Any]]]:
    return [Uses]


class World:
    """All that a result depends on, each to be changed alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.version = "1"
        self.write = WriteOptions.model_validate({})
        self.options: dict[str, Any] = {"model": "tiny", "table": folder / "table.txt"}
        self.stages = 1
        (folder / "table.txt").write_text("one")
        invert(folder / "tiny.onnx")

    @property
    def print(self) -> str:
        return self.print_with(self.folder)

    def print_with(self, models: Path) -> str:
        registry = Registry()
        registry.register(SimpleNamespace(henshin_stages=henshin_stages), "plugin", "dist", self.version)
        stages = [Uses(UsesConfig(**self.options)) for _ in range(self.stages)]
        store = ModelStore(local=models, user=models, packaged=models)
        pipeline = Pipeline("any name", "", self.folder / "test.yaml", list(stages))
        return fingerprint(pipeline, self.write, store, registry)


CHANGES: dict[str, Callable[[World], Any]] = {
    "an option": lambda world: world.options.update(model="none"),
    "a file that an option names": lambda world: (world.folder / "table.txt").write_text("two"),
    "a model's file": lambda world: box(world.folder / "tiny.onnx"),
    "a plugin's version": lambda world: setattr(world, "version", "2"),
    "a writer option": lambda world: setattr(world, "write", WriteOptions.model_validate({"quality": 50})),
    "the stages": lambda world: setattr(world, "stages", 2),
}


@pytest.mark.parametrize("what", CHANGES)
def test_it_changes_with(what: str, tmp_path: Path) -> None:
    world = World(tmp_path)
    before = world.print
    assert world.print == before
    CHANGES[what](world)
    assert world.print != before


def test_it_does_not_change_with_the_place_of_a_model(tmp_path: Path) -> None:
    world = World(tmp_path)
    before = world.print
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "tiny.onnx").rename(elsewhere / "tiny.onnx")
    assert world.print_with(elsewhere) == before
    assert world.print != before, "without its model it is other work"
