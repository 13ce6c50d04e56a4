"""`henshin models`: what is at hand, what each says of itself, whether files are whole, fetching what is listed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from henshin.cli.base import GroupedCommand, Lazy, LazyGroup, complain, option, say

if TYPE_CHECKING:
    from henshin.models import Listed

_HOME = "henshin.cli.models"
COMMANDS = {
    "list": Lazy(f"{_HOME}:list_models", "List all models, at hand or to be had.", "Commands"),
    "show": Lazy(f"{_HOME}:show", "Print what a model says of itself.", "Commands"),
    "verify": Lazy(f"{_HOME}:verify", "Compare files with the hashes that are listed.", "Commands"),
    "pull": Lazy(f"{_HOME}:pull", "Download a listed model, checked by its hash.", "Commands"),
}

_OF_PICTURES = ("layout", "size_multiple", "scale", "reach", "maximum_size")
"""Fields of a contract that say how pictures are taken: nothing to a model that takes none."""


@click.group(cls=LazyGroup, lazy=COMMANDS, invoke_without_command=True)
@click.pass_context
def models(ctx: click.Context) -> None:
    """List, show, verify and fetch models (without a command: list them).

    A name is looked for in ./exported, in the user's folder ($HENSHIN_MODELS), and in what came with henshin.
    """
    if ctx.invoked_subcommand is None:
        _list(as_json=False)


@click.command(cls=GroupedCommand)
@option("--json", "as_json", is_flag=True, help="Print names, files, contracts and problems as JSON.")
def list_models(as_json: bool) -> None:
    """List all models, at hand or to be had by `henshin models pull`."""
    _list(as_json)


def _list(as_json: bool) -> None:
    from henshin.cli.text import table
    from henshin.models import ModelStore

    listed = ModelStore().list()
    if as_json:
        click.echo(json.dumps([_everything(one) for one in listed], indent=2))
        return
    rows = [(one.name, one.kind, _where(one), _about(one)) for one in listed]
    for line in table([("NAME", "KIND", "FILE", "LICENCE"), *rows] if rows else [], indent=""):
        click.echo(line)
    if not listed:
        say("henshin: no models here; `henshin export` makes one")


def _where(one: Listed) -> str:
    return f"(henshin models pull {one.name})" if one.path is None else str(one.path)


def _about(one: Listed) -> str:
    if one.problem:
        return f"unusable: {one.problem}"
    return (one.contract.licence if one.contract else "") or (one.entry.licence if one.entry else "") or "not stated"


def _everything(one: Listed) -> dict[str, Any]:
    return {
        "name": one.name,
        "kind": one.kind,
        "source": one.source,
        "path": None if one.path is None else str(one.path),
        "contract": None if one.contract is None else one.contract.model_dump(mode="json"),
        "entry": None if one.entry is None else one.entry.model_dump(mode="json"),
        "problem": one.problem,
    }


@click.command(cls=GroupedCommand)
@click.argument("name")
def show(name: str) -> None:
    """Print what the model NAME (or an .onnx file) says of itself: its contract, origin, data and licence."""
    from henshin.cli.text import size, table
    from henshin.errors import HenshinError, MissingError
    from henshin.models import ModelStore

    try:
        store = ModelStore()
        found = store.find(name)
        entry = store.entries.get(found.name)
    except HenshinError as error:
        raise MissingError(str(error)) from error  # exit code 3, as a run has it whatever is wrong with a model
    click.echo(f"{found.name}: {found.path} ({size(found.path.stat().st_size)})")
    values = found.contract.model_dump(mode="json")
    if entry is not None and not values["description"]:
        values["description"] = entry.description  # of models that were exported before contracts had one
    beside = _OF_PICTURES if found.contract.kind != "translator" else ()
    rows = [
        (key, value if isinstance(value, str) else json.dumps(value))
        for key, value in values.items()
        if value not in (None, "", {}) and key not in beside
    ]
    for line in table(rows):
        click.echo(line)


@click.command(cls=GroupedCommand)
@click.argument("names", nargs=-1)
def verify(names: tuple[str, ...]) -> int:
    """Compare the files of the models NAMES (default: all that are here and have a listed hash) with their hashes."""
    from henshin.errors import HenshinError, MissingError
    from henshin.models import ModelStore

    store = ModelStore()
    chosen = names or tuple(one.name for one in store.list() if one.entry is not None and one.path is not None)
    if not chosen:
        say("henshin: nothing to verify: no model that is here has a listed hash")
    worst = 0
    for name in chosen:
        try:
            click.echo(f"{name}: whole ({store.verify(name)})")
        except HenshinError as error:
            complain(str(error))
            worst = MissingError.exit_code
    return worst


@click.command(cls=GroupedCommand)
@click.argument("names", nargs=-1, required=True)
@option("-o", "--output", type=click.Path(path_type=Path), help="Folder to put it in; else the user's folder.")
@option("--force", is_flag=True, help="Replace another file of the same name.")
def pull(names: tuple[str, ...], output: Path | None, force: bool) -> None:
    """Download the listed models NAMES from their public address; nothing is kept whose hash is not the listed one."""
    from henshin.models import ModelStore

    store = ModelStore()
    for name in names:
        click.echo(f"{name}: {store.pull(name, output, force)}")
