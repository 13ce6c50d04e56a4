"""`henshin blend`: blocks of one network in another, exported as a model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from henshin.cli.base import GroupedCommand
from henshin.cli.options import option, plugin_option
from henshin.errors import HenshinError

if TYPE_CHECKING:
    from henshin.train.weights.blending import Blocks

_BLOCKS, _SAYS = "Which blocks, counted from 1, the one of 4 pixels", "What the model says of itself"


@click.command(cls=GroupedCommand)
@click.argument("sources", nargs=-1, required=True, metavar="BASE OTHER | FILE.yaml")
@option("--name", help="Name of the model; else that of the file.")
@option("-o", "--output", type=click.Path(path_type=Path), help="Folder; else ./exported in a checkout, or the user's.")
@option("--force", is_flag=True, help="Replace a model of the same name.")
@option("--fp16", is_flag=True, help="Store the weights in half the space; the arithmetic stays fp32.")
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
@option("--description", default="", help="What it draws, for the list of models.", heading=_SAYS)
@option("--data", default="", help="On what data it was trained; else what both say.", heading=_SAYS)
@option("--licence", "--license", default="", help="Licence of the weights; else what both say.", heading=_SAYS)
@plugin_option
def blend(
    sources: tuple[str, ...],
    name: str | None,
    output: Path | None,
    force: bool,
    fp16: bool,
    keep_weights: bool,
    first: int | None,
    to: int | None,
    last: int | None,
    share: str,
    description: str,
    data: str,
    licence: str,
    plugin_files: tuple[Path, ...],
) -> None:
    """Make a model of BASE with some blocks of OTHER: models that have NAME.safetensors, such files, or runs' folders.

    The mapping stays BASE's. FILE.yaml says the same, of several others too:
    `blocks: {base: g, swap: {from: 3, to: 6, model: g_fin4, share: 0.5}}`, where `swap` may be a list.

    Examples: henshin blend faces anime --last 1 --name faces-anime-1, or
    henshin blend faces anime --from 3 --to 6 --share 0.25,0.5,0.75,1 --name soft
    """
    from henshin.cli.base import registry_with
    from henshin.cli.options import need_training

    need_training()
    registry = registry_with(plugin_files)
    from henshin.cli.model_output import tell_of
    from henshin.models import ModelStore
    from henshin.train.export.models import check_name, default_folder, write_models
    from henshin.train.weights import load_trained_network
    from henshin.train.weights.blending import blended, read_blend

    check_name(name)
    if len(sources) == 1 and sources[0].endswith((".yaml", ".yml")):
        if (first, to, last, share) != (None, None, None, "1"):
            raise HenshinError(f"--from, --to, --last and --share: {sources[0]} itself says which blocks")
        file = Path(sources[0])
        blocks, base, name = read_blend(file), file.parent, name or file.stem
    else:
        blocks, base = _asked(sources, first, to, last, share), Path()
        if name is None:
            raise HenshinError("a model of two wants a --name")
    store = ModelStore()
    swaps = [(swap, load_trained_network(swap.model, registry, store, base)) for swap in blocks.swap]
    names = [_called(one) for one in (blocks.base, *(swap.model for swap in blocks.swap))]
    source = blended(names, load_trained_network(blocks.base, registry, store, base), swaps)
    source = replace(source, description=description, data=data or source.data, licence=licence or source.licence)
    folder = output or default_folder()
    written = write_models(source, name, folder, [], force=force, fp16=fp16, keep_weights=keep_weights)
    tell_of(written, "written")


def _asked(sources: tuple[str, ...], first: int | None, to: int | None, last: int | None, share: str) -> Blocks:
    """What the words of the command line say. Errors: HenshinError."""
    from henshin.train.weights.blending import Blocks, Swap

    if len(sources) != 2:
        raise HenshinError("give two networks, BASE and OTHER, or one FILE.yaml")
    if last is not None and (first is not None or to is not None):
        raise HenshinError("--last M says which blocks; --from and --to would say it again")
    try:
        shares = tuple(float(one) for one in share.split(","))
    except ValueError as error:
        raise HenshinError(f"--share {share}: a number from 0 to 1, or several with commas between") from error
    said = {"from": first, "to": to, "last": last, "model": sources[1]}
    swap = Swap.model_validate({**said, "share": shares[0] if len(shares) == 1 else shares})
    return Blocks(base=sources[0], swap=(swap,))


def _called(source: str) -> str:
    """What a network is called in words on where a model comes from: where it lay is nobody's business."""
    return Path(source).stem if source.endswith((".onnx", ".safetensors")) else Path(source).name
