"""The record of an output folder, ``OUT/.henshin/run.jsonl``: one entry for each source, with its outputs.

The file is append-only, with one line of JSON for each source that has ended; the last line of a source counts.
Nothing is ever rewritten, so a run that is killed loses at most what was in flight. The record holds paths of sources
relative to the output folder where the two share more than the root ("../photos/x.jpg"), so that both can be moved
together; in memory they are absolute.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Literal

from henshin.engine.record.jsonl import JsonLinesFile, read_lines, try_lock
from henshin.errors import HenshinError
from henshin.files import PARTS, exists, hash_file, sweep

FOLDER = ".henshin"

RECORD = "run.jsonl"

WRITING = "writing.jsonl"

OPTIONAL_FIELDS = frozenset({"dropped", "remembered", "faces", "timings", "remarks"})
"""Fields of an entry that are written only if they are neither None nor empty; older records have none of them."""

Ending = Literal["done", "skipped", "failed"]

PathKey = Callable[[str], str]


@dataclass
class Manifest:
    """The record of one output folder. As a context manager it holds the folder's lock.

    ``folder`` None keeps no record (a single output file): everything is done anew. ``path_key`` returns equal keys
    for paths that count as the same file.
    """

    folder: Path | None
    path_key: PathKey = str
    entries: dict[str, RecordEntry] = field(default_factory=dict)
    _owners: dict[str, tuple[str, str]] = field(default_factory=dict)
    _unrecorded: dict[str, str] = field(default_factory=dict)
    _partial_folders: set[Path] = field(default_factory=set)
    _created: list[Path] = field(default_factory=list)
    _record: JsonLinesFile | None = None
    _writing: JsonLinesFile | None = None
    _write_lock: Lock = field(default_factory=Lock)

    def load(self) -> Manifest:
        """Read the record of earlier runs. A line that is not whole, or not an entry, is ignored."""
        if self.folder is None:
            return self
        for line in read_lines(self.folder / FOLDER / RECORD):
            entry = parse_entry(line)
            if entry is not None:
                self._index(map_sources(entry, self.folder, to_absolute))
        started: dict[str, str | None] = {}
        for line in read_lines(self.folder / FOLDER / WRITING):
            if isinstance(line, list) and len(line) == 2 and isinstance(line[0], str):
                started[line[0]] = None if line[1] is None else to_absolute(str(line[1]), self.folder)
        self._partial_folders = {(self.folder / path).parent for path in started}
        self._unrecorded = {
            path: source
            for path, source in started.items()
            if source is not None and self.path_key(path) not in self._owners
        }
        return self

    def _index(self, entry: RecordEntry) -> None:
        self.entries[entry.source] = entry
        for output in entry.outputs:
            self._owners[self.path_key(output.path)] = (entry.source, output.path)

    def remembered(self, stage: str) -> Iterator[tuple[RecordEntry, list[tuple[str, str]]]]:
        """Yield the last entry of each source with what a stage remembered of it: (name, text) pairs.

        An older line of a source counts too if its input hash and fingerprint are those of the last. Errors: OSError.
        """
        for line in read_lines(self.folder / FOLDER / RECORD) if self.folder is not None else ():
            entry = parse_entry(line)
            if entry is None or self.folder is None:
                continue
            last = self.last(to_absolute(entry.source, self.folder))
            known = line.get("remembered")
            if last is None or not isinstance(known, dict) or stage not in known:
                continue
            if (last.input_hash, last.fingerprint) == (entry.input_hash, entry.fingerprint):
                yield last, [(str(name), str(text)) for name, text in known[stage]]

    def last(self, source: str) -> RecordEntry | None:
        """Return the last entry of a source, or None."""
        return self.entries.get(source)

    def owner(self, key: str) -> str | None:
        """Return the source that any line names for the output with this ``path_key``, if that file exists."""
        source, path = self._owners.get(key, (None, ""))
        return source if source is not None and self.folder is not None and exists(self.folder / path) else None

    def is_ours(self, relative: str) -> bool:
        """Return whether a run wrote this file, or had begun to write it when it was killed."""
        return self.path_key(relative) in self._owners or relative in self._unrecorded

    def is_whole(self, output: Output) -> bool:
        """Return whether an output is still on the disk as it was written, byte for byte."""
        if self.folder is None:
            return False
        path = self.folder / output.path
        try:
            return path.stat().st_size == output.size and hash_file(path) == output.sha256
        except OSError:
            return False

    # -- Writing -----------------------------------------------------------------------------------------------------

    def __enter__(self) -> Manifest:
        """Take the lock and read the record. Errors: HenshinError when another run uses this folder."""
        if self.folder is not None:
            self._record = self._open_locked(self.folder)
        self.load()
        self._remove_partial_files()
        return self

    def _remove_partial_files(self) -> None:
        """Remove what a run that was killed left: in the folders of the outputs it had begun, and in the record's."""
        own = (part.parent for part in (self.folder / FOLDER).rglob(PARTS)) if self.folder is not None else ()
        for parent in {*self._partial_folders, *own}:
            sweep(parent, idle=0)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the lock, and remove empty files and folders of the record."""
        if self.folder is None:
            return
        if self._writing is not None:
            self._writing.close()
        with suppress(OSError):
            if not self._unrecorded:
                (self.folder / FOLDER / WRITING).unlink(missing_ok=True)
        if self._record is not None:
            self._record.close()
        # Succeeds only on empty folders: those that this run created and did not use.
        with suppress(OSError):
            for created in self._created:
                created.rmdir()

    def begin_write(self, relative: str, source: str) -> bool:
        """Note that an output is about to be written, so that it is known as ours if the run is killed.

        Return False if that was noted already. Any thread may call it. Errors: OSError.
        """
        with self._write_lock:
            if self.folder is None or relative in self._unrecorded:
                return False
            self._log_write(self.folder, relative, source)
            self._unrecorded[relative] = source
            return True

    def cancel_write(self, relative: str) -> None:
        """Undo ``begin_write`` because the file was not written: a later file at this path is not ours."""
        with self._write_lock:
            self._forget(relative)

    def _forget(self, relative: str) -> None:
        del self._unrecorded[relative]
        with suppress(OSError):
            if self.folder is not None:
                self._log_write(self.folder, relative, None)

    def _log_write(self, folder: Path, relative: str, source: str | None) -> None:
        if self._writing is None:
            self._writing = JsonLinesFile(folder / FOLDER / WRITING)
        self._writing.append([relative, source and to_relative(source, folder)])

    def append(self, entry: RecordEntry) -> None:
        """Add an entry. Errors: OSError."""
        if self._record is not None and self.folder is not None:
            line = asdict(map_sources(entry, self.folder, to_relative))
            self._record.append({key: value for key, value in line.items() if _is_written(key, value)})
        self._index(replace(entry, remembered={}, timings={}, remarks=()))
        recorded = {output.path for output in entry.outputs}
        with self._write_lock:
            for path, source in list(self._unrecorded.items()):
                if path in recorded:
                    del self._unrecorded[path]
                elif source == entry.source:
                    self._forget(path)

    def _open_locked(self, folder: Path) -> JsonLinesFile:
        """Open the record for appending and lock it; the lock ends with the process."""
        own_folder = folder / FOLDER
        try:
            self._created = [parent for parent in (own_folder, *own_folder.parents) if not exists(parent)]
            own_folder.mkdir(parents=True, exist_ok=True)
            record = JsonLinesFile(own_folder / RECORD)
        except OSError as error:
            raise HenshinError(f"cannot write to the output folder '{folder}': {error.strerror or error}") from None
        if not try_lock(record.file):
            record.file.close()
            raise HenshinError(f"another run is at work in '{folder}'; wait for it, or give another folder with -o")
        return record


@dataclass(frozen=True, slots=True)
class Output:
    """One file that was written: its path below the output folder, with "/", its size in bytes, and its hash."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Drop:
    """One picture of a source (which may have become several) that a stage dropped, and the reason.

    ``kind`` is the kind of reason that it is counted under, ``name`` the name that its output would have had.
    ``instead`` is the source of the picture that stays in its place, if any, and ``instead_hash`` that one's
    ``input_hash``.
    """

    stage: str
    kind: str
    reason: str
    name: str
    instead: str | None = None
    instead_hash: str | None = None


@dataclass(frozen=True, slots=True)
class RecordEntry:
    """The outcome of one source. ``stage`` and ``reason`` are None when it is done; ``seconds`` is its working time.

    ``faces`` is the number of faces that were found, None where no stage looked for any. ``timings`` holds the seconds
    of each stage, by its label, ``remarks`` what stages said to people ("stage: text"), ``remembered`` the (name, text)
    pairs that stages remember, by stage. These three are written to the file, and read only by ``parse_timings``,
    ``parse_remarks`` and ``Manifest.remembered``: they are not held in memory.
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
    faces: int | None = None
    timings: dict[str, float] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def _is_written(key: str, value: Any) -> bool:
    return key not in OPTIONAL_FIELDS or bool(value) or value == 0


def parse_entry(line: Any) -> RecordEntry | None:
    """Return the entry in a line of the record; None for a line that is not one."""
    try:
        outputs = [Output(str(one["path"]), int(one["size"]), str(one["sha256"])) for one in line["outputs"]]
        status = line["status"]
        if status not in ("done", "skipped", "failed"):
            return None
        texts = (str(line["input_hash"]), str(line["fingerprint"]))
        dropped = tuple(Drop(**one) for one in line.get("dropped", ()))
        faces = line.get("faces")
        return RecordEntry(
            str(line["source"]),
            outputs,
            status,
            line["stage"],
            line["reason"],
            *texts,
            seconds=float(line["seconds"]),
            dropped=dropped,
            faces=None if faces is None else int(faces),
        )
    except (KeyError, TypeError, ValueError):
        return None


def parse_timings(line: dict[str, Any]) -> dict[str, float]:
    """Return the seconds of each stage in a line of the record; {} in one of an older version."""
    timings = line.get("timings")
    try:
        return {str(label): float(seconds) for label, seconds in timings.items()} if timings else {}
    except (AttributeError, TypeError, ValueError):
        return {}


def parse_remarks(line: dict[str, Any]) -> tuple[str, ...]:
    """Return what stages said of a source in a line of the record; () in one of an older version."""
    remarks = line.get("remarks")
    return tuple(map(str, remarks)) if isinstance(remarks, list) else ()


def map_sources(entry: RecordEntry, folder: Path, convert: Callable[[str, Path], str]) -> RecordEntry:
    """Return an entry with ``convert(source, folder)`` applied to each of its sources."""
    dropped = tuple(
        drop if drop.instead is None else replace(drop, instead=convert(drop.instead, folder)) for drop in entry.dropped
    )
    return replace(entry, source=convert(entry.source, folder), dropped=dropped)


def to_relative(source: str, folder: Path) -> str:
    """Return a source's path relative to the folder of the record; unchanged if the two share no more than the root."""
    path, home = Path(source), Path(os.path.abspath(folder))  # noqa: PTH100
    if not path.is_absolute() or path.anchor != home.anchor:
        return source
    if os.path.commonpath([path, home]) == home.anchor:
        return source
    relative = Path(os.path.relpath(path, home)).as_posix()
    return relative if relative.startswith("../") else f"./{relative}"


def to_absolute(source: str, folder: Path) -> str:
    """Return the absolute path of a source from its path in the record: the inverse of ``to_relative``."""
    return os.path.abspath(folder / source) if source.startswith(("./", "../")) else source  # noqa: PTH100
