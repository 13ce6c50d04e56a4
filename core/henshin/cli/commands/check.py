"""`henshin check`, `henshin pipelines` and `henshin schema`: pipelines and their schema, without a run."""

from __future__ import annotations

import json
from pathlib import Path

import click

from henshin.cli.base import GroupedCommand, load_registry, print_line, print_problems
from henshin.cli.options import plugin_option, stage_overrides_option


@click.command(cls=GroupedCommand)
@click.argument("pipeline", nargs=-1, required=True)
@stage_overrides_option("Change an option for this check.")
@plugin_option
def check(pipeline: tuple[str, ...], overrides: tuple[str, ...], plugin_files: tuple[Path, ...]) -> int:
    """Say everything that is wrong with a PIPELINE (a file or the name of a ready one), and run nothing."""
    from henshin.errors import HenshinError
    from henshin.models import ModelStore
    from henshin.pipeline import load

    registry = load_registry(plugin_files)
    store = ModelStore()
    exit_code = 0
    for one in pipeline:
        try:
            loaded = load(one, registry, store, overrides)
        except HenshinError as error:
            print_problems(error, "")
            exit_code = _worse(exit_code, error.exit_code)
        else:
            click.echo(f"{loaded.path}: good: {' -> '.join(stage.name for stage in loaded.stages)}")
    return exit_code


def _worse(one: int, other: int) -> int:
    """Return the worse of two exit codes: a wrong pipeline (2) is worse than a missing model (3)."""
    return 2 if 2 in (one, other) else max(one, other)


@click.command(cls=GroupedCommand)
@click.argument("name", required=False)
def pipelines(name: str | None) -> None:
    """List the ready pipelines, or print the file of the one called NAME, to be copied and changed.

    Example: henshin pipelines selfie2anime > mine.yaml
    """
    if name is not None:
        from henshin.pipeline import find

        path = find(name)
        click.echo(path.read_text(encoding="utf-8"), nl=False)
        print_line(f"from {path}")
        return
    from henshin.cli.output import format_table
    from henshin.config.yaml_reader import load_yaml, to_python
    from henshin.files import data_folder
    from henshin.text import flatten

    rows = []
    for path in sorted(data_folder("pipelines").glob("*.yaml")):
        content = to_python(load_yaml(path))
        rows.append((path.stem, flatten(content.get("description", ""))))
    for line in format_table(rows, indent=""):
        click.echo(line)
    print_line(f"in {data_folder('pipelines')}")


@click.command(cls=GroupedCommand)
@plugin_option
def schema(plugin_files: tuple[Path, ...]) -> None:
    """Print the JSON schema of a pipeline, with every stage and option that is registered.

    An editor with a YAML language server completes and checks pipelines with it: save it as henshin.schema.json and
    begin a pipeline with `# yaml-language-server: $schema=henshin.schema.json`.
    """
    from henshin.pipeline.schema import schema as pipeline_schema
    from henshin.registry import build_registry

    click.echo(json.dumps(pipeline_schema(build_registry(plugin_files)), indent=2))
