"""The lists that the import laws are kept by are whole, and every plugin of the project keeps the kit's rules."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path
from typing import Any

import pytest
from support.paths import ROOT

from henshin.testing import check_plugin

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CORE = ROOT / "core" / "henshin"
PLUGINS: dict[str, str] = PROJECT["project"]["entry-points"]["henshin"]


def contract(words: str) -> dict[str, Any]:
    """The one contract of import-linter that has these words in its name."""
    (found,) = [one for one in PROJECT["tool"]["importlinter"]["contracts"] if words in one["name"]]
    return found


def rooms(folder: Path) -> set[str]:
    """The modules and packages that lie directly in a folder."""
    return {path.stem for path in folder.glob("*.py")} - {"__init__"} | {
        path.parent.name for path in folder.glob("*/__init__.py")
    }


@pytest.mark.parametrize(("words", "folder"), [("core", ""), ("training", "train"), ("the engine", "engine")])
def test_every_room_has_its_floor(words: str, folder: str) -> None:
    layers = contract(f"Rooms of {words}")["layers"]
    assert {room.strip() for layer in layers for room in layer.split("|")} == rooms(CORE / folder)


def test_what_lies_below_training_may_import_no_torch() -> None:
    wanted = {f"henshin.{name}" for name in rooms(CORE) - {"cli", "train"}}
    assert set(contract("Below training")["source_modules"]) == wanted


def imports_at_run_time(path: Path) -> set[str]:
    """The packages that a file imports anywhere but under `if TYPE_CHECKING:`."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


def test_contracts_and_light_modules_of_plugins_import_torch_for_its_types_alone() -> None:
    """import-linter counts an import for types like any other, so these two rules leave torch to this test."""
    plugins = ROOT / "plugins" / "henshin_plugins"
    light = [*(CORE / "api").glob("*.py"), *plugins.rglob("__init__.py"), *plugins.rglob("config.py")]
    assert len(light) > 40
    heavy = {"torch", "torchvision", "kornia"}
    assert {str(path) for path in light if imports_at_run_time(path) & heavy} == set()


def test_folders_hold_few_modules() -> None:
    folders = {path.parent for path in CORE.rglob("*.py")}
    full = {str(folder): count for folder in folders if (count := len(list(folder.glob("*.py"))) - 1) > 14}
    assert full == {}
    assert len(list(CORE.glob("*.py"))) - 1 <= 6


def test_every_plugin_folder_is_an_entry_point() -> None:
    folders = {path.parent.name for path in (ROOT / "plugins" / "henshin_plugins").glob("*/__init__.py")}
    assert set(PLUGINS.values()) == {f"henshin_plugins.{name}" for name in folders}
    assert {value.rpartition(".")[2] for value in PLUGINS.values()} == set(PLUGINS)


@pytest.mark.parametrize("module", PLUGINS.values())
def test_a_plugin_registers_alone_describes_its_options_and_is_light(module: str) -> None:
    check_plugin(module)


def test_no_file_has_grown_too_long() -> None:
    """A file is one thing, of 80 to 350 lines."""
    files = [path for folder in ("core", "plugins", "tests", "bench") for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 100
    long = {str(path.relative_to(ROOT)): lines for path in files if (lines := len(path.read_text().splitlines())) > 350}
    assert long == {}


def test_what_ships_fits_and_says_nothing_of_the_machine_it_was_made_on() -> None:
    models = sorted((ROOT / "exported").glob("*.onnx"))
    assert models
    assert sum(path.stat().st_size for path in models) <= 40 << 20
    for path in models:
        data = path.read_bytes()
        assert not [word for word in (b"/site-packages/", b"/home/", b'.py"', b", line ") if word in data], path.name
