"""One call of `henshin sheet`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from henshin.cli.base import Voice, say
from henshin.cli.comparison import check_page, entered, is_pipeline, networks_of, save, told
from henshin.cli.options import (
    CELL_SIDE,
    ROW_COUNT,
    SCALE,
    SETTINGS,
    RunCommand,
    option,
    overrides_option,
    plugin_option,
    voiced,
    where_networks_run,
)
from henshin.cli.output import amount
from henshin.errors import HenshinError

_NOISE = "Samplers"

CELL = 256
"""Pixels of a cell, where nobody says how many; samplers' are as large as what they draw."""

ROWS = {"pictures": 16, "samplers": 8}


def drawn(asked: dict[str, Any], level: int) -> int:
    """Draw a sheet: of pictures that have no truth, or of samplers. Returns the exit code. Errors: HenshinError."""
    from henshin.evaluation import INPUT, samplers_among
    from henshin.models import ModelStore

    check_page(asked["output"], asked["force"])
    store, names = ModelStore(), list(dict.fromkeys(asked["methods"]))
    samplers = samplers_among(store, names)
    others = [name for name in names if name not in samplers]
    if samplers and not others:
        return _of_samplers(asked, level, _called(names, asked["labels"]))
    for name in others:
        is_pipeline(name, store, ("translator", "sampler"))
    if samplers:
        raise HenshinError(
            f"'{samplers[0]}' is a sampler, which draws from noise, and '{others[0]}' takes pictures: a sheet shows "
            "models of one kind"
        )
    _only_for(asked, ("seed", "truncation"), "samplers, which draw from noise")
    labels = asked["labels"]
    if len(labels) == len(names) + 1:
        return _of_pictures(asked, level, {INPUT: labels[0], **_called(names, labels[1:])})
    return _of_pictures(asked, level, _called(names, labels))


def _of_pictures(asked: dict[str, Any], level: int, called: dict[str, str]) -> int:
    """A row for each picture; enlarged ones by pixels, others whole."""
    from henshin.cli.output import log_to
    from henshin.cli.progress import reporter
    from henshin.evaluation import MetricSettings, Sheet, evaluate, plain_set

    if not asked["inputs"]:
        raise click.UsageError("no input: name photos, folders or a glob with -i", click.get_current_context())
    pictures, rows = plain_set(asked["inputs"], ""), asked["rows"] or ROWS["pictures"]
    left_out = len(pictures.members) - rows
    del pictures.members[rows:]
    report = reporter(level)
    with log_to(report.line, level), entered(asked, report.note) as contest:
        scale = asked["scale"] or contest.furthest()
        contest.check([scale])
        sheet = Sheet(
            [one.name for one in contest.methods(scale)],
            len(pictures.members),
            asked["cell"] or CELL,
            whole=scale == 1,
            headings=called,
            captions=asked["captions"],
        )
        sheet.check(1)
        with told(report, len(pictures.members) + len(pictures.unfit)) as ended:
            results = evaluate([(pictures, [scale])], contest.methods, MetricSettings(), ended, sheet)
    if left_out > 0 and level >= 0:
        say(f"the first {amount(rows, 'picture')}; {left_out} more have no room (--rows)")
    save(sheet, asked["output"], level)
    return results.exit_code


def _of_samplers(asked: dict[str, Any], level: int, called: dict[str, str]) -> int:
    """A column for each model, a row for each noise."""
    from henshin.cli.output import log_to
    from henshin.cli.progress import reporter
    from henshin.evaluation import Sheet, draw_samplers, length_and_side
    from henshin.models import ModelStore

    _only_for(asked, ("inputs", "scale"), "what takes pictures, and samplers draw from noise")
    if asked["overrides"]:
        raise click.UsageError("--set changes pipelines, and none is named", click.get_current_context())
    store, names, rows = ModelStore(), list(called), asked["rows"] or ROWS["samplers"]
    length, side = length_and_side(store, names)
    cell = asked["cell"] or min(side, CELL)
    sheet = Sheet(names, rows, cell, source=False, whole=True, headings=called, captions=False)
    sheet.check(1)
    report = reporter(level)
    with log_to(report.line, level), told(report, len(names)) as ended:
        networks = networks_of(asked, store, report.note)
        truncation = 1.0 if asked["truncation"] is None else asked["truncation"]
        code = draw_samplers(networks, names, length, asked["seed"] or 0, truncation, sheet, ended)
    save(sheet, asked["output"], level)
    return code


def _called(names: Sequence[str], labels: Sequence[str]) -> dict[str, str]:
    """What stands above each column: as it is asked for, else the name, of a file without folder and suffix."""
    if labels:
        if len(labels) != len(names):
            message = f"{amount(len(labels), '--label', '--label')} and {len(names)} named: there must be one for each"
            raise click.UsageError(message, click.get_current_context())
        return dict(zip(names, labels, strict=True))
    short = [Path(name).stem if Path(name).suffix in (".yaml", ".yml", ".onnx") else name for name in names]
    return {name: one if short.count(one) == 1 else name for name, one in zip(names, short, strict=True)}


def _only_for(asked: dict[str, Any], options: Sequence[str], what: str) -> None:
    """Errors: click.UsageError when one of these was given."""
    for name in options:
        if asked[name] not in (None, ()):
            called = {"inputs": "-i"}.get(name, f"--{name}")
            raise click.UsageError(f"{called} is for {what}", click.get_current_context())


@click.command(cls=RunCommand, context_settings=SETTINGS)
@click.argument("methods", nargs=-1, metavar="[MODEL|PIPELINE]...")
@option(
    "-i", "--input", "inputs", multiple=True, metavar="PATH...", help="Files, folders (with all below them), globs."
)
@option(
    "-o", "--output", type=click.Path(path_type=Path), default=Path("sheet.png"), show_default=True, help="A picture."
)
@option("--scale", type=SCALE, metavar="N", help="How many times larger; else as far as all go, 1 if nothing enlarges.")
@option("--rows", type=ROW_COUNT, help="How many pictures: the first ones.  [default: 16; samplers: 8]")
@option(
    "--cell",
    type=CELL_SIDE,
    help="Longest side of what is shown of each.  [default: 256; samplers: their own, 128 to 256]",
)
@option(
    "--label",
    "labels",
    multiple=True,
    metavar="TEXT",
    help="What stands above a column; one for each, or one more, for the input.",
)
@option("--captions/--no-captions", default=True, help="Say the name and size of each picture.  [default: yes]")
@option("--seed", type=click.IntRange(0, 2**63 - 1), heading=_NOISE, help="Another one, other pictures.  [default: 0]")
@option(
    "--truncation",
    type=click.FloatRange(0, 1, min_open=True),
    heading=_NOISE,
    help="Below 1 nearer to the mean picture.  [default: 1]",
)
@overrides_option
@plugin_option
@option("--force", is_flag=True, help="Replace a file of that name.")
@where_networks_run
@voiced
@click.pass_context
def sheet(ctx: click.Context, /, **asked: Any) -> int:
    """Draw side by side what models and pipelines make of the same pictures, or of the same noise.

    A row for each picture: as it is, then by each MODEL or PIPELINE, whole and at one size. Where they enlarge: by
    whole pixels, Lanczos, bicubic, and each of them, and of a picture that is larger than its cell the part with the
    most detail is shown. Where all are samplers there is no -i: a row for each noise, as `sample` numbers them, a
    column for each model.

    \b
    Examples: henshin sheet selfie2anime cartoons.yaml -i faces/ -o faces.png
              henshin sheet carn-m -i faces/ --scale 4 -o enlarged.png
              henshin sheet faces faces-fin1 faces-fin2 --truncation 0.7 --label g --label "k = 1" --label "k = 2"
    """

    return drawn(asked, ctx.ensure_object(Voice).level)
