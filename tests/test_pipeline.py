"""Pipelines: what is right becomes stages, and everything that is wrong is told at once, with its line."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, field_validator

from henshin.config_errors import validate
from henshin.errors import HenshinError, PipelineError
from henshin.hookspecs import hookimpl
from henshin.packaged import data_folder
from henshin.pipeline import Pipeline, find, load, schema
from henshin.registry import Registry
from henshin.stage import ModelName, Stage, StageConfig
from henshin.yaml_nodes import MAX_BYTES, load_yaml, parse, to_python


class AlignConfig(StageConfig):
    size: int = Field(256, ge=16, le=4096, description="Side of a crop.")
    faces: Literal["all", "largest"] = Field("all", description="Which faces.")
    feather: float = Field(0.1, gt=0, lt=1, description="Width of the rim.")
    sides: tuple[int, int] | None = Field(None, description="Two sides.")
    limit: int | Literal["auto"] = Field("auto", description="How many.")


class Box(BaseModel):
    model_config = {"extra": "forbid"}
    width: int = Field(ge=1, description="Width of the box.")
    height: int = 1


class PaintConfig(StageConfig):
    model: ModelName = Field(description="Which model paints.")
    second: ModelName | None = Field(None, description="Another model.")
    more: list[ModelName] = Field(default_factory=list, description="More of them.")
    either: Literal["lanczos"] | ModelName = Field("lanczos", description="A filter or a model.")
    boxes: list[Box] = Field(default_factory=list, description="Where.")
    label: str = Field("", description="A text.")
    slow: bool = Field(False, description="Whether to take time.")

    @field_validator("label")
    @classmethod
    def _not_bad(cls, value: str) -> str:
        if value == "bad":
            raise ValueError("'bad' is a bad label")
        if value == "broken":
            raise KeyError("oh")
        return value


class Work(Stage[Any]):
    def run(self, items: Any) -> Any:
        return items

    def frames(self) -> Any:
        yield from ()


def stage_class(name: str, **traits: Any) -> type[Stage[Any]]:
    for key in {"needs", "gives", "ends"} & traits.keys():
        traits[key] = frozenset(traits[key].split())
    return type(name.title().replace("_", ""), (Work,), {"name": name, **traits})


class Chosen(Work):
    """Gives what its options say."""

    name = "chosen"
    Config = AlignConfig

    @property
    def gives(self) -> Any:  # type: ignore[override]
        return frozenset({"crops"}) if self.config.faces == "largest" else frozenset()


STAGES = [
    stage_class("face_detect", works_on="frames", gives="faces"),
    stage_class("face_align", works_on="frames", needs="faces", gives="crops", Config=AlignConfig),
    stage_class("paint", Config=PaintConfig),
    stage_class("paste_back", works_on="frames", needs="crops", ends="crops"),
    stage_class("split_faces", works_on="frames", needs="crops", ends="crops"),
    stage_class("sample", works_on="source"),
    stage_class("invert", extra="train"),
    Chosen,
]


@pytest.fixture
def registry() -> Registry:
    made = Registry()
    made.register(SimpleNamespace(henshin_stages=hookimpl(henshin_stages)), "test")
    return made


def henshin_stages() -> list[type[Stage[Any]]]:
    return STAGES


class Store:
    """Knows one model, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Path | None]] = []

    def problem(self, name: str, base: Path | None = None) -> str | None:
        self.asked.append((name, base))
        return None if name == "anime" else f"no model named '{name}'; did you mean 'anime'?"


Loader = Callable[..., Pipeline]


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def read(tmp_path: Path, registry: Registry, store: Store, monkeypatch: pytest.MonkeyPatch) -> Loader:
    monkeypatch.chdir(tmp_path)

    def load_text(text: str | bytes, *overrides: str) -> Pipeline:
        data = text.encode() if isinstance(text, str) else text
        Path("p.yaml").write_bytes(data)
        return load("p.yaml", registry, store, overrides)  # type: ignore[arg-type]

    return load_text


def wrong(read: Loader, text: str | bytes, *overrides: str) -> list[str]:
    with pytest.raises(PipelineError) as caught:
        read(text, *overrides)
    lines = str(caught.value).split("\n")
    assert len(lines) == len(caught.value.problems)
    return lines


WHOLE = """\
name: whole
description: Everything in its place.
stages:
  - use: face_detect
  - use: face_align
    size: 64
    feather: 1e-1
    sides: [3, 4]
  - use: paint
    model: anime
  - use: paste_back
"""


# What is right


def test_a_right_pipeline_becomes_unopened_stages(read: Loader, store: Store) -> None:
    pipeline = read(WHOLE)
    assert (pipeline.name, pipeline.description) == ("whole", "Everything in its place.")
    assert [stage.name for stage in pipeline.stages] == ["face_detect", "face_align", "paint", "paste_back"]
    assert pipeline.stages[1].config == AlignConfig(size=64, faces="all", feather=0.1, sides=(3, 4), limit="auto")
    assert pipeline.path == Path("p.yaml")
    assert pipeline.source is None
    assert store.asked == [("anime", Path())]


def test_the_name_falls_back_to_the_file(read: Loader) -> None:
    assert read("stages: [{use: face_detect}]").name == "p"


def test_repeated_stages_are_numbered(read: Loader) -> None:
    pipeline = read("stages: [{use: paint, model: anime}, {use: face_detect}, {use: paint, model: anime}]")
    assert pipeline.labels == ["paint#1", "face_detect", "paint#2"]


def test_a_source_stands_first(read: Loader) -> None:
    assert read("stages: [{use: sample}, {use: face_detect}]").source is not None
    (line,) = wrong(read, "stages:\n- use: face_detect\n- use: sample\n")
    assert line.startswith("p.yaml:3: sample makes pictures from nothing, so it must be the first stage")
    (line,) = wrong(read, "stages:\n- use: sample\n- use: sample\n")
    assert line.startswith("p.yaml:3: sample#2 ")


# What is wrong


def test_everything_is_told_at_once_with_its_line(read: Loader) -> None:
    text = """\
name: wrong
descripton: x
stages:
  - use: face_detect
  - use: face_align
    sise: 256
    faces: bigest
  - use: pant
  - use: paint
    model: anima
"""
    assert wrong(read, text) == [
        "p.yaml:2: descripton: no such option; did you mean 'description'?",
        "p.yaml:6: face_align.sise: no such option; did you mean 'size'?",
        "p.yaml:7: face_align.faces: 'bigest' is not known; 'all' or 'largest'; did you mean 'largest'?",
        "p.yaml:8: no stage named 'pant'; did you mean 'paint'?",
        "p.yaml:10: paint.model: no model named 'anima'; did you mean 'anime'?",
    ]


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("size: 0", "size: 0 is too small; at least 16"),
        ("size: 1e9", "size: 1000000000 is too large; at most 4096"),
        ("size: big", "size: 'big' is not a whole number"),
        ("size: 2.5", "size: 2.5 is not a whole number"),
        ("size: true", "size: true is too small; at least 16"),
        ("size:", "size: has no value; a whole number is wanted"),
        ("size: [1]", "size: [1] is not a whole number"),
        ("feather: 0", "feather: 0 is too small; more than 0"),
        ("feather: 1", "feather: 1 is too large; less than 1"),
        ("feather: .nan", "feather: nan is not a number"),
        ("feather: x", "feather: 'x' is not a number"),
        ("sides: 3", "sides: 3 is not a list"),
        ("limit: often", "limit: 'often' is not right; a whole number or 'auto'"),
        ("dot: 3", "dot: no such option; there are: faces, feather, limit, sides, size"),
    ],
)
def test_a_wrong_option_is_told_with_what_would_be_right(read: Loader, option: str, said: str) -> None:
    lines = wrong(read, f"stages:\n- use: face_detect\n- use: face_align\n  {option}\n- use: paste_back\n")
    assert lines == [f"p.yaml:4: face_align.{said}"]


@pytest.mark.parametrize(
    ("option", "line", "said"),
    [
        ("label: 5", 4, "label: 5 is not a text; put it in quotes"),
        ("label: bad", 4, "label: 'bad' is a bad label"),
        ("slow: maybe", 4, "slow: 'maybe' is not true or false"),
        ("boxes: [{width: 1}, {wide: 1,\n    width: 1}]", 4, "boxes[2].wide: no such option; did you mean 'width'?"),
        ("boxes:\n  - height: 2", 5, "boxes[1].width: is missing; it must be given: Width of the box."),
        ("boxes:\n  - width: 1\n    height: x", 6, "boxes[1].height: 'x' is not a whole number"),
        ("boxes: [7]", 4, "boxes[1]: 7 is not a mapping of options"),
        ("second: nobody", 4, "second: no model named 'nobody'; did you mean 'anime'?"),
        ("more:\n  - anime\n  - nobody", 6, "more[2]: no model named 'nobody'; did you mean 'anime'?"),
        ("either: nobody", 4, "either: no model named 'nobody'; did you mean 'anime'?"),
    ],
)
def test_nested_options_have_their_own_lines(read: Loader, option: str, line: int, said: str) -> None:
    lines = wrong(read, f"stages:\n- use: paint\n  model: anime\n  {option}\n")
    assert lines == [f"p.yaml:{line}: paint.{said}"]


def test_a_number_is_not_true(read: Loader) -> None:
    lines = wrong(read, "stages:\n- use: chosen\n  limit: 3\n  feather: 0.5\n  size: 20\n  sides: 4\n")
    assert lines == ["p.yaml:6: chosen.sides: 4 is not a list"]

    class Loose(BaseModel):
        ratio: float = 1

    config, problems = validate(Loose, load_yaml(written("ratio: true\n")), "x")
    assert config is None
    assert [str(problem) for problem in problems] == ["x:1: ratio: true is not a number"]


def written(text: str) -> Path:
    path = Path("written.yaml")
    path.write_text(text)
    return path


def test_a_missing_option_is_told_at_its_stage(read: Loader) -> None:
    lines = wrong(read, "stages:\n- use: face_detect\n- use: paint\n")
    assert lines == ["p.yaml:3: paint.model: is missing; it must be given: Which model paints."]


def test_a_stage_without_options_says_so(read: Loader) -> None:
    assert wrong(read, "stages:\n- use: face_detect\n  size: 3\n") == [
        "p.yaml:3: face_detect.size: no such option; there are no options"
    ]


def test_a_plugin_whose_checks_break_is_blamed_by_name(read: Loader) -> None:
    (line,) = wrong(read, "stages:\n- use: paint\n  model: anime\n  label: broken\n")
    assert line == "p.yaml:2: paint: its checks failed: KeyError: 'oh'"


def test_a_literal_beside_a_model_is_no_model(read: Loader, store: Store) -> None:
    read("stages: [{use: paint, model: anime, either: lanczos, second: null, more: [anime]}]")
    assert [name for name, _ in store.asked] == ["anime", "anime"]


def test_only_missing_models_are_of_the_environment(read: Loader) -> None:
    with pytest.raises(PipelineError) as caught:
        read("stages: [{use: paint, model: nobody}]")
    assert caught.value.exit_code == 3
    with pytest.raises(PipelineError) as caught:
        read("stages: [{use: paint, model: nobody, label: 5}, {use: paint, model: nobody}]")
    assert caught.value.exit_code == 2


def test_a_missing_extra_is_told_with_its_command(read: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("henshin.pipeline_checks.find_spec", lambda name: None if name == "torch" else object())
    with pytest.raises(PipelineError) as caught:
        read("stages: [{use: invert}]")
    assert "run: pip install 'henshin[train]'" in str(caught.value)
    assert caught.value.exit_code == 3
    monkeypatch.setattr("henshin.pipeline_checks.find_spec", lambda name: object())
    assert len(read("stages: [{use: invert}]").stages) == 1


# The chain


@pytest.mark.parametrize(
    ("uses", "said"),
    [
        ("paste_back", ["2: paste_back needs crops, and no stage before it gives any"]),
        ("face_align paste_back", ["2: face_align needs faces, and no stage before it gives any"]),
        (
            "face_detect face_align split_faces paste_back",
            ["5: paste_back needs crops, and split_faces before it has ended them"],
        ),
        (
            "face_detect face_align",
            ["3: the crops of face_align are never put back or written; end with paste_back or split_faces"],
        ),
        (
            "face_detect face_align face_align paste_back",
            ["4: face_align#2 gives crops while those of face_align#1 are still open"],
        ),
    ],
)
def test_needs_and_gives_are_checked(read: Loader, uses: str, said: list[str]) -> None:
    text = "stages:\n" + "".join(f"- use: {use}\n" for use in uses.split())
    assert wrong(read, text) == [f"p.yaml:{line}" for line in said]


def test_two_crop_zones_may_follow_each_other(read: Loader) -> None:
    uses = ["face_detect", "face_align", "paste_back", "face_align", "split_faces"]
    assert len(read("stages:\n" + "".join(f"- use: {use}\n" for use in uses)).stages) == 5


@pytest.mark.parametrize("broken", ["mystery", "chosen\n  size: 0"])
@pytest.mark.parametrize("place", range(4))
def test_a_broken_stage_makes_no_false_errors_after_it(read: Loader, broken: str, place: int) -> None:
    uses = ["face_detect", "face_align", "paste_back"]
    if place < 3:
        uses[place] = broken
    else:
        uses = [broken, "paste_back", "face_detect", "face_align", broken]
    lines = wrong(read, "stages:\n" + "".join(f"- use: {use}\n" for use in uses))
    assert len(lines) == (1 if place < 3 else 2)
    assert all("mystery" in line or "size" in line for line in lines)


def test_wrong_options_do_not_hide_what_a_stage_gives(read: Loader) -> None:
    text = "stages:\n- use: face_detect\n- use: face_align\n  size: 0\n"
    assert [line.split(" ")[0] for line in wrong(read, text)] == ["p.yaml:3:", "p.yaml:4:"]


def test_traits_are_read_from_the_made_stage(read: Loader) -> None:
    assert read("stages: [{use: chosen}]").stages
    assert "the crops of chosen" in wrong(read, "stages: [{use: chosen, faces: largest}]")[0]


# --set


def test_overrides_replace_and_add_options(read: Loader) -> None:
    pipeline = read(WHOLE, "face_align.size=32", "face_align.faces=largest", "2.limit=7", "paint.boxes=[{width: 3}]")
    assert pipeline.stages[1].config == AlignConfig(size=32, feather=0.1, sides=(3, 4), faces="largest", limit=7)
    assert pipeline.stages[2].config.boxes == [Box(width=3)]


def test_the_last_override_counts(read: Loader) -> None:
    assert read(WHOLE, "face_align.size=32", "face_align.size=48").stages[1].config.size == 48


def test_repeated_stages_are_told_apart(read: Loader) -> None:
    text = "stages: [{use: paint, model: anime}, {use: paint, model: anime}]"
    pipeline = read(text, "paint#2.label=two", "1.label=one")
    assert [stage.config.label for stage in pipeline.stages] == ["one", "two"]
    (line,) = wrong(read, text, "paint.label=x")
    assert line == "--set: there is more than one stage 'paint'; say 'paint#1' or 'paint#2'"


def test_an_override_does_not_leak_through_an_alias(read: Loader) -> None:
    text = "stages:\n- &a {use: paint, model: anime}\n- *a\n"
    assert [stage.config.label for stage in read(text, "paint#1.label=one").stages] == ["one", ""]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("face_align.sise=3", "face_align.sise: no such option; did you mean 'size'?"),
        ("face_align.size=0", "face_align.size: 0 is too small; at least 16"),
        ("paint.model=nobody", "paint.model: no model named 'nobody'; did you mean 'anime'?"),
        ("face_algin.size=32", "this pipeline has no stage 'face_algin'; did you mean 'face_align'?"),
        ("9.size=32", "this pipeline has no stage '9'; there are: face_align, face_detect, paint, paste_back"),
        ("size=32", "'size=32' is not of the form stage.option=value"),
        ("face_align.size", "'face_align.size' is not of the form name.option=value"),
        ("face_align.=3", "'face_align.=3' is not of the form name.option=value"),
        ("paint.use=paste_back", "'paint.use=paste_back' would make another stage of it; change the file instead"),
    ],
)
def test_a_wrong_override_is_told_as_such(read: Loader, override: str, said: str) -> None:
    assert wrong(read, WHOLE, override) == [f"--set: {said}"]


def test_an_override_that_is_no_yaml_is_told(read: Loader) -> None:
    (line,) = wrong(read, WHOLE, "paint.label=[1")
    assert line.startswith("--set: paint.label: not valid YAML: ")
    (line,) = wrong(read, WHOLE, "paint.label=!!python/name:os.system x")
    assert "is not allowed" in line


# The file itself


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "p.yaml:1: the file is empty; 'key: value' lines are wanted"),
        (b"# nothing\n", "p.yaml:1: the file is empty; 'key: value' lines are wanted"),
        (b"- use: paint\n", "p.yaml:1: the file holds a list; 'key: value' lines are wanted"),
        (b"just words\n", "p.yaml:1: the file holds a text; 'key: value' lines are wanted"),
        (b"name: a\nx: \xff\n", "p.yaml:2: is not UTF-8 text; save it as UTF-8"),
        (b"name: a\nx: \x00\n", "p.yaml:2: holds a character that is not allowed in YAML"),
        (
            b"name: x\n",
            "p.yaml:1: stages: is missing; it must be given: The stages, each `use: NAME` with its options.",
        ),
        (b"stages:\n", "p.yaml:1: stages: has no value; a list is wanted"),
        (b"stages: []\n", "p.yaml:1: stages: [] has too few items; at least 1"),
        (b"stages: paint\n", "p.yaml:1: stages: 'paint' is not a list"),
        (b"stages:\n- paint\n", "p.yaml:2: stage 1: write '- use: paint'"),
        (b"stages:\n- 3\n", "p.yaml:2: stage 1: 3 is not a stage; write '- use: NAME'"),
        (b"stages:\n-\n", "p.yaml:2: stage 1: nothing is not a stage; write '- use: NAME'"),
        (b"stages:\n- use: 3\n", "p.yaml:2: stage 1: 'use' takes the name of a stage, not 3"),
        (
            b"stages:\n- model: x\n",
            "p.yaml:2: stage 1 does not say which stage it is; write 'use: NAME'",
        ),
        (
            b"stages:\n- uses: paint\n",
            "p.yaml:2: stage 1 does not say which stage it is; write 'use: NAME' in place of 'uses'",
        ),
        (
            b"name: ../up\nstages: [{use: face_detect}]\n",
            "p.yaml:1: name: '../up' cannot name a folder; leave out / \\ : * ? and a dot in front",
        ),
        (b"stages: [{use: face_detect}]\nstages: []\n", "p.yaml:2: the key 'stages' is here twice (first on line 1)"),
        (
            b"stages:\n- use: paint\n  model: anime\n  label: !!python/object/apply:os.system [x]\n",
            "p.yaml:4: the tag !!python/object/apply:os.system is not allowed; write the plain value",
        ),
        (b"stages: [{use: face_detect, ? [a] : b}]", "p.yaml:1: a key must be a word, not a list or a mapping"),
        (b"stages: &a [*a]\n", "p.yaml:1: an anchor holds an alias of itself"),
    ],
)
def test_a_wrong_file_is_told_in_one_line(read: Loader, data: bytes, said: str) -> None:
    assert wrong(read, data) == [said]


def test_a_syntax_error_is_told_with_its_line(read: Loader) -> None:
    (line,) = wrong(read, "name: a\nstages:\n\t- use: paint\n")
    assert line.startswith("p.yaml:3: not valid YAML: ")
    assert "spaces, not tabs" in line
    (line,) = wrong(read, "stages: [\n")
    assert line.startswith("p.yaml:2: not valid YAML: ")
    (line,) = wrong(read, "stages: *nowhere\n")
    assert "found undefined alias" in line
    (line,) = wrong(read, "stages: []\n---\nstages: []\n")
    assert line.startswith("p.yaml:2: ")


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="cannot be read"):
        load_yaml(tmp_path / "nowhere.yaml")


def test_a_file_that_is_too_big_is_refused(read: Loader) -> None:
    assert wrong(read, "#" * (MAX_BYTES + 1)) == ["p.yaml: is larger than 1024 KiB"]


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 40)
)
CHAIN = "a0: &a0 [x]\n" + "".join(f"a{level}: &a{level} [*a{level - 1}]\n" for level in range(1, 3000))
MERGES = "a0: &a0 {x: 1}\n" + "".join(
    f"a{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 9)}]}}\n" for level in range(1, 40)
)


@pytest.mark.parametrize("text", [BOMB, CHAIN, MERGES, "[" * 500_000, "x: " + "[1, " * 200_000, "- " * 100_000])
def test_a_bomb_is_refused_soon(read: Loader, text: str) -> None:
    start = time.perf_counter()
    (line,) = wrong(read, text)
    assert "more than" in line
    assert time.perf_counter() - start < 20


def test_a_byte_order_mark_and_windows_lines_are_fine(read: Loader) -> None:
    assert read(b"\xef\xbb\xbfname: x\r\nstages:\r\n- use: face_detect\r\n").name == "x"


# Values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1E5", 1e5),
        (".5", 0.5),
        ("5.", 5.0),
        ("-.inf", float("-inf")),
        ("+12", 12),
        ("012", 12),
        ("0x1F", 31),
        ("0o17", 15),
        ("1_000", "1_000"),
        ("on", "on"),
        ("yes", "yes"),
        ("No", "No"),
        ("True", True),
        ("false", False),
        ("~", None),
        ("", None),
        ("2024-01-01", "2024-01-01"),
        ("12:30:45", "12:30:45"),
        ("'5'", "5"),
        ("!!str 5", "5"),
        ("!!float 5", 5.0),
        ("=", "="),
        ("C:\\models\\a.onnx", "C:\\models\\a.onnx"),
        ("[a, {b: 1}]", ["a", {"b": 1}]),
    ],
)
def test_plain_words_mean_what_yaml_1_2_says(text: str, value: object) -> None:
    problems: list[Any] = []
    got = to_python(parse(text, "x", problems))
    assert problems == []
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    "text", ["!!int x", "!!bool 3", "9" * 5000, "!mine 3", "!!set {a}", "!!binary aGk=", '"\\ud800"']
)
def test_what_cannot_be_read_is_a_problem(text: str) -> None:
    problems: list[Any] = []
    assert to_python(parse(text, "x", problems)) is None
    assert len(problems) == 1


def test_merge_keys_work_and_explicit_ones_win() -> None:
    text = "base: &b {x: 1, y: 2}\nother: &o {y: 3, z: 4}\nall:\n  <<: [*b, *o]\n  x: 9\n"
    problems: list[Any] = []
    node = parse(text, "x", problems)
    assert problems == []
    assert to_python(node)["all"] == {"x": 9, "y": 2, "z": 4}
    assert node.mapping["all"].keys["x"].line == 5
    parse("a: {<<: 3}", "x", problems)
    assert "'<<' takes" in problems[0].message


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(VALUES)
def test_json_is_read_as_json_reads_it(value: object) -> None:
    """JSON is YAML 1.2, so the standard library's reader is an independent reference."""
    text = json.dumps(value)
    problems: list[Any] = []
    assert to_python(parse(text, "x", problems)) == json.loads(text)
    assert problems == []


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_in_lines(text: str) -> None:
    problems: list[Any] = []
    try:
        to_python(parse(text, "x", problems))
    except PipelineError as error:
        problems = error.problems
    assert all("\n" not in str(problem) for problem in problems)


# Finding and describing


def test_finding_a_path_before_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "selfie2anime").mkdir()
    packaged = data_folder("pipelines") / "selfie2anime.yaml"
    assert find("selfie2anime") == find("selfie2anime.yaml") == packaged
    (tmp_path / "selfie2anime.yaml").write_text("name: mine\n")
    assert find("selfie2anime.yaml") == Path("selfie2anime.yaml")
    assert find("selfie2anime") == packaged


def test_a_name_that_is_not_there_lists_the_packaged_ones() -> None:
    with pytest.raises(HenshinError, match=r"did you mean 'selfie2anime'.*selfie2anime-portrait") as caught:
        find("selfi2anime")
    assert caught.value.exit_code == 2
    for name in ("", ".", "../selfie2anime", "x" * 5000):
        with pytest.raises(HenshinError):
            find(name)


def test_packaged_files_are_found_in_a_wheel_and_in_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (data_folder("pipelines") / "selfie2anime.yaml").is_file()
    monkeypatch.setattr("henshin.packaged.PACKAGE", tmp_path)
    assert data_folder("exported") == tmp_path / "data" / "exported"


def test_the_schema_takes_what_the_loader_takes(registry: Registry) -> None:
    whole = schema(registry)
    json.dumps(whole)
    assert whole["required"] == ["stages"]
    assert whole["additionalProperties"] is False
    uses = {choice["$ref"].rpartition("/")[2] for choice in whole["properties"]["stages"]["items"]["oneOf"]}
    assert uses == set(registry.stages)
    align = whole["$defs"]["face_align"]
    assert align["properties"]["use"]["const"] == "face_align"
    assert align["properties"]["size"]["minimum"] == 16
    assert align["additionalProperties"] is False
    assert whole["$defs"]["paint"]["required"] == ["use", "model"]
    items = whole["$defs"]["paint"]["properties"]["boxes"]["items"]
    assert whole["$defs"][items["$ref"].rpartition("/")[2]]["required"] == ["width"]


def test_the_schema_is_checked_by_a_validator(registry: Registry) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(schema(registry))
    validator.check_schema(schema(registry))
    good = {"name": "x", "stages": [{"use": "face_align", "size": 64}, {"use": "paint", "model": "m"}]}
    assert validator.is_valid(good)
    for stages in ([{"use": "face_align", "sise": 3}], [{"use": "nobody"}], [{"use": "paint"}], []):
        assert not validator.is_valid({"stages": stages})
