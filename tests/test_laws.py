"""The lists that the import laws are kept by are whole, and every plugin of the project keeps the kit's rules."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from conftest import ROOT

from henshin.testing import check_plugin

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PLUGINS: dict[str, str] = PROJECT["project"]["entry-points"]["henshin"]


def contract(words: str) -> dict[str, Any]:
    """The one contract of import-linter that has these words in its name."""
    (found,) = [one for one in PROJECT["tool"]["importlinter"]["contracts"] if words in one["name"]]
    return found


def test_the_ground_floor_is_all_of_core_but_training_and_the_command_line() -> None:
    core = ROOT / "core" / "henshin"
    modules = {path.stem for path in core.glob("*.py")} | {path.parent.name for path in core.glob("*/__init__.py")}
    above = {"__init__", "cli", "train"}
    assert above <= modules
    wanted = {f"henshin.{name}" for name in modules - above}
    assert set(contract("ground floor")["source_modules"]) == wanted


def test_only_three_kinds_of_modules_of_a_plugin_may_be_heavy() -> None:
    ignored = contract("may import torch")["ignore_imports"]
    assert {rule.split(" ->")[0] for rule in ignored} == {
        f"henshin_plugins.{depth}.{name}" for depth in ("*", "*.*") for name in ("network", "recipe", "optimise")
    }


def test_every_plugin_folder_is_an_entry_point() -> None:
    folders = {path.parent.name for path in (ROOT / "plugins" / "henshin_plugins").glob("*/__init__.py")}
    assert set(PLUGINS.values()) == {f"henshin_plugins.{name}" for name in folders}
    assert {value.rpartition(".")[2] for value in PLUGINS.values()} == set(PLUGINS)


@pytest.mark.parametrize("module", PLUGINS.values())
def test_a_plugin_registers_alone_describes_its_options_and_is_light(module: str) -> None:
    check_plugin(module)


def test_no_file_has_grown_too_long() -> None:
    """About 300 lines: one room each."""
    files = [path for folder in ("core", "plugins", "tests", "bench") for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 100
    long = {str(path.relative_to(ROOT)): lines for path in files if (lines := len(path.read_text().splitlines())) > 320}
    assert long == {}


def test_what_ships_fits_and_says_nothing_of_the_machine_it_was_made_on() -> None:
    models = sorted((ROOT / "exported").glob("*.onnx"))
    assert models
    assert sum(path.stat().st_size for path in models) <= 40 << 20
    for path in models:
        data = path.read_bytes()
        assert not [word for word in (b"/site-packages/", b"/home/", b'.py"', b", line ") if word in data], path.name
