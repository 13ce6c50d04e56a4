"""How a command ends where it is asked to, or where nothing can be told any more."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from henshin.errors import TerminatedError


def of_stdout(error: Exception) -> bool:
    """Whether an error comes of writing to stdout: of files that henshin writes the name would be there."""
    full = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG)
    return isinstance(error, OSError) and error.filename is None and error.errno in full


def close_stdout() -> None:
    """Let what cannot be written go nowhere, also at the exit, where Python would complain of it."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115


@contextmanager
def terminable() -> Iterator[None]:
    """Within: SIGTERM ends the command as Ctrl-C does, with what is in flight finished and told."""

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
