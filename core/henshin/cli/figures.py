"""One call of `henshin evaluate`, from the words of the command line to the table at its end."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from henshin.cli.base import say
from henshin.cli.contest import Contest, check_page, entered, save, told
from henshin.cli.text import amount, table

if TYPE_CHECKING:
    from henshin.evaluation import PictureSet, Results, Row


def measured(asked: dict[str, Any], level: int) -> int:
    """Measure as asked and print the figures. Returns the exit code. Errors: HenshinError."""
    from henshin.cli.log import log_to
    from henshin.cli.report import reporter
    from henshin.evaluation import Ruler, Sheet, evaluate

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
            ruler = Ruler(asked["channels"], asked["border"])
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


def _scales(one: PictureSet, wanted: Sequence[int], contest: Contest) -> list[int]:
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
        for fault in results.faults:
            by = f"{fault.method}: " if fault.method else ""
            say(f"failed: {fault.set}/{fault.picture}: {by}{fault.reason}")
    failed = len({(fault.set, fault.picture) for fault in results.faults})
    if failed:
        say(f"henshin: {amount(failed, 'picture')} could not be measured by every method; the means are of the others")


def figure_lines(results: Results, each: bool) -> Iterator[str]:
    """Set the figures in a table; with ``each`` those of every picture first."""
    if each:
        head = ("SET", "SCALE", "PICTURE", "METHOD", "PSNR", "SSIM")
        rows = [
            (row.set, f"x{row.scale}", one.picture, row.method, *_figures(one.psnr, one.ssim))
            for row in results.rows
            for one in row.figures
        ]
        yield from table([head, *rows], indent="")
        yield ""
    yield from table(
        [("SET", "SCALE", "METHOD", "PSNR", "SSIM", "PICTURES", "MPIXEL/S"), *map(_cells, results.rows)], ""
    )


def _cells(row: Row) -> tuple[str, ...]:
    all_of_them = len(row.figures) + row.failed
    count = str(all_of_them) if not row.failed else f"{len(row.figures)} of {all_of_them}"
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
    from henshin.evaluation.measuring import decibel

    return decibel(psnr), "-" if ssim is None else f"{ssim:.4f}"


def _quiet_stdout(as_json: bool) -> AbstractContextManager[Any]:
    """Within: what stages and plugins print goes to stderr, if a machine reads stdout."""
    return redirect_stdout(sys.stderr) if as_json else nullcontext()
