"""`henshin import`: weights that others published become a model of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from henshin.cli.base import GroupedCommand, registry_with
from henshin.cli.model_output import network_of
from henshin.cli.options import option, plugin_option

_LAYOUT, _SAYS = "What the weights are, where it cannot be told", "What the model says of itself"


@click.command("import", cls=GroupedCommand)
@click.argument("file", type=click.Path(path_type=Path))
@option("--name", help="Name of the model; else that of the file.")
@option("-o", "--output", type=click.Path(path_type=Path), help="Folder to put it in; else the user's folder.")
@option("--force", is_flag=True, help="Replace a model of the same name.")
@option("--fp16", is_flag=True, help="Store the weights in half the space; the arithmetic stays fp32.")
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
@option("--description", default="", help="What it draws, for the list of models.", heading=_SAYS)
@option("--data", default="", help="On what data it was trained.", heading=_SAYS)
@option("--licence", "--license", default="", help="Licence of the weights.", heading=_SAYS)
@option("--origin", default="", help="Whose they are, and from where; else the file's name and hash.", heading=_SAYS)
@plugin_option
def import_weights(
    file: Path,
    name: str | None,
    output: Path | None,
    force: bool,
    fp16: bool,
    keep_weights: bool,
    pictures: Path | None,
    overrides: tuple[str, ...],
    plugin_files: tuple[Path, ...],
    **said: Any,
) -> None:
    """Turn published weights into a model: FILE is .npz, .safetensors, .pth or .pt, or a folder of .npy files.

    Which network they are of is told from the names and shapes of their tensors. Nothing is written unless the model
    draws as PyTorch does, within one grey level. A network of several scales gives a model for each: NAME-x2, ...

    Example: henshin import Hayao_net_G_float.pth --name hayao
    """
    from henshin.cli.options import need_training

    need_training()
    registry = registry_with(plugin_files)
    from henshin.cli.model_output import options_of, pictures_below, tell_of
    from henshin.files import user_folder
    from henshin.train.export.models import check_name, write_models
    from henshin.train.weights.from_published import ImportOptions, from_published

    check_name(name or file.stem)
    source = from_published(file, registry, ImportOptions(options=options_of(overrides), **said))
    shown = pictures_below(pictures) if pictures else []
    folder = output or user_folder()
    written = write_models(source, name or file.stem, folder, shown, force=force, fp16=fp16, keep_weights=keep_weights)
    tell_of(written, f"imported ({network_of(source)})")
