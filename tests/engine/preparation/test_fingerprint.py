"""The fingerprint changes with all that a result depends on, and with nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import Field
from support import onnx as tiny

from henshin import FileName, ModelName, Stage, StageConfig, hookimpl
from henshin.engine.preparation.fingerprint import fingerprint
from henshin.images import WriteOptions
from henshin.models import ModelStore
from henshin.pipeline import Pipeline
from henshin.registry import Registry
from henshin_plugins.face import FaceDetect
from henshin_plugins.generator import GeneratorStage
from henshin_plugins.postprocess import Postprocess
from henshin_plugins.super_resolution import SuperResolution


class UsesConfig(StageConfig):
    model: ModelName | None = Field(None, description="A model, or the word 'none'.")
    table: Path | None = Field(None, description="A file with numbers.")
    curves: list[FileName] = Field(default_factory=list, description="Files with curves.")


class Uses(Stage[UsesConfig]):
    """Use a model, a table and curves."""

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
        self.options: dict[str, Any] = {"model": "tiny", "table": "table.txt", "curves": ["a.txt", "b.txt"]}
        self.stages = 1
        self.precision = "fp32"
        for name in ("table.txt", "a.txt", "b.txt"):
            (folder / name).write_text("one")
        tiny.invert(folder / "tiny.onnx")

    @property
    def print(self) -> str:
        return self.print_with(self.folder)

    def print_with(self, models: Path) -> str:
        registry = Registry()
        registry.register(SimpleNamespace(henshin_stages=henshin_stages), "plugin", "dist", self.version)
        stages = [Uses(UsesConfig(**self.options))] * self.stages
        return printed(stages, self.folder, models, registry, self.write, self.precision)


def printed(
    stages: list[Any],
    folder: Path,
    models: Path | None = None,
    registry: Registry | None = None,
    write: WriteOptions | None = None,
    precision: str = "fp32",
) -> str:
    models = models or folder
    store = ModelStore(local=models, user=models, packaged=models)
    pipeline = Pipeline("any name", "", folder / "test.yaml", stages)
    write = write or WriteOptions.model_validate({})
    return fingerprint(pipeline, write, store, registry or Registry(), precision)


CHANGES: dict[str, Callable[[World], Any]] = {
    "an option": lambda world: world.options.update(model="none"),
    "a file beside the pipeline that an option names": lambda world: (world.folder / "table.txt").write_text("two"),
    "a file that is one of several": lambda world: (world.folder / "b.txt").write_text("two"),
    "a model's file": lambda world: tiny.box(world.folder / "tiny.onnx"),
    "a plugin's version": lambda world: setattr(world, "version", "2"),
    "a writer option": lambda world: setattr(world, "write", WriteOptions.model_validate({"quality": 50})),
    "the precision of the networks": lambda world: setattr(world, "precision", "bf16"),
    "the stages": lambda world: setattr(world, "stages", 2),
}


@pytest.mark.parametrize("what", CHANGES)
def test_it_changes_with(what: str, tmp_path: Path) -> None:
    world = World(tmp_path)
    before = world.print
    assert world.print == before
    CHANGES[what](world)
    assert world.print != before


def test_it_changes_with_henshin_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path)
    before = world.print
    monkeypatch.setattr("henshin.engine.preparation.fingerprint.__version__", "99")
    assert world.print != before


def test_it_does_not_change_with_the_place_of_a_model(tmp_path: Path) -> None:
    world = World(tmp_path)
    before = world.print
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "tiny.onnx").rename(elsewhere / "tiny.onnx")
    assert world.print_with(elsewhere) == before
    assert world.print != before, "without its model it is other work"


# -- The stages that come with henshin


def stage(cls: type[Stage[Any]], **options: Any) -> Any:
    return cls(cls.Config.model_validate(options))


def test_the_reference_picture_of_postprocess_counts(tmp_path: Path) -> None:
    (tmp_path / "warm.png").write_bytes(b"one")
    stages = [stage(Postprocess, match="warm.png")]
    before = printed(stages, tmp_path)
    (tmp_path / "warm.png").write_bytes(b"two")
    assert printed(stages, tmp_path) != before


@pytest.mark.parametrize("options", [{"scale": 3}, {"when_smaller_than": 160}, {}])
def test_every_scale_of_a_multi_scale_model_counts(tmp_path: Path, options: dict[str, Any]) -> None:
    for scale in (2, 3, 4):
        tiny.enlarge(tmp_path / f"multi-x{scale}.onnx", scale)
    stages = [stage(SuperResolution, model="multi", **options)]
    before = printed(stages, tmp_path)
    tiny.enlarge(tmp_path / "multi-x3.onnx", 3, licence="other bytes")
    changed = printed(stages, tmp_path)
    assert changed != before
    tiny.enlarge(tmp_path / "multi-x5.onnx", 5)
    assert printed(stages, tmp_path) != changed, "pictures may now be enlarged further"


def test_a_resampler_needs_no_model(tmp_path: Path) -> None:
    before = printed([stage(SuperResolution, model="lanczos")], tmp_path)
    tiny.enlarge(tmp_path / "multi-x2.onnx", 2)
    assert printed([stage(SuperResolution, model="lanczos")], tmp_path) == before


def test_a_contract_beside_the_file_counts(tmp_path: Path) -> None:
    tiny.foreign_float(tmp_path / "foreign.onnx")
    sidecar = tmp_path / "foreign.henshin.json"
    stages = [stage(GeneratorStage, model="foreign.onnx")]
    prints = set()
    for low in (0, -1):
        sidecar.write_text(json.dumps({"layout": "nchw_float", "value_range": [low, 1]}))
        prints.add(printed(stages, tmp_path))
    assert len(prints) == 2


def test_two_models_of_one_name_both_count(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        tiny.invert(tmp_path / folder / "drawn.onnx", name="drawn")
    stages = [Uses(UsesConfig(model="a/drawn.onnx")), Uses(UsesConfig(model="b/drawn.onnx"))]
    both = [stage(Both, one="a/drawn.onnx", two="b/drawn.onnx")]
    before = [printed(stages, tmp_path), printed(both, tmp_path)]
    tiny.box(tmp_path / "a/drawn.onnx", name="drawn")
    after = [printed(stages, tmp_path), printed(both, tmp_path)]
    assert after[0] != before[0]
    assert after[1] != before[1]


class BothConfig(StageConfig):
    one: ModelName = Field(description="One model.")
    two: ModelName = Field(description="Another one.")


class Both(Uses):
    name = "both"
    Config = BothConfig


def test_the_detectors_network_counts(tmp_path: Path) -> None:
    network = tiny.foreign_float(tmp_path / "found.onnx")
    stages = [stage(FaceDetect, detector="yunet", model="found")]
    before = printed(stages, tmp_path)
    tiny.box(network)
    assert printed(stages, tmp_path) != before
    assert printed([stage(FaceDetect)], tmp_path) != printed([stage(FaceDetect, detector="yunet")], tmp_path)


def test_the_nets_of_mtcnn_count_only_where_they_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def prints() -> list[str]:
        return [printed([stage(FaceDetect, detector=one)], tmp_path) for one in ("mtcnn", "yunet")]

    before = prints()
    monkeypatch.setattr("henshin.files.hash_file", lambda path: f"another {path.name}")
    after = prints()
    assert after[0] != before[0]
    assert after[1] == before[1]
