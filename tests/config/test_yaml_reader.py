"""Values in YAML: plain words mean what YAML 1.2 says, and any text is read or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from henshin.config.yaml_reader import Node, load_yaml, parse, to_python
from henshin.errors import PipelineError


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


def test_a_key_with_an_unpaired_surrogate_is_a_problem() -> None:
    problems: list[Any] = []
    parse('"\\ud800": 1', "x", problems)
    assert len(problems) == 1
    assert "holds an unpaired surrogate (half of an emoji or the like)" in problems[0].message


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
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
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


def positions(node: Node) -> Any:
    """Return the lines of a node's keys and values, in its form."""
    if node.mapping:
        return {key: (node.keys[key].line, positions(child)) for key, child in node.mapping.items()}
    return [positions(child) for child in node.items] or node.position.line


FILES = sorted(file for file in Path(__file__).parents[2].glob("*/*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_fast_parser_reads_our_files_as_the_other_does(file: Path) -> None:
    quick, usual = load_yaml(file, fast=True), load_yaml(file)
    assert to_python(quick) == to_python(usual)
    assert positions(quick) == positions(usual)


@pytest.mark.parametrize(
    "text", ["a: [1", "a: {b", "a: 'x", "a: &b {c: *b}", "a: !x 1", "a: 1\na: 2", "[" * 70 + "]" * 70]
)
def test_the_fast_parser_says_what_is_wrong_as_the_other_does(text: str) -> None:
    def told(fast: bool) -> str:
        problems: list[Any] = []
        try:
            parse(text, "w", problems, fast=fast)
        except PipelineError as error:
            return str(error)
        return str(problems)

    assert told(True) == told(False)
