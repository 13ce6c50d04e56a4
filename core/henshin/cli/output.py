"""Formatting and redirection of printed text: counts, durations, tables, safe lines, the log."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout

from henshin.text import format_count as format_count
from henshin.text import format_duration as format_duration


def make_printable(text: str) -> str:
    """Replace characters that cannot be printed (line breaks in a file's name, say), so that a line stays one line."""
    return (
        text
        if text.isprintable()
        else "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)
    )


def format_passed_over(number: int) -> str:
    """Return `1 file that is no picture passed over`."""
    return f"{format_count(number, 'file that is no picture', 'files that are no pictures')} passed over"


def format_size(number: float) -> str:
    """Return `11.3 MiB`."""
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.0f} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} GiB"


def format_table(rows: Sequence[Sequence[str]], indent: str = "  ", width: int = 0) -> list[str]:
    """Return the lines of a table; each is cut to ``width`` characters (0: not at all)."""
    if not rows:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.ljust(widths[column]) for column, cell in enumerate(row)]
        line = indent + "  ".join(cells).rstrip()
        lines.append(line if not width or len(line) <= width else line[: width - 1] + "…")
    return lines


LEVELS = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO}
"""The least level of the log that is shown, by verbosity; -vv shows everything."""


class _LineHandler(logging.Handler):
    """Prints the records of a log, a traceback line by line."""

    def __init__(self, print_line: Callable[[str], None]) -> None:
        super().__init__()
        self.print_line = print_line

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record. An error in the log never ends a run."""
        try:
            for text in self.format(record).splitlines():
                self.print_line(text)
        except Exception:
            self.handleError(record)


@contextmanager
def log_to(print_line: Callable[[str], None], level: int) -> Iterator[None]:
    """Print henshin's log with ``print_line`` while the block runs; ``level`` is the verbosity: -1, 0, 1, 2."""
    logger, handler = logging.getLogger("henshin"), _LineHandler(print_line)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(LEVELS.get(level, logging.DEBUG))
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


@contextmanager
def reserve_stdout(as_json: bool) -> Iterator[None]:
    """With ``as_json``, send what stages and plugins print to stderr while the block runs: stdout is for the JSON."""
    if not as_json:
        yield
        return
    with redirect_stdout(sys.stderr):
        yield
