"""The record of a run, ``OUT/.henshin/run.jsonl``: what is done, what failed and why, and which files are ours.

Append-only, one line of JSON for each source that has ended; the last line of a source counts. Nothing is ever
rewritten, so a run that is killed loses at most what was in flight. A source that shares a folder with the output is
written down as seen from there ("../photos/x.jpg"), so that both may be moved together; here its path is absolute.
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

from henshin.engine.record.jsonl import JsonLinesFile, lines, locked
from henshin.errors import HenshinError
from henshin.files import exists, hash_file

FOLDER = ".henshin"

RECORD = "run.jsonl"

STARTED = "writing.jsonl"

PARTS = ".henshin-*.part"
"""What ``images.write_bytes`` calls a file until it is whole."""

PathKey = Callable[[str], str]


@dataclass
class Manifest:
    """The record of one output folder. Used as a context it holds the folder's lock.

    ``folder`` None keeps no record (a single output file): everything is done anew. ``path_key`` says which paths
    count as the same file.
    """

    folder: Path | None
    path_key: PathKey = str
    entries: dict[str, RecordEntry] = field(default_factory=dict)
    _owners: dict[str, tuple[str, str]] = field(default_factory=dict)
    _unrecorded: dict[str, str] = field(default_factory=dict)
    _scraps: set[Path] = field(default_factory=set)
    _made: list[Path] = field(default_factory=list)
    _record: JsonLinesFile | None = None
    _started: JsonLinesFile | None = None
    _guard: Lock = field(default_factory=Lock)

    def load(self) -> Manifest:
        """Read what earlier runs left. A line that was cut off by a crash, or is none of ours, is passed over."""
        if self.folder is None:
            return self
        for line in lines(self.folder / FOLDER / RECORD):
            entry = entry_of(line)
            if entry is not None:
                self._take(placed(entry, self.folder, to_absolute))
        started: dict[str, str | None] = {}
        for line in lines(self.folder / FOLDER / STARTED):
            if isinstance(line, list) and len(line) == 2 and isinstance(line[0], str):
                started[line[0]] = None if line[1] is None else to_absolute(str(line[1]), self.folder)
        self._scraps = {(self.folder / path).parent for path in started}
        self._unrecorded = {
            path: source
            for path, source in started.items()
            if source is not None and self.path_key(path) not in self._owners
        }
        return self

    def _take(self, entry: RecordEntry) -> None:
        self.entries[entry.source] = entry
        for output in entry.outputs:
            self._owners[self.path_key(output.path)] = (entry.source, output.path)

    def remembered(self, stage: str) -> Iterator[tuple[RecordEntry, list[tuple[str, str]]]]:
        """Yield what a stage had written down about sources, with their last entries: (name, text) each.

        An older line of a source counts where its content and the work were the same. Errors: OSError.
        """
        for line in lines(self.folder / FOLDER / RECORD) if self.folder is not None else ():
            entry = entry_of(line)
            if entry is None or self.folder is None:
                continue
            last = self.last(to_absolute(entry.source, self.folder))
            known = line.get("remembered")
            if last is None or not isinstance(known, dict) or stage not in known:
                continue
            if (last.input_hash, last.fingerprint) == (entry.input_hash, entry.fingerprint):
                yield last, [(str(name), str(text)) for name, text in known[stage]]

    def last(self, source: str) -> RecordEntry | None:
        """Return how a source ended last, or None if it never did."""
        return self.entries.get(source)

    def owner(self, key: str) -> str | None:
        """Return the source to which the file with this ``path_key`` belongs by any line, while that file is there."""
        source, path = self._owners.get(key, (None, ""))
        return source if source is not None and self.folder is not None and exists(self.folder / path) else None

    def is_ours(self, relative: str) -> bool:
        """Whether a run wrote this file, or had begun to when it was killed."""
        return self.path_key(relative) in self._owners or relative in self._unrecorded

    def is_whole(self, output: Output) -> bool:
        """Whether an output is still on the disk as it was written, byte for byte."""
        if self.folder is None:
            return False
        path = self.folder / output.path
        try:
            return path.stat().st_size == output.size and hash_file(path) == output.sha256
        except OSError:
            return False

    # -- Writing -----------------------------------------------------------------------------------------------------

    def __enter__(self) -> Manifest:
        """Take the lock and read the record. Errors: HenshinError when another run is at work in this folder."""
        if self.folder is not None:
            self._record = self._open_locked(self.folder)
        self.load()
        self._sweep()
        return self

    def _sweep(self) -> None:
        """Remove half-written files of a run that was killed: they lie beside the outputs that it had begun."""
        for parent in self._scraps:
            for part in parent.glob(PARTS):
                with suppress(OSError):
                    part.unlink()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give back the lock, and leave nothing behind if nothing was done."""
        if self.folder is None:
            return
        if self._started is not None:
            self._started.close()
        with suppress(OSError):
            if not self._unrecorded:
                (self.folder / FOLDER / STARTED).unlink(missing_ok=True)
        if self._record is not None:
            self._record.close()
        # Succeeds only on empty folders: those that this run made for nothing.
        with suppress(OSError):
            for made in self._made:
                made.rmdir()

    def starting(self, relative: str, source: str) -> bool:
        """Note that a file is about to be written: if we are killed before its source is recorded, it is ours.

        Returns whether that is news. Any thread may call it. Errors: OSError.
        """
        with self._guard:
            if self.folder is None or relative in self._unrecorded:
                return False
            self._note(self.folder, relative, source)
            self._unrecorded[relative] = source
            return True

    def abandon(self, relative: str) -> None:
        """Take ``starting`` back, for the file was not written: what lies there later is another's."""
        with self._guard:
            self._forget(relative)

    def _forget(self, relative: str) -> None:
        del self._unrecorded[relative]
        with suppress(OSError):
            if self.folder is not None:
                self._note(self.folder, relative, None)

    def _note(self, folder: Path, relative: str, source: str | None) -> None:
        if self._started is None:
            self._started = JsonLinesFile(folder / FOLDER / STARTED)
        self._started.append([relative, source and to_relative(source, folder)])

    def append(self, entry: RecordEntry) -> None:
        """Add a line. Errors: OSError."""
        if self._record is not None and self.folder is not None:
            line = asdict(placed(entry, self.folder, to_relative))
            self._record.append({key: value for key, value in line.items() if value or key not in SPARSE})
        self._take(replace(entry, remembered={}))
        recorded = {output.path for output in entry.outputs}
        with self._guard:
            for path, source in list(self._unrecorded.items()):
                if path in recorded:
                    del self._unrecorded[path]
                elif source == entry.source:
                    self._forget(path)

    def _open_locked(self, folder: Path) -> JsonLinesFile:
        """Open the record for appending and lock it; the lock ends with the process, however that ends."""
        own = folder / FOLDER
        try:
            self._made = [place for place in (own, *own.parents) if not exists(place)]
            own.mkdir(parents=True, exist_ok=True)
            record = JsonLinesFile(own / RECORD)
        except OSError as error:
            raise HenshinError(f"cannot write to the output folder '{folder}': {error.strerror or error}") from None
        if not locked(record.file):
            record.file.close()
            raise HenshinError(f"another run is at work in '{folder}'; wait for it, or give another folder with -o")
        return record


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
class RecordEntry:
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


def entry_of(line: Any) -> RecordEntry | None:
    """Return what a line of the record says; None for a line that is none of ours."""
    try:
        outputs = [Output(str(one["path"]), int(one["size"]), str(one["sha256"])) for one in line["outputs"]]
        status = line["status"]
        if status not in ("done", "skipped", "failed"):
            return None
        texts = (str(line["input_hash"]), str(line["fingerprint"]))
        dropped = tuple(Drop(**one) for one in line.get("dropped", ()))
        return RecordEntry(
            str(line["source"]), outputs, status, line["stage"], line["reason"], *texts, float(line["seconds"]), dropped
        )
    except (KeyError, TypeError, ValueError):
        return None


SPARSE = frozenset({"dropped", "remembered"})
"""Parts of an entry that are written only where there is something in them."""


def placed(entry: RecordEntry, folder: Path, place: Callable[[str, Path], str]) -> RecordEntry:
    """Return an entry with its sources as ``place`` has them."""
    dropped = tuple(
        drop if drop.instead is None else replace(drop, instead=place(drop.instead, folder)) for drop in entry.dropped
    )
    return replace(entry, source=place(entry.source, folder), dropped=dropped)


def to_relative(source: str, folder: Path) -> str:
    """Return how a source stands in the record of a folder: as seen from there if they share more than the root."""
    path, home = Path(source), Path(os.path.abspath(folder))  # noqa: PTH100
    if not path.is_absolute() or path.anchor != home.anchor:
        return source
    if os.path.commonpath([path, home]) == home.anchor:
        return source
    seen = Path(os.path.relpath(path, home)).as_posix()
    return seen if seen.startswith("../") else f"./{seen}"


def to_absolute(source: str, folder: Path) -> str:
    """Return what ``to_relative`` was given."""
    return os.path.abspath(folder / source) if source.startswith(("./", "../")) else source  # noqa: PTH100
