"""`henshin train`: the training of a network as a run's YAML says. PyTorch loads only when it is used."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from henshin.cli.base import INTERRUPTED, GroupedCommand, Verbosity, load_registry, print_line
from henshin.cli.options import (
    device_option,
    option,
    parse_duration,
    plugin_option,
    verbosity_options,
)
from henshin.cli.training_packages import require_training_packages

if TYPE_CHECKING:
    from henshin.registry import Registry
    from henshin.train.config.run_config import RunPlan, TrainOptions


_LOGGING_PACKAGES = ("tensorboard", "matplotlib")

_WHERE, _LONG = "Where it runs", "How long"


@dataclass(frozen=True, kw_only=True)
class TrainCommandOptions:
    """The options of `henshin train`; ``max_time`` and ``save_every`` in seconds."""

    run_file: Path
    output: Path | None
    overrides: tuple[str, ...]
    plugin_files: tuple[Path, ...]
    resume: bool
    max_time: float | None
    max_steps: int | None
    save_every: float
    dry_run: bool
    device: str
    devices: int
    precision: str
    compile: bool | None

    def train_options(self) -> TrainOptions:
        """Return the options of the training itself."""
        from henshin.train.config.run_config import TrainOptions

        return TrainOptions(
            device=self.device,
            devices=self.devices,
            precision=self.precision,
            compile=self.compile,
            resume=self.resume,
            max_time=self.max_time,
            max_steps=self.max_steps,
            save_every=self.save_every,
            overrides=self.overrides,
            plugins=self.plugin_files,
        )


@click.command(cls=GroupedCommand)
@click.argument("run_file", metavar="RUN.yaml", type=click.Path(path_type=Path))
@option("-o", "--output", type=click.Path(path_type=Path), help="Folder of the run; runs/NAME, after the file.")
@option("--set", "overrides", multiple=True, metavar="OPTION=VALUE", help="Change what the file says: data.size=128.")
@plugin_option
@option("--resume", is_flag=True, help="Go on from the last checkpoint in the folder.", heading=_LONG)
@option(
    "--max-time",
    callback=parse_duration,
    metavar="TIME",
    help="Stop after 45s, 9m, 2h; checkpoint first.",
    heading=_LONG,
)
@option("--max-steps", type=click.IntRange(min=1), metavar="N", help="Stop at step N.", heading=_LONG)
@option(
    "--save-every",
    callback=parse_duration,
    metavar="TIME",
    default="2m",
    show_default=True,
    heading=_LONG,
    help="Time between checkpoints.",
)
@option("--dry-run", is_flag=True, help="Say what would be done, and touch nothing.")
@device_option(_WHERE)
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
@verbosity_options
@click.pass_context
def train(ctx: click.Context, /, **given: Any) -> None:
    """Train a network as RUN.yaml says: `recipe: NAME` and that recipe's options. Ctrl-C saves and stops.

    Example: henshin train run.yaml -o runs/mine --max-time 9m
    """
    options = TrainCommandOptions(**given)
    require_training_packages(*_LOGGING_PACKAGES)
    registry = load_registry(options.plugin_files)
    from henshin.train.config.run_config import load_run
    from henshin.train.loop.launch import default_folder

    plan = load_run(options.run_file, registry, options.overrides)
    folder = options.output or default_folder(plan)
    if options.dry_run:
        from henshin.train.loop.dry_run import dry_run_report

        for line in dry_run_report(plan, folder, registry, options.train_options()):
            print_line(line, err=False)
    elif _train(plan, folder, registry, options.train_options(), ctx.ensure_object(Verbosity).level):
        ctx.exit(INTERRUPTED)


def _train(plan: RunPlan, folder: Path, registry: Registry, options: TrainOptions, level: int) -> bool:
    """Train; return whether it was interrupted."""
    from henshin.cli.progress import make_training_reporter
    from henshin.train.loop.launch import train as train_here
    from henshin.train.loop.launch import train_on_many

    if options.devices > 1:
        return train_on_many(plan, folder, options, partial(make_training_reporter, level)).interrupted
    reporter = make_training_reporter(level)
    try:
        return train_here(plan, folder, registry, options, reporter.say, reporter.show).interrupted
    finally:
        reporter.close()
