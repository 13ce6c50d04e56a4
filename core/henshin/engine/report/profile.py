"""The profile of a run (``--profile``): the time of reading, of each stage and of writing, and the waits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from henshin.engine.timeline import READ, WAIT_READ, WAIT_TURN, WAIT_WRITE, WRITE, Tally, Timeline

TRACE = "trace.json"
"""Name of the trace, in the folder of the record."""


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """One row of a profile: work of one kind, of all threads together.

    ``batch`` is the mean number of pictures in one call. ``threads`` is that of each network (0: as the runtime
    chooses), None without any; ``providers`` are those of its networks.
    """

    name: str
    pictures: int
    seconds: float
    batch: float
    threads: int | None = None
    providers: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Profile:
    """Where the time of a run went.

    ``waited_for_reading`` are the seconds in which a worker was free and no picture was there, ``waited_for_writing``
    those in which too much waited to be written, ``waited_for_turn`` those of all workers before stages that take one
    list at a time. ``trace`` is the file with all of it, None where no record is kept.
    """

    rows: list[ProfileRow]
    waited_for_reading: float
    waited_for_writing: float
    waited_for_turn: float
    trace: str | None = None


def make_profile(
    timeline: Timeline, labels: Iterable[str], networks: dict[str, tuple[int, list[str]]], trace: str | None
) -> Profile:
    """Return the profile of a run; ``networks`` maps labels of stages to threads and providers of their networks."""
    tallies = timeline.tallies
    rows = []
    for name in (READ, *labels, WRITE):
        tally = tallies.get(name)
        if tally is not None:
            threads, providers = networks.get(name, (None, []))
            batch = round(tally.pictures / tally.calls, 2)
            rows.append(ProfileRow(name, tally.pictures, round(tally.seconds, 4), batch, threads, providers))
    reading, writing, turn = (
        round(tallies.get(name, Tally()).seconds, 4) for name in (WAIT_READ, WAIT_WRITE, WAIT_TURN)
    )
    return Profile(rows, reading, writing, turn, trace)
