"""Asking a stage for its work, and finding out which picture it fails on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from henshin.errors import HenshinError, MissingError, PictureError
from henshin.words import flat, one_line

log = logging.getLogger("henshin")

T = TypeVar("T")


def reason_of(error: BaseException) -> PictureError:
    """Turn what was raised into the reason why a picture failed.

    Always a new error: an old one holds, by its traceback, every picture that was at work.
    """
    if isinstance(error, PictureError):
        return PictureError(error.reason)
    # What henshin itself says needs no name of a class before it.
    return PictureError(flat(error) if isinstance(error, HenshinError) else one_line(error))


def one_by_one(
    label: str, work: Callable[[list[T]], Sequence[Any]], items: list[T], again: Callable[[int], T]
) -> list[Any]:
    """Return ``work(items)``; if that fails, the work on each item alone, with a PictureError where it fails again.

    ``work`` raises whenever what it returns cannot be right. ``again(i)`` gives item i as it was before the attempt.
    A MissingError is nobody's fault but the installation's, and goes through.
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
    return [_alone(label, work, again(position)) for position in range(len(items))]


def _alone(label: str, work: Callable[[list[T]], Sequence[Any]], item: T) -> Any:
    try:
        return next(iter(work([item])))
    except MissingError:
        raise
    except (Exception, SystemExit) as error:
        log.info("%s failed", label, exc_info=True)
        return reason_of(error)
