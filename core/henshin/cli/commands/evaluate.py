"""`henshin evaluate`: PSNR and SSIM of models and pipelines on test sets, and figures of sets of pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from henshin.cli.base import GroupedCommand, Verbosity, print_line
from henshin.cli.comparison import (
    Comparison,
    ComparisonOptions,
    check_sheet_path,
    open_comparison,
    save_sheet,
    set_names,
    track_progress,
)
from henshin.cli.options import (
    CELL_SIDE,
    OUTPUT_HEADING,
    ROW_COUNT,
    SCALE,
    SETTINGS,
    device_options,
    json_option,
    option,
    plugin_option,
    stage_overrides_option,
    verbosity_options,
)
from henshin.cli.output import format_count, format_table, log_to, reserve_stdout

if TYPE_CHECKING:
    from henshin.evaluation import PictureSet, Results, Row, Sheet

_MEASURING, _SHEET, _SETS = "How it is measured", "A sheet to look at", "Sets of pictures"
_FOLDER = click.Path(path_type=Path)


@dataclass(frozen=True, kw_only=True)
class EvaluateCommandOptions(ComparisonOptions):
    """The options of `henshin evaluate`: test sets, metrics, and the sheet to draw besides (``sheet`` None: none)."""

    sets: tuple[str, ...]
    truths: tuple[str, ...]
    scales: tuple[int, ...]
    limit: int | None
    channels: Literal["y", "rgb"]
    border: int | None
    sheet: Path | None
    rows: int
    cell: int
    force: bool
    each: bool
    as_json: bool


def run_evaluation(options: EvaluateCommandOptions, level: int) -> int:
    """Measure and print the results. Returns the exit code. Errors: HenshinError."""
    from henshin.cli.progress import make_reporter
    from henshin.evaluation import MetricSettings, evaluate

    sets = _list_sets(options)
    if options.sheet is not None:
        check_sheet_path(options.sheet, options.force)
    reporter = make_reporter(level)
    with (
        log_to(reporter.print_line, level),
        reserve_stdout(options.as_json),
        open_comparison(options, reporter.note) as comparison,
    ):
        plan = [(one, _scales_of(one, options.scales, comparison)) for one in sets]
        comparison.check(sorted({scale for _, scales in plan for scale in scales}))
        sheet = None if options.sheet is None else _make_sheet(options, comparison, [scales for _, scales in plan])
        total = sum(len(one.unfit) + len(one.members) * len(scales) for one, scales in plan)
        with track_progress(reporter, total) as finish:
            metrics = MetricSettings(options.channels, options.border)
            results = evaluate(plan, comparison.methods, metrics, finish, sheet)
    if sheet is not None and options.sheet is not None:
        save_sheet(sheet, options.sheet, level)
    _print_results(results, options, level)
    return results.exit_code


def _make_sheet(options: EvaluateCommandOptions, comparison: Comparison, scales: Sequence[Sequence[int]]) -> Sheet:
    """Return an empty sheet for the scales of each set. Errors: HenshinError when it would be too large."""
    from henshin.evaluation import Sheet

    largest = max(scale for of_set in scales for scale in of_set)
    columns = [method.name for method in comparison.methods(largest)]
    sheet = Sheet(columns, options.rows, options.cell, truth=True)
    sheet.check(sum(map(len, scales)))
    return sheet


def _list_sets(options: EvaluateCommandOptions) -> list[PictureSet]:
    """Return the test sets. Errors: HenshinError, click.UsageError."""
    from henshin.evaluation import paired_set, reduced_set

    paths, truths, limit = options.sets, options.truths, options.limit
    names = set_names(paths)
    if not truths:
        if 1 in options.scales:
            raise click.UsageError("--scale 1 is for pairs, with --truth", click.get_current_context())
        return [reduced_set(path, name, limit) for path, name in zip(paths, names, strict=True)]
    if len(truths) != len(paths):
        message = f"{format_count(len(paths), '--on', '--on')} and {len(truths)} --truth: there must be one for each"
        raise click.UsageError(message, click.get_current_context())
    if len(set(options.scales)) > 1:
        raise click.UsageError("pairs have one --scale: that of their sizes", click.get_current_context())
    return [paired_set(path, truth, name, limit) for path, truth, name in zip(paths, truths, names, strict=True)]


def _scales_of(one: PictureSet, wanted: Sequence[int], comparison: Comparison) -> list[int]:
    """Return the scales of a set: the wanted ones, that of its pairs, or those that all models have."""
    if wanted:
        return sorted(set(wanted))
    return [one.own_scale()] if one.kind == "paired" else comparison.common_scales()


def _print_results(results: Results, options: EvaluateCommandOptions, level: int) -> None:
    """Print the table or the JSON on stdout, and the failures on stderr."""
    if options.as_json:
        metrics = {"channels": options.channels, "border": options.border}
        click.echo(json.dumps({**metrics, **results.as_dict()}, indent=2))
    else:
        for line in result_lines(results, options.each):
            print_line(line, err=False)
    if level < 0:
        for fault in results.failures:
            by = f"{fault.method}: " if fault.method else ""
            print_line(f"failed: {fault.set}/{fault.picture}: {by}{fault.reason}")
    failed = len({(fault.set, fault.picture) for fault in results.failures})
    if failed:
        count = format_count(failed, "picture")
        print_line(f"henshin: {count} could not be measured by every method; the means are of the others")


def result_lines(results: Results, each: bool) -> Iterator[str]:
    """Yield a table of the results; with ``each`` that of every picture first."""
    if each:
        head = ("SET", "SCALE", "PICTURE", "METHOD", "PSNR", "SSIM")
        rows = [
            (row.set, f"x{row.scale}", one.picture, row.method, *_format_metrics(one.psnr, one.ssim))
            for row in results.rows
            for one in row.scores
        ]
        yield from format_table([head, *rows], indent="")
        yield ""
    yield from format_table(
        [("SET", "SCALE", "METHOD", "PSNR", "SSIM", "PICTURES", "MPIXEL/S"), *map(_row_cells, results.rows)], ""
    )


def _row_cells(row: Row) -> tuple[str, ...]:
    total = len(row.scores) + row.failed
    count = str(total) if not row.failed else f"{len(row.scores)} of {total}"
    speed = row.megapixels_per_second
    return (
        row.set,
        f"x{row.scale}",
        row.method,
        *_format_metrics(row.psnr, row.ssim),
        count,
        "-" if speed is None else f"{speed:.3g}" if speed < 100 else f"{speed:.0f}",
    )


def _format_metrics(psnr: float | None, ssim: float | None) -> tuple[str, str]:
    from henshin.evaluation.evaluate import decibel

    return decibel(psnr), "-" if ssim is None else f"{ssim:.4f}"


@click.command(cls=GroupedCommand, context_settings=SETTINGS)
@click.argument("methods", nargs=-1, metavar="[MODEL|PIPELINE]...")
@option("--on", "sets", multiple=True, metavar="FOLDER", help="A test set. May be given several times.")
@option(
    "--truth",
    "truths",
    multiple=True,
    metavar="FOLDER",
    help="For pairs: the true pictures, by the names of those --on FOLDER; one for each --on.",
)
@option("--scale", "scales", multiple=True, type=SCALE, metavar="N", help="How many times larger; else all there are.")
@option("--real", type=_FOLDER, metavar="FOLDER", heading=_SETS, help="True pictures of the domain.")
@option("--fake", type=_FOLDER, metavar="FOLDER", heading=_SETS, help="What is measured: translations, samples.")
@option(
    "--source",
    type=_FOLDER,
    metavar="FOLDER",
    heading=_SETS,
    help="What the translations were made of, by their names.",
)
@option(
    "--metrics",
    multiple=True,
    metavar="NAME,...",
    heading=_SETS,
    help="kid, fid, precision-recall, variety, style-ratio, lpips, psnr, ssim, kept, identity, landmarks. "
    "Default: kid, fid, precision-recall, variety; with --source also style-ratio, kept.",
)
@option(
    "--network",
    "networks",
    multiple=True,
    type=click.Choice(["inception", "efficientnet-lite0", "vgg19"]),
    heading=_SETS,
    help="Features of kid, fid, precision-recall. Default: inception if `henshin models pull inception-fid` got it, "
    "else efficientnet-lite0.",
)
@option("--resamples", type=click.IntRange(0, 100_000), default=1000, show_default=True, heading=_SETS,
        help="Of the bootstrap intervals; 0: none.")  # fmt: skip
@option("--seed", type=click.IntRange(min=0), default=0, show_default=True, heading=_SETS, help="Of the resamples.")
@option("--plot", type=click.Path(path_type=Path), metavar="FILE", heading=_SETS, help="Also draw them, as a PNG.")
@stage_overrides_option(
    "Change an option of the pipelines; {scale} in the value stands for the scale. With --metrics landmarks: of "
    "face_detect."
)
@plugin_option
@option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N pictures of each set.")
@option(
    "--channels",
    type=click.Choice(["y", "rgb"]),
    heading=_MEASURING,
    help="Compare luma (y) or all three channels (rgb). Default: y; of --real and --fake rgb.",
)
@option(
    "--border",
    type=click.IntRange(0, 1024),
    metavar="PIXELS",
    heading=_MEASURING,
    help="Pixels left out at each side; default: the scale, or 0 at scale 1.",
)
@option(
    "--sheet",
    type=click.Path(path_type=Path),
    metavar="FILE",
    heading=_SHEET,
    help="Also draw a sheet, with the ground truth.",
)
@option("--rows", type=ROW_COUNT, default=5, show_default=True, heading=_SHEET, help="Pictures of each set and scale.")
@option("--cell", type=CELL_SIDE, default=256, show_default=True, heading=_SHEET, help="Longest side of what is shown.")
@option("--force", is_flag=True, heading=_SHEET, help="Replace a file of the sheet's or plot's name.")
@device_options
@option("--each", is_flag=True, heading=OUTPUT_HEADING, help="Also the figures of every picture.")
@json_option()
@verbosity_options
@click.pass_context
def evaluate(ctx: click.Context, /, **given: Any) -> int:
    """Measure how near models and pipelines come to true pictures: PSNR and SSIM, next to Lanczos and bicubic.

    Each picture of a set is cut to a multiple of the scale and reduced by Pillow's bicubic filter; a MODEL (its name,
    or an .onnx file) or a whole PIPELINE (a .yaml file, or the name of a ready one) enlarges it again, in 8 bits, and
    the luma is compared without a border of as many pixels as the scale. With --truth nothing is reduced: the pictures
    are held against those of the same names; without a model, as they are.

    With --real and --fake it measures how far a set of pictures is from a set of true ones, by figures with 95 %
    intervals. docs/evaluating.md says what each figure is.

    \b
    Examples: henshin evaluate carn-m --on Set5/ --on Set14/ --scale 2
              henshin evaluate enlarge.yaml --on Set5/ --scale 3 --set super_resolution.scale={scale}
              henshin evaluate facades --on photos/ --truth drawings/ --channels rgb
              henshin evaluate --real drawings/ --fake portraits/ --source photos/
    """
    level = ctx.ensure_object(Verbosity).level
    if given["real"] is not None or given["fake"] is not None:
        from henshin.cli.set_evaluation import evaluate_sets, set_options

        return evaluate_sets(set_options(given), level)
    return run_evaluation(_enlarging_options(given, ctx), level)


def _enlarging_options(given: dict[str, Any], ctx: click.Context) -> EvaluateCommandOptions:
    """Return the options of an evaluation of models. Errors: click.UsageError."""
    if not given["sets"]:
        raise click.UsageError(
            "nothing to measure: give test sets by --on, or sets of pictures by --real and --fake", ctx
        )
    words = {name: f"--{name}" for name in ("source", "metrics", "plot")} | {"networks": "--network"}
    for name, word in words.items():
        if given[name]:
            raise click.UsageError(f"{word} goes with --real and --fake", ctx)
    values = {name: value for name, value in given.items() if name in EvaluateCommandOptions.__dataclass_fields__}
    return EvaluateCommandOptions(**{**values, "channels": given["channels"] or "y"})
