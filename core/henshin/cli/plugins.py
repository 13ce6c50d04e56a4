"""`henshin plugins`: what is registered, by whom, and what each takes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from henshin.cli.base import GroupedCommand, option, plugin_option, say
from henshin.errors import HenshinError

if TYPE_CHECKING:
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
        from henshin.cli.reference import page

        click.echo(page(registry), nl=False)
    elif as_json:
        click.echo(json.dumps(_everything(registry), indent=2))
    elif name:
        _explain(registry, name)
    else:
        _list(registry)
        for problem in registry.problems:
            say(f"henshin: {problem}")


def _kinds(registry: Registry) -> dict[str, dict[str, type[Any]]]:
    kinds: dict[str, dict[str, type[Any]]] = {
        "stages": dict(registry.stages),
        "generators": dict(registry.generators),
        "recipes": dict(registry.recipes),
    }
    return kinds


def owner(registry: Registry, kind: str, name: str) -> str:
    """Say which plugin registered a name, and where it came from."""
    return str(registry.owners[kind.removesuffix("s"), name])


def _list(registry: Registry) -> None:
    from shutil import get_terminal_size

    from henshin.cli.reference import summary
    from henshin.cli.text import table

    # Cut to the width of a terminal; whole where another program reads.
    width = get_terminal_size().columns if sys.stdout.isatty() else 0
    for kind, things in _kinds(registry).items():
        click.echo(f"{kind.capitalize()}:")
        rows = [(name, owner(registry, kind, name), summary(things[name])) for name in sorted(things)]
        for line in table(rows, width=width) or ["  none"]:
            click.echo(line)


def _explain(registry: Registry, name: str) -> None:
    from henshin.cli.reference import options, order, story
    from henshin.words import did_you_mean

    kinds = _kinds(registry)
    found = [(kind, things[name]) for kind, things in kinds.items() if name in things]
    if not found:
        names = [one for things in kinds.values() for one in things]
        raise HenshinError(f"no stage, generator or recipe named '{name}'{did_you_mean(name, names)}")
    for kind, thing in found:
        click.echo(f"{name}: a {kind.removesuffix('s')} of {owner(registry, kind, name)}")
        for line in [*story(thing).splitlines(), *order(thing)]:
            click.echo(f"  {line}".rstrip())
        for row in options(thing.Config):
            click.echo(f"\n  {row.name}: {row.type} (default: {row.default})")
            click.echo(click.wrap_text(row.description, 100, initial_indent="    ", subsequent_indent="    "))


def _everything(registry: Registry) -> dict[str, Any]:
    from henshin.cli.reference import summary

    listing: dict[str, Any] = {
        kind: {
            name: {
                "owner": owner(registry, kind, name),
                "description": summary(thing),
                "options": thing.Config.model_json_schema(),
            }
            for name, thing in sorted(things.items())
        }
        for kind, things in _kinds(registry).items()
    }
    return {**listing, "problems": list(registry.problems)}
