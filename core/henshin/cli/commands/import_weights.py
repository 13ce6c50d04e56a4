"""`henshin import`: published weights become a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from henshin.cli.base import GroupedCommand, load_registry
from henshin.cli.model_output import (
    NewModelOptions,
    describe_network,
    parse_generator_options,
    print_models,
    read_parity_pictures,
    write_model,
)
from henshin.cli.options import MODEL_HEADING, model_text_options, option, plugin_option, storage_options
from henshin.cli.training_packages import require_training_packages

_LAYOUT = "What the weights are, where it cannot be told"


@dataclass(frozen=True, kw_only=True)
class ImportCommandOptions(NewModelOptions):
    """The options of `henshin import`: the weights, and facts about them that cannot be recognised."""

    file: Path
    pictures: Path | None
    generator: str | None
    overrides: tuple[str, ...]
    key: str | None
    size: int | None
    origin: str


@click.command("import", cls=GroupedCommand)
@click.argument("file", type=click.Path(path_type=Path))
@option("--name", help="Name of the model; else that of the file.")
@option("-o", "--output", type=click.Path(path_type=Path), help="Folder to put it in; else the user's folder.")
@option("--force", is_flag=True, help="Replace a model of the same name.")
@storage_options
@option("--keep-weights", is_flag=True, help="Also write NAME.safetensors, for stages that need gradients.")
@option(
    "--pictures",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Pictures for the parity check; else some that are made for it.",
)
@option("--generator", help="The generator whose weights these are.", heading=_LAYOUT)
@option(
    "--set", "overrides", multiple=True, metavar="OPTION=VALUE", help="An option of that generator.", heading=_LAYOUT
)
@option("--key", help="Of a file with several networks: which one.", heading=_LAYOUT)
@option("--size", type=click.IntRange(min=1), help="Side of the pictures it was trained on.", heading=_LAYOUT)
@model_text_options()
@option(
    "--origin",
    default="",
    help="Whose they are, and from where; else the file's name and hash.",
    heading=MODEL_HEADING,
)
@plugin_option
def import_weights(**given: Any) -> None:
    """Turn published weights into a model: FILE is .npz, .safetensors, .pth or .pt, or a folder of .npy files.

    The names and shapes of the tensors say which network they are of. Nothing is written unless the model draws as
    PyTorch does, within one grey level. A network of several scales gives a model for each: NAME-x2, ...

    Example: henshin import Hayao_net_G_float.pth --name hayao
    """
    options = ImportCommandOptions(**given)
    require_training_packages()
    registry = load_registry(options.plugin_files)
    from henshin.files import user_folder
    from henshin.train.export.models import check_name
    from henshin.train.weights.from_published import ImportOptions, from_published

    name = options.name or options.file.stem
    check_name(name)
    wanted = ImportOptions(
        generator=options.generator,
        options=parse_generator_options(options.overrides),
        key=options.key,
        size=options.size,
        description=options.description,
        origin=options.origin,
        data=options.data,
        licence=options.licence,
    )
    source = from_published(options.file, registry, wanted)
    pictures = read_parity_pictures(options.pictures) if options.pictures else []
    written = write_model(source, options, name, user_folder(), pictures)
    print_models(written, f"imported ({describe_network(source)})")
