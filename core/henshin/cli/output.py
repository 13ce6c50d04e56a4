"""Small helpers for what is printed: amounts, tables, safe lines."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager


def plain(text: str) -> str:
    """Keep a line one line: what cannot be printed (in a file's name, say) becomes a replacement character."""
    return (
        text
        if text.isprintable()
        else "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)
    )


def amount(number: int, one: str, many: str | None = None) -> str:
    """Say `1 picture`, `2 pictures`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def passed_over(number: int) -> str:
    """Say `1 file that is no picture passed over`."""
    return f"{amount(number, 'file that is no picture', 'files that are no pictures')} passed over"


def duration(seconds: float) -> str:
    """Say `4.2 s`, `3 min 05 s`, `2 h 10 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def size(number: float) -> str:
    """Say `11.3 MiB`."""
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.0f} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} GiB"


def table(rows: Sequence[Sequence[str]], indent: str = "  ", width: int = 0) -> list[str]:
    """Set rows of words in columns; the last column is cut to fit ``width`` (0: as wide as it is)."""
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
"""From how much is said to what of the log is shown; with -vv all."""


class _ToLines(logging.Handler):
    """Prints what is logged, a traceback line by line."""

    def __init__(self, line: Callable[[str], None]) -> None:
        super().__init__()
        self.line = line

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record. A log never ends a run."""
        try:
            for text in self.format(record).splitlines():
                self.line(text)
        except Exception:
            self.handleError(record)


@contextmanager
def log_to(line: Callable[[str], None], level: int) -> Iterator[None]:
    """Print henshin's log with ``line`` while the block runs; ``level`` as on the command line: -1, 0, 1, 2."""
    logger, handler = logging.getLogger("henshin"), _ToLines(line)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(LEVELS.get(level, logging.DEBUG))
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
