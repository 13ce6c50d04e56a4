"""The lines of the record of a run: how a source ended, what came of it, and what was left out of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

Ending = Literal["done", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class Output:
    """One file that was written: ``path`` below the output folder with "/", its bytes and their hash."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Drop:
    """One picture (of several that a source may have become) that a stage left out: which stage, and why.

    ``kind`` is what it is counted as, ``name`` what its output would have been called. ``instead`` is the source that
    stays in its place, if any, and ``instead_hash`` that one's ``input_hash``.
    """

    stage: str
    kind: str
    reason: str
    name: str
    instead: str | None = None
    instead_hash: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """How one source ended. ``stage`` and ``reason`` are None when it is done; ``seconds`` is the work it took.

    ``remembered`` is what stages want to find again, (name, text) by stage; it is written, and only read by
    ``Manifest.remembered``: of a million sources it need not be held.
    """

    source: str
    outputs: list[Output]
    status: Ending
    stage: str | None
    reason: str | None
    input_hash: str
    fingerprint: str
    seconds: float
    dropped: tuple[Drop, ...] = ()
    remembered: dict[str, list[tuple[str, str]]] = field(default_factory=dict)


def entry_of(line: Any) -> Entry | None:
    """Return what a line of the record says; None for a line that is none of ours."""
    try:
        outputs = [Output(str(one["path"]), int(one["size"]), str(one["sha256"])) for one in line["outputs"]]
        status = line["status"]
        if status not in ("done", "skipped", "failed"):
            return None
        texts = (str(line["input_hash"]), str(line["fingerprint"]))
        dropped = tuple(Drop(**one) for one in line.get("dropped", ()))
        return Entry(
            str(line["source"]), outputs, status, line["stage"], line["reason"], *texts, float(line["seconds"]), dropped
        )
    except (KeyError, TypeError, ValueError):
        return None


SPARSE = frozenset({"dropped", "remembered"})
"""Parts of an entry that are written only where there is something in them."""


def placed(entry: Entry, folder: Path, place: Callable[[str, Path], str]) -> Entry:
    """Return an entry with its sources as ``place`` has them."""
    dropped = tuple(
        drop if drop.instead is None else replace(drop, instead=place(drop.instead, folder)) for drop in entry.dropped
    )
    return replace(entry, source=place(entry.source, folder), dropped=dropped)


def told(source: str, folder: Path) -> str:
    """Return how a source stands in the record of a folder: as seen from there if they share more than the root."""
    path, home = Path(source), Path(os.path.abspath(folder))  # noqa: PTH100  (Path.resolve would follow links)
    if not path.is_absolute() or path.anchor != home.anchor:
        return source
    if os.path.commonpath([path, home]) == home.anchor:
        return source
    seen = Path(os.path.relpath(path, home)).as_posix()
    return seen if seen.startswith("../") else f"./{seen}"


def absolute(source: str, folder: Path) -> str:
    """Return what ``told`` was given."""
    return os.path.abspath(folder / source) if source.startswith(("./", "../")) else source  # noqa: PTH100
