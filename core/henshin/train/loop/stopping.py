"""When a run ends: its plan, the limits of the command line, and Ctrl-C."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class StopCondition:
    """Knows whether a run may go on, and whether the step that begins is its last.

    `plan` is how many steps the recipe wants, `most` how many the command line allows, `limit` the seconds.
    """

    def __init__(self, most: int | None, limit: float | None) -> None:
        self.most, self.limit = most, limit
        self.plan: int | None = None
        self.interrupted = self.timed = False
        self.started: float | None = None
        self._before = 0.0

    @property
    def total(self) -> int | None:
        """Steps of the whole run, if it has an end."""
        return min((steps for steps in (self.plan, self.most) if steps is not None), default=None)

    def over(self, steps: int) -> bool:
        """Must a run with so many steps behind it stop now? When its time is up it has one more step, its last."""
        return self.interrupted or (self.total is not None and steps >= self.total)

    def last(self, steps: int) -> bool:
        """Will the step that begins now be the last, as far as one can tell?

        A run with a limit of time is in its last step when the time left is less than the step before took.
        """
        now = time.monotonic()
        took, self._before = (now - self._before if self._before else 0.0), now
        return (self.total is not None and steps + 1 >= self.total) or self._out_of_time(took)

    def _out_of_time(self, ahead: float) -> bool:
        if self.limit is None or self.started is None:
            return False
        return time.monotonic() + ahead - self.started >= self.limit

    def agreed(self, last: bool, steps: int) -> None:
        """Of all processes together: is the step that begins the last? If not by the count of steps, then by time."""
        self.timed = self.timed or (last and (self.total is None or steps + 1 < self.total))

    def why(self, steps: int) -> str:
        """What ended a run with so many steps behind it, before its plan was done; "" when it is done."""
        if self.plan is not None and steps >= self.plan:
            return ""
        if self.interrupted:
            return "interrupted"
        if self.most is not None and steps >= self.most:
            return "--max-steps"
        return "--max-time" if self.timed else ""

    @contextmanager
    def interruptible(self, child: bool = False) -> Iterator[None]:
        """Within: a first Ctrl-C (or SIGTERM) ends the run after its step, with everything saved.

        One of several processes (`child`) obeys SIGINT only, however often it comes: from the terminal and from
        the process that started it, which keeps count; SIGTERM ends it at once.
        """

        def stop(*_: object) -> None:
            self.interrupted = True
            if not child:
                signal.signal(signal.SIGINT, signal.default_int_handler)

        wanted = (signal.SIGINT,) if child else (signal.SIGINT, signal.SIGTERM)
        with _handled(stop, *wanted):
            yield


@contextmanager
def handed_on() -> Iterator[None]:
    """Within: the first Ctrl-C or SIGTERM is handed on to the processes of a run; a second one ends them at once."""
    import multiprocessing

    asked = False

    def stop(*_: object) -> None:
        nonlocal asked
        number = signal.SIGTERM if asked else signal.SIGINT
        for process in multiprocessing.active_children():
            if process.pid is not None:
                os.kill(process.pid, number)
        if asked:
            raise KeyboardInterrupt
        asked = True

    with _handled(stop, signal.SIGINT, signal.SIGTERM):
        yield


@contextmanager
def _handled(handle: Callable[..., None], *numbers: signal.Signals) -> Iterator[None]:
    """Within: these signals are handled by ``handle``."""
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
