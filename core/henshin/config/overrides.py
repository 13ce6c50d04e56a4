"""``--set a.b=VALUE``: values that the command line puts over those of a YAML file, before anything is checked."""

from __future__ import annotations

from collections.abc import Sequence

from henshin.config.yaml_reader import Node, parse
from henshin.errors import PipelineError, Problem
from henshin.text import near_or_all

WHERE = "--set"


def parse_override(text: str) -> tuple[list[str], Node]:
    """Split ``a.b=VALUE`` into its path and its value, which is YAML (``[1, 2]``, ``true``, ``1e-4``).

    Errors: PipelineError.
    """
    address, sign, value = text.partition("=")
    path = [part.strip() for part in address.split(".")]
    if not sign or not all(path):
        raise PipelineError([Problem(WHERE, None, f"'{text}' is not of the form name.option=value")])
    problems: list[Problem] = []
    try:
        node = parse(value, WHERE, problems, lines=False)
    except PipelineError as error:
        problems = error.problems
    if problems:
        hint = "; put the value in quotes if it is a text"
        raise PipelineError([Problem(WHERE, None, f"{address}: {one.message}{hint}") for one in problems])
    return path, node


def with_value(node: Node, path: Sequence[str], value: Node) -> Node:
    """Return the node with the value at a path of keys replaced; mappings that are missing on the way are made."""
    if not path:
        return value
    key, rest = path[0], path[1:]
    child = node.mapping.get(key, Node(value.mark, {}))
    keys = {**node.keys, key: value.mark}
    return Node(node.mark, {**node.mapping, key: with_value(child, rest, value)}, keys)


def labels(uses: Sequence[str | None]) -> list[str]:
    """Return what each stage is called: its name, or NAME#1, NAME#2, ... where a name comes more than once."""
    named: list[str] = []
    for position, use in enumerate(uses):
        if use is None:
            named.append(f"stage {position + 1}")
        elif uses.count(use) > 1:
            named.append(f"{use}#{uses[: position + 1].count(use)}")
        else:
            named.append(use)
    return named


def uses_of(stages: Sequence[Node]) -> list[str | None]:
    """Return what each stage of a pipeline says after ``use:``; None where it says no text."""
    said = [stage.mapping["use"].value if "use" in stage.mapping else None for stage in stages]
    return [use if isinstance(use, str) else None for use in said]


def override_stages(root: Node, overrides: Sequence[str], problems: list[Problem]) -> Node:
    """Return a pipeline with each ``STAGE.OPTION=VALUE`` put over it; what is wrong with one goes to ``problems``.

    STAGE is a stage's name, NAME#2 for the second of this name, or a position counted from 1.
    """
    for text in overrides:
        try:
            root = _override(root, text)
        except PipelineError as error:
            problems += error.problems
    return root


def _override(root: Node, text: str) -> Node:
    path, value = parse_override(text)
    if len(path) < 2:
        raise PipelineError([Problem(WHERE, None, f"'{text}' is not of the form stage.option=value")])
    stages = root.mapping["stages"].items if "stages" in root.mapping else []
    position = _position(uses_of(stages), path[0])
    if path[1] == "use":
        raise PipelineError([Problem(WHERE, None, f"'{text}' would make another stage of it; change the file instead")])
    if not isinstance(stages[position].value, dict):
        raise PipelineError([Problem(WHERE, None, f"stage {position + 1} has no options")])
    changed = [*stages[:position], with_value(stages[position], path[1:], value), *stages[position + 1 :]]
    listing = Node(root.mapping["stages"].mark, changed)
    return Node(root.mark, {**root.mapping, "stages": listing}, root.keys)


def _position(uses: Sequence[str | None], address: str) -> int:
    """Return which stage an address means. Errors: PipelineError saying how to address it."""
    known = labels(uses)
    if address in known:
        return known.index(address)
    if address.isdecimal() and 1 <= int(address) <= len(uses):
        return int(address) - 1
    first = f"{address}#1"
    if first in known:
        several = " or ".join(f"'{one}'" for one in known if one.rpartition("#")[0] == address)
        raise PipelineError([Problem(WHERE, None, f"there is more than one stage '{address}'; say {several}")])
    near = near_or_all(address, [label for label, use in zip(known, uses, strict=True) if use])
    raise PipelineError([Problem(WHERE, None, f"this pipeline has no stage '{address}'{near}")])
