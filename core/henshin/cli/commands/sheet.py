"""`henshin sheet`: pictures of models and pipelines side by side, or pictures that samplers draw of the same noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from henshin.cli.base import Verbosity, print_line
from henshin.cli.comparison import (
    ComparisonOptions,
    check_sheet_path,
    make_networks,
    open_comparison,
    require_model_or_pipeline,
    save_sheet,
    track_progress,
)
from henshin.cli.options import (
    CELL_SIDE,
    ROW_COUNT,
    SCALE,
    SETTINGS,
    InputsCommand,
    device_options,
    inputs_option,
    option,
    plugin_option,
    stage_overrides_option,
    verbosity_options,
)
from henshin.cli.output import format_count, log_to
from henshin.errors import HenshinError

_SAMPLERS = "Samplers"

CELL = 256
"""Default side of a cell in pixels; samplers' cells are as large as their pictures."""

PICTURE_ROWS, SAMPLER_ROWS = 16, 8


@dataclass(frozen=True, kw_only=True)
class SheetCommandOptions(ComparisonOptions):
    """The options of `henshin sheet`; samplers take ``seed`` and ``truncation``, and no ``inputs`` and ``scale``."""

    inputs: tuple[str, ...]
    means: tuple[str, ...]
    output: Path
    scale: int | None
    rows: int | None
    cell: int | None
    labels: tuple[str, ...]
    captions: bool
    seed: int | None
    truncation: float | None
    force: bool


def draw_sheet(options: SheetCommandOptions, level: int) -> int:
    """Draw a sheet: of pictures without a truth, or of samplers. Returns the exit code. Errors: HenshinError."""
    from henshin.evaluation import INPUT, samplers_among
    from henshin.models import ModelStore

    check_sheet_path(options.output, options.force)
    if options.means:
        return _draw_means(options, level)
    store, names = ModelStore(), list(dict.fromkeys(options.methods))
    samplers = samplers_among(store, names)
    others = [name for name in names if name not in samplers]
    if samplers and not others:
        return _draw_samplers(options, level, _column_labels(names, options.labels))
    for name in others:
        require_model_or_pipeline(name, store, ("translator", "sampler"))
    if samplers:
        raise HenshinError(
            f"'{samplers[0]}' is a sampler, which draws from noise, and '{others[0]}' takes pictures: a sheet shows "
            "models of one kind"
        )
    given = {"--seed": options.seed is not None, "--truncation": options.truncation is not None}
    _refuse_options(given, "samplers, which draw from noise")
    labels = options.labels
    if len(labels) == len(names) + 1:
        return _draw_pictures(options, level, {INPUT: labels[0], **_column_labels(names, labels[1:])})
    return _draw_pictures(options, level, _column_labels(names, labels))


def _draw_pictures(options: SheetCommandOptions, level: int, labels: dict[str, str]) -> int:
    """Draw a row for each picture; enlarged ones by pixels, others whole."""
    from henshin.cli.progress import make_reporter
    from henshin.evaluation import MetricSettings, Sheet, evaluate, plain_set

    if not options.inputs:
        raise click.UsageError("no input: name photos, folders or a glob with -i", click.get_current_context())
    pictures, rows = plain_set(options.inputs, ""), options.rows or PICTURE_ROWS
    left_out = len(pictures.members) - rows
    del pictures.members[rows:]
    reporter = make_reporter(level)
    with log_to(reporter.print_line, level), open_comparison(options, reporter.note) as comparison:
        scale = options.scale or comparison.largest_scale()
        comparison.check([scale])
        sheet = Sheet(
            [method.name for method in comparison.methods(scale)],
            len(pictures.members),
            options.cell or CELL,
            whole=scale == 1,
            headings=labels,
            captions=options.captions,
        )
        sheet.check(1)
        with track_progress(reporter, len(pictures.members) + len(pictures.unfit)) as finish:
            results = evaluate([(pictures, [scale])], comparison.methods, MetricSettings(), finish, sheet)
    if left_out > 0 and level >= 0:
        print_line(f"the first {format_count(rows, 'picture')}; {left_out} more have no room (--rows)")
    save_sheet(sheet, options.output, level)
    return results.exit_code


def _draw_samplers(options: SheetCommandOptions, level: int, labels: dict[str, str]) -> int:
    """Draw a column for each model, a row for each noise."""
    from henshin.cli.progress import make_reporter
    from henshin.evaluation import Sheet, draw_samplers, length_and_side
    from henshin.models import ModelStore

    given = {"-i": bool(options.inputs), "--scale": options.scale is not None}
    _refuse_options(given, "what takes pictures, and samplers draw from noise")
    if options.overrides:
        raise click.UsageError("--set changes pipelines, and none is named", click.get_current_context())
    store, names, rows = ModelStore(), list(labels), options.rows or SAMPLER_ROWS
    length, side = length_and_side(store, names)
    cell = options.cell or min(side, CELL)
    sheet = Sheet(names, rows, cell, source=False, whole=True, headings=labels, captions=False)
    sheet.check(1)
    reporter = make_reporter(level)
    with log_to(reporter.print_line, level), track_progress(reporter, len(names)) as finish:
        networks = make_networks(options, store, reporter.note)
        truncation = 1.0 if options.truncation is None else options.truncation
        code = draw_samplers(networks, names, length, options.seed or 0, truncation, sheet, finish)
    save_sheet(sheet, options.output, level)
    return code


def _draw_means(options: SheetCommandOptions, level: int) -> int:
    """Draw the mean picture of each folder, and of two the halves side by side; 1 if a picture failed."""
    from henshin.cli.progress import make_reporter
    from henshin.evaluation import Sheet, default_name, halves, mean_of, plain_set, ruled

    given = {
        "MODEL|PIPELINE": bool(options.methods),
        "-i": bool(options.inputs),
        "--scale": options.scale is not None,
        "--rows": options.rows is not None,
        "--set": bool(options.overrides),
    }
    _refuse_options(given, "pictures side by side, and --mean draws the mean of folders")
    given = {"--seed": options.seed is not None, "--truncation": options.truncation is not None}
    _refuse_options(given, "samplers, and --mean draws the mean of folders")
    sets = [plain_set([path], default_name(path)) for path in options.means]
    names = list(_column_labels([str(number) for number in range(len(sets))], options.labels).values())
    headings = names if options.labels else [one.name for one in sets]
    side, columns = options.cell or CELL, [str(number) for number in range(len(sets))]
    extra = ["halves"] if len(sets) == 2 else []
    labels = {**dict(zip(columns, headings, strict=True)), **dict.fromkeys(extra, "left | right")}
    sheet = Sheet([*columns, *extra], 1, side, source=False, whole=True, headings=labels, captions=options.captions)
    sheet.check(1)
    reporter = make_reporter(level)
    total = sum(len(one.members) + len(one.unfit) for one in sets)
    with log_to(reporter.print_line, level), track_progress(reporter, total) as finish:
        means = [mean_of(one, side, finish) for one in sets]
    strip = sheet.add_strip()
    for column, mean in zip(columns, means, strict=True):
        strip.add(column, ruled(mean.values), format_count(mean.count, "picture"))
    for column in extra:
        strip.add(column, ruled(halves(means)), " ")
    save_sheet(sheet, options.output, level, format_count(len(means), "mean picture"))
    return int(any(mean.failures for mean in means))


def _column_labels(names: Sequence[str], labels: Sequence[str]) -> dict[str, str]:
    """Return the label above each column: the given one, else the name, of a file without folder and suffix."""
    if labels:
        if len(labels) != len(names):
            count = format_count(len(labels), "--label", "--label")
            message = f"{count} and {len(names)} named: there must be one for each"
            raise click.UsageError(message, click.get_current_context())
        return dict(zip(names, labels, strict=True))
    short = [Path(name).stem if Path(name).suffix in (".yaml", ".yml", ".onnx") else name for name in names]
    return {name: one if short.count(one) == 1 else name for name, one in zip(names, short, strict=True)}


def _refuse_options(given: Mapping[str, bool], purpose: str) -> None:
    """Check that none of these options was given. Errors: click.UsageError."""
    for name, is_given in given.items():
        if is_given:
            raise click.UsageError(f"{name} is for {purpose}", click.get_current_context())


@click.command(cls=InputsCommand, context_settings=SETTINGS)
@click.argument("methods", nargs=-1, metavar="[MODEL|PIPELINE]...")
@inputs_option
@option(
    "--mean",
    "means",
    multiple=True,
    metavar="FOLDER",
    help="Draw the mean of a folder's pictures, ruled by tenths, instead; of two folders also their halves together.",
)
@option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("sheet.png"),
    show_default=True,
    help="File of the sheet.",
)
@option(
    "--scale", type=SCALE, metavar="N", help="Enlargement; default: the largest that all support, 1 if none enlarges."
)
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
@option("--seed", type=click.IntRange(0, 2**63 - 1), heading=_SAMPLERS, help="Seed of the noise.  [default: 0]")
@option(
    "--truncation",
    type=click.FloatRange(0, 1, min_open=True),
    heading=_SAMPLERS,
    help="Below 1 nearer to the mean picture.  [default: 1]",
)
@stage_overrides_option("Change an option of the pipelines; {scale} in the value stands for the scale.")
@plugin_option
@option("--force", is_flag=True, help="Replace a file of that name.")
@device_options
@verbosity_options
@click.pass_context
def sheet(ctx: click.Context, /, **given: Any) -> int:
    """Draw side by side what models and pipelines make of the same pictures, or of the same noise.

    A row for each picture: as it is, then by each MODEL or PIPELINE, whole and at one size. Where they enlarge: by
    whole pixels, Lanczos, bicubic, and each of them, and of a picture that is larger than its cell the part with the
    most detail is shown. Where all are samplers there is no -i: a row for each noise, as `sample` numbers them, a
    column for each model.

    \b
    Examples: henshin sheet selfie2anime cartoons.yaml -i faces/ -o faces.png
              henshin sheet carn-m -i faces/ --scale 4 -o enlarged.png
              henshin sheet --mean photos/ --mean drawings/ -o means.png
              henshin sheet faces faces-fin1 faces-fin2 --truncation 0.7 --label g --label "k = 1" --label "k = 2"
    """
    return draw_sheet(SheetCommandOptions(**given), ctx.ensure_object(Verbosity).level)
