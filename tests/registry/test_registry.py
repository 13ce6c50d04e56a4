"""The registry against plugins that do everything wrong, one thing at a time."""

from __future__ import annotations

import textwrap
from types import ModuleType

import pytest
from support.registry import GOOD, module

from henshin.errors import HenshinError
from henshin.registry import Registry


def stage_module(body: str, before: str = "") -> ModuleType:
    """A plugin with one stage, of which only the body is given."""
    head = """\
from henshin import Stage, StageConfig, hookimpl
from henshin.api.stage import Extra
from pydantic import BaseModel, ConfigDict, Field
"""
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
        ("name = 'x'\nConfig = Unbuildable" + RUN, "pydantic cannot complete"),
        ("name = 'x'\nworks_on = 'photos'" + RUN, "'pictures', 'frames', 'source'"),
        ("name = 'x'\nneeds = 'faces'" + RUN, "wrong needs"),
        ("name = 'x'\ngives = frozenset({'cats'})" + RUN, "crops, faces, latents"),
        ("name = 'x'\nends = None" + RUN, "wrong ends"),
        ("name = 'x'\nextra = 'everything'" + RUN, "must be None, one of 'train', 'heic', or henshin.api.stage.Extra("),
        ("name = 'x'\nconcurrent = 'yes'" + RUN, "concurrent = 'yes'; it must be one of False, True"),
        ("name = 'x'\nat_once = 0" + RUN, "at_once = 0; it must be a whole number of at least 1"),
        ("name = 'x'\nextra = Extra('mine[gpu]', 'not a module')" + RUN, "henshin.api.stage.Extra("),
        ("name = 'x'\nConfig = Silent" + RUN, "Mine has an option 'width' without a description; say Field(..., desc"),
        ("name = 'x'\nConfig = Blank" + RUN, "option 'width' without a description"),
        ("name = 'x'\nConfig = Deep" + RUN, "has an option 'boxes.width' without a description"),
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
    class Thing:
        pass
    class Unbuildable(StageConfig):
        there: Thing
    class Silent(StageConfig):
        width: int = 4
    class Blank(StageConfig):
        width: int = Field(4, description=" ")
    class Box(BaseModel):
        within: "Box | None" = Field(None, description="Another.")
        width: int = Field(4, ge=1)
    class Deep(StageConfig):
        boxes: list[Box] | None = Field(None, description="Where.")
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
