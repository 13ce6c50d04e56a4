"""What a person sees of a run while it goes on: lines or a bar, the log, curves, sheets, TensorBoard."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from henshin.errors import HenshinError
from henshin.train.devices.distributed import ProcessGroup
from henshin.train.loggers.curves import Curves
from henshin.train.loggers.image_grid import Row, save_image_grid
from henshin.train.loggers.metrics_log import MetricsLog, means_of, unsound
from henshin.train.loggers.tensorboard import TensorBoardLogger

TELL_EVERY = 10.0
"""Seconds after which a line is told on the terminal although none of the log is due."""

LOOK_EVERY = 2.0
"""Seconds between two looks at the losses for a bar: each makes the device finish first."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: steps done and in all, the length of an epoch, steps a second, seconds left, the last means."""

    steps: int
    total: int | None = None
    epoch: int | None = None
    rate: float | None = None
    left: float | None = None
    losses: Mapping[str, float] = field(default_factory=dict)

    @property
    def epochs(self) -> str:
        """`epoch 3/200`, or "" for a run that knows of none."""
        if not self.epoch:
            return ""
        last = None if self.total is None else -(-self.total // self.epoch)
        current = max(-(-self.steps // self.epoch), 1)
        return f"epoch {current}" + ("" if last is None else f"/{last}")

    @property
    def words(self) -> str:
        """The losses in words."""
        return "  ".join(f"{name} {value:.3f}" for name, value in self.losses.items())


class RunLogger:
    """Writes down and shows what a run logs. Only the first of several processes writes; means are over all of them.

    `say` prints a line; `show`, where there is a bar, is given a `Progress` at every step and takes the place of the
    lines of progress.
    """

    def __init__(
        self,
        folder: Path,
        others: ProcessGroup,
        say: Callable[[str], None],
        show: Callable[[Progress], None] | None,
        log_every: int,
    ) -> None:
        self.folder, self.others, self.log_every = folder, others, log_every
        self.first = others.rank == 0
        self.say = say if self.first else _nothing
        self.show = show if self.first else None
        self.journal, self.plots, self.board = MetricsLog(folder), Curves(folder), TensorBoardLogger(folder)
        self._losses: dict[str, float] = {}
        self._start, self._first_step, self._looked = 0.0, 0, 0.0
        self._told_at, self._told_step = 0.0, 0

    def begin(self, steps: int) -> None:
        """The first step of this sitting begins."""
        self._start, self._first_step = time.monotonic(), steps
        self._told_at, self._told_step = self._start, steps

    def go_on(self, step: int, carried: Mapping[str, Sequence[Any]]) -> None:
        """Continue the log and the curves from a checkpoint."""
        if self.first:
            self.journal.go_on(step, carried)
            self.board.purge = step + 1
        else:
            self.journal.carry(carried)

    def note(self, step: int, scalars: Mapping[str, Tensor | float], device: torch.device) -> bool:
        """Keep the values of a step; True if a line of the log is due after it."""
        self.journal.note(scalars, device)
        return (step + 1) % self.log_every == 0

    def sound_means(self, steps: int) -> dict[str, float]:
        """The means since the last line. Errors: HenshinError once a value is no number any more."""
        means = means_of(self.others.gather(self.journal.sums()))
        name = unsound(means)
        if name is not None:
            raise HenshinError(
                f"{self.folder}: '{name}' became {means[name]} before step {steps + 1}; lower the learning "
                "rate and go on with --resume from the last checkpoint, which is sound"
            )
        return means

    def line(self, steps: int, total: int | None, epoch: int | None, part: bool = False) -> None:
        """Write the means down: in the log, on the board, and where no bar shows them as a line."""
        means = self.sound_means(steps - 1)
        self._losses = means
        if self.first and means:
            self.journal.write(steps, steps / epoch if epoch else None, means, part)
            self.board.values(steps, means)
        elif not part:
            self.journal.forget()
        if self.show is None:
            self._tell(steps, total, epoch)

    def _tell(self, steps: int, total: int | None, epoch: int | None) -> None:
        """Say a line of progress, once for each step."""
        self._told_at = time.monotonic()
        if steps > self._told_step:
            self._told_step = steps
            self.say(self._words(self.progress(steps, total, epoch)))

    def _words(self, now: Progress) -> str:
        of = "" if now.total is None else f"/{now.total}"
        rate = "" if now.rate is None else f"{now.rate:.2f} steps/s"
        left = "" if now.left is None else f"{readable(now.left)} left"
        return "  ".join(part for part in (f"step {now.steps}{of}", now.epochs, rate, left, now.words) if part)

    def progress(self, steps: int, total: int | None, epoch: int | None) -> Progress:
        """How far the run is."""
        passed, done = time.monotonic() - self._start, steps - self._first_step
        rate = done / passed if done > 0 and passed > 0 else None
        left = None if rate is None or total is None else (total - steps) / rate
        return Progress(steps, total, epoch, rate, left, self._losses)

    def step(self, steps: int, total: int | None, epoch: int | None) -> None:
        """A step is done: move the bar, now and then with the losses as they are, or say a line that is late."""
        if self.show is not None:
            self._look(LOOK_EVERY)
            self.show(self.progress(steps, total, epoch))
        elif self.first and time.monotonic() - self._told_at > TELL_EVERY:
            self._look(0.0)
            self._tell(steps, total, epoch)

    def _look(self, after: float) -> None:
        """Take the means since the last line, not too often. Several processes would have to agree."""
        now = time.monotonic()
        if self.others.count == 1 and now - self._looked > after:
            self._looked = now
            self._losses = means_of([self.journal.sums()]) or self._losses

    def sheet(self, step: int, name: str, rows: Sequence[Row], names: Sequence[str]) -> None:
        """Write a sample sheet, and draw the curves if it is time to."""
        if not self.first:
            return
        page = save_image_grid(rows, self.folder / "samples" / f"{name}.png", names=names)
        if page is not None:
            self.board.sheet(step, name, page)
        self.plots.draw(self.journal.records)

    def end(self, steps: int, total: int | None, epoch: int | None) -> None:
        """The sitting ends: write down what is left, and draw the curves for the last time."""
        if self.journal.sums():
            self.line(steps, total, epoch, part=True)
        if self.first:
            self.plots.draw(self.journal.records, at_last=True)

    def close(self) -> None:
        """Let go of the files."""
        self.board.close()


def readable(seconds: float) -> str:
    """Say `40 s`, `12 min`, `3 h 05 min`."""
    minutes = round(seconds / 60)
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _nothing(_: str) -> None:
    """Say nothing."""
