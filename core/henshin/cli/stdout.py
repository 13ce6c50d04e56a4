"""Stdout that cannot be written: its errors, and its replacement by the null device."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress


def is_stdout_error(error: Exception) -> bool:
    """Return whether an error comes from writing to stdout: errors of files have a file name."""
    full = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG)
    return isinstance(error, OSError) and error.filename is None and error.errno in full


def discard_stdout() -> None:
    """Send stdout to the null device, so that Python has nothing to flush at the exit, which would fail."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
