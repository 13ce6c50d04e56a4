"""`henshin models`: the list of models, their contracts, the check of their files, and their download."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from henshin.cli.base import GroupedCommand, LazyCommand, LazyGroup, print_error, print_line
from henshin.cli.options import option

if TYPE_CHECKING:
    from henshin.models import CatalogueEntry, IndexEntry, ResolvedModel

_MODULE = "henshin.cli.commands.models"
COMMANDS = {
    "list": LazyCommand(f"{_MODULE}:list_models", "List all models, installed or downloadable.", "Commands"),
    "show": LazyCommand(f"{_MODULE}:show", "Print what a model says of itself.", "Commands"),
    "verify": LazyCommand(f"{_MODULE}:verify", "Compare files with the hashes that are listed.", "Commands"),
    "pull": LazyCommand(
        f"{_MODULE}:pull", "Download a listed model, checked by its hash; import it if need be.", "Commands"
    ),
}

_PICTURE_FIELDS = ("layout", "size_multiple", "scale", "reach", "maximum_size")
"""Fields of a contract about input pictures: without meaning for a model that takes none."""


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
    """List all models, installed or downloadable with `henshin models pull`."""
    _list(as_json)


def _list(as_json: bool) -> None:
    from henshin.cli.output import format_table
    from henshin.models import ModelStore
    from henshin.models.catalogue import list_models as all_models

    listed = all_models(ModelStore())
    if as_json:
        click.echo(json.dumps([_as_dict(one) for one in listed], indent=2))
        return
    rows = [(one.name, one.kind, _location(one), _licence_or_problem(one)) for one in listed]
    for line in format_table([("NAME", "KIND", "FILE", "LICENCE"), *rows] if rows else [], indent=""):
        click.echo(line)
    if not listed:
        print_line("henshin: no models here; `henshin export` makes one")


def _location(one: CatalogueEntry) -> str:
    if one.path is not None:
        return str(one.path)
    needs = f"; needs henshin[{one.needs}]" if one.needs else ""
    return f"(henshin models pull {one.name}{needs})"


def _licence_or_problem(one: CatalogueEntry) -> str:
    if one.problem:
        return f"unusable: {one.problem}"
    return (one.contract.licence if one.contract else "") or (one.entry.licence if one.entry else "") or "not stated"


def _as_dict(one: CatalogueEntry) -> dict[str, Any]:
    return {
        "name": one.name,
        "kind": one.kind,
        "source": one.source,
        "path": None if one.path is None else str(one.path),
        "contract": None if one.contract is None else one.contract.model_dump(mode="json"),
        "needs": one.needs,
        "entry": None if one.entry is None else one.entry.model_dump(mode="json"),
        "problem": one.problem,
    }


@click.command(cls=GroupedCommand)
@click.argument("name")
def show(name: str) -> None:
    """Print what the model NAME (or an .onnx file) says of itself: its contract, origin, data and licence.

    Of a multi-scale NAME all that are here: NAME-x2, NAME-x3, ...
    """
    from henshin.errors import HenshinError, MissingError
    from henshin.models import ModelStore

    try:
        store = ModelStore()
        here = [one for one in store.full_names(name) if store.find_file(one) is not None]
        family = [(found, store.entries.get(found.name)) for found in map(store.find, here or [name])]
    except HenshinError as error:
        raise MissingError(str(error)) from error  # exit code 3, as in a run, whatever is wrong with a model
    for found, entry in family:
        _print_model(found, entry)


def _print_model(found: ResolvedModel, entry: IndexEntry | None) -> None:
    from henshin.cli.output import format_size, format_table

    click.echo(f"{found.name}: {found.path} ({format_size(found.path.stat().st_size)})")
    values = found.contract.model_dump(mode="json")
    if entry is not None and not values["description"]:
        values["description"] = entry.description  # of models that were exported before contracts had one
    hidden = () if found.contract.kind == "translator" else _PICTURE_FIELDS
    rows = [
        (key, value if isinstance(value, str) else json.dumps(value))
        for key, value in values.items()
        if value not in (None, "", {}) and key not in hidden
    ]
    for line in format_table(rows):
        click.echo(line)


@click.command(cls=GroupedCommand)
@click.argument("names", nargs=-1)
def verify(names: tuple[str, ...]) -> int:
    """Compare the files of the models NAMES (default: all that are here and have a listed hash) with their hashes.

    A multi-scale NAME stands for NAME-x2, NAME-x3, ...
    """
    from henshin.errors import HenshinError, MissingError
    from henshin.models import ModelStore
    from henshin.models.catalogue import list_models as all_models

    store = ModelStore()
    chosen = names or tuple(one.name for one in all_models(store) if one.entry is not None and one.path is not None)
    if not chosen:
        print_line("henshin: nothing to verify: no model that is here has a listed hash")
    exit_code = 0
    for name in (full for one in chosen for full in store.full_names(one)):
        try:
            click.echo(f"{name}: whole ({store.verify(name)})")
        except HenshinError as error:
            print_error(str(error))
            exit_code = MissingError.exit_code
    return exit_code


@click.command(cls=GroupedCommand)
@click.argument("names", nargs=-1, required=True)
@option("-o", "--output", type=click.Path(path_type=Path), help="Folder to put it in; else the user's folder.")
@option("--force", is_flag=True, help="Replace another file of the same name.")
def pull(names: tuple[str, ...], output: Path | None, force: bool) -> None:
    """Download the listed models NAMES from their public address; nothing is kept whose hash is not the listed one.

    What is listed as weights for PyTorch is imported at once, which needs henshin[train]. A multi-scale NAME stands for
    NAME-x2, NAME-x3, ...
    """
    from henshin.models import ModelStore
    from henshin.models.download import pull as download

    store = ModelStore()
    for name in names:
        entry, weights = store.entries.get(name), store.weights_for(name)
        if weights is not None and (entry is None or entry.url is None):
            from henshin.cli.model_output import pull_weights

            pull_weights(weights, output or store.user, force)
            continue
        for one in store.full_names(name):
            click.echo(f"{one}: {download(store, one, output, force)}")
