"""Files of JSON lines that only grow, and locks on them: what the record of a run is made of."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO


class JsonLinesFile:
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


def lines(path: Path) -> Iterator[Any]:
    """Yield every line of a file that is whole; none if there is no file. Errors: OSError."""
    try:
        with path.open("rb") as file:
            for line in file:
                try:
                    yield json.loads(line)
                except ValueError:
                    continue
    except FileNotFoundError:
        return


def _ends_well(path: Path) -> bool:
    """Whether a file is empty or ends with a whole line."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def locked(file: BinaryIO) -> bool:
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
