"""Drawing a run while it goes on: a bar on a terminal, plain lines elsewhere; and its summary at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from henshin.cli.base import say
from henshin.cli.output import amount, duration, passed_over, plain, table
from henshin.engine.record.manifest import FOLDER, RECORD
from henshin.files import is_file
from henshin.text import counted

if TYPE_CHECKING:
    from henshin.engine import Status, Summary
    from henshin.train.loggers.logger import Progress
    from henshin.train.loop.launch import TrainingReporter


EVERY = 10.0
"""Seconds between two lines of progress where there is no terminal to draw a bar on."""


class Lines:
    """Tells a run on stderr, line by line: notes, failures, and now and then how far it is.

    ``level`` -1 says nothing (what failed is told at the end), 1 also names every picture.
    """

    def __init__(self, level: int) -> None:
        self.level = level
        self.total: int | None = None
        self.ended = 0
        self.start = self.told = time.monotonic()

    def line(self, text: str) -> None:
        """Print one line."""
        say(text)

    def started(self, total: int | None) -> None:
        """Remember how much there is to do."""
        self.total = total
        self.start = self.told = time.monotonic()

    def done(self, source: str, status: Status, reason: str | None) -> None:
        """Name a picture that failed (with -v, every picture), and tell how far the run is if it is time to."""
        self.ended += 1
        if self.level > 0 or (status == "failed" and self.level == 0):
            self.line(f"{status}: {source}{': ' + reason if reason else ''}")
        self.progress()

    def progress(self) -> None:
        """Tell how far the run is, not too often."""
        now = time.monotonic()
        if self.level < 0 or now - self.told < EVERY:
            return
        self.told = now
        rate = self.ended / max(now - self.start, 1e-9)
        if self.total is None:
            self.line(f"{amount(self.ended, 'picture')}, {rate:.2f} a second")
        else:
            left = (self.total - self.ended) / max(rate, 1e-9)
            self.line(f"{self.ended} of {self.total} pictures, {rate:.2f} a second, {duration(left)} left")

    def note(self, text: str) -> None:
        """Print what the engine has to say."""
        if self.level >= 0:
            self.line(text)

    def finished(self, summary: Summary) -> None:
        """Do nothing: whoever asked for the run prints its summary."""


class Bar(Lines):
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

    def line(self, text: str) -> None:
        """Print one line above the bar."""
        self.bar.console.print(plain(text), markup=False, highlight=False, soft_wrap=True)

    def started(self, total: int | None) -> None:
        """Begin to draw."""
        super().started(total)
        self.task = self.bar.add_task("pictures", total=total, rate="")
        self.bar.start()

    def progress(self) -> None:
        """Move the bar."""
        rate = self.ended / max(time.monotonic() - self.start, 1e-9)
        self.bar.update(self.task, completed=self.ended, rate=f"{rate:.2f} a second")

    def finished(self, summary: Summary) -> None:  # noqa: ARG002
        """Take the bar away."""
        self.bar.stop()


def reporter(level: int) -> Lines:
    """Choose how to tell a run: a bar where stderr is a terminal, else lines."""
    return Bar(level) if level >= 0 and sys.stderr.isatty() else Lines(level)


def summary_lines(summary: Summary, level: int) -> Iterator[str]:
    """Say what a run has come to."""
    yield f"{summary.output}: {', '.join(_counts(summary))}"
    if summary.faces is not None:
        without = f", {amount(summary.without_faces, 'photo')} without a face" if summary.without_faces else ""
        yield f"  {amount(summary.faces, 'face')} found{without}"
    if summary.dropped:
        yield from _dropped(summary)
    if summary.non_pictures:
        yield f"  {passed_over(summary.non_pictures)}{'' if level > 0 else ' (-v names them)'}"
    if summary.left_behind:
        number = len(summary.left_behind)
        yield f"  {amount(number, 'output')} of earlier runs left behind: {_some(summary.left_behind)}"
    if summary.failures:
        record = Path(summary.output) / FOLDER / RECORD
        listed = f"; {record} lists them too" if is_file(record) else ""
        yield f"  what failed is named above{listed}"
    if any(failure.earlier for failure in summary.failures):
        yield "  (what failed in an earlier run is tried again with --retry-failed)"
    if level > 0 and any(summary.stages.values()):
        yield from _times(summary)


def _dropped(summary: Summary) -> Iterator[str]:
    """Say how many pictures were dropped over the whole record, why, by which stages, and where they can be seen."""
    total = sum(sum(kinds.values()) for kinds in summary.dropped.values())
    told = "; ".join(f"{counted(kinds)} ({stage})" for stage, kinds in summary.dropped.items())
    yield f"  dropped so far {total}: {told}"
    if summary.sheets:
        names = ", ".join(Path(sheet).name for sheet in summary.sheets)
        yield f"  to be seen in {Path(summary.sheets[0]).parent}: {names}"


def _some(names: list[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _counts(summary: Summary) -> Iterator[str]:
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
    yield f"{duration(summary.seconds)}{rate}"


def _times(summary: Summary) -> Iterator[str]:
    if summary.first_seconds is not None:
        yield f"first picture after {duration(summary.first_seconds)}"
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
    yield from table(rows)


class TrainingBar:
    """Draws a bar at the bottom of a terminal, and everything else above it."""

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

    def say(self, text: str) -> None:
        """Print one line above the bar."""
        self.bar.console.print(plain(text), markup=False, highlight=False, soft_wrap=True)

    def show(self, now: Progress) -> None:
        """Move the bar."""
        words: dict[str, Any] = {
            "epochs": now.epochs,
            "count": f"{now.steps}" if now.total is None else f"{now.steps}/{now.total}",
            "rate": "" if now.rate is None else f"{now.rate:.2f} steps/s",
            "losses": now.words,
        }
        if self.task is None:
            self.task = self.bar.add_task("training", total=now.total, completed=now.steps, **words)
            self.bar.start()
        self.bar.update(self.task, completed=now.steps, total=now.total, **words)

    def close(self) -> None:
        """Take the bar away."""
        self.bar.stop()


def voice(level: int) -> TrainingReporter:
    """Choose how to tell a training: not at all, by a bar where stderr is a terminal, else by lines on stdout."""
    from henshin.train.loop.launch import TrainingReporter

    if level < 0:
        return TrainingReporter(_hush)
    if not sys.stderr.isatty():
        return TrainingReporter(_line)
    bar = TrainingBar()
    return TrainingReporter(bar.say, bar.show, bar.close)


def _line(text: str) -> None:
    click.echo(plain(text))
    sys.stdout.flush()


def _hush(_: str) -> None:
    """Say nothing."""
