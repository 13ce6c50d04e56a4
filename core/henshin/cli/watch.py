"""Showing a training while it goes on: a bar with epoch, rate, time left and losses on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from henshin.cli.text import plain

if TYPE_CHECKING:
    from henshin.train.start import Voice
    from henshin.train.watch import Progress


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


def voice(level: int) -> Voice:
    """Choose how to tell a training: not at all, by a bar where stderr is a terminal, else by lines on stdout."""
    from henshin.train.start import Voice

    if level < 0:
        return Voice(_hush)
    if not sys.stderr.isatty():
        return Voice(_line)
    bar = TrainingBar()
    return Voice(bar.say, bar.show, bar.close)


def _line(text: str) -> None:
    click.echo(plain(text))
    sys.stdout.flush()


def _hush(_: str) -> None:
    """Say nothing."""
