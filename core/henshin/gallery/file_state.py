"""The state of a recorded file: whether it is where the record has it, and the same byte for byte."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from henshin.files import hash_file
from henshin.gallery.entries import RecordedFile

GONE = "moved or deleted since the run"

CHANGED = "changed since the run"

UNREAD = "could not be read by the run"


@dataclass
class FileStates:
    """Compares files with the record. ``seen`` keeps [size, time of change, SHA-256] by path, so as to read each once.

    ``used`` are the paths that were asked for. Any thread may call ``problem``.
    """

    seen: dict[str, list[int | str]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)

    def problem(self, file: RecordedFile) -> str | None:
        """Return None for a file that is what the record says, else what is wrong with it, in a few words."""
        try:
            found = self._hash(file.path)
        except FileNotFoundError:
            return GONE
        except OSError as error:
            return f"cannot be read: {error.strerror or error}"
        if not file.sha256:
            return UNREAD
        return None if found == file.sha256 else CHANGED

    def _hash(self, path: Path) -> str:
        """Return the SHA-256 of a file; of one that was seen at the same size and time, without reading it."""
        key = os.fspath(path)
        status = path.stat()
        known = self.seen.get(key)
        if known is not None and known[:2] == [status.st_size, status.st_mtime_ns]:
            with self._lock:
                self.used.add(key)
            return str(known[2])
        found = hash_file(path)
        with self._lock:
            self.seen[key] = [status.st_size, status.st_mtime_ns, found]
            self.used.add(key)
        return found

    def forget_others(self) -> None:
        """Keep only what was seen of the files that were asked for."""
        self.seen = {path: self.seen[path] for path in sorted(self.used)}
