"""The registry against plugins that do everything wrong, one thing at a time."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import pytest

from henshin.errors import HenshinError
from henshin.registry import Registry, build_registry

GOOD = """
from henshin import Generator, GeneratorConfig, Recipe, Stage, StageConfig, hookimpl
from pydantic import Field

class DotsConfig(StageConfig):
    dot: int = Field(4, ge=2, description="Side of a dot.")

class Dots(Stage[DotsConfig]):
    "Print dots."
    name = "dots"
    Config = DotsConfig
    def run(self, pictures):
        return pictures

class Net(Generator[GeneratorConfig]):
    name = "net"
    def build(self):
        raise RuntimeError

class School(Recipe):
    name = "school"
    def train(self, run):
        pass

@hookimpl
def henshin_stages():
    return [Dots]

@hookimpl
def henshin_generators():
    return [Net]

@hookimpl
def henshin_recipes():
    return [School]
"""


def module(source: str, name: str = "stranger") -> ModuleType:
    """A module made of a text; classes in it have names that pydantic can look up."""
    made = ModuleType(name)
    sys.modules[name] = made
    exec(textwrap.dedent(source), made.__dict__)
    return made


def stage_module(body: str, before: str = "") -> ModuleType:
    """A plugin with one stage, of which only the body is given."""
    head = "from henshin import Stage, StageConfig, hookimpl\nfrom pydantic import BaseModel, ConfigDict\n"
    hook = "\n@hookimpl\ndef henshin_stages():\n    return [Mine]\n"
    whole = f"class Mine(Stage):\n{textwrap.indent(textwrap.dedent(body), '    ')}\n"
    return module(head + textwrap.dedent(before) + "\n" + whole + hook)


def refusal(registry: Registry, plugin: object, name: str = "bad") -> str:
    """Why a plugin is refused, once it is made sure that nothing of it stayed."""
    before = (dict(registry.stages), dict(registry.generators), dict(registry.recipes), dict(registry.owners))
    with pytest.raises(HenshinError) as caught:
        registry.register(plugin, name, "bad-dist", "1.0")
    assert before == (registry.stages, registry.generators, registry.recipes, registry.owners)
    assert name not in registry.plugins
    assert registry.manager.get_plugin(name) is None
    assert not any(impl.plugin_name == name for impl in registry.manager.hook.henshin_stages.get_hookimpls())
    message = str(caught.value)
    assert message.startswith(f"plugin {name} (bad-dist 1.0): ")
    assert "\n" not in message
    return message


def test_a_good_plugin_is_taken_in_whole() -> None:
    registry = Registry()
    plugin = registry.register(module(GOOD), "good", "good-dist", "2.0")
    assert set(registry.owners) == {("stage", "dots"), ("generator", "net"), ("recipe", "school")}
    assert registry.owners["stage", "dots"] is plugin
    assert str(plugin) == "good (good-dist 2.0)"
    assert registry.stage("dots").Config.model_fields["dot"].default == 4
    assert registry.generator("net").name == "net"
    assert registry.recipe("school").name == "school"
    assert registry.problems == []


def test_two_registries_share_nothing() -> None:
    one, other = Registry(), Registry()
    one.register(module(GOOD), "good")
    assert other.stages == {}
    other.register(module(GOOD), "good")


def test_an_unknown_hook_is_an_error_with_the_plugins_name() -> None:
    plugin = module(GOOD.replace("henshin_recipes", "henshin_recipies"))
    message = refusal(Registry(), plugin)
    assert "unknown hook 'henshin_recipies'" in message
    assert "did you mean 'henshin_recipes'?" in message


def test_a_hook_that_wants_arguments_is_refused() -> None:
    assert "wrong hook" in refusal(Registry(), module(GOOD.replace("henshin_stages()", "henshin_stages(config)")))


def test_a_forgotten_marker_is_told() -> None:
    message = refusal(Registry(), module(GOOD.replace("@hookimpl", "")))
    assert "put @hookimpl above henshin_stages()" in message


def test_an_empty_module_is_told() -> None:
    assert "has no hook" in refusal(Registry(), module(""))


@pytest.mark.parametrize("kind", ["stage", "generator", "recipe"])
def test_a_taken_name_is_refused_naming_the_owner_and_leaves_nothing(kind: str) -> None:
    registry = Registry()
    registry.register(module(GOOD), "first", "first-dist", "1.0")
    taken = {"stage": "dots", "generator": "net", "recipe": "school"}[kind]
    source = GOOD
    for name in {"dots", "net", "school"} - {taken}:
        source = source.replace(f'name = "{name}"', f'name = "other-{name}"')
    message = refusal(registry, module(source))
    assert message.endswith(f"the {kind} name '{taken}' is taken by first (first-dist 1.0)")


def test_one_plugin_cannot_use_a_name_twice() -> None:
    assert "two stages named 'dots'" in refusal(Registry(), module(GOOD.replace("[Dots]", "[Dots, Dots]")))


def test_a_taken_plugin_name_and_a_module_twice_are_refused() -> None:
    registry = Registry()
    plugin = module(GOOD)
    registry.register(plugin, "good")
    with pytest.raises(HenshinError, match="name is taken by good"):
        registry.register(module(GOOD), "good")
    assert "registered already, as good" in refusal(registry, plugin)


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ("None", "returned a NoneType; it must return a list of classes"),
        ("Dots", "it must return a list of classes"),
        ("'dots'", "returned a str"),
        ("(Dots for _ in range(1))", "returned a generator"),
        ("[Dots(DotsConfig())]", "is not a subclass of henshin.Stage"),
        ("[3]", "3 is not a subclass of henshin.Stage"),
        ("[Net]", "Net is not a subclass of henshin.Stage"),
        ("[1 / 0]", "henshin_stages() failed: ZeroDivisionError: division by zero"),
        ("__import__('sys').exit(3)", "henshin_stages() failed: SystemExit: 3"),
    ],
)
def test_a_hook_that_returns_nonsense_is_refused(result: str, said: str) -> None:
    assert said in refusal(Registry(), module(GOOD.replace("return [Dots]", f"return {result}")))


def test_a_wrapper_cannot_stand_for_an_answer() -> None:
    source = GOOD.replace("@hookimpl\ndef henshin_stages():\n    return [Dots]", "").strip() + (
        "\n@hookimpl(wrapper=True)\ndef henshin_stages():\n    yield\n    return [Dots]\n"
    )
    assert "must return a list of classes" in refusal(Registry(), module(source))


RUN = "\ndef run(self, pictures):\n    return pictures\n"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("pass", "Mine has no name"),
        ("name = 3" + RUN, "a-z, 0-9, _ and - only"),
        ("name = 'Half Tone'" + RUN, "a-z, 0-9, _ and - only"),
        ("name = ''" + RUN, "a-z, 0-9, _ and - only"),
        ("name = 'x\\n'" + RUN, "a-z, 0-9, _ and - only"),
        ("name = property(lambda self: 'x')" + RUN, "a-z, 0-9, _ and - only"),
        ("name = 'x'\nConfig = None" + RUN, "not a subclass of henshin.StageConfig"),
        ("name = 'x'\nConfig = Plain" + RUN, "Plain is not a subclass of henshin.StageConfig"),
        ("name = 'x'\nConfig = Open" + RUN, "lets unknown options pass"),
        ("name = 'x'\nConfig = Reserved" + RUN, "has an option 'use'"),
        ("name = 'x'\nConfig = Dangling" + RUN, "pydantic cannot complete"),
        ("name = 'x'\nworks_on = 'photos'" + RUN, "'pictures', 'frames', 'source'"),
        ("name = 'x'\nneeds = 'faces'" + RUN, "wrong needs"),
        ("name = 'x'\ngives = frozenset({'cats'})" + RUN, "crops, faces, latents"),
        ("name = 'x'\nends = None" + RUN, "wrong ends"),
        ("name = 'x'\nextra = 'everything'" + RUN, "'train'"),
        ("name = 'x'", "has no run()"),
        ("name = 'x'\nworks_on = 'source'" + RUN, "has no frames()"),
    ],
)
def test_an_improper_stage_is_refused(body: str, said: str) -> None:
    before = """
    class Plain(BaseModel):
        pass
    class Open(StageConfig):
        model_config = ConfigDict(extra="allow")
    class Reserved(StageConfig):
        use: str = "x"
    class Dangling(StageConfig):
        there: "NoSuchClass"
    """
    assert said in refusal(Registry(), stage_module(body, before))


def test_a_config_that_is_forgotten_is_told() -> None:
    message = refusal(Registry(), module(GOOD.replace("    Config = DotsConfig\n", "")))
    assert "say Config = DotsConfig" in message


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("kind = 'painter'", "kind = 'painter'"),
        ("value_range = (1.0, -1.0)", "the lower first"),
        ("value_range = 1", "two numbers"),
        ("channel_order = 'rgb'", "'RGB', 'BGR'"),
        ("size_multiple = 0", "at least 1"),
        ("scale = 1.5", "whole number"),
        ("reach = -1", "at least 0"),
        ("reach = 'far'", '"global"'),
        ("maximum_size = 0", "at least 1"),
    ],
)
def test_an_improper_generator_is_refused(line: str, said: str) -> None:
    source = GOOD.replace('    name = "net"', f'    name = "net"\n    {line}')
    assert said in refusal(Registry(), module(source))


def test_networks_and_recipes_without_their_method_are_refused() -> None:
    assert "has no build()" in refusal(Registry(), module(GOOD.replace("def build", "def make")))
    assert "has no train()" in refusal(Registry(), module(GOOD.replace("def train", "def teach")))


def test_traits_may_be_properties() -> None:
    registry = Registry()
    registry.register(stage_module("name = 'x'\nneeds = property(lambda self: frozenset({'faces'}))" + RUN), "good")
    assert "x" in registry.stages


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    registry = Registry()
    registry.register(module(GOOD), "good")
    with pytest.raises(HenshinError, match="no stage named 'dost'; did you mean 'dots'"):
        registry.stage("dost")
    with pytest.raises(HenshinError, match="no recipe named 'xyz'; there are: school"):
        registry.recipe("xyz")
    registry.problems.append("plugin x: cannot be imported")
    with pytest.raises(HenshinError, match="not every plugin could be loaded"):
        registry.generator("xyz")


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
