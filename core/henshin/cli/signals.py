"""The end of a command by SIGTERM."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from henshin.errors import TerminatedError


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
