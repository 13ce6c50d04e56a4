"""The log of the runs of an output folder, ``OUT/.henshin/runs.jsonl``: what each run was, and how it ended.

A run that has something to record writes one line before its first entry of the record, and one at its end; a run that
is killed has only the first. Nothing that a run decides depends on this file: it is for those who read the results.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from henshin.engine.record.jsonl import JsonLinesFile, read_lines
from henshin.engine.record.manifest import FOLDER

log = logging.getLogger("henshin")

RUNS = "runs.jsonl"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class UsedModel:
    """A model of a run: the SHA-256 of its file, and what its contract says of licence, origin and data ("": nothing).

    A network without a contract, such as a detector's, has the name of its file.
    """

    name: str
    sha256: str
    licence: str = ""
    origin: str = ""
    data: str = ""


@dataclass(frozen=True, slots=True)
class UsedStage:
    """A stage of a run: its label, and its options other than the defaults."""

    label: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunDescription:
    """What a run is. ``begun`` is a time in UTC (ISO 8601), ``total`` the number of its pictures, None if unknown."""

    fingerprint: str
    pipeline: str
    description: str
    version: str
    device: str
    total: int | None
    stages: tuple[UsedStage, ...] = ()
    models: tuple[UsedModel, ...] = ()
    begun: str = field(default_factory=lambda: utc_now())


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a run ended: the counts of its summary, ``seconds`` in all, and whether it came to its end."""

    seconds: float
    done: int = 0
    skipped: int = 0
    failed: int = 0
    up_to_date: int = 0
    workers: int = 1
    interrupted: bool = False
    stopped: str | None = None


@dataclass(frozen=True, slots=True)
class LoggedRun:
    """One run of the log; ``outcome`` is None for a run that was killed or is still at work."""

    description: RunDescription
    outcome: RunOutcome | None = None


class RunLog:
    """Writes the lines of one run. ``folder`` None (a single output file) writes none; a write error is ignored."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._begun: str | None = None

    def begin(self, description: RunDescription) -> None:
        """Write what the run is."""
        self._begun = description.begun
        self._append(asdict(description))

    def end(self, outcome: RunOutcome) -> None:
        """Write how the run ended, if it was begun."""
        if self._begun is not None:
            self._append({"ended": utc_now(), "run": self._begun, **asdict(outcome)})

    def _append(self, line: dict[str, Any]) -> None:
        if self.folder is None:
            return
        try:
            file = JsonLinesFile(self.folder / FOLDER / RUNS)
            try:
                file.append(line)
            finally:
                file.close()
        except OSError as error:
            log.debug("no line in the log of runs: %s", error)


def read_runs(folder: Path) -> list[LoggedRun]:
    """Return the runs of an output folder, the first one first; [] without a log. A damaged line is passed over.

    Errors: OSError.
    """
    runs: dict[str, LoggedRun] = {}
    for line in read_lines(folder / FOLDER / RUNS):
        if not isinstance(line, dict):
            continue
        try:
            if "ended" in line:
                outcome = _known(RunOutcome, line)
                runs[line["run"]] = LoggedRun(runs[line["run"]].description, outcome)
            else:
                runs[line["begun"]] = LoggedRun(_parse_description(line))
        except (KeyError, TypeError, AttributeError):
            continue
    return list(runs.values())


def _parse_description(line: dict[str, Any]) -> RunDescription:
    stages = tuple(_known(UsedStage, stage) for stage in line.get("stages", ()))
    models = tuple(_known(UsedModel, model) for model in line.get("models", ()))
    return _known(RunDescription, {**line, "stages": stages, "models": models})


def _known(kind: type[T], values: dict[str, Any]) -> T:
    """Return a dataclass of the values that it knows. Errors: TypeError when one is missing."""
    names: Iterator[str] = (one.name for one in fields(kind))  # type: ignore[arg-type]
    return kind(**{name: values[name] for name in names if name in values})


def utc_now() -> str:
    """Return the time now, in UTC, as ISO 8601 has it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
