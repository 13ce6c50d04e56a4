"""Overrides: ``--set a.b=VALUE`` replaces a value of a YAML file before the file is checked."""

from __future__ import annotations

from collections.abc import Sequence

from henshin.config.yaml_reader import Node, parse
from henshin.errors import PipelineError, Problem

WHERE = "--set"


def parse_override(text: str) -> tuple[list[str], Node]:
    """Split ``a.b=VALUE`` into its path and its value. The value is YAML: ``[1, 2]``, ``true``, ``1e-4``.

    Errors: PipelineError with every problem of the text.
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
        raise PipelineError([Problem(WHERE, None, f"{address}: {problem.message}{hint}") for problem in problems])
    return path, node


def with_value(node: Node, path: Sequence[str], value: Node) -> Node:
    """Return the node with the value at a path of keys replaced. Missing mappings on the path are added."""
    if not path:
        return value
    key, rest = path[0], path[1:]
    child = node.mapping.get(key, Node(value.position, {}))
    keys = {**node.keys, key: value.position}
    return Node(node.position, {**node.mapping, key: with_value(child, rest, value)}, keys)
