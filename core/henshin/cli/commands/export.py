"""`henshin export`: a trained network becomes a model that passes its parity check."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from henshin.cli.base import GroupedCommand, load_registry
from henshin.cli.model_output import (
    NewModelOptions,
    parse_generator_options,
    print_models,
    read_parity_pictures,
    write_model,
)
from henshin.cli.options import model_text_options, option, plugin_option, storage_options
from henshin.cli.training_packages import require_training_packages
from henshin.errors import HenshinError
from henshin.text import join_names

if TYPE_CHECKING:
    from henshin.registry import Registry
    from henshin.train.export import WrittenModel
    from henshin.train.weights.trained_network import TrainedNetwork


_ELSEWHERE = "Weights from elsewhere"


@dataclass(frozen=True, kw_only=True)
class ExportCommandOptions(NewModelOptions):
    """The options of `henshin export`: the folder of a run, or a generator with its options and weights."""

    run_folder: Path | None
    generator: str | None
    overrides: tuple[str, ...]
    weights: Path | None
    size: int | None
    pictures: Path | None
    best: bool


@click.command(cls=GroupedCommand)
@click.argument("run_folder", metavar="[RUN]", required=False, type=click.Path(path_type=Path))
@option("--name", help="Name of the model; else that of the run's folder or of the weights' file.")
@option("-o", "--output", type=click.Path(path_type=Path), help="Folder; else ./exported in a checkout, or the user's.")
@option("--force", is_flag=True, help="Replace a model of the same name.")
@option("--best", is_flag=True, help="The state that measured best on held-out pictures (a run's evaluate_every).")
@option("--generator", help="Without RUN: the name of a generator plugin.", heading=_ELSEWHERE)
@option(
    "--set",
    "overrides",
    multiple=True,
    metavar="OPTION=VALUE",
    help="An option of that generator: width=32; a run's are known.",
    heading=_ELSEWHERE,
)
@option(
    "--weights",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Its weights, in a .safetensors file.",
    heading=_ELSEWHERE,
)
@option("--size", type=click.IntRange(min=1), help="Side of its training pictures; else the run's own.")
@option(
    "--pictures",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Photos for the parity check; else the run's own, or some that are made for it. A sampler wants none.",
)
@storage_options
@option("--keep-weights", is_flag=True, help="Also write NAME.safetensors, for stages that need gradients.")
@model_text_options()
@plugin_option
def export(**given: Any) -> None:
    """Turn a trained network into a model: an ONNX file that describes itself.

    Nothing is written unless it draws as PyTorch does, within one grey level. A network of several scales gives a model
    for each: NAME-x2, NAME-x3, ...

    Examples: henshin export runs/mine --name mine, or
    henshin export --generator resnet --weights FILE.safetensors --pictures photos/
    """
    options = ExportCommandOptions(**given)
    require_training_packages()
    print_models(export_model(options, load_registry(options.plugin_files)), "exported")


def export_model(options: ExportCommandOptions, registry: Registry) -> list[WrittenModel]:
    """Write a model, or the several of a network of several scales or parts; return each with its path and parity.

    Errors: HenshinError for wrong use, a taken name, or a failed parity check.
    """
    from henshin.train.export.models import check_name, default_folder
    from henshin.train.export.parity_pictures import held_out_pictures
    from henshin.train.weights.from_run import from_run

    _check_use(options)
    check_name(options.name)
    pictures = read_parity_pictures(options.pictures) if options.pictures else []
    if options.run_folder is not None:
        source = from_run(options.run_folder, registry, options.data, options.licence, options.size, options.best)
        name = options.name or options.run_folder.resolve().name
        pictures = pictures or held_out_pictures(options.run_folder, registry)
    else:
        source, name = _from_elsewhere(options, registry)
    source = replace(source, description=options.description)
    return write_model(source, options, name, default_folder(), pictures)


def _from_elsewhere(options: ExportCommandOptions, registry: Registry) -> tuple[TrainedNetwork, str]:
    """Return a generator with weights from a file, and the name of its model. Errors: HenshinError."""
    from henshin.train.weights.from_published import from_weights

    assert options.generator is not None
    assert options.weights is not None
    values = parse_generator_options(options.overrides)
    source = from_weights(
        options.generator, values, options.weights, registry, options.size, options.data, options.licence
    )
    return source, options.name or options.weights.stem


def _check_use(options: ExportCommandOptions) -> None:
    """Check that the options go together. Errors: HenshinError."""
    of_weights = {"--generator": options.generator, "--weights": options.weights, "--set": options.overrides}
    given = [word for word, value in of_weights.items() if value]
    if options.run_folder is not None and given:
        raise HenshinError(
            f"{join_names(given)}: only for weights from elsewhere; a run's folder says itself what its network is. "
            "Give either the folder, or --generator with --weights"
        )
    if options.run_folder is None and options.best:
        raise HenshinError("--best: only for a run's folder, which keeps the state that measured best")
    if options.run_folder is None and not (options.generator and options.weights):
        lacking = [word for word in ("--generator", "--weights") if not of_weights[word]]
        wanting = f"{join_names(given)} {'want' if len(given) > 1 else 'wants'} {join_names(lacking)}" if given else ""
        raise HenshinError(wanting or "nothing to export: give a run's folder, or --generator with --weights")
