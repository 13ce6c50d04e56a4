"""A YAML reader whose values know their lines. It constructs no Python objects and limits size, depth and count.

Plain scalars follow the core schema of YAML 1.2: ``1e-4`` is a number, ``true`` and ``false`` are the only booleans
(``on``, ``yes``, ``no`` are texts), ``012`` is twelve, a date is a text. A merge key (``<<: *base``) works. A duplicate
key and an unknown tag are problems; ``!!str``, ``!!int``, ``!!float``, ``!!bool`` and ``!!null`` are known tags.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from henshin.errors import PipelineError, Problem
from henshin.text import flatten, quote

MAX_BYTES = 1 << 20
MAX_NODES = 10_000
MAX_DEPTH = 64

Plain = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Position:
    """A position in the file: a line (from 1). ``where`` names another source ("--set")."""

    line: int | None = None
    where: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A value with its position. ``keys`` holds the position of each key of a mapping.

    Nodes are not changed once built.
    """

    position: Position
    value: Plain | list[Node] | dict[str, Node]
    keys: dict[str, Position] = field(default_factory=dict)

    @property
    def mapping(self) -> dict[str, Node]:
        """Entries of a mapping; empty for any other value."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> list[Node]:
        """Items of a list; empty for any other value."""
        return self.value if isinstance(self.value, list) else []

    def key_position(self, key: str) -> Position:
        """Return the position of a key, or of the whole mapping if it does not have the key."""
        return self.keys.get(key, self.position)


def to_python(node: Node) -> Any:
    """Return a node as plain lists, dicts and scalars."""
    if isinstance(node.value, dict):
        return {key: to_python(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [to_python(child) for child in node.value]
    return node.value


def load_yaml(
    path: Path, where: str | None = None, problems: list[Problem] | None = None, *, fast: bool = False
) -> Node:
    """Read a YAML file whose top level is a mapping.

    ``where`` names the file in problems (default: the path). Problems after which reading can go on (a duplicate key,
    an unknown tag) are added to ``problems`` if that is given. ``fast`` takes libyaml's parser where it is installed,
    for long files: it takes a twentieth of the time, lets tabs between values pass, and may be one line off in the
    position of an empty value.

    Errors: PipelineError for a file that is unreadable, too large, not UTF-8, not YAML or not a mapping; without
    ``problems`` for every problem.
    """
    where = str(path) if where is None else where
    found: list[Problem] = []
    root = parse(_text(path, where), where, found, fast=fast)
    if not isinstance(root.value, dict):
        what = "the file is empty" if root.value is None else f"the file holds {kind_of(root.value)}"
        raise PipelineError([Problem(where, root.position.line, f"{what}; 'key: value' lines are wanted")])
    if found and problems is None:
        raise PipelineError(found)
    if problems is not None:
        problems += found
    return root


def parse(text: str, where: str, problems: list[Problem], lines: bool = True, *, fast: bool = False) -> Node:
    """Parse the text of one YAML value. With ``lines=False`` every position is ``where`` without a line.

    ``fast``: see load_yaml.

    Errors: PipelineError for a text that cannot be parsed; other problems are added to ``problems``.
    """
    try:
        root = _compose(text, fast)
    except yaml.YAMLError as error:
        line, message = _syntax(error, text)
        raise PipelineError([Problem(where, line if lines else None, message)]) from error
    if root is None:
        return Node(Position(1 if lines else None, None if lines else where), None)
    return _Builder(where, problems, lines).build(root)[0]


def kind_of(value: object) -> str:
    """Return the kind of a value in words: "a mapping", "a list", "a text", ..."""
    kinds = ((bool, "true or false"), (dict, "a mapping"), (list, "a list"), (str, "a text"), (int | float, "a number"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "nothing")


def _text(path: Path, where: str) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PipelineError([Problem(where, None, f"cannot be read: {error.strerror or error}")]) from error
    if len(data) > MAX_BYTES:
        raise PipelineError([Problem(where, None, f"is larger than {MAX_BYTES // 1024} KiB")])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PipelineError([Problem(where, line, "is not UTF-8 text; save it as UTF-8")]) from error


def _syntax(error: yaml.YAMLError, text: str) -> tuple[int | None, str]:
    """Return the line and the message of one of PyYAML's errors."""
    if isinstance(error, yaml.reader.ReaderError):
        return text.count("\n", 0, error.position) + 1, "holds a character that is not allowed in YAML"
    mark = getattr(error, "problem_mark", None)
    problem = flatten(getattr(error, "problem", None) or error)
    context = getattr(error, "context", None)
    if isinstance(error, yaml.composer.ComposerError) and not context:
        message = problem
    else:
        message = f"not valid YAML: {problem}" + (f" ({context})" if context else "")
    if "'\\t'" in problem:
        message += "; indent with spaces, not tabs"
    return (None if mark is None else mark.line + 1), message


def _compose(text: str, fast: bool) -> yaml.Node | None:
    """Return the graph of a YAML text, None for an empty one. Errors: yaml.YAMLError."""
    if fast and yaml.__with_libyaml__:
        try:
            return _FastLoader(text).get_single_node()
        except yaml.YAMLError:
            pass  # PyYAML says better what is wrong
    return _Loader(text).get_single_node()


class _Limited(yaml.composer.Composer, yaml.resolver.Resolver):
    """A composer with the core schema of YAML 1.2 and with limits."""

    yaml_implicit_resolvers = {}  # noqa: RUF012
    depth = 0
    count = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.depth += 1
        self.count += 1
        if self.depth > MAX_DEPTH or self.count > MAX_NODES:
            mark = self.peek_event().start_mark  # type: ignore[attr-defined]
            raise yaml.composer.ComposerError(None, None, _too_much(self.depth), mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Loader(_Limited, yaml.SafeLoader):
    """PyYAML's own parser. Its constructor is not used."""


if yaml.__with_libyaml__:

    class _FastLoader(_Limited, yaml.cyaml.CParser):  # type: ignore[misc, name-defined]
        """The same on libyaml's parser."""

        def __init__(self, text: str) -> None:
            yaml.cyaml.CParser.__init__(self, text)  # type: ignore[attr-defined]
            yaml.composer.Composer.__init__(self)
            yaml.resolver.Resolver.__init__(self)


def _too_much(depth: int) -> str:
    if depth > MAX_DEPTH:
        return f"is nested more than {MAX_DEPTH} levels deep"
    return f"holds more than {MAX_NODES} values (aliases counted each time)"


_PREFIX = "tag:yaml.org,2002:"
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("float", r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", "-+."),
    ("merge", r"<<", "<"),
):
    _Limited.add_implicit_resolver(_PREFIX + _tag, re.compile(rf"^(?:{_pattern})$"), list(_first))


def _integer(text: str) -> int:
    return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


def _float(text: str) -> float:
    return float(text.replace(".inf", "inf").replace(".nan", "nan"))


def _string(text: str) -> str:
    """Join surrogate pairs, which JSON writes as two escapes. Errors: ValueError for an unpaired surrogate."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")


_SCALARS: dict[str, Callable[[str], Plain]] = {
    _PREFIX + "str": _string,
    _PREFIX + "merge": str,
    _PREFIX + "int": lambda text: _integer(text.lower()),
    _PREFIX + "float": lambda text: _float(text.lower()),
    _PREFIX + "bool": lambda text: {"true": True, "false": False}[text.lower()],
    _PREFIX + "null": lambda _: None,
}
_COLLECTIONS = (_PREFIX + "map", _PREFIX + "seq")


class _Builder:
    """Converts PyYAML's graph into Nodes. An anchor is converted once and counted at each use."""

    def __init__(self, where: str, problems: list[Problem], lines: bool) -> None:
        self.where = where
        self.problems = problems
        self.lines = lines
        self.finished: dict[int, tuple[Node, int, int]] = {}
        self.in_progress: set[int] = set()

    def build(self, source: yaml.Node) -> tuple[Node, int, int]:
        """Return (node, number of values, number of levels); an alias counts at each use."""
        key = id(source)
        if key in self.in_progress:
            raise PipelineError(
                [Problem(self.where, self.position_of(source).line, "an anchor holds an alias of itself")]
            )
        if key not in self.finished:
            self.in_progress.add(key)
            self.finished[key] = self.convert(source)
            self.in_progress.remove(key)
            _, count, depth = self.finished[key]
            if count > MAX_NODES or depth > MAX_DEPTH:
                raise PipelineError([Problem(self.where, self.position_of(source).line, _too_much(depth))])
        return self.finished[key]

    def convert(self, source: yaml.Node) -> tuple[Node, int, int]:
        position = self.position_of(source)
        if source.tag not in _SCALARS and source.tag not in _COLLECTIONS:
            tag = source.tag.replace(_PREFIX, "!!")
            self.report(position, f"the tag {tag} is not allowed; write the plain value")
            return Node(position, None), 1, 1
        if isinstance(source, yaml.MappingNode):
            return self.mapping(source, position)
        if isinstance(source, yaml.SequenceNode):
            built = [self.build(child) for child in source.value]
            return Node(position, [node for node, _, _ in built]), *_measure(built)
        return Node(position, self.scalar(source, position)), 1, 1

    def mapping(self, source: yaml.MappingNode, position: Position) -> tuple[Node, int, int]:
        own = Node(position, {}, {})
        merged = Node(position, {}, {})
        built = []
        for key_source, value_source in source.value:
            key_position = self.position_of(key_source)
            value = self.build(value_source)
            built.append(value)
            key = self.key(key_source, key_position)
            if key is None:
                continue
            if key_source.tag == _PREFIX + "merge":
                self.merge(merged, value[0], key_position)
            elif key in own.mapping:
                place = f" (first on line {own.keys[key].line})" if self.lines else ""
                self.report(key_position, f"the key '{key}' is here twice{place}")
            else:
                own.mapping[key] = value[0]
                own.keys[key] = key_position
        node = Node(position, {**merged.mapping, **own.mapping}, {**merged.keys, **own.keys})
        return node, *_measure(built)

    def key(self, source: yaml.Node, position: Position) -> str | None:
        if not isinstance(source, yaml.ScalarNode):
            self.report(position, "a key must be a word, not a list or a mapping")
            return None
        try:
            return _string(source.value)
        except ValueError:
            self.report(
                position,
                f"the key {quote(source.value, 40)} holds an unpaired surrogate (half of an emoji or the like)",
            )
            return None

    def merge(self, into: Node, value: Node, position: Position) -> None:
        """Add the entries of a mapping, or of a list of mappings, to ``into``. The first value of a key counts."""
        parts = value.items or [value]
        if not all(isinstance(part.value, dict) for part in parts):
            self.report(position, "'<<' takes an alias of a mapping, or a list of such aliases")
            return
        for part in parts:
            for key, child in part.mapping.items():
                into.mapping.setdefault(key, child)
                into.keys.setdefault(key, part.key_position(key))

    def scalar(self, source: yaml.Node, position: Position) -> Plain:
        try:
            return _SCALARS[source.tag](source.value)
        except (ValueError, KeyError):
            tag = source.tag.replace(_PREFIX, "!!")
            self.report(position, f"{quote(source.value, 40)} cannot be read as {tag}")
            return None

    def position_of(self, source: yaml.Node) -> Position:
        return Position(source.start_mark.line + 1) if self.lines else Position(None, self.where)

    def report(self, position: Position, message: str) -> None:
        self.problems.append(Problem(self.where, position.line, message))


def _measure(built: list[tuple[Node, int, int]]) -> tuple[int, int]:
    return 1 + sum(count for _, count, _ in built), 1 + max((depth for _, _, depth in built), default=0)
