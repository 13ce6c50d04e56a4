"""Append-only files of JSON lines, and file locks."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO


class JsonLinesFile:
    """An append-only file of JSON lines. Each line is written in one call."""

    def __init__(self, path: Path) -> None:
        """Open a file for appending; it is created if there is none. Errors: OSError."""
        self.path = path
        self.file = path.open("ab", buffering=0)
        self._needs_newline = not _ends_with_newline(path)

    def append(self, value: Any) -> None:
        """Add a line. Errors: OSError; at most a cut-off line is left then, and the next one begins on a new line."""
        data = b"\n" * self._needs_newline + json.dumps(value).encode("ascii") + b"\n"
        self._needs_newline = True
        if self.file.write(data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        self._needs_newline = False

    def close(self) -> None:
        """Close the file, and remove it if it is empty."""
        empty = self.file.tell() == 0
        self.file.close()
        if empty:
            self.path.unlink(missing_ok=True)


def read_lines(path: Path) -> Iterator[Any]:
    """Yield the value of every whole line of a file; nothing if there is no file. Errors: OSError."""
    try:
        with path.open("rb") as file:
            for line in file:
                try:
                    yield json.loads(line)
                except ValueError:
                    continue
    except FileNotFoundError:
        return


def _ends_with_newline(path: Path) -> bool:
    """Return whether a file is empty or ends with a whole line."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def try_lock(file: BinaryIO) -> bool:
    """Take an exclusive lock. Return False if another process has it; True on a file system without locks."""
    try:
        if os.name == "nt":
            import msvcrt

            # A range far beyond the end of the record: on Windows others cannot read a locked range.
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
