"""`henshin gallery`: a page that shows what a run did, made from its record."""

from __future__ import annotations

from pathlib import Path

import click

from henshin.cli.base import GroupedCommand, Verbosity
from henshin.cli.options import SETTINGS, option, verbosity_options


@click.command(cls=GroupedCommand, context_settings=SETTINGS)
@click.argument("folder", metavar="OUT", type=click.Path(path_type=Path))
@option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Folder of the gallery.  [default: OUT/gallery, or OUT/henshin-gallery where that name is taken]",
)
@option(
    "--large",
    type=click.IntRange(320, 8192),
    default=1024,
    show_default=True,
    metavar="PIXELS",
    help="Longest side of the pictures that are seen one at a time.",
)
@option(
    "--copy",
    "copies",
    is_flag=True,
    help="Copy photos and results themselves into it, so that they are there in full size wherever it goes.",
)
@verbosity_options
@click.pass_context
def gallery(ctx: click.Context, /, folder: Path, output: Path | None, large: int, copies: bool) -> None:
    """Make a page of what a run wrote into the folder OUT: each picture before and after, failures, times, models.

    It opens in any browser without a server, and asks nothing of any other host. It is made from the record of the run
    and its files; nothing is run again, and of a gallery that is there only what changed is made anew.

    Example: henshin gallery out/ && xdg-open out/gallery/index.html
    """
    from henshin.cli.gallery import write_gallery
    from henshin.gallery import GalleryOptions

    write_gallery(folder, GalleryOptions(output, large, copies), ctx.ensure_object(Verbosity).level)
