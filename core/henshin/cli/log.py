"""Where the log goes during a run: to the lines that are printed anyway, above the bar if there is one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
