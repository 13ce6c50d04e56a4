"""`henshin train` and `henshin export`: where running and training meet. PyTorch loads only when it is used."""

from __future__ import annotations

import re
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from henshin.cli.base import INTERRUPTED, GroupedCommand, Voice, option, plugin_option, registry_with, say, voiced
from henshin.cli.commands.run import device

_TRAINING = ("torch", "onnx", "onnxscript", "safetensors", "lightning_fabric")
_WATCHING = ("tensorboard", "matplotlib")
if TYPE_CHECKING:
    from henshin.registry import Registry
    from henshin.train.config.run_config import RunOptions, RunPlan

_WHERE, _LONG, _SAYS = "Where it runs", "How long", "What the model says of itself"


def duration(ctx: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Read `45s`, `9m`, `2h`, `1.5h`, or a number of seconds."""
    if value is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", value.strip())
    if match is None or float(match[1]) <= 0:
        raise click.BadParameter(f"'{value}' is no time; say 45s, 9m or 2h", ctx, parameter)
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


@click.command(cls=GroupedCommand)
@click.argument("run_file", metavar="RUN.yaml", type=click.Path(path_type=Path))
@option("-o", "--output", type=click.Path(path_type=Path), help="Folder of the run; runs/NAME, after the file.")
@option("--set", "overrides", multiple=True, metavar="OPTION=VALUE", help="Change what the file says: data.size=128.")
@plugin_option
@option("--resume", is_flag=True, help="Go on from the last checkpoint in the folder.", heading=_LONG)
@option(
    "--max-time", callback=duration, metavar="TIME", help="Stop after 45s, 9m, 2h; checkpoint first.", heading=_LONG
)
@option("--max-steps", type=click.IntRange(min=1), metavar="N", help="Stop at step N.", heading=_LONG)
@option(
    "--save-every", callback=duration, metavar="TIME", default="2m", show_default=True, heading=_LONG, help="Saves."
)
@option("--dry-run", is_flag=True, help="Say what would be done, and touch nothing.")
@option("--device", default="auto", show_default=True, callback=device, help="auto, cpu, cuda, cuda:N.", heading=_WHERE)
@option(
    "--devices",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    heading=_WHERE,
    help="GPUs (or processes on the CPU), each with its own pictures.",
)
@option(
    "--precision",
    type=click.Choice(["auto", "bf16", "fp32"]),
    default="auto",
    show_default=True,
    heading=_WHERE,
    help="auto: bf16 where the processor is fast at it.",
)
@option(
    "--compile/--no-compile",
    default=None,
    heading=_WHERE,
    help="Compile the networks (torch.compile). [default: on GPUs]",
)
@voiced
@click.pass_context
def train(
    ctx: click.Context,
    /,
    run_file: Path,
    output: Path | None,
    overrides: tuple[str, ...],
    plugin_files: tuple[Path, ...],
    **asked: Any,
) -> None:
    """Train a network as RUN.yaml says: `recipe: NAME` and that recipe's options. Ctrl-C saves and stops.

    Example: henshin train run.yaml -o runs/mine --max-time 9m
    """
    need_training(*_WATCHING)
    registry = registry_with(plugin_files)
    from henshin.train.config.run_config import RunOptions, load_run
    from henshin.train.loop.launch import default_folder

    dry_run = asked.pop("dry_run")
    plan = load_run(run_file, registry, overrides)
    folder = output or default_folder(plan)
    options = RunOptions(**asked, overrides=overrides, plugins=plugin_files)
    if dry_run:
        from henshin.train.loop.dry_run import foreseen

        for line in foreseen(plan, folder, registry, options):
            say(line, err=False)
    elif _trained(plan, folder, registry, options, ctx.ensure_object(Voice).level):
        ctx.exit(INTERRUPTED)


def _trained(plan: RunPlan, folder: Path, registry: Registry, options: RunOptions, level: int) -> bool:
    """Train; True if it was interrupted."""
    from henshin.cli.progress import voice
    from henshin.train.loop.launch import train as start
    from henshin.train.loop.launch import train_on_many

    if options.devices > 1:
        return train_on_many(plan, folder, options, partial(voice, level)).interrupted
    told = voice(level)
    try:
        return start(plan, folder, registry, options, told.say, told.show).interrupted
    finally:
        told.close()


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
    from henshin.cli.model_output import export_model, tell_of

    tell_of(export_model(run_folder, registry, **asked), "exported")


def need_training(*others: str, what: str = "training and export need") -> None:
    """Check that the packages of training are installed. Errors: MissingError with the command to install them."""
    from henshin.errors import MissingError

    for package in (*_TRAINING, *others):
        if find_spec(package) is None:
            raise MissingError(f"{what} {package}: pip install 'henshin[train]'")
