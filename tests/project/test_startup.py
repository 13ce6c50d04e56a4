"""Light things stay light: what may not be loaded to print a help text or a list of plugins."""

from __future__ import annotations

import pytest
from support.startup import HEAVY, command, loaded_by


@pytest.mark.parametrize(
    "code",
    [
        "import henshin",
        "import henshin.cli",
        command("--help"),
        command("run", "--help"),
        "from henshin.cli import run_pipeline\nassert run_pipeline(['--help']) == 0",
    ],
)
def test_help_loads_neither_the_heavy_libraries_nor_pydantic(code: str) -> None:
    assert not loaded_by(code) & (HEAVY | {"pydantic", "yaml"})


@pytest.mark.parametrize(
    "words",
    [
        ("plugins",),
        ("plugins", "face_detect"),
        ("plugins", "--markdown"),
        ("pipelines",),
        ("schema",),
        ("train", "--help"),
    ],
)
def test_listing_plugins_loads_no_heavy_library(words: tuple[str, ...]) -> None:
    modules = loaded_by(command(*words))
    assert not modules & HEAVY
    if words[0] == "plugins":
        assert any(name.startswith("henshin_plugins.") for name in modules), "the built-in plugins should be loaded"


def test_the_names_a_plugin_needs_are_all_there() -> None:
    names = (
        "Stage, StageConfig, Generator, GeneratorConfig, Recipe, RecipeConfig, Frame, Face, Picture, "
        "PictureError, Context, Model, ModelName, Run, hookimpl"
    )
    assert not loaded_by(f"from henshin import {names}") & {"torch", "kornia", "rich"}


def test_running_loads_no_torch() -> None:
    modules = loaded_by(
        "from henshin import Model, Context\n"
        "import henshin.pipeline, henshin.engine, henshin.runtime, henshin.models, henshin.images"
    )
    assert not modules & {"torch", "torchvision", "kornia", "onnx", "cv2"}


def test_listing_plugins_builds_no_options_and_reads_the_metadata_once() -> None:
    code = (
        "import importlib.metadata as m\n"
        "real, read = m.PathDistribution.read_text, []\n"
        "m.PathDistribution.read_text = lambda self, name: (read.append(name), real(self, name))[1]\n"
        f"{command('plugins')}\n"
        "from henshin_plugins.face.config import FaceDetectConfig\n"
        "assert not FaceDetectConfig.__pydantic_complete__\n"
        "assert read.count('METADATA') <= 2, read.count('METADATA')"
    )
    assert "pydantic" in loaded_by(code)
