"""`henshin blend`: blocks of one network in another, exported as a model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from henshin.cli.base import GroupedCommand, load_registry
from henshin.cli.model_output import NewModelOptions, print_models, write_model
from henshin.cli.options import model_text_options, option, plugin_option, storage_options
from henshin.cli.training_packages import require_training_packages
from henshin.errors import HenshinError

if TYPE_CHECKING:
    from henshin.train.weights.blending import Blocks

_BLOCKS = "Which blocks, counted from 1, the one of 4 pixels"


@dataclass(frozen=True, kw_only=True)
class BlendCommandOptions(NewModelOptions):
    """The options of `henshin blend`: two networks and the blocks to take, or the file that names both."""

    sources: tuple[str, ...]
    first: int | None
    to: int | None
    last: int | None
    share: str

    @property
    def file(self) -> Path | None:
        """The YAML file that names the networks and blocks, if one is given in place of them."""
        is_file = len(self.sources) == 1 and self.sources[0].endswith((".yaml", ".yml"))
        return Path(self.sources[0]) if is_file else None


@click.command(cls=GroupedCommand)
@click.argument("sources", nargs=-1, required=True, metavar="BASE OTHER | FILE.yaml")
@option("--name", help="Name of the model; else that of the file.")
@option("-o", "--output", type=click.Path(path_type=Path), help="Folder; else ./exported in a checkout, or the user's.")
@option("--force", is_flag=True, help="Replace a model of the same name.")
@storage_options
@option("--keep-weights", is_flag=True, help="Also write NAME.safetensors; of networks of two parts it always is.")
@option("--from", "first", type=click.IntRange(min=1), help="The first block of OTHER.", heading=_BLOCKS)
@option("--to", type=click.IntRange(min=1), help="The last block of OTHER; else the last there is.", heading=_BLOCKS)
@option("--last", type=click.IntRange(min=1), metavar="M", help="In place of both: the last M blocks.", heading=_BLOCKS)
@option(
    "--share",
    default="1",
    metavar="S[,S...]",
    help="How much of OTHER's weights, 0 to 1; or one for each of the blocks.  [default: 1]",
    heading=_BLOCKS,
)
@model_text_options(otherwise="; else what both say")
@plugin_option
def blend(**given: Any) -> None:
    """Make a model of BASE with some blocks of OTHER: models that have NAME.safetensors, such files, or runs' folders.

    The mapping stays BASE's. FILE.yaml says the same, of several others too:
    `blocks: {base: g, swap: {from: 3, to: 6, model: g_fin4, share: 0.5}}`, where `swap` may be a list.

    Examples: henshin blend faces anime --last 1 --name faces-anime-1, or
    henshin blend faces anime --from 3 --to 6 --share 0.25,0.5,0.75,1 --name soft
    """
    options = BlendCommandOptions(**given)
    require_training_packages()
    registry = load_registry(options.plugin_files)
    from henshin.models import ModelStore
    from henshin.train.export.models import check_name, default_folder
    from henshin.train.weights import load_trained_network
    from henshin.train.weights.blending import blend_networks

    check_name(options.name)
    blocks = _read_blocks(options)
    name = options.name or (options.file.stem if options.file else None)
    if name is None:
        raise HenshinError("a model of two wants a --name")
    store, base = ModelStore(), options.file.parent if options.file else Path()
    swaps = [(swap, load_trained_network(swap.model, registry, store, base)) for swap in blocks.swap]
    names = [_display_name(one) for one in (blocks.base, *(swap.model for swap in blocks.swap))]
    source = blend_networks(names, load_trained_network(blocks.base, registry, store, base), swaps)
    source = replace(
        source,
        description=options.description,
        data=options.data or source.data,
        licence=options.licence or source.licence,
    )
    print_models(write_model(source, options, name, default_folder()), "written")


def _read_blocks(options: BlendCommandOptions) -> Blocks:
    """Return the networks and their blocks, from the file or from the options. Errors: HenshinError."""
    from henshin.train.weights.blending import Blocks, Swap, read_blend

    if options.file is not None:
        if (options.first, options.to, options.last, options.share) != (None, None, None, "1"):
            raise HenshinError(f"--from, --to, --last and --share: {options.sources[0]} itself says which blocks")
        return read_blend(options.file)
    if len(options.sources) != 2:
        raise HenshinError("give two networks, BASE and OTHER, or one FILE.yaml")
    if options.last is not None and (options.first is not None or options.to is not None):
        raise HenshinError("--last M says which blocks; --from and --to would say it again")
    try:
        shares = tuple(float(one) for one in options.share.split(","))
    except ValueError as error:
        raise HenshinError(f"--share {options.share}: a number from 0 to 1, or several with commas between") from error
    base, other = options.sources
    swap = Swap.model_validate(
        {
            "from": options.first,
            "to": options.to,
            "last": options.last,
            "model": other,
            "share": shares[0] if len(shares) == 1 else shares,
        }
    )
    return Blocks(base=base, swap=(swap,))


def _display_name(source: str) -> str:
    """Return the name of a network in a model's origin: without its folder, which is private."""
    return Path(source).stem if source.endswith((".onnx", ".safetensors")) else Path(source).name
