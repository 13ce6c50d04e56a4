"""`henshin spectrum`: Fourier spectra of folders, and what translations did to the frequencies of their photos."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from henshin.cli.base import GroupedCommand, Verbosity, print_line
from henshin.cli.comparison import check_plot_path, set_names, track_progress
from henshin.cli.options import OUTPUT_HEADING, SETTINGS, json_option, option, verbosity_options
from henshin.cli.output import format_count, format_table, log_to, reserve_stdout
from henshin.errors import HenshinError

if TYPE_CHECKING:
    from henshin.evaluation import PictureSet
    from henshin.evaluation.spectrum import SetSpectrum


@dataclass(frozen=True, kw_only=True)
class SpectrumCommandOptions:
    """The options of `henshin spectrum`."""

    folders: tuple[str, ...]
    source: str | None
    output: Path | None
    size: int | None
    picture: str
    limit: int | None
    force: bool
    as_json: bool


def measure(options: SpectrumCommandOptions, level: int) -> int:
    """Measure the folders and print the results. Returns the exit code: 1 if a picture failed. Errors: HenshinError."""
    from henshin.cli.progress import make_reporter
    from henshin.evaluation import plain_set
    from henshin.evaluation.spectrum import common_side, spectrum_of

    if options.output is not None:
        check_plot_path(options.output, options.force)
    paths = [*([options.source] if options.source else []), *options.folders]
    sets = [plain_set([path], name, options.limit) for path, name in zip(paths, set_names(paths), strict=True)]
    shown = _shown(options.picture, sets)
    photos = plain_set([options.source], "source") if options.source else None
    side = options.size or common_side(sets)
    reporter = make_reporter(level)
    total = sum(len(one.members) for one in sets)
    with (
        log_to(reporter.print_line, level),
        reserve_stdout(options.as_json),
        track_progress(reporter, total) as finish,
    ):
        spectra = [
            spectrum_of(one, side, finish, _sources_of(one, photos) if number and photos else None, picture)
            for number, (one, picture) in enumerate(zip(sets, shown, strict=True))
        ]
    if options.output is not None:
        from henshin.evaluation.spectrum_figure import draw
        from henshin.images.sheets.pages import write_page

        write_page(draw(spectra), options.output)
    _print_results(spectra, options, level)
    return int(any(one.failures for one in spectra))


def _shown(picture: str, sets: Sequence[PictureSet]) -> list[str]:
    """Return the name of the picture to show of each set, "" for the first. Errors: HenshinError if no set has it."""
    from henshin.metrics.picture_sets import find_partners

    if not picture:
        return [""] * len(sets)
    found = [find_partners([picture], [name for name, _, _ in one.members])[picture] for one in sets]
    if not any(found):
        raise HenshinError(f"--picture: no folder has a picture '{picture}'")
    return [names[0] if names else "" for names in found]


def _sources_of(translations: PictureSet, photos: PictureSet) -> dict[str, Path]:
    """Return the photos of translations by the translations' names, where there is exactly one of that name."""
    from henshin.metrics.picture_sets import find_partners

    paths = {name: path for name, path, _ in photos.members}
    partners = find_partners([name for name, _, _ in translations.members], list(paths))
    return {name: paths[found[0]] for name, found in partners.items() if len(found) == 1}


def _print_results(spectra: Sequence[SetSpectrum], options: SpectrumCommandOptions, level: int) -> None:
    if options.as_json:
        click.echo(json.dumps({"sets": [one.as_dict() for one in spectra]}, indent=2))
        return
    for line in result_lines(spectra, with_source=options.source is not None):
        print_line(line, err=False)
    for one in spectra:
        for notice in _notices(one):
            print_line(f"{one.name}: {notice}")
        if one.failures:
            print_line(
                f"{one.name}: {format_count(len(one.failures), 'picture')} could not be measured (-v names them)"
            )
            for name, reason in one.failures if level > 0 else ():
                print_line(f"failed: {name}: {reason}")
    if options.output is not None and level >= 0:
        print_line(f"{options.output}: one picture, its spectrum, the mean spectrum, and power by frequency")


def result_lines(spectra: Sequence[SetSpectrum], with_source: bool) -> Iterator[str]:
    """Yield the table of the results."""
    head = ["SET", "PICTURES", "SIDE", "ABOVE HALF", "10 TO 90 %", "OUTSIDE EDGES", *["CHANGE"] * with_source]
    rows = [head]
    for one in spectra:
        figures = one.as_dict()
        share, change = figures["energy_above_half_nyquist"], figures["change_of_energy_above_half_nyquist_db"]
        outside = one.outside_edges
        rows.append(
            [
                one.name,
                str(len(one.pictures)),
                str(one.side),
                f"{100 * share['mean']:.2f} %",
                f"{100 * share['p10']:.2f} to {100 * share['p90']:.2f}",
                "-" if outside is None else f"{outside:.2f}",
                *(["-" if change is None else f"{change['mean']:+.1f} dB"] * with_source),
            ]
        )
    yield from format_table(rows, indent="")


def _notices(one: SetSpectrum) -> Iterator[str]:
    if one.patterns is None:
        yield "too few pixels to tell whether there is a checkerboard pattern"
    for pattern in one.patterns or ():
        cause = "blocks of JPEG, or up-sampling" if pattern.period == 8 else "a checkerboard of up-sampling"
        yield f"{pattern}: {cause}"
    if one.alone:
        yield f"{format_count(one.alone, 'picture')} without a source of this name"
    if one.resized:
        yield f"{format_count(one.resized, 'source')} of another size, resampled to that of the translation"


@click.command(cls=GroupedCommand, context_settings=SETTINGS)
@click.argument("folders", nargs=-1, required=True, metavar="FOLDER...")
@option(
    "--source",
    metavar="FOLDER",
    help="The photos that the others are translations of, by the same relative paths; measured too.",
)
@option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Draw a figure, such as spectra.png.")
@option(
    "--size",
    type=click.IntRange(32, 4096),
    help="Side of the middle square that is transformed.  [default: what all pictures hold, at most 256]",
)
@option("--picture", default="", metavar="NAME", help="The picture shown by itself; default: the first.")
@option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N pictures of each folder.")
@option("--force", is_flag=True, heading=OUTPUT_HEADING, help="Replace a file of that name.")
@json_option()
@verbosity_options
@click.pass_context
def spectrum(ctx: click.Context, /, **given: Any) -> int:
    """Measure the Fourier spectra of pictures: the luma of the middle square of each, by the unitary transform.

    ABOVE HALF is the share of the energy above half of the Nyquist frequency, without the mean brightness, the mean
    over the pictures; OUTSIDE EDGES what lies there more than two pixels from an edge, as root mean square in grey
    levels; CHANGE what translations did to the energy above half of the Nyquist frequency of their photos. Regular
    patterns that up-sampling leaves are named.

    \b
    Examples: henshin spectrum photos/ drawings/ -o spectra.png
              henshin spectrum out/ --source photos/ --picture anna.jpg -o spectra.png
    """
    return measure(SpectrumCommandOptions(**given), ctx.ensure_object(Verbosity).level)
