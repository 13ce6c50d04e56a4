"""One call of `henshin evaluate`, from the words of the command line to the table at its end."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from henshin.cli.base import GroupedCommand, Voice, say
from henshin.cli.comparison import Comparison, check_page, entered, save, told
from henshin.cli.options import (
    _HOW,
    _SAID,
    _SHEET,
    CELL_SIDE,
    ROW_COUNT,
    SCALE,
    SETTINGS,
    option,
    overrides_option,
    plugin_option,
    voiced,
    where_networks_run,
)
from henshin.cli.output import amount, table

if TYPE_CHECKING:
    from henshin.evaluation import PictureSet, Results, Row


def measured(asked: dict[str, Any], level: int) -> int:
    """Measure as asked and print the figures. Returns the exit code. Errors: HenshinError."""
    from henshin.cli.output import log_to
    from henshin.cli.progress import reporter
    from henshin.evaluation import MetricSettings, Sheet, evaluate

    sets = _sets(asked)
    page = asked["sheet"]
    if page is not None:
        check_page(page, asked["force"])
    report = reporter(level)
    with log_to(report.line, level), _quiet_stdout(asked["as_json"]), entered(asked, report.note) as contest:
        plan = [(one, _scales(one, asked["scales"], contest)) for one in sets]
        contest.check(sorted({scale for _, scales in plan for scale in scales}))
        sheet = None
        if page is not None:
            columns = [one.name for one in contest.methods(max(scale for _, scales in plan for scale in scales))]
            sheet = Sheet(columns, asked["rows"], asked["cell"], truth=True)
            sheet.check(sum(len(scales) for _, scales in plan))
        total = sum(len(one.unfit) + len(one.members) * len(scales) for one, scales in plan)
        with told(report, total) as ended:
            ruler = MetricSettings(asked["channels"], asked["border"])
            results = evaluate(plan, contest.methods, ruler, ended, sheet)
    if sheet is not None:
        save(sheet, page, level)
    _tell(results, asked, level)
    return results.exit_code


def _sets(asked: dict[str, Any]) -> list[PictureSet]:
    """List the sets. Errors: HenshinError, click.UsageError."""
    from henshin.evaluation import paired_set, reduced_set

    paths, truths, limit = asked["sets"], asked["truths"], asked["limit"]
    names = _names(paths)
    if not truths:
        if 1 in asked["scales"]:
            raise click.UsageError("--scale 1 is for pairs, with --truth", click.get_current_context())
        return [reduced_set(path, name, limit) for path, name in zip(paths, names, strict=True)]
    if len(truths) != len(paths):
        message = f"{amount(len(paths), '--on', '--on')} and {len(truths)} --truth: there must be one for each"
        raise click.UsageError(message, click.get_current_context())
    if len(set(asked["scales"])) > 1:
        raise click.UsageError("pairs have one --scale: that of their sizes", click.get_current_context())
    return [paired_set(path, truth, name, limit) for path, truth, name in zip(paths, truths, names, strict=True)]


def _names(paths: Sequence[str]) -> list[str]:
    """Name sets by their folders, and by all that was typed where two would have one name."""
    short = [Path(path).resolve().name or path for path in paths]
    return [path if short.count(name) > 1 else name for path, name in zip(paths, short, strict=True)]


def _scales(one: PictureSet, wanted: Sequence[int], contest: Comparison) -> list[int]:
    if wanted:
        return sorted(set(wanted))
    return [one.own_scale()] if one.kind == "paired" else contest.common_scales()


def _tell(results: Results, asked: dict[str, Any], level: int) -> None:
    if asked["as_json"]:
        channels = {"channels": asked["channels"], "border": asked["border"]}
        click.echo(json.dumps({**channels, **results.as_dict()}, indent=2))
    else:
        for line in figure_lines(results, asked["each"]):
            say(line, err=False)
    if level < 0:
        for fault in results.failures:
            by = f"{fault.method}: " if fault.method else ""
            say(f"failed: {fault.set}/{fault.picture}: {by}{fault.reason}")
    failed = len({(fault.set, fault.picture) for fault in results.failures})
    if failed:
        say(f"henshin: {amount(failed, 'picture')} could not be measured by every method; the means are of the others")


def figure_lines(results: Results, each: bool) -> Iterator[str]:
    """Set the figures in a table; with ``each`` those of every picture first."""
    if each:
        head = ("SET", "SCALE", "PICTURE", "METHOD", "PSNR", "SSIM")
        rows = [
            (row.set, f"x{row.scale}", one.picture, row.method, *_figures(one.psnr, one.ssim))
            for row in results.rows
            for one in row.scores
        ]
        yield from table([head, *rows], indent="")
        yield ""
    yield from table(
        [("SET", "SCALE", "METHOD", "PSNR", "SSIM", "PICTURES", "MPIXEL/S"), *map(_cells, results.rows)], ""
    )


def _cells(row: Row) -> tuple[str, ...]:
    all_of_them = len(row.scores) + row.failed
    count = str(all_of_them) if not row.failed else f"{len(row.scores)} of {all_of_them}"
    speed = row.megapixels_per_second
    return (
        row.set,
        f"x{row.scale}",
        row.method,
        *_figures(row.psnr, row.ssim),
        count,
        "-" if speed is None else f"{speed:.3g}" if speed < 100 else f"{speed:.0f}",
    )


def _figures(psnr: float | None, ssim: float | None) -> tuple[str, str]:
    from henshin.evaluation.evaluate import decibel

    return decibel(psnr), "-" if ssim is None else f"{ssim:.4f}"


def _quiet_stdout(as_json: bool) -> AbstractContextManager[Any]:
    """Within: what stages and plugins print goes to stderr, if a machine reads stdout."""
    return redirect_stdout(sys.stderr) if as_json else nullcontext()


@click.command(cls=GroupedCommand, context_settings=SETTINGS)
@click.argument("methods", nargs=-1, metavar="[MODEL|PIPELINE]...")
@option("--on", "sets", multiple=True, required=True, metavar="FOLDER", help="A test set. May be given several times.")
@option(
    "--truth",
    "truths",
    multiple=True,
    metavar="FOLDER",
    help="For pairs: the true pictures, by the names of those --on FOLDER; one for each --on.",
)
@option("--scale", "scales", multiple=True, type=SCALE, metavar="N", help="How many times larger; else all there are.")
@overrides_option
@plugin_option
@option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N pictures of each set.")
@option(
    "--channels",
    type=click.Choice(["y", "rgb"]),
    default="y",
    show_default=True,
    heading=_HOW,
    help="Luma, or colours.",
)
@option(
    "--border",
    type=click.IntRange(0, 1024),
    metavar="PIXELS",
    heading=_HOW,
    help="Left out at each side; else as many as the scale, of pairs of one size none.",
)
@option("--sheet", type=click.Path(path_type=Path), metavar="FILE", heading=_SHEET, help="Draw one, with the truth.")
@option("--rows", type=ROW_COUNT, default=5, show_default=True, heading=_SHEET, help="Pictures of each set and scale.")
@option("--cell", type=CELL_SIDE, default=256, show_default=True, heading=_SHEET, help="Longest side of what is shown.")
@option("--force", is_flag=True, heading=_SHEET, help="Replace a file of that name.")
@where_networks_run
@option("--each", is_flag=True, heading=_SAID, help="Also the figures of every picture.")
@option(
    "--json", "as_json", is_flag=True, heading=_SAID, help="Print everything for machines on stdout, and only that."
)
@voiced
@click.pass_context
def evaluate(ctx: click.Context, /, **asked: Any) -> int:
    """Measure how near models and pipelines come to true pictures: PSNR and SSIM, beside Lanczos and bicubic.

    Each picture of a set is cut to a multiple of the scale and reduced by Pillow's bicubic filter; a MODEL (its name,
    or an .onnx file) or a whole PIPELINE (a .yaml file, or the name of a ready one) enlarges it again, in 8 bits, and
    the luma is compared without a border of as many pixels as the scale. With --truth nothing is reduced: the pictures
    are held against those of the same names; without a model, as they are.

    \b
    Examples: henshin evaluate carn-m --on Set5/ --on Set14/ --scale 2
              henshin evaluate enlarge.yaml --on Set5/ --scale 3 --set super_resolution.scale={scale}
              henshin evaluate facades --on photos/ --truth drawings/ --channels rgb
    """

    return measured(asked, ctx.ensure_object(Voice).level)
