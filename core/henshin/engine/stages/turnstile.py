"""A turnstile: threads pass it one at a time, in a given order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class Turnstile:
    """Lets numbered visitors in one at a time and in the order of their numbers, from 0.

    Every number must come or be skipped, else those after it wait for ever.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._next = 0
        self._gone: set[int] = set()

    @contextmanager
    def visit(self, number: int) -> Iterator[None]:
        """Wait until all lower numbers have left; the block is inside, and leaves at its end."""
        with self._changed:
            self._changed.wait_for(lambda: self._next == number)
        try:
            yield
        finally:
            self.skip(number)

    def skip(self, number: int) -> None:
        """Let a number pass that does not come; one that has left already is left alone. Never waits."""
        with self._changed:
            if number >= self._next:
                self._gone.add(number)
            while self._next in self._gone:
                self._gone.remove(self._next)
                self._next += 1
            self._changed.notify_all()
