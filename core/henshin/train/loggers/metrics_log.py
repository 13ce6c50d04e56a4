"""Metrics log of a run: means of the logged values in log.jsonl, consistent with the checkpoints."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from henshin.files import write_atomic

LOG_FILE = "log.jsonl"
_STAMPS = frozenset({"step", "epoch", "time", "part"})

Sums = dict[str, tuple[float, int]]
"""Sum and number of the values since the last line, for every name."""


class MetricsLog:
    """Sums the values of steps, and writes lines of their means.

    `records` are all lines, also those of earlier sessions of the run. A line with `"part": true` was written at the
    end of a session, before a line was due; the next session removes it, so that an interrupted run has the same log as
    an uninterrupted one.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / LOG_FILE
        self.records: list[dict[str, Any]] = []
        self._values: dict[str, list[Tensor]] = {}
        self._sums: Sums = {}

    def add(self, scalars: Mapping[str, Tensor | float], device: torch.device) -> None:
        """Add the values of a step, without waiting for the device."""
        for name, value in scalars.items():
            tensor = value.detach() if isinstance(value, Tensor) else torch.as_tensor(value, dtype=torch.float32)
            self._values.setdefault(name, []).append(tensor.to(device, non_blocking=True).float())

    def sums(self) -> Sums:
        """Return the sums since the last line; waits for the device."""
        for name, values in self._values.items():
            total, count = self._sums.get(name, (0.0, 0))
            self._sums[name] = (total + float(torch.stack(values).double().sum()), count + len(values))
        self._values.clear()
        return dict(self._sums)

    def write(self, step: int, epoch: float | None, means: Mapping[str, float], part: bool = False) -> None:
        """Append a line of means, and reset the sums unless it is a `part`."""
        epochs = {} if epoch is None else {"epoch": round(epoch, 3)}
        self.write_line(step, {**epochs, **means, **({"part": True} if part else {})})
        if not part:
            self.reset()

    def write_line(self, step: int, values: Mapping[str, float]) -> None:
        """Append a line of values that belong to this step alone; the sums stay."""
        record = {"step": step, "time": round(time.time(), 1), **values}
        self.records.append(record)
        with self.file.open("a") as file:
            file.write(json.dumps(record) + "\n")

    def reset(self) -> None:
        """Set the sums to zero."""
        self._sums.clear()
        self._values.clear()

    def restore_sums(self, sums: Mapping[str, Sequence[Any]]) -> None:
        """Set the sums to those of a checkpoint."""
        self._sums = {name: (float(total), int(count)) for name, (total, count) in sums.items()}
        self._values.clear()

    def resume(self, step: int, sums: Mapping[str, Sequence[Any]]) -> None:
        """Remove partial, incomplete and later lines than a checkpoint's step, and restore the checkpoint's sums."""
        self.restore_sums(sums)
        lines = self.file.read_text(errors="replace").splitlines() if self.file.is_file() else []
        self.records = [record for line in lines if (record := parse_record(line)) and _is_before(record, step)]
        with write_atomic(self.file) as part:
            part.write_text("".join(json.dumps(record) + "\n" for record in self.records))


def means_of(sums: Sequence[Sums]) -> dict[str, float]:
    """Return the means over the sums of all processes, to six significant digits."""
    merged: Sums = {}
    for process_sums in sums:
        for name, (value, count) in process_sums.items():
            total, number = merged.get(name, (0.0, 0))
            merged[name] = (total + value, number + count)
    return {name: float(f"{total / number:.6g}") for name, (total, number) in merged.items() if number}


def first_non_finite(means: Mapping[str, float]) -> str | None:
    """Return the first name whose mean is NaN or infinite, or None."""
    return next((name for name, mean in means.items() if not np.isfinite(mean)), None)


def values_of(record: Mapping[str, Any]) -> dict[str, float]:
    """Return the means of a line without step, epoch and time."""
    return {name: value for name, value in record.items() if name not in _STAMPS}


def parse_record(line: str) -> dict[str, Any] | None:
    """Return a line of a log as a record with its step; None for a line that is none."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and isinstance(record.get("step"), int) else None


def _is_before(record: Mapping[str, Any], step: int) -> bool:
    return bool(record["step"] <= step and not record.get("part"))
