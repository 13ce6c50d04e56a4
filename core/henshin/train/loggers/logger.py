"""Logger of a training run: progress, log file, curves, sample sheets and TensorBoard."""

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
from henshin.train.loggers.metrics_log import MetricsLog, first_non_finite, means_of
from henshin.train.loggers.tensorboard import TensorBoardLogger

REPORT_EVERY = 10.0
"""Seconds after which a line of progress is printed although no line of the log is due."""

REFRESH_EVERY = 2.0
"""Seconds between two readings of the losses for a progress bar; each waits for the device."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a run: steps done and in all, steps of an epoch, steps per second, seconds left, last mean losses."""

    steps: int
    total: int | None = None
    epoch: int | None = None
    rate: float | None = None
    left: float | None = None
    losses: Mapping[str, float] = field(default_factory=dict)

    @property
    def epoch_text(self) -> str:
        """`epoch 3/200`, or "" for a run without epochs."""
        if not self.epoch:
            return ""
        last = None if self.total is None else -(-self.total // self.epoch)
        current = max(-(-self.steps // self.epoch), 1)
        return f"epoch {current}" + ("" if last is None else f"/{last}")

    @property
    def losses_text(self) -> str:
        """Names and values of the losses."""
        return "  ".join(f"{name} {value:.3f}" for name, value in self.losses.items())

    @property
    def line(self) -> str:
        """Steps, epoch, rate, time left and losses in one line."""
        total = "" if self.total is None else f"/{self.total}"
        rate = "" if self.rate is None else f"{self.rate:.2f} steps/s"
        left = "" if self.left is None else f"{format_duration(self.left)} left"
        parts = (f"step {self.steps}{total}", self.epoch_text, rate, left, self.losses_text)
        return "  ".join(part for part in parts if part)


def format_duration(seconds: float) -> str:
    """Return `40 s`, `12 min` or `3 h 05 min`."""
    minutes = round(seconds / 60)
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


class RunLogger:
    """Writes the metrics of a run and reports its progress. Means are over all processes; only the first one writes.

    `say` prints a line. `show` updates a progress bar with a `Progress` at every step; with it no lines of progress
    are printed.
    """

    def __init__(
        self,
        folder: Path,
        processes: ProcessGroup,
        say: Callable[[str], None],
        show: Callable[[Progress], None] | None,
        log_every: int,
    ) -> None:
        self.folder, self.processes, self.log_every = folder, processes, log_every
        self.is_first = processes.rank == 0
        self.say = say if self.is_first else _say_nothing
        self.show = show if self.is_first else None
        self.metrics, self.curves, self.tensorboard = MetricsLog(folder), Curves(folder), TensorBoardLogger(folder)
        self._losses: dict[str, float] = {}
        self._start, self._first_step, self._refreshed = 0.0, 0, 0.0
        self._reported, self._reported_step = 0.0, 0

    def resume(self, step: int, sums: Mapping[str, Sequence[Any]]) -> None:
        """Continue the log and the curves from a checkpoint."""
        if self.is_first:
            self.metrics.resume(step, sums)
            self.tensorboard.purge_step = step + 1
        else:
            self.metrics.restore_sums(sums)

    def begin(self, steps: int) -> None:
        """Start the clock before the first step of this session."""
        self._start, self._first_step = time.monotonic(), steps
        self._reported, self._reported_step = self._start, steps

    def add(self, step: int, scalars: Mapping[str, Tensor | float], device: torch.device) -> bool:
        """Add the values of a step; return True if a line of the log is due after it."""
        self.metrics.add(scalars, device)
        return (step + 1) % self.log_every == 0

    def step(self, steps: int, total: int | None, epoch: int | None) -> None:
        """Update the bar after a step, or print a line of progress if the last one was long ago."""
        if self.show is not None:
            self._refresh_losses(REFRESH_EVERY)
            self.show(self.progress(steps, total, epoch))
        elif self.is_first and time.monotonic() - self._reported > REPORT_EVERY:
            self._refresh_losses(0.0)
            self._report(steps, total, epoch)

    def write_line(self, steps: int, total: int | None, epoch: int | None, part: bool = False) -> None:
        """Write the means to the log and to TensorBoard, and print them where there is no bar."""
        means = self.finite_means(steps - 1)
        self._losses = means
        if self.is_first and means:
            self.metrics.write(steps, steps / epoch if epoch else None, means, part)
            self.tensorboard.values(steps, means)
        elif not part:
            self.metrics.reset()
        if self.show is None:
            self._report(steps, total, epoch)

    def write_evaluation(self, steps: int, values: Mapping[str, float]) -> None:
        """Write the figures of held-out pictures to the log and to TensorBoard, at this very step."""
        self.metrics.write_line(steps, values)
        self.tensorboard.values(steps, values)

    def finite_means(self, steps: int) -> dict[str, float]:
        """Return the means since the last line. Errors: HenshinError when one is NaN or infinite."""
        means = means_of(self.processes.gather(self.metrics.sums()))
        name = first_non_finite(means)
        if name is not None:
            raise HenshinError(
                f"{self.folder}: '{name}' became {means[name]} before step {steps + 1}; lower the learning "
                "rate and go on with --resume from the last checkpoint, which is sound"
            )
        return means

    def write_sheet(self, step: int, name: str, rows: Sequence[Row], names: Sequence[str]) -> None:
        """Write a sample sheet, and redraw the curves if they are due."""
        if not self.is_first:
            return
        page = save_image_grid(rows, self.folder / "samples" / f"{name}.png", names=names)
        if page is not None:
            self.tensorboard.sheet(step, name, page)
        self.curves.draw(self.metrics.records)

    def end(self, steps: int, total: int | None, epoch: int | None) -> None:
        """Write the remaining values at the end of the session, and redraw the curves."""
        if self.metrics.sums():
            self.write_line(steps, total, epoch, part=True)
        if self.is_first:
            self.curves.draw(self.metrics.records, final=True)

    def close(self) -> None:
        """Close the files."""
        self.tensorboard.close()

    def progress(self, steps: int, total: int | None, epoch: int | None) -> Progress:
        """Return the progress of the run, with the rate of this session."""
        passed, done = time.monotonic() - self._start, steps - self._first_step
        rate = done / passed if done > 0 and passed > 0 else None
        left = None if rate is None or total is None else (total - steps) / rate
        return Progress(steps, total, epoch, rate, left, self._losses)

    def _report(self, steps: int, total: int | None, epoch: int | None) -> None:
        """Print a line of progress, at most one for each step."""
        self._reported = time.monotonic()
        if steps > self._reported_step:
            self._reported_step = steps
            self.say(self.progress(steps, total, epoch).line)

    def _refresh_losses(self, interval: float) -> None:
        """Read the means since the last line, at most once in `interval` seconds.

        Only in runs of one process: several would have to read at the same step.
        """
        now = time.monotonic()
        if self.processes.world_size == 1 and now - self._refreshed > interval:
            self._refreshed = now
            self._losses = means_of([self.metrics.sums()]) or self._losses


def _say_nothing(_: str) -> None:
    """Print nothing, as every process but the first does."""
