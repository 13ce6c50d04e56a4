"""`henshin plugins`: the registered stages, generators and recipes, their owners and options, and their reference."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from henshin.cli.base import GroupedCommand, print_line
from henshin.cli.options import option, plugin_option
from henshin.errors import HenshinError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from henshin.registry import Registry


@click.command(cls=GroupedCommand)
@click.argument("name", required=False)
@plugin_option
@option("--markdown", is_flag=True, help="Print the reference of everything as a page of Markdown.")
@option("--json", "as_json", is_flag=True, help="Print names, owners, options and problems as JSON.")
def plugins(name: str | None, plugin_files: tuple[Path, ...], markdown: bool, as_json: bool) -> None:
    """List stages, generators and recipes with their owners, or explain the one called NAME."""
    from henshin.registry import build_registry

    registry = build_registry(plugin_files)
    if markdown:
        click.echo(reference(registry), nl=False)
    elif as_json:
        click.echo(json.dumps(_as_dict(registry), indent=2))
    elif name:
        _explain(registry, name)
    else:
        _list(registry)
        for problem in registry.problems:
            print_line(f"henshin: {problem}")


def _kinds(registry: Registry) -> dict[str, dict[str, type[Any]]]:
    kinds: dict[str, dict[str, type[Any]]] = {
        "stages": dict(registry.stages),
        "generators": dict(registry.generators),
        "recipes": dict(registry.recipes),
    }
    return kinds


def owner_of(registry: Registry, kind: str, name: str) -> str:
    """Return the plugin that registered a name, with its origin."""
    return str(registry.owners[kind.removesuffix("s"), name])


def _list(registry: Registry) -> None:
    from shutil import get_terminal_size

    from henshin.cli.output import format_table

    # Lines are cut to the width of a terminal, and whole where another program reads them.
    width = get_terminal_size().columns if sys.stdout.isatty() else 0
    for kind, things in _kinds(registry).items():
        click.echo(f"{kind.capitalize()}:")
        rows = [(name, owner_of(registry, kind, name), summary(things[name])) for name in sorted(things)]
        for line in format_table(rows, width=width) or ["  none"]:
            click.echo(line)


def _explain(registry: Registry, name: str) -> None:
    from henshin.text import did_you_mean

    kinds = _kinds(registry)
    found = [(kind, things[name]) for kind, things in kinds.items() if name in things]
    if not found:
        names = [one for things in kinds.values() for one in things]
        raise HenshinError(f"no stage, generator or recipe named '{name}'{did_you_mean(name, names)}")
    for kind, thing in found:
        click.echo(f"{name}: a {kind.removesuffix('s')} of {owner_of(registry, kind, name)}")
        for line in [*full_description(thing).splitlines(), *flow_lines(thing)]:
            click.echo(f"  {line}".rstrip())
        for row in describe_options(thing.Config):
            click.echo(f"\n  {row.name}: {row.type} (default: {row.default})")
            click.echo(click.wrap_text(row.description, 100, initial_indent="    ", subsequent_indent="    "))


def _as_dict(registry: Registry) -> dict[str, Any]:
    listing: dict[str, Any] = {
        kind: {
            name: {
                "owner": owner_of(registry, kind, name),
                "description": summary(thing),
                "options": thing.Config.model_json_schema(),
            }
            for name, thing in sorted(things.items())
        }
        for kind, things in _kinds(registry).items()
    }
    return {**listing, "problems": list(registry.problems)}


_BOUNDS = (
    ("minimum", ">= {}"),
    ("exclusiveMinimum", "> {}"),
    ("maximum", "<= {}"),
    ("exclusiveMaximum", "< {}"),
    ("multipleOf", "a multiple of {}"),
    ("minLength", "at least {} characters"),
    ("maxLength", "at most {} characters"),
    ("minItems", "at least {} items"),
    ("maxItems", "at most {} items"),
)

_NUMBERS = ("integer", "number")

_UNION_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
"""The names that pydantic gives to the bounds of a union, which are those of its numbers, and those of JSON schema."""


@dataclass(frozen=True)
class OptionText:
    """The printed texts of one option."""

    name: str
    type: str
    default: str
    description: str


def describe_options(config: type[BaseModel]) -> list[OptionText]:
    """Return the options of a Config in the order of their declaration, those of a table as `table.option`."""
    schema = config.model_json_schema()
    return list(_walk_options(schema, schema.get("$defs", {}), ""))


def _walk_options(table: dict[str, Any], shared: dict[str, Any], prefix: str) -> Iterator[OptionText]:
    required = set(table.get("required", ()))
    for name, field in table.get("properties", {}).items():
        inner = _resolved(field, shared)
        yield OptionText(
            name=f"{prefix}{name}",
            type=_type(field, shared),
            default="required" if name in required else _value(field.get("default", "computed")),
            description=" ".join(field.get("description", inner.get("description", "")).split()),
        )
        yield from _walk_options(inner, shared, f"{prefix}{name}.")


def _resolved(field: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a field, with its reference resolved."""
    return shared[field["$ref"].rsplit("/", 1)[-1]] if "$ref" in field else field


def _value(value: Any) -> str:
    """Return a value as YAML has it."""
    return value if isinstance(value, str) else json.dumps(value)


def _type(field: dict[str, Any], shared: dict[str, Any]) -> str:
    """Return the type of a field of a JSON schema in words: `integer >= 8`, `all, largest`."""
    from henshin.config.options import STAGE_SCHEMA

    if field == STAGE_SCHEMA:
        return "stages"
    field = _resolved(field, shared)
    for several in ("anyOf", "oneOf"):
        if several in field:
            bounds = {_UNION_BOUNDS[key]: bound for key, bound in field.items() if key in _UNION_BOUNDS}
            members = ({**bounds, **one} if one.get("type") in _NUMBERS else one for one in field[several])
            return " or ".join(dict.fromkeys(_type(one, shared) for one in members))
    if "enum" in field:
        return ", ".join(_value(one) for one in field["enum"])
    if "const" in field:
        return _value(field["const"])
    words = {"boolean": "true, false", "string": "text", "object": "table"}
    text: str = words.get(field.get("type", ""), field.get("type", "anything"))
    if text == "array":
        items = field.get("prefixItems") or [field.get("items", {})]  # a fixed number of items has a type for each
        text = f"list of {' or '.join(dict.fromkeys(_type(one, shared) for one in items))}"
    if text == "table" and isinstance(field.get("additionalProperties"), dict):
        text = f"table of {_type(field['additionalProperties'], shared)}"
    return f"{text}{_bounds(field)}"


def _bounds(field: dict[str, Any]) -> str:
    """Return the bounds of a field, to stand after its type: ` 1 to 16`, ` > 0, <= 1`, ` (not empty)`."""
    left = dict(field)
    texts = []
    if "minimum" in field and "maximum" in field:
        texts.append(f"{_value(left.pop('minimum'))} to {_value(left.pop('maximum'))}")
    if 1 in (left.get("minLength"), left.get("minItems")):
        left = {key: bound for key, bound in left.items() if key not in ("minLength", "minItems")}
        texts.append("not empty")
    texts += [pattern.format(_value(left[key])) for key, pattern in _BOUNDS if key in left]
    if not texts:
        return ""
    joined = ", ".join(texts)
    return f" ({joined})" if joined[0].isalpha() else f" {joined}"


def summary(thing: type[Any]) -> str:
    """Return the first paragraph of a class's own docstring on one line, or the empty string."""
    text = inspect.cleandoc(vars(thing).get("__doc__") or "")
    return " ".join(text.split("\n\n")[0].split())


def full_description(thing: type[Any]) -> str:
    """Return the whole of a class's own docstring."""
    return inspect.cleandoc(vars(thing).get("__doc__") or "")


def flow_lines(thing: type[Any]) -> list[str]:
    """Return lines on what a stage needs, gives and ends; none where that depends on its options."""
    lines = []
    for word in ("needs", "gives", "ends"):
        names = getattr(thing, word, None)
        if isinstance(names, frozenset) and names:
            lines.append(f"{word} {', '.join(sorted(names))}")
    works_on = getattr(thing, "works_on", None)
    if works_on == "source":
        lines.append("stands first, in the place of input files")
    return lines


def reference(registry: Registry) -> str:
    """Return the Markdown reference of everything that is registered."""
    return "\n".join(_reference_lines(registry)).rstrip() + "\n"


def _reference_lines(registry: Registry) -> Iterator[str]:
    yield "# Stages, generators and recipes"
    yield ""
    yield "Made from the options' own definitions by `just docs`; changes belong there. `henshin plugins NAME` prints"
    yield "one entry, also of a plugin that is not listed here."
    kinds = (("Stages", registry.stages), ("Generators", registry.generators), ("Recipes", registry.recipes))
    for heading, things in kinds:
        yield ""
        yield f"## {heading}"
        for name in sorted(things):
            yield from _section(name, things[name])


def _section(name: str, thing: type[Any]) -> Iterator[str]:
    yield ""
    yield f"### {name}"
    yield ""
    yield full_description(thing)
    facts = flow_lines(thing)
    if facts:
        yield ""
        yield f"*{'; '.join(facts)}*"
    rows = describe_options(thing.Config)
    if not rows:
        return
    yield ""
    yield "| option | values | default | meaning |"
    yield "| --- | --- | --- | --- |"
    for row in rows:
        cells = (f"`{row.name}`", row.type, row.default, row.description)
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
