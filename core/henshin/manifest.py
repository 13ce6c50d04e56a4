"""The record of a run, ``OUT/.henshin/run.jsonl``: what is done, what failed and why, and which files are ours.

Append-only, one line of JSON for each source that has ended; the last line of a source counts. Nothing is ever
rewritten, so a run that is killed loses at most what was in flight. A source that shares a folder with the output is
written down as seen from there ("../photos/x.jpg"), so that both may be moved together; here its path is absolute.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from io import BufferedReader
from pathlib import Path
from threading import Lock
from types import TracebackType

from henshin.entries import SPARSE, Drop, Ending, Entry, Output, absolute, entry_of, placed, told
from henshin.errors import HenshinError
from henshin.line_file import LineFile, lines, locked
from henshin.places import exists

__all__ = ["FOLDER", "RECORD", "Drop", "Ending", "Entry", "Manifest", "Output", "hash_file", "hash_open", "hash_text"]

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
    entries: dict[str, Entry] = field(default_factory=dict)
    _owners: dict[str, tuple[str, str]] = field(default_factory=dict)
    _unrecorded: dict[str, str] = field(default_factory=dict)
    _scraps: set[Path] = field(default_factory=set)
    _made: list[Path] = field(default_factory=list)
    _record: LineFile | None = None
    _started: LineFile | None = None
    _guard: Lock = field(default_factory=Lock)

    def load(self) -> Manifest:
        """Read what earlier runs left. A line that was cut off by a crash, or is none of ours, is passed over."""
        if self.folder is None:
            return self
        for line in lines(self.folder / FOLDER / RECORD):
            entry = entry_of(line)
            if entry is not None:
                self._take(placed(entry, self.folder, absolute))
        started: dict[str, str | None] = {}
        for line in lines(self.folder / FOLDER / STARTED):
            if isinstance(line, list) and len(line) == 2 and isinstance(line[0], str):
                started[line[0]] = None if line[1] is None else absolute(str(line[1]), self.folder)
        self._scraps = {(self.folder / path).parent for path in started}
        self._unrecorded = {
            path: source
            for path, source in started.items()
            if source is not None and self.path_key(path) not in self._owners
        }
        return self

    def _take(self, entry: Entry) -> None:
        self.entries[entry.source] = entry
        for output in entry.outputs:
            self._owners[self.path_key(output.path)] = (entry.source, output.path)

    def remembered(self, stage: str) -> Iterator[tuple[Entry, list[tuple[str, str]]]]:
        """Yield what a stage had written down about sources, with their last entries: (name, text) each.

        An older line of a source counts where its content and the work were the same. Errors: OSError.
        """
        for line in lines(self.folder / FOLDER / RECORD) if self.folder is not None else ():
            entry = entry_of(line)
            if entry is None or self.folder is None:
                continue
            last = self.last(absolute(entry.source, self.folder))
            known = line.get("remembered")
            if last is None or not isinstance(known, dict) or stage not in known:
                continue
            if (last.input_hash, last.fingerprint) == (entry.input_hash, entry.fingerprint):
                yield last, [(str(name), str(text)) for name, text in known[stage]]

    def last(self, source: str) -> Entry | None:
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
            self._started = LineFile(folder / FOLDER / STARTED)
        self._started.append([relative, source and told(source, folder)])

    def append(self, entry: Entry) -> None:
        """Add a line. Errors: OSError."""
        if self._record is not None and self.folder is not None:
            line = asdict(placed(entry, self.folder, told))
            self._record.append({key: value for key, value in line.items() if value or key not in SPARSE})
        self._take(replace(entry, remembered={}))
        recorded = {output.path for output in entry.outputs}
        with self._guard:
            for path, source in list(self._unrecorded.items()):
                if path in recorded:
                    del self._unrecorded[path]
                elif source == entry.source:
                    self._forget(path)

    def _open_locked(self, folder: Path) -> LineFile:
        """Open the record for appending and lock it; the lock ends with the process, however that ends."""
        own = folder / FOLDER
        try:
            self._made = [place for place in (own, *own.parents) if not exists(place)]
            own.mkdir(parents=True, exist_ok=True)
            record = LineFile(own / RECORD)
        except OSError as error:
            raise HenshinError(f"cannot write to the output folder '{folder}': {error.strerror or error}") from None
        if not locked(record.file):
            record.file.close()
            raise HenshinError(f"another run is at work in '{folder}'; wait for it, or give another folder with -o")
        return record


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal. Errors: OSError."""
    with path.open("rb") as file:
        return hash_open(file)


def hash_open(file: BufferedReader) -> str:
    """Return the SHA-256 of an open file's bytes in hexadecimal. Errors: OSError."""
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()


def hash_text(text: str) -> str:
    """Return the SHA-256 of a text, for a source that is no file: its name says what its content depends on."""
    return hashlib.sha256(text.encode()).hexdigest()
