"""What a run has come to: numbers, failures, timings; and the protocol by which it tells as it goes."""

from __future__ import annotations

import json
from collections.abc import Container
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

Status = Literal["done", "skipped", "failed", "up to date", "existing"]
"""How a source ended: written; left out by a stage; failed; finished by an earlier run; not touched because a file that
no run wrote stands in its place (``--on-existing skip``)."""


class Reporter(Protocol):
    """Draws a run while it goes on. All calls come from the thread that called ``run``."""

    def started(self, total: int | None) -> None:
        """The listing is known: ``total`` pictures, or None when a source stage makes them."""

    def done(self, source: str, status: Status, reason: str | None) -> None:
        """One source has ended, in the order of the listing.

        ``reason`` says at which stage it failed and why ("read: empty file (0 bytes)"), or which one left it out; of
        one that is done how many faces it has, if that is known.
        """

    def note(self, text: str) -> None:
        """Something worth a line: which provider runs a network, the first of how many frames was taken, ..."""

    def finished(self, summary: Summary) -> None:
        """The run is over, however it ended."""


class NullReporter:
    """A reporter that says nothing."""

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
    """One source that failed: at which stage ("read" and "write" are the engine's own) and why.

    ``earlier`` marks a failure that stands in the record and was not tried again.
    """

    source: str
    stage: str
    reason: str
    earlier: bool = False


@dataclass
class Summary:
    """What a run has come to.

    ``total`` sources were listed; each of them ends in one of ``done``, ``skipped`` (left out by a stage), ``failed``,
    ``up_to_date`` and ``existing``, unless the run was interrupted or stopped. ``unchanged`` of the done ones are
    copies of their file, byte for byte. ``faces`` and ``without_faces`` count what the stages of this run found (None
    when no stage looks for faces). ``stages`` holds the seconds spent in each stage, ``opening`` those spent loading
    it, ``first_seconds`` those until the first picture was written. ``providers`` says what really runs each network.
    ``interrupted`` says that Ctrl-C or SIGTERM ended the run (``terminated``: SIGTERM), ``stopped`` why it gave up
    before its end (a full disk), ``left_behind`` names outputs of earlier runs whose source gives other outputs now:
    they are never deleted. ``dropped`` counts the pictures (faces, where those are pictures) that stages left out, by
    stage and by kind of reason, in the whole record of the folder and not in this run alone; ``sheets`` are the
    contact sheets that show some of them, and some that were kept.
    """

    pipeline: str
    output: str
    device: str = ""
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

    @property
    def rate(self) -> float:
        """Sources that this run worked on, a second."""
        worked = self.done + self.skipped + sum(not failure.earlier for failure in self.failures)
        return worked / self.seconds if self.seconds > 0 else 0.0

    @property
    def exit_code(self) -> int:
        """0 all done, 1 some pictures failed, 3 the disk is full, 130 interrupted, 143 ended by SIGTERM."""
        if self.interrupted:
            return 143 if self.terminated else 130
        if self.stopped:
            return 3
        return 1 if self.failures else 0

    def as_dict(self) -> dict[str, Any]:
        """Everything, for machines: the fields by their names, and ``rate`` and ``exit_code``."""
        return {**asdict(self), "rate": round(self.rate, 4), "exit_code": self.exit_code}

    def to_json(self) -> str:
        """``as_dict`` as one JSON document."""
        return json.dumps(self.as_dict(), indent=2)


def network_name(path: Path, taken: Container[str]) -> str:
    """Return how a network is called in a summary: its file's name, or the whole path where that is taken."""
    return str(path) if path.stem in taken else path.stem
