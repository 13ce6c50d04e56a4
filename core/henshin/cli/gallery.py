"""The making of a gallery for `henshin gallery` and `run-pipeline --gallery`: its progress, and what is said of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from henshin.cli.base import print_line
from henshin.cli.comparison import track_progress
from henshin.cli.output import format_count, log_to

if TYPE_CHECKING:
    from henshin.gallery import GalleryOptions


def write_gallery(output: Path, options: GalleryOptions, level: int) -> Path:
    """Make the gallery of an output folder, say where it is, and return its page. Errors: HenshinError."""
    from henshin.cli.progress import make_reporter
    from henshin.gallery import Gallery

    gallery = Gallery(output, options)
    reporter = make_reporter(min(level, 0))
    with log_to(reporter.print_line, level), track_progress(reporter, gallery.total) as finish:
        made = gallery.make(lambda name: finish(name, None))
    if level >= 0:
        missing = f"; {format_count(made.missing, 'file')} moved, changed or unreadable since" if made.missing else ""
        counts = f"{format_count(made.entries, 'picture')}, {made.made} made small{missing}"
        print_line(f"gallery: {made.page} ({counts})")
    return made.page
