"""The entries of a gallery: the last word of a run's record on each source, with names as people read them."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from henshin.engine.preparation.input_files import tree_key
from henshin.engine.record.jsonl import read_lines
from henshin.engine.record.manifest import (
    FOLDER,
    RECORD,
    Ending,
    RecordEntry,
    map_sources,
    parse_entry,
    parse_remarks,
    parse_timings,
    to_absolute,
)
from henshin.engine.record.run_log import LoggedRun, read_runs
from henshin.errors import HenshinError
from henshin.files import exists, is_file, is_folder


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """A file of the record, and the SHA-256 that it had then ("": it could not be read)."""

    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class GalleryEntry:
    """One source. ``name`` is its path below the folder that all sources share, with "/".

    ``before`` is None for a source that is no file (drawn from noise). ``dropped`` holds what stages left out of it, as
    "stage: reason", ``remarks`` what they said of it, "stage: text". ``faces`` is None where no stage looked for faces,
    or the record is older.
    """

    name: str
    status: Ending
    stage: str | None
    reason: str | None
    faces: int | None
    seconds: float
    fingerprint: str
    before: RecordedFile | None
    after: tuple[RecordedFile, ...] = ()
    dropped: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[RecordedFile, ...]:
        """The file before, if there is one, and those after."""
        return self.after if self.before is None else (self.before, *self.after)


@dataclass
class GalleryRecord:
    """What the record of an output folder says. ``entries`` are in natural order.

    ``timings`` holds (pictures, seconds) by the label of each stage, over the entries.
    """

    folder: Path
    entries: list[GalleryEntry]
    runs: list[LoggedRun] = field(default_factory=list)
    timings: dict[str, tuple[int, float]] = field(default_factory=dict)


def read_record(folder: Path) -> GalleryRecord:
    """Read the record of an output folder. Errors: HenshinError when there is none, or nothing in it."""
    record = folder / FOLDER / RECORD
    if not is_folder(folder):
        raise HenshinError(f"no such folder: '{folder}'; a gallery is made of the output folder of a run")
    if not is_file(record):
        raise HenshinError(f"'{folder}' holds no record of a run ('{record}'); name the output folder of a run")
    try:
        lines = {line["source"]: line for line in read_lines(record) if parse_entry(line) is not None}
        runs = read_runs(folder)
    except OSError as error:
        raise HenshinError(f"'{record}' cannot be read: {error.strerror or error}") from None
    found = [
        replace(entry, remarks=parse_remarks(line))
        for line in lines.values()
        if (entry := parse_entry(line)) is not None
    ]
    current = _without_moved([map_sources(entry, folder, to_absolute) for entry in found])
    if not current:
        raise HenshinError(f"'{record}' says of no picture how it ended; run the pipeline first")
    names = _names([entry.source for entry in current])
    entries = [_entry(entry, names[entry.source], folder) for entry in current]
    entries.sort(key=lambda entry: tree_key(entry.name))
    return GalleryRecord(folder, entries, runs, _sum_timings(lines))


def _without_moved(entries: list[RecordEntry]) -> list[RecordEntry]:
    """Return the entries without those of photos that have another path now, under which the record has them too."""
    contents = {(entry.input_hash, entry.fingerprint) for entry in entries if _is_there(entry)}
    return [entry for entry in entries if _is_there(entry) or (entry.input_hash, entry.fingerprint) not in contents]


def _is_there(entry: RecordEntry) -> bool:
    return not os.path.isabs(entry.source) or exists(entry.source)  # noqa: PTH117


def _names(sources: list[str]) -> dict[str, str]:
    """Return the name of each source: its path below the folder that all files share, or what a stage called it."""
    files = [source for source in sources if os.path.isabs(source)]  # noqa: PTH117
    try:
        shared = os.path.commonpath([os.path.dirname(file) for file in files]) if files else ""  # noqa: PTH120
    except ValueError:  # different drives
        return {source: Path(source).as_posix() for source in sources}
    names = {source: source for source in sources}
    return names | {file: Path(os.path.relpath(file, shared)).as_posix() for file in files}


def _entry(entry: RecordEntry, name: str, folder: Path) -> GalleryEntry:
    is_path = os.path.isabs(entry.source)  # noqa: PTH117
    return GalleryEntry(
        name=name,
        status=entry.status,
        stage=entry.stage,
        reason=entry.reason,
        faces=entry.faces,
        seconds=entry.seconds,
        fingerprint=entry.fingerprint,
        before=RecordedFile(Path(entry.source), entry.input_hash) if is_path else None,
        after=tuple(RecordedFile(folder / output.path, output.sha256) for output in entry.outputs),
        dropped=tuple(f"{drop.stage}: {drop.reason}" for drop in entry.dropped),
        remarks=entry.remarks,
    )


def _sum_timings(lines: dict[str, dict[str, Any]]) -> dict[str, tuple[int, float]]:
    pictures: Counter[str] = Counter()
    seconds: dict[str, float] = {}
    for line in lines.values():
        for label, spent in parse_timings(line).items():
            pictures[label] += 1
            seconds[label] = seconds.get(label, 0.0) + spent
    return {label: (pictures[label], total) for label, total in seconds.items()}
