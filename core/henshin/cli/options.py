"""Options that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import click

from henshin.cli.base import F, GroupedCommand, Voice

_VERBOSE = "Details, and tracebacks of errors; -vv: also the times of each picture."

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}

CELL_SIDE = click.IntRange(32, 1024)

ROW_COUNT = click.IntRange(1, 200)

SCALE = click.IntRange(1, 16)


class GroupedOption(click.Option):
    """An option that stands under a heading of its own in the help."""

    def __init__(self, *args: Any, heading: str = "Options", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.heading = heading


def option(*names: str, heading: str = "Options", **settings: Any) -> Callable[[F], F]:
    """Add an option under a heading."""
    return click.option(*names, cls=GroupedOption, heading=heading, **settings)


def _set_voice(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
    voice = ctx.ensure_object(Voice)
    if value:
        if voice.level:
            raise click.UsageError("-q and -v exclude each other", ctx)
        voice.level = -1 if parameter.name == "quiet" else int(value)


def voiced(command: F) -> F:
    """Add `-v` and `-q`; the command reads them with ``click.get_current_context().ensure_object(Voice)``."""
    settings: dict[str, Any] = {"expose_value": False, "callback": _set_voice, "heading": "What is said"}
    quiet = option("-q", "--quiet", is_flag=True, help="Only failures.", **settings)
    verbose = option("-v", "--verbose", count=True, help=_VERBOSE, **settings)
    return verbose(quiet(command))


def plugin_option(command: F) -> F:
    """Add `--plugin FILE`, handed on as ``plugin_files``."""
    from pathlib import Path

    return option(
        "--plugin",
        "plugin_files",
        type=click.Path(path_type=Path),
        multiple=True,
        metavar="FILE",
        help="A plugin that is not installed: a Python file. May be given several times.",
    )(command)


_HOW, _SHEET, _WHERE, _SAID = "How it is measured", "A sheet to look at", "Where networks run", "What is said"


def where_networks_run(command: F) -> F:
    """Add `--device`, `--require-gpu` and `--batch-size`."""
    chosen = option("--device", default="auto", show_default=True, callback=device, heading=_WHERE, help="As in run.")
    required = option("--require-gpu", is_flag=True, heading=_WHERE, help="Fail if no GPU can be used.")
    batch = option(
        "--batch-size", default="auto", show_default=True, callback=batch_size, heading=_WHERE, help="auto or a number."
    )
    return chosen(required(batch(command)))


def overrides_option(command: F) -> F:
    """Add `--set`, for pipelines."""
    return option(
        "--set",
        "overrides",
        multiple=True,
        metavar="STAGE.OPTION=VALUE",
        help="Change an option of the pipelines; {scale} in the value stands for the scale.",
    )(command)


class RunCommand(GroupedCommand):
    """Takes several paths after one `-i`, as a shell leaves them where it expands `-i photos/*.jpg`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the `-i` before each of its paths, then parse as usual."""
        return super().parse_args(ctx, spread_inputs(args))


def spread_inputs(words: list[str]) -> list[str]:
    """Turn `-i a b -o c` into `-i a -i b -o c`: every word up to the next option belongs to the `-i`."""
    spread: list[str] = []
    taking = False
    for position, word in enumerate(words):
        if word == "--":
            return spread + words[position:]
        if word in ("-i", "--input"):
            taking = True
            spread.append("-i")
        elif word.startswith("-") and word != "-":
            taking = word.startswith("--input=")
            spread.append(word)
        else:
            if taking and spread[-1] != "-i":
                spread.append("-i")
            spread.append(word)
    return spread


def batch_size(ctx: click.Context, parameter: click.Parameter, value: str) -> int | None:
    """Read `auto` (None) or a number of at least 1."""
    if value == "auto":
        return None
    if not value.isdigit() or int(value) < 1:
        raise click.BadParameter(f"'{value}' is neither 'auto' nor a number >= 1", ctx, parameter)
    return int(value)


def device(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    """Read `auto`, `cpu`, `cuda` or `cuda:N`."""
    from henshin.errors import HenshinError
    from henshin.runtime import parse_device

    try:
        parse_device(value)
    except HenshinError as error:
        raise click.BadParameter(str(error), ctx, parameter) from error
    return value


_TRAINING = ("torch", "onnx", "onnxscript", "safetensors", "lightning_fabric")


def duration(ctx: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Read `45s`, `9m`, `2h`, `1.5h`, or a number of seconds."""
    if value is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", value.strip())
    if match is None or float(match[1]) <= 0:
        raise click.BadParameter(f"'{value}' is no time; say 45s, 9m or 2h", ctx, parameter)
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def need_training(*others: str, what: str = "training and export need") -> None:
    """Check that the packages of training are installed. Errors: MissingError with the command to install them."""
    from henshin.errors import MissingError

    for package in (*_TRAINING, *others):
        if find_spec(package) is None:
            raise MissingError(f"{what} {package}: pip install 'henshin[train]'")
