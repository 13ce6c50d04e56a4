"""The timeline of a run: what each thread does, and when, as a trace for people.

A trace is in the Trace Event Format of Chrome, which chrome://tracing and https://ui.perfetto.dev show.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from henshin.files import write_atomic

MOST_SPANS = 500_000
"""Spans that a trace holds at most, about 60 MB; later ones are only counted."""

READ, WRITE, WAIT_READ, WAIT_WRITE, WAIT_TURN = "read", "write", "wait for reading", "wait for writing", "wait for turn"


@dataclass(slots=True)
class Tally:
    """Work of one kind: its calls, their pictures, and their seconds, of all threads together."""

    calls: int = 0
    pictures: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Span:
    """One piece of work: a name, the thread that did it, start and end (``perf_counter``), and the first picture."""

    name: str
    thread: str
    start: float
    end: float
    picture: str


class Timeline:
    """Notes what each thread does, and when. Any thread may call ``add``."""

    def __init__(self) -> None:
        self.start = perf_counter()
        self.tallies: dict[str, Tally] = {}
        self.spans: list[Span] = []
        self._lock = threading.Lock()

    def add(self, name: str, start: float, pictures: int = 0, picture: str = "") -> None:
        """Note work that ends now: on ``pictures`` pictures, the first of which is called ``picture``."""
        end = perf_counter()
        span = Span(name, threading.current_thread().name, start, end, picture)
        with self._lock:
            tally = self.tallies.setdefault(name, Tally())
            tally.calls += 1
            tally.pictures += pictures
            tally.seconds += end - start
            if len(self.spans) < MOST_SPANS:
                self.spans.append(span)

    def write(self, path: Path) -> None:
        """Write the trace, with a row for each thread. Errors: OSError."""
        rows = {name: number for number, name in enumerate(sorted({span.thread for span in self.spans}))}
        names = [_event("thread_name", "M", number, args={"name": _row_name(row)}) for row, number in rows.items()]
        with write_atomic(path) as part, part.open("w", encoding="utf-8") as file:
            file.write('{"displayTimeUnit": "ms", "traceEvents": [\n')
            file.write(",\n".join(json.dumps(event) for event in [*names, *self._events(rows)]))
            file.write("\n]}\n")

    def _events(self, rows: dict[str, int]) -> Iterable[dict[str, Any]]:
        for span in self.spans:
            times = {"ts": round(1e6 * (span.start - self.start)), "dur": round(1e6 * (span.end - span.start))}
            yield _event(span.name, "X", rows[span.thread], **times, args={"picture": span.picture})


def _event(name: str, phase: str, row: int, **more: Any) -> dict[str, Any]:
    return {"name": name, "ph": phase, "pid": 1, "tid": row, **more}


def _row_name(thread: str) -> str:
    """Return the name of a thread's row: "henshin-read_0" is "read 0"; the stages may run in the main thread."""
    return thread.removeprefix("henshin-").replace("_", " ").replace("MainThread", "main")
