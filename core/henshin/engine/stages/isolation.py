"""Isolation of failures: work on several items at once, and on each alone if that fails."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from henshin.errors import HenshinError, MissingError, PictureError
from henshin.text import flatten, one_line

T = TypeVar("T")

log = logging.getLogger("henshin")


def reason_of(error: BaseException) -> PictureError:
    """Return the error of a picture for an exception.

    It is always a new one: the traceback of the old one holds references to all pictures at work.
    """
    if isinstance(error, PictureError):
        return PictureError(error.reason)
    # The messages of henshin's own errors need no class name before them.
    return PictureError(flatten(error) if isinstance(error, HenshinError) else one_line(error))


def run_isolated(
    label: str, work: Callable[[list[T]], Sequence[Any]], items: list[T], original: Callable[[int], T]
) -> list[Any]:
    """Return ``work(items)``; if that fails, the results for each item alone, with a PictureError where it fails again.

    ``work`` raises if its results cannot be right. ``original(i)`` returns item i as it was before the first attempt.
    Errors: MissingError, which no picture causes, is passed on.
    """
    try:
        return list(work(items))
    except MissingError:
        raise
    except (Exception, SystemExit) as error:  # a stage that calls sys.exit() must not end the run
        if len(items) == 1:
            log.info("%s failed", label, exc_info=True)
            return [reason_of(error)]
        log.debug("%s failed on %d together", label, len(items), exc_info=True)
    return [_run_alone(label, work, original(position)) for position in range(len(items))]


def _run_alone(label: str, work: Callable[[list[T]], Sequence[Any]], item: T) -> Any:
    try:
        return next(iter(work([item])))
    except MissingError:
        raise
    except (Exception, SystemExit) as error:
        log.info("%s failed", label, exc_info=True)
        return reason_of(error)
