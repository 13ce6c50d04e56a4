"""The end of a command by SIGTERM, or because stdout cannot be written."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from henshin.errors import TerminatedError


def is_stdout_error(error: Exception) -> bool:
    """Return whether an error comes from writing to stdout: errors of files have a file name."""
    full = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG)
    return isinstance(error, OSError) and error.filename is None and error.errno in full


def discard_stdout() -> None:
    """Send stdout to the null device, so that Python has nothing to flush at the exit, which would fail."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """While the block runs, let SIGTERM end the command as Ctrl-C does: work in flight is finished and recorded."""

    def stop(number: int, frame: object) -> None:  # noqa: ARG001
        raise TerminatedError

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
