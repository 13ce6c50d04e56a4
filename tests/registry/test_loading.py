"""Plugins that are found: by the entry points of what is installed, and as files."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from support.registry import GOOD, module

from henshin.errors import HenshinError
from henshin.registry import Registry, build_registry

# Entry points


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def distribution(site: Path, name: str, entries: dict[str, str], modules: dict[str, str]) -> None:
    info = site / f"{name.replace('-', '_')}-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
    (info / "entry_points.txt").write_text("[henshin]\n" + "".join(f"{k} = {v}\n" for k, v in entries.items()))
    for module_name, source in modules.items():
        (site / f"{module_name}.py").write_text(textwrap.dedent(source))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import no_such_library_of_mine", "ModuleNotFoundError: No module named 'no_such_library_of_mine'"),
        ("import sys; sys.exit('bye')", "SystemExit: bye"),
        ("def broken(:", "stranger_bad.py:1: "),
        ("raise BaseException('very\\nbad')", "BaseException: very bad"),
    ],
)
def test_a_failing_import_is_reported_and_skipped(site: Path, source: str, said: str) -> None:
    distribution(site, "henshin-bad", {"bad": "stranger_bad"}, {"stranger_bad": source})
    distribution(site, "henshin-zoo", {"zoo": "stranger_zoo"}, {"stranger_zoo": GOOD.replace('"dots"', '"zoo-dots"')})
    try:
        registry = build_registry()
    finally:
        sys.modules.pop("stranger_bad", None)
        sys.modules.pop("stranger_zoo", None)
    (problem,) = [one for one in registry.problems if "henshin-bad" in one]
    assert problem.startswith("plugin bad (henshin-bad 1.5): cannot be imported: ")
    assert said in problem
    assert "\n" not in problem
    assert str(registry.owners["stage", "zoo-dots"]) == "zoo (henshin-zoo 1.5)"


def test_an_installed_plugin_cannot_take_a_name_of_henshins_own(site: Path) -> None:
    mine = GOOD.replace('"dots"', '"resize"')
    distribution(site, "aaa-first", {"resize": "stranger_aaa"}, {"stranger_aaa": mine})
    registry = build_registry()
    sys.modules.pop("stranger_aaa", None)
    (problem,) = [one for one in registry.problems if "aaa-first" in one]
    assert "the stage name 'resize' is taken by resize (henshin " in problem
    assert "net" not in registry.generators


def test_two_distributions_may_call_their_plugin_the_same(site: Path) -> None:
    other = GOOD.replace('"dots"', '"b-dots"').replace('"net"', '"b-net"').replace('"school"', '"b-school"')
    distribution(site, "one-dist", {"plugin": "stranger_one"}, {"stranger_one": GOOD})
    distribution(site, "two-dist", {"plugin": "stranger_two"}, {"stranger_two": other})
    registry = build_registry()
    for name in ("stranger_one", "stranger_two"):
        sys.modules.pop(name, None)
    assert registry.owners["stage", "dots"].name == "plugin"
    assert registry.owners["stage", "b-dots"].name == "two-dist/plugin"


def test_the_plugins_that_henshin_brings_are_all_taken_in() -> None:
    registry = build_registry()
    assert registry.problems == []
    assert {"face_detect", "face_align", "generator", "paste_back"} <= set(registry.stages)


# Files


def test_a_file_is_a_plugin_and_its_version_follows_its_content(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("from __future__ import annotations\n" + GOOD)
    first = Registry().load_file(path)
    path.write_text("from __future__ import annotations\n" + GOOD.replace("ge=2", "ge=3"))
    registry = Registry()
    second = registry.load_file(path)
    assert first.name == second.name == "mine"
    assert first.version != second.version
    assert str(second) == f"mine ({path})"
    assert registry.stage("dots").Config.model_json_schema()["properties"]["dot"]["minimum"] == 3
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["mine.py"]


def test_a_package_folder_and_a_module_name_are_plugins(site: Path) -> None:
    package = site / "stranger_pack"
    package.mkdir()
    (package / "inner.py").write_text(GOOD)
    (package / "__init__.py").write_text("from .inner import *\nfrom .inner import henshin_stages\n")
    assert Registry().load_file(package).name == "stranger_pack"
    registry = Registry()
    registry.load_file(Path("stranger_pack"))
    assert "dots" in registry.stages


@pytest.mark.parametrize("on_path", [True, False])
def test_a_folder_that_is_no_package_is_told_what_is_missing(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_path: bool
) -> None:
    folder = site if on_path else tmp_path / "here"
    (folder / "stranger_bad").mkdir(parents=True)
    monkeypatch.chdir(folder)
    with pytest.raises(HenshinError, match=r"stranger_bad: the folder has no __init__\.py; name a \.py file in it"):
        build_registry([Path("stranger_bad")])
    with pytest.raises(HenshinError, match=r"stranger_bad: the folder has no __init__\.py"):
        build_registry([folder / "stranger_bad"])


def test_a_name_of_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HenshinError, match="stranger_none: there is no such file, folder or installed module"):
        build_registry([Path("stranger_none")])


def test_a_file_of_a_taken_plugin_name_keeps_its_path_as_name(tmp_path: Path) -> None:
    registry = Registry()
    registry.register(module(GOOD), "mine")
    path = tmp_path / "mine.py"
    path.write_text(GOOD.replace('"dots"', '"d"').replace('"net"', '"n"').replace('"school"', '"s"'))
    assert registry.load_file(path).name == str(path)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import no_such_library_of_mine", "No module named 'no_such_library_of_mine'"),
        ("x = (", "mine.py:1: '(' was never closed"),
        ("raise SystemExit", "SystemExit"),
        ("x = 1", "has no hook"),
        ("from henshin import Nonsense", "Nonsense"),
    ],
)
def test_a_file_that_fails_is_an_error(tmp_path: Path, source: str, said: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(source)
    with pytest.raises(HenshinError) as caught:
        build_registry([path])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(HenshinError, match="no such file"):
        Registry().load_file(tmp_path / "nowhere.py")


def test_the_registry_loads_nothing_heavy() -> None:
    script = "import sys; from henshin.registry import build_registry; build_registry(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "onnxruntime", "numpy", "PIL", "kornia_rs", "cv2"} & set(loaded)
