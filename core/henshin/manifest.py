"""The record of a run, ``OUT/.henshin/run.jsonl``: what is done, what failed and why, and which files are ours.

Append-only, one line of JSON for each source that has ended; the last line of a source counts. Nothing is ever
rewritten, so a run that is killed loses at most what was in flight.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, BinaryIO, Literal

from henshin.errors import HenshinError

FOLDER = ".henshin"
RECORD = "run.jsonl"
STARTED = "writing.jsonl"
PARTS = ".henshin-*.part"
"""What ``images.write_bytes`` calls a file until it is whole."""

PathKey = Callable[[str], str]
Ending = Literal["done", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class Output:
    """One file that was written: ``path`` below the output folder with "/", its bytes and their hash."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Entry:
    """How one source ended. ``stage`` and ``reason`` are None when it is done; ``seconds`` is the work it took."""

    source: str
    outputs: list[Output]
    status: Ending
    stage: str | None
    reason: str | None
    input_hash: str
    fingerprint: str
    seconds: float


class LineFile:
    """A file of JSON lines that only grows: each line goes out in one call, on a line of its own."""

    def __init__(self, path: Path) -> None:
        """Open for appending; makes an empty file where there is none. Errors: OSError."""
        self.path = path
        self.file = path.open("ab", buffering=0)
        self._ragged = not _ends_well(path)

    def append(self, value: Any) -> None:
        """Add a line. Errors: OSError, after which at most a cut-off line remains, and the next one begins afresh."""
        data = b"\n" * self._ragged + json.dumps(value).encode("ascii") + b"\n"
        self._ragged = True
        if self.file.write(data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        self._ragged = False

    def close(self) -> None:
        """Close it, and remove it if it is still empty."""
        empty = self.file.tell() == 0
        self.file.close()
        if empty:
            self.path.unlink(missing_ok=True)


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
    _unrecorded: set[str] = field(default_factory=set)
    _record: LineFile | None = None
    _started: LineFile | None = None
    _guard: Lock = field(default_factory=Lock)

    def load(self) -> Manifest:
        """Read what earlier runs left. A line that was cut off by a crash, or is none of ours, is passed over."""
        if self.folder is None:
            return self
        for line in _lines(self.folder / FOLDER / RECORD):
            entry = _entry(line)
            if entry is not None:
                self._take(entry)
        started = {line for line in _lines(self.folder / FOLDER / STARTED) if isinstance(line, str)}
        self._unrecorded = {path for path in started if self.path_key(path) not in self._owners}
        return self

    def _take(self, entry: Entry) -> None:
        self.entries[entry.source] = entry
        for output in entry.outputs:
            self._owners[self.path_key(output.path)] = (entry.source, output.path)

    def last(self, source: str) -> Entry | None:
        """Return how a source ended last, or None if it never did."""
        return self.entries.get(source)

    def owner(self, key: str) -> str | None:
        """Return the source to which the file with this ``path_key`` belongs by any line, while that file is there."""
        source, path = self._owners.get(key, (None, ""))
        return source if source is not None and self.folder is not None and (self.folder / path).exists() else None

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
            self._record = _open_locked(self.folder)
        self.load()
        self._sweep()
        return self

    def _sweep(self) -> None:
        """Remove half-written files of a run that was killed: they lie beside the outputs that it had begun."""
        if self.folder is None:
            return
        for parent in {(self.folder / path).parent for path in self._unrecorded}:
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
        # Both succeed only on empty folders: those that this run made for nothing.
        with suppress(OSError):
            (self.folder / FOLDER).rmdir()
            self.folder.rmdir()

    def starting(self, relative: str) -> None:
        """Note that a file is about to be written: if we are killed before its source is recorded, it is ours.

        Any thread may call it. Errors: OSError.
        """
        with self._guard:
            if self.folder is None or relative in self._unrecorded:
                return
            if self._started is None:
                self._started = LineFile(self.folder / FOLDER / STARTED)
            self._started.append(relative)
            self._unrecorded.add(relative)

    def append(self, entry: Entry) -> None:
        """Add a line. Errors: OSError."""
        if self._record is not None:
            self._record.append(asdict(entry))
        self._take(entry)
        with self._guard:
            self._unrecorded.difference_update(output.path for output in entry.outputs)


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal. Errors: OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_text(text: str) -> str:
    """Return the SHA-256 of a text, for a source that is no file: its name says what its content depends on."""
    return hashlib.sha256(text.encode()).hexdigest()


def _lines(path: Path) -> Iterator[Any]:
    try:
        with path.open("rb") as file:
            for line in file:
                try:
                    yield json.loads(line)
                except ValueError:
                    continue
    except FileNotFoundError:
        return


def _entry(line: Any) -> Entry | None:
    try:
        outputs = [Output(str(one["path"]), int(one["size"]), str(one["sha256"])) for one in line["outputs"]]
        status = line["status"]
        if status not in ("done", "skipped", "failed"):
            return None
        texts = (str(line["input_hash"]), str(line["fingerprint"]))
        return Entry(
            str(line["source"]), outputs, status, line["stage"], line["reason"], *texts, float(line["seconds"])
        )
    except (KeyError, TypeError, ValueError):
        return None


def _ends_well(path: Path) -> bool:
    """Whether a file is empty or ends with a whole line."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _open_locked(folder: Path) -> LineFile:
    """Open the record for appending and lock it; the lock ends with the process, however that ends."""
    try:
        (folder / FOLDER).mkdir(parents=True, exist_ok=True)
        record = LineFile(folder / FOLDER / RECORD)
    except OSError as error:
        raise HenshinError(f"cannot write to the output folder '{folder}': {error.strerror or error}") from None
    if not _lock(record.file):
        record.file.close()
        raise HenshinError(f"another run is at work in '{folder}'; wait for it, or give another folder with -o")
    return record


def _lock(file: BinaryIO) -> bool:
    """Take an exclusive lock, or say that another process has it. A file system without locks counts as free."""
    try:
        if os.name == "nt":
            import msvcrt

            # Far behind any line of the record: on Windows a locked range cannot be read by others.
            position = file.tell()
            file.seek(0x7FFF0000)
            try:
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
            finally:
                file.seek(position)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK)
    return True
