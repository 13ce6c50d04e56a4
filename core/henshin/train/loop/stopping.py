"""Stop condition of a run: the steps of its recipe, the limits of the command line, and Ctrl-C."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class StopCondition:
    """Decides whether a run goes on, and whether the step that begins is its last.

    `max_steps` and `max_time` (in seconds) are the limits of the command line, `planned_steps` the recipe's steps;
    None is no limit. `started` is the time of the first step by `time.monotonic`.
    """

    def __init__(self, max_steps: int | None, max_time: float | None) -> None:
        self.max_steps, self.max_time = max_steps, max_time
        self.planned_steps: int | None = None
        self.interrupted = self.out_of_time = False
        self.started: float | None = None
        self._step_began = 0.0

    @property
    def total(self) -> int | None:
        """Steps of the whole run; None without an end."""
        return min((steps for steps in (self.planned_steps, self.max_steps) if steps is not None), default=None)

    def is_over(self, steps: int) -> bool:
        """Return whether a run with so many completed steps must stop now. Time limits allow one more, last step."""
        return self.interrupted or (self.total is not None and steps >= self.total)

    def is_last(self, steps: int) -> bool:
        """Return whether the step that begins now, after so many completed ones, is probably the last.

        A run with a time limit is in its last step when the time left is shorter than the previous step. To be called
        once a step, which it measures.
        """
        now = time.monotonic()
        duration, self._step_began = (now - self._step_began if self._step_began else 0.0), now
        return (self.total is not None and steps + 1 >= self.total) or self._time_ends_within(duration)

    def _time_ends_within(self, seconds: float) -> bool:
        if self.max_time is None or self.started is None:
            return False
        return time.monotonic() + seconds - self.started >= self.max_time

    def note_last(self, last: bool, steps: int) -> None:
        """Note whether the step that begins is the last of all processes: if not by the count of steps, then by time.

        `steps` is the number of completed steps.
        """
        self.out_of_time = self.out_of_time or (last and (self.total is None or steps + 1 < self.total))

    def reason(self, steps: int) -> str:
        """Return what ended a run after so many steps, before its plan was done; "" when it is done."""
        if self.planned_steps is not None and steps >= self.planned_steps:
            return ""
        if self.interrupted:
            return "interrupted"
        if self.max_steps is not None and steps >= self.max_steps:
            return "--max-steps"
        return "--max-time" if self.out_of_time else ""

    @contextmanager
    def interruptible(self, child: bool = False) -> Iterator[None]:
        """Let a first Ctrl-C (or SIGTERM) end the run after its step, with everything saved, within this context.

        One of several processes (`child`) obeys SIGINT only, and every time: it comes from the terminal and from the
        parent process, which counts. SIGTERM ends a child at once.
        """

        def stop(*_: object) -> None:
            self.interrupted = True
            if not child:
                signal.signal(signal.SIGINT, signal.default_int_handler)

        numbers = (signal.SIGINT,) if child else (signal.SIGINT, signal.SIGTERM)
        with _signal_handler(stop, *numbers):
            yield


@contextmanager
def forward_signals() -> Iterator[None]:
    """Send the first Ctrl-C or SIGTERM to the child processes as SIGINT, and end them by the second, in this context.

    Errors: KeyboardInterrupt at the second.
    """
    import multiprocessing

    repeated = False

    def stop(*_: object) -> None:
        nonlocal repeated
        number = signal.SIGTERM if repeated else signal.SIGINT
        for process in multiprocessing.active_children():
            if process.pid is not None:
                os.kill(process.pid, number)
        if repeated:
            raise KeyboardInterrupt
        repeated = True

    with _signal_handler(stop, signal.SIGINT, signal.SIGTERM):
        yield


@contextmanager
def _signal_handler(handle: Callable[..., None], *numbers: signal.Signals) -> Iterator[None]:
    """Handle these signals by ``handle`` within this context."""
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
