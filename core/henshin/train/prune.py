"""Keeping the cache of decoded pictures within bounds."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

LIMIT = 32 << 30
"""Bytes that all sets together may take; beyond, those that were not used for longest go."""

YOUNG = 3600.0
"""Seconds for which a set is safe after its last use: a run that starts must find its other sets again."""


def prune(folder: Path, newest: Path, say: Callable[[str], None], limit: int = LIMIT) -> None:
    """Drop the sets below `folder` that were used longest ago until `limit` is kept, and what dead processes left.

    `newest`, and whatever was used within the hour, stays. A process that has a dropped set open goes on with it.
    """
    _sweep(folder)
    ages = sorted((_used(entry), entry) for entry in folder.iterdir() if entry.is_dir() and entry.name[0] != ".")
    sizes = {entry: sum(file.stat().st_size for file in entry.iterdir()) for _, entry in ages}
    total, before, dropped = sum(sizes.values()), time.time() - YOUNG, 0
    for used, entry in ages:
        if total <= limit or used > before:
            break
        if entry != newest:
            shutil.rmtree(entry, ignore_errors=True)
            total -= sizes[entry]
            dropped += 1
    if dropped:
        say(f"{folder}: dropped {dropped} old sets of decoded pictures, for all may take {limit / 2**30:.0f} GiB")


def _used(path: Path) -> float:
    """When a set was used last: the newest time of its files."""
    return max((file.stat().st_mtime for file in path.iterdir()), default=0.0)


def _sweep(folder: Path) -> None:
    """Remove half-written sets that nobody has written to for an hour, and locks that nobody took for a day."""
    now = time.time()
    for left in folder.glob(".*.new"):
        if now - max(_used(left), left.stat().st_mtime) > YOUNG:
            shutil.rmtree(left, ignore_errors=True)
    for lock in folder.glob(".*.lock"):
        if now - lock.stat().st_mtime > 24 * YOUNG:
            lock.unlink(missing_ok=True)
