"""The summary of a run (numbers, failures, timings), and the protocol of a progress display."""

from __future__ import annotations

import json
from collections.abc import Container
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from henshin.engine.report.profile import Profile

Status = Literal["done", "skipped", "failed", "up to date", "existing"]
"""The outcome of a source: written; left out by a stage; failed; finished by an earlier run; not touched because there
is a file that no run wrote in place of its output (``--on-existing skip``)."""


class Reporter(Protocol):
    """Shows the progress of a run. All calls come from the thread that called ``run``."""

    def started(self, total: int | None) -> None:
        """Begin a run of ``total`` pictures, None when a source stage makes them."""

    def done(self, source: str, status: Status, reason: str | None) -> None:
        """Report the outcome of one source; calls come in the order of the listing.

        ``reason`` names the stage and the cause of a failure ("read: empty file (0 bytes)"), the reason why a source
        was left out, or the number of faces of one that is done, if that is known.
        """

    def note(self, text: str) -> None:
        """Show a remark in one line: the provider that runs a network, an animation reduced to its first frame, ..."""

    def finished(self, summary: Summary) -> None:
        """End the run, also one that was interrupted."""


class NullReporter:
    """A reporter that shows nothing."""

    def started(self, total: int | None) -> None:
        """Say nothing."""

    def done(self, source: str, status: Status, reason: str | None) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def finished(self, summary: Summary) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class Failure:
    """One source that failed, with the stage ("read" and "write" are the engine's own) and the reason.

    ``earlier`` marks a failure of an earlier run that was not tried again.
    """

    source: str
    stage: str
    reason: str
    earlier: bool = False


@dataclass
class Summary:
    """The result of a run.

    ``total`` sources were listed; each of them is counted in one of ``done``, ``skipped`` (left out by a stage),
    ``failed``, ``up_to_date`` and ``existing``, unless the run was interrupted or stopped. ``unchanged`` of the done
    ones are copies of their file, byte for byte. ``faces`` counts the faces that the stages of this run found,
    ``without_faces`` the pictures without any (None when no stage looks for faces). ``stages`` holds the seconds spent
    in each stage, of all workers together, ``opening`` those spent loading it, ``first_seconds`` those until the first
    picture was written. ``providers`` holds the providers that really compute each network. ``workers``
    is the number of pictures that go through the stages at once, ``threads`` that of each network (0: as the runtime
    chooses).

    ``interrupted``: Ctrl-C or SIGTERM ended the run (``terminated``: SIGTERM). ``stopped``: the reason why it gave up
    before its end (a full disk). ``left_behind`` holds outputs of earlier runs whose source has other outputs now;
    they are never deleted. ``dropped`` counts the pictures (or faces) that stages dropped, by stage and by kind of
    reason, over the whole record of the folder and not in this run alone; ``sheets`` are the contact sheets that show
    some of them, and some results. ``profile`` is there if the options ask for it, ``gallery`` is the page of results
    that was made.
    """

    pipeline: str
    output: str
    device: str = ""
    workers: int = 1
    threads: int = 0
    total: int | None = None
    done: int = 0
    skipped: int = 0
    failed: int = 0
    up_to_date: int = 0
    existing: int = 0
    unchanged: int = 0
    non_pictures: int = 0
    faces: int | None = None
    without_faces: int | None = None
    outputs: int = 0
    failures: list[Failure] = field(default_factory=list)
    left_behind: list[str] = field(default_factory=list)
    dropped: dict[str, dict[str, int]] = field(default_factory=dict)
    sheets: list[str] = field(default_factory=list)
    seconds: float = 0.0
    first_seconds: float | None = None
    stages: dict[str, float] = field(default_factory=dict)
    opening: dict[str, float] = field(default_factory=dict)
    providers: dict[str, list[str]] = field(default_factory=dict)
    interrupted: bool = False
    terminated: bool = False
    stopped: str | None = None
    profile: Profile | None = None
    gallery: str | None = None

    @property
    def rate(self) -> float:
        """Sources that this run worked on, per second."""
        worked = self.done + self.skipped + sum(not failure.earlier for failure in self.failures)
        return worked / self.seconds if self.seconds > 0 else 0.0

    @property
    def exit_code(self) -> int:
        """The exit code: 0 all done, 1 pictures failed, 3 the disk is full, 130 interrupted, 143 ended by SIGTERM."""
        if self.interrupted:
            return 143 if self.terminated else 130
        if self.stopped:
            return 3
        return 1 if self.failures else 0

    def as_dict(self) -> dict[str, Any]:
        """Return all fields by their names, with ``rate`` and ``exit_code``."""
        return {**asdict(self), "rate": round(self.rate, 4), "exit_code": self.exit_code}

    def to_json(self) -> str:
        """Return ``as_dict`` as one JSON document."""
        return json.dumps(self.as_dict(), indent=2)


def network_name(path: Path, used: Container[str]) -> str:
    """Return the name of a network in a summary: its file's stem, or the whole path where that is used already."""
    return str(path) if path.stem in used else path.stem
