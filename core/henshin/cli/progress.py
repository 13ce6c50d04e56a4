"""The progress of runs and trainings: a bar on a terminal, plain lines elsewhere; and the summary of a run."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from henshin.cli.base import print_line
from henshin.cli.output import format_count, format_duration, format_passed_over, format_table, make_printable
from henshin.engine.record.manifest import FOLDER, RECORD
from henshin.files import is_file
from henshin.text import join_counts

if TYPE_CHECKING:
    from henshin.engine import Status, Summary
    from henshin.engine.report.profile import Profile
    from henshin.train.loggers.logger import Progress
    from henshin.train.loop.launch import TrainingReporter


PROGRESS_INTERVAL = 10.0
"""Seconds between two lines of progress where there is no terminal to draw a bar on."""


class LineReporter:
    """Reports a run on stderr, line by line: notes, failures and, now and then, progress.

    ``level`` -1 prints nothing (failures are listed at the end), 1 also names every picture.
    """

    def __init__(self, level: int) -> None:
        self.level = level
        self.total: int | None = None
        self.count = 0
        self.start = self.last_progress = time.monotonic()

    def print_line(self, text: str) -> None:
        """Print one line."""
        print_line(text)

    def started(self, total: int | None) -> None:
        """Begin to count: ``total`` pictures, or None where nobody knows."""
        self.total = total
        self.start = self.last_progress = time.monotonic()

    def done(self, source: str, status: Status, reason: str | None) -> None:
        """Name a picture that failed (with -v, every picture), and print the progress if it is time to."""
        self.count += 1
        if self.level > 0 or (status == "failed" and self.level == 0):
            self.print_line(f"{status}: {source}{': ' + reason if reason else ''}")
        self.progress()

    def progress(self) -> None:
        """Print the progress, at most once in PROGRESS_INTERVAL seconds."""
        now = time.monotonic()
        if self.level < 0 or now - self.last_progress < PROGRESS_INTERVAL:
            return
        self.last_progress = now
        rate = self.count / max(now - self.start, 1e-9)
        if self.total is None:
            self.print_line(f"{format_count(self.count, 'picture')}, {rate:.2f} a second")
        else:
            left = (self.total - self.count) / max(rate, 1e-9)
            self.print_line(f"{self.count} of {self.total} pictures, {rate:.2f} a second, {format_duration(left)} left")

    def note(self, text: str) -> None:
        """Print a note of the engine."""
        if self.level >= 0:
            self.print_line(text)

    def finished(self, summary: Summary) -> None:
        """Do nothing: the caller of the run prints its summary."""


class BarReporter(LineReporter):
    """Draws a bar with rate and time left at the bottom of a terminal, and everything else above it."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.bar = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self.task: Any = None

    def print_line(self, text: str) -> None:
        """Print one line above the bar."""
        self.bar.console.print(make_printable(text), markup=False, highlight=False, soft_wrap=True)

    def started(self, total: int | None) -> None:
        """Begin to count, and show the bar."""
        super().started(total)
        self.task = self.bar.add_task("pictures", total=total, rate="")
        self.bar.start()

    def progress(self) -> None:
        """Move the bar."""
        rate = self.count / max(time.monotonic() - self.start, 1e-9)
        self.bar.update(self.task, completed=self.count, rate=f"{rate:.2f} a second")

    def finished(self, summary: Summary) -> None:  # noqa: ARG002
        """Take the bar away."""
        self.bar.stop()


def make_reporter(level: int) -> LineReporter:
    """Return the reporter of a run: a bar where stderr is a terminal, else lines."""
    return BarReporter(level) if level >= 0 and sys.stderr.isatty() else LineReporter(level)


def summary_lines(summary: Summary, level: int) -> Iterator[str]:
    """Yield the lines of a run's summary."""
    yield f"{summary.output}: {', '.join(_count_texts(summary))}"
    if summary.faces is not None:
        without = f", {format_count(summary.without_faces, 'photo')} without a face" if summary.without_faces else ""
        yield f"  {format_count(summary.faces, 'face')} found{without}"
    if summary.dropped:
        yield from _dropped_lines(summary)
    if summary.non_pictures:
        yield f"  {format_passed_over(summary.non_pictures)}{'' if level > 0 else ' (-v names them)'}"
    if summary.left_behind:
        number = len(summary.left_behind)
        yield f"  {format_count(number, 'output')} of earlier runs left behind: {_first_names(summary.left_behind)}"
    if summary.failures:
        record = Path(summary.output) / FOLDER / RECORD
        listed = f"; {record} lists them too" if is_file(record) else ""
        yield f"  what failed is named above{listed}"
    if any(failure.earlier for failure in summary.failures):
        yield "  (what failed in an earlier run is tried again with --retry-failed)"
    if level > 0 and any(summary.stages.values()):
        yield from _time_lines(summary)
    if summary.profile is not None:
        yield from profile_lines(summary.profile)


def _dropped_lines(summary: Summary) -> Iterator[str]:
    """Yield the number of dropped pictures in the whole record, by reason and stage, and the sheets that show them."""
    total = sum(sum(kinds.values()) for kinds in summary.dropped.values())
    reasons = "; ".join(f"{join_counts(kinds)} ({stage})" for stage, kinds in summary.dropped.items())
    yield f"  dropped so far {total}: {reasons}"
    if summary.sheets:
        names = ", ".join(Path(sheet).name for sheet in summary.sheets)
        yield f"  to be seen in {Path(summary.sheets[0]).parent}: {names}"


def _first_names(names: list[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _count_texts(summary: Summary) -> Iterator[str]:
    yield f"{summary.done} done"
    if summary.unchanged:
        which = f"{summary.unchanged} of them" if summary.unchanged < summary.done else "all"
        yield f"{which} copied unchanged"
    for number, words in (
        (summary.failed, "failed"),
        (summary.skipped, "left out by a stage"),
        (summary.up_to_date, "up to date"),
        (summary.existing, "not touched, for a file is there already"),
    ):
        if number:
            yield f"{number} {words}"
    rate = f", {summary.rate:.2f} pictures/s" if summary.done else ""
    yield f"{format_duration(summary.seconds)}{rate}"


def _time_lines(summary: Summary) -> Iterator[str]:
    if summary.first_seconds is not None:
        yield f"first picture after {format_duration(summary.first_seconds)}"
    total = sum(summary.stages.values())
    rows = [
        (
            name,
            f"{seconds:.2f} s",
            f"{100 * seconds / total:.0f} %",
            f"opened in {summary.opening.get(name, 0.0):.2f} s",
        )
        for name, seconds in summary.stages.items()
    ]
    yield from format_table(rows)


def profile_lines(profile: Profile) -> Iterator[str]:
    """Yield the lines of a profile: a table of reading, stages and writing, the waits, and the trace."""
    total = sum(row.seconds for row in profile.rows)
    rows = [("stage", "pictures", "ms a picture", "share", "batch", "threads", "provider")]
    for row in profile.rows:
        share = 100 * row.seconds / max(total, 1e-9)
        threads = "" if row.threads is None else str(row.threads or "all")
        providers = ", ".join(name.removesuffix("ExecutionProvider") for name in row.providers)
        milliseconds = 1000 * row.seconds / max(row.pictures, 1)
        numbers = (f"{milliseconds:.1f}", f"{share:.0f} %", f"{row.batch:g}")
        rows.append((row.name, str(row.pictures), *numbers, threads, providers))
    yield from format_table(rows)
    waits = (
        ("reading", profile.waited_for_reading),
        ("writing", profile.waited_for_writing),
        ("a turn", profile.waited_for_turn),
    )
    yield f"  waited for {', '.join(f'{what} {seconds:.2f} s' for what, seconds in waits)}"
    if profile.trace is not None:
        yield f"  trace for chrome://tracing or ui.perfetto.dev: {profile.trace}"


class TrainingBar:
    """Draws the bar of a training at the bottom of a terminal, and everything else above it."""

    def __init__(self, console: Any = None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.bar = Progress(
            TextColumn("{task.fields[epochs]}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[count]}"),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("{task.fields[losses]}", markup=False),
            console=console or Console(stderr=True),
            transient=True,
            refresh_per_second=4,
            speed_estimate_period=120,
        )
        self.task: Any = None

    def print_line(self, text: str) -> None:
        """Print one line above the bar."""
        self.bar.console.print(make_printable(text), markup=False, highlight=False, soft_wrap=True)

    def show(self, now: Progress) -> None:
        """Move the bar."""
        fields: dict[str, Any] = {
            "epochs": now.epoch_text,
            "count": f"{now.steps}" if now.total is None else f"{now.steps}/{now.total}",
            "rate": "" if now.rate is None else f"{now.rate:.2f} steps/s",
            "losses": now.losses_text,
        }
        if self.task is None:
            self.task = self.bar.add_task("training", total=now.total, completed=now.steps, **fields)
            self.bar.start()
        self.bar.update(self.task, completed=now.steps, total=now.total, **fields)

    def close(self) -> None:
        """Take the bar away."""
        self.bar.stop()


def make_training_reporter(level: int) -> TrainingReporter:
    """Return the reporter of a training: silent if quiet, a bar where stderr is a terminal, else lines on stdout."""
    from henshin.train.loop.launch import TrainingReporter

    if level < 0:
        return TrainingReporter(_print_nothing)
    if not sys.stderr.isatty():
        return TrainingReporter(_print_and_flush)
    bar = TrainingBar()
    return TrainingReporter(bar.print_line, bar.show, bar.close)


def _print_and_flush(text: str) -> None:
    click.echo(make_printable(text))
    sys.stdout.flush()


def _print_nothing(_: str) -> None:
    """Print nothing."""
