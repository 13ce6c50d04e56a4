"""`henshin export`: turn a trained network into a model that passes its parity check."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from henshin.cli.base import GroupedCommand, registry_with
from henshin.cli.model_output import options_of, pictures_below, tell_of
from henshin.cli.options import need_training, option, plugin_option
from henshin.errors import HenshinError
from henshin.text import listed

if TYPE_CHECKING:
    from henshin.registry import Registry
    from henshin.train.export import WrittenModel
    from henshin.train.weights.trained_network import TrainedNetwork


_SAYS = "What the model says of itself"


@click.command(cls=GroupedCommand)
@click.argument("run_folder", metavar="[RUN]", required=False, type=click.Path(path_type=Path))
@option("--name", help="Name of the model; else that of the run's folder or of the weights' file.")
@option("-o", "--output", type=click.Path(path_type=Path), help="Folder; else ./exported in a checkout, or the user's.")
@option("--force", is_flag=True, help="Replace a model of the same name.")
@option("--generator", help="Without RUN: the name of a generator plugin.", heading="Weights from elsewhere")
@option(
    "--set",
    "overrides",
    multiple=True,
    metavar="OPTION=VALUE",
    help="An option of that generator: width=32; a run's are known.",
    heading="Weights from elsewhere",
)
@option(
    "--weights",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Its weights, in a .safetensors file.",
    heading="Weights from elsewhere",
)
@option("--size", type=click.IntRange(min=1), help="Side of its training pictures; else the run's own.")
@option(
    "--pictures",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Photos for the parity check; else the run's own, or some that are made for it. A sampler wants none.",
)
@option("--fp16", is_flag=True, help="Store the weights in half the space; the arithmetic stays fp32.")
@option("--keep-weights", is_flag=True, help="Also write NAME.safetensors, for stages that need gradients.")
@option("--description", default="", help="What it draws, for the list of models.", heading=_SAYS)
@option("--data", default="", help="On what data it was trained.", heading=_SAYS)
@option("--licence", "--license", default="", help="Licence of the weights.", heading=_SAYS)
@plugin_option
def export(run_folder: Path | None, plugin_files: tuple[Path, ...], **asked: Any) -> None:
    """Turn a trained network into a model: an ONNX file that describes itself.

    Nothing is written unless it draws as PyTorch does, within one grey level. A network of several scales gives a model
    for each: NAME-x2, NAME-x3, ...

    Examples: henshin export runs/mine --name mine, or
    henshin export --generator resnet --weights FILE.safetensors --pictures photos/
    """
    need_training()
    registry = registry_with(plugin_files)
    tell_of(export_model(run_folder, registry, **asked), "exported")


def export_model(
    run_folder: Path | None,
    registry: Registry,
    *,
    name: str | None,
    output: Path | None,
    force: bool,
    generator: str | None,
    weights: Path | None,
    overrides: tuple[str, ...],
    size: int | None,
    pictures: Path | None,
    fp16: bool,
    keep_weights: bool,
    description: str,
    data: str,
    licence: str,
) -> list[WrittenModel]:
    """Write a model, or the several of a network of several scales or parts; return each with its path and parity.

    Errors: HenshinError for wrong use, a taken name, or a failed parity check.
    """
    from henshin.train.export.models import check_name, default_folder, write_models
    from henshin.train.export.parity import held_pictures
    from henshin.train.weights.from_published import from_weights
    from henshin.train.weights.from_run import from_run

    _check_words(run_folder is not None, generator, weights, overrides)
    check_name(name)
    shown = pictures_below(pictures) if pictures else []
    if run_folder is not None:
        source: TrainedNetwork = from_run(run_folder, registry, data, licence, size)
        origin = run_folder.resolve().name
        shown = shown or held_pictures(run_folder, registry)
    else:
        assert generator is not None
        assert weights is not None
        source = from_weights(generator, options_of(overrides), weights, registry, size, data, licence)
        origin = weights.stem
    source = replace(source, description=description)
    folder = output or default_folder()
    return write_models(source, name or origin, folder, shown, force=force, fp16=fp16, keep_weights=keep_weights)


def _check_words(run: bool, generator: str | None, weights: Path | None, overrides: tuple[str, ...]) -> None:
    """Say which words of the command line do not go together. Errors: HenshinError."""
    of_weights = {"--generator": generator, "--weights": weights, "--set": overrides}
    given = [word for word, value in of_weights.items() if value]
    if run and given:
        raise HenshinError(
            f"{listed(given)}: only for weights from elsewhere; a run's folder says itself what its network is. Give "
            "either the folder, or --generator with --weights"
        )
    if not run and not (generator and weights):
        lacking = [word for word in ("--generator", "--weights") if not of_weights[word]]
        had = f"{listed(given)} {'want' if len(given) > 1 else 'wants'} {listed(lacking)}" if given else ""
        raise HenshinError(had or "nothing to export: give a run's folder, or --generator with --weights")
