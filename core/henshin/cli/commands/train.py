"""`henshin train`: train a network as a run's YAML says. PyTorch loads only when it is used."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from henshin.cli.base import INTERRUPTED, GroupedCommand, Voice, registry_with, say
from henshin.cli.options import device, duration, need_training, option, plugin_option, voiced

if TYPE_CHECKING:
    from henshin.registry import Registry
    from henshin.train.config.run_config import RunPlan, TrainOptions


_WATCHING = ("tensorboard", "matplotlib")

_WHERE, _LONG = "Where it runs", "How long"


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
    from henshin.train.config.run_config import TrainOptions, load_run
    from henshin.train.loop.launch import default_folder

    dry_run = asked.pop("dry_run")
    plan = load_run(run_file, registry, overrides)
    folder = output or default_folder(plan)
    options = TrainOptions(**asked, overrides=overrides, plugins=plugin_files)
    if dry_run:
        from henshin.train.loop.dry_run import dry_run_report

        for line in dry_run_report(plan, folder, registry, options):
            say(line, err=False)
    elif _trained(plan, folder, registry, options, ctx.ensure_object(Voice).level):
        ctx.exit(INTERRUPTED)


def _trained(plan: RunPlan, folder: Path, registry: Registry, options: TrainOptions, level: int) -> bool:
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
