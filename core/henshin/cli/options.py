"""Options that several commands share: the decorators that add them, and the dataclasses that hold their values."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from henshin.cli.base import F, GroupedCommand, Verbosity

DEVICE_HEADING, OUTPUT_HEADING, MODEL_HEADING = "Device", "Output", "Model description"

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}

CELL_SIDE = click.IntRange(32, 1024)

ROW_COUNT = click.IntRange(1, 200)

SCALE = click.IntRange(1, 16)

LEAST_MEMORY = 16 << 20


@dataclass(frozen=True, kw_only=True)
class DeviceOptions:
    """The values of ``device_options``; ``batch_size`` None lets the device decide."""

    device: str
    require_gpu: bool
    batch_size: int | None


class GroupedOption(click.Option):
    """An option that stands under a heading of its own in the help."""

    def __init__(self, *args: Any, heading: str = "Options", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.heading = heading


def option(*names: str, heading: str = "Options", **settings: Any) -> Callable[[F], F]:
    """Add an option under a heading."""
    return click.option(*names, cls=GroupedOption, heading=heading, **settings)


def json_option(what: str = "everything") -> Callable[[F], F]:
    """Return the option `--json`, handed on as ``as_json``, that prints ``what`` for machines and nothing else."""
    told = f"Print {what} for machines on stdout, and only that."
    return option("--json", "as_json", is_flag=True, heading=OUTPUT_HEADING, help=told)


def verbosity_options(command: F) -> F:
    """Add `-v` and `-q`; the command reads them with ``context.ensure_object(Verbosity)``."""
    settings: dict[str, Any] = {"expose_value": False, "callback": _set_verbosity, "heading": OUTPUT_HEADING}
    quiet = option("-q", "--quiet", is_flag=True, help="Only failures.", **settings)
    details = "Details, and tracebacks of errors; -vv: also the times of each picture."
    verbose = option("-v", "--verbose", count=True, help=details, **settings)
    return verbose(quiet(command))


def _set_verbosity(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
    verbosity = ctx.ensure_object(Verbosity)
    if value:
        if verbosity.level:
            raise click.UsageError("-q and -v exclude each other", ctx)
        verbosity.level = -1 if parameter.name == "quiet" else int(value)


def plugin_option(command: F) -> F:
    """Add `--plugin FILE`, handed on as ``plugin_files``."""
    what = "a .py file, a package folder, or a module's name"
    return option(
        "--plugin",
        "plugin_files",
        type=click.Path(path_type=Path),
        multiple=True,
        metavar="FILE",
        help=f"A plugin that is not installed: {what}. May be given several times.",
    )(command)


def device_option(heading: str) -> Callable[[F], F]:
    """Add `--device` of a training."""
    return _device_option(heading, check_training_device, "auto, cpu, cuda, cuda:N.")


def _device_option(heading: str, check: Callable[..., str], text: str) -> Callable[[F], F]:
    return option("--device", default="auto", show_default=True, callback=check, heading=heading, help=text)


def device_options(command: F) -> F:
    """Add `--device`, `--require-gpu` and `--batch-size`: the fields of ``DeviceOptions``."""
    required = option(
        "--require-gpu",
        is_flag=True,
        heading=DEVICE_HEADING,
        help="Fail if no GPU can be used, also without any network.",
    )
    batch_size = option(
        "--batch-size",
        default="auto",
        show_default=True,
        callback=parse_batch_size,
        heading=DEVICE_HEADING,
        help="auto or a number.",
    )
    text = "auto, cpu, cuda, cuda:N, tensorrt; or openvino, which is faster on CPUs; :fp32, :bf16, :fp16 may follow."
    return _device_option(DEVICE_HEADING, check_device, text)(required(batch_size(command)))


def inputs_option(command: F) -> F:
    """Add `-i PATH...`, handed on as ``inputs``; the command's class is ``InputsCommand``."""
    text = "Files, folders (with all below them), globs."
    return option("-i", "--input", "inputs", multiple=True, metavar="PATH...", help=text)(command)


def stage_overrides_option(text: str) -> Callable[[F], F]:
    """Add `--set STAGE.OPTION=VALUE`, handed on as ``overrides``, with this help text."""
    return option("--set", "overrides", multiple=True, metavar="STAGE.OPTION=VALUE", help=text)


def storage_options(command: F) -> F:
    """Add `--fp16` and `--int8`, handed on as ``storage``; the last one counts, "fp32" is without."""
    less = option(
        "--int8", "storage", flag_value="int8", help="Store them in a quarter of the space, each to within 0.4 %."
    )
    half = option(
        "--fp16", "storage", flag_value="fp16", default="fp32",
        help="Store the weights in half the space; the arithmetic stays fp32.",
    )  # fmt: skip
    return half(less(command))


def model_text_options(otherwise: str = "") -> Callable[[F], F]:
    """Add `--description`, `--data` and `--licence`; ``otherwise`` ends the help texts of the last two."""

    def add(command: F) -> F:
        description = option(
            "--description", default="", help="What it draws, for the list of models.", heading=MODEL_HEADING
        )
        data = option("--data", default="", help=f"On what data it was trained{otherwise}.", heading=MODEL_HEADING)
        licence = option(
            "--licence", "--license", default="", help=f"Licence of the weights{otherwise}.", heading=MODEL_HEADING
        )
        return description(data(licence(command)))

    return add


class InputsCommand(GroupedCommand):
    """A command that takes several paths after one `-i`, as a shell gives them for `-i photos/*.jpg`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat `-i` before each of its paths, then parse as usual."""
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


def parse_batch_size(ctx: click.Context, parameter: click.Parameter, value: str) -> int | None:
    """Parse `auto` (None) or a number of at least 1."""
    if value == "auto":
        return None
    if not value.isdigit() or int(value) < 1:
        raise click.BadParameter(f"'{value}' is neither 'auto' nor a number >= 1", ctx, parameter)
    return int(value)


def check_device(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    """Return the words of a device for networks as they are. Errors: click.BadParameter if they name none."""
    from henshin.runtime import parse_choice

    return _checked_device(parse_choice, ctx, parameter, value)


def check_training_device(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    """Return `auto`, `cpu`, `cuda` or `cuda:N` as it is. Errors: click.BadParameter for anything else."""
    from henshin.runtime import parse_device

    return _checked_device(parse_device, ctx, parameter, value)


def _checked_device(parse: Callable[[str], object], ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    from henshin.errors import HenshinError

    try:
        parse(value)
    except HenshinError as error:
        raise click.BadParameter(str(error), ctx, parameter) from error
    return value


def parse_memory(ctx: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """Parse `512M`, `2G` or a number of bytes, in powers of 1024; returns bytes."""
    if value is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", value.strip().lower())
    size = round(float(match[1]) * 1024 ** " kmgt".index(match[2] or " ")) if match else 0
    if size < LEAST_MEMORY:
        least = f"{LEAST_MEMORY >> 20}M"
        raise click.BadParameter(f"'{value}' is no size of at least {least}; say 512M or 2G", ctx, parameter)
    return size


def parse_duration(ctx: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Parse `45s`, `9m`, `2h`, `1.5h` or a number of seconds; returns seconds."""
    if value is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", value.strip())
    if match is None or float(match[1]) <= 0:
        raise click.BadParameter(f"'{value}' is no time; say 45s, 9m or 2h", ctx, parameter)
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]
