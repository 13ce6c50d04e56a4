"""What a run notes of its steps: means of every logged value in log.jsonl, which agree with the checkpoints."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

LOG_FILE = "log.jsonl"
_STAMPS = frozenset({"step", "epoch", "time", "part"})

Sums = dict[str, tuple[float, int]]
"""For every name the sum and the number of the values that were noted since the last line."""


class MetricsLog:
    """Gathers the values of steps, and writes a line of their means now and then.

    `records` are the lines so far, also those of earlier sittings of the same run. A line with `"part": true` closed a
    sitting before its time; a run that goes on takes it back, so that the log of a run with breaks is that of one
    without.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / LOG_FILE
        self.records: list[dict[str, Any]] = []
        self._values: dict[str, list[Tensor]] = {}
        self._carried: Sums = {}

    def note(self, scalars: Mapping[str, Tensor | float], device: torch.device) -> None:
        """Keep the values of a step, without waiting for the device."""
        for name, value in scalars.items():
            tensor = value.detach() if isinstance(value, Tensor) else torch.as_tensor(value, dtype=torch.float32)
            self._values.setdefault(name, []).append(tensor.to(device, non_blocking=True).float())

    def sums(self) -> Sums:
        """What was noted since the last line. Waits for the device."""
        for name, values in self._values.items():
            before, count = self._carried.get(name, (0.0, 0))
            self._carried[name] = (before + float(torch.stack(values).double().sum()), count + len(values))
        self._values.clear()
        return dict(self._carried)

    def write(self, step: int, epoch: float | None, means: Mapping[str, float], part: bool = False) -> None:
        """Append a line of means, and forget what was noted unless it is only a `part`."""
        stamps = {"step": step, "time": round(time.time(), 1)} | ({} if epoch is None else {"epoch": round(epoch, 3)})
        record = {**stamps, **means} | ({"part": True} if part else {})
        self.records.append(record)
        if not part:
            self.forget()
        with self.file.open("a") as file:
            file.write(json.dumps(record) + "\n")

    def forget(self) -> None:
        """A line was written: begin to gather anew."""
        self._carried.clear()
        self._values.clear()

    def carry(self, carried: Mapping[str, Sequence[Any]]) -> None:
        """Go on from what a checkpoint had noted."""
        self._carried = {name: (float(total), int(count)) for name, (total, count) in carried.items()}
        self._values.clear()

    def go_on(self, step: int, carried: Mapping[str, Sequence[Any]]) -> None:
        """Take back every line after a checkpoint's step, and go on from what it had noted; half a line counts none."""
        self.carry(carried)
        lines = self.file.read_text(errors="replace").splitlines() if self.file.is_file() else []
        self.records = [record for line in lines if (record := _record(line)) and _stands(record, step)]
        side = self.file.with_suffix(".part")
        side.write_text("".join(json.dumps(record) + "\n" for record in self.records))
        side.replace(self.file)


def means_of(sums: Sequence[Sums]) -> dict[str, float]:
    """The means over the sums of one process or of several; six digits are kept."""
    total: dict[str, list[float]] = {}
    for one in sums:
        for name, (value, count) in one.items():
            both = total.setdefault(name, [0.0, 0.0])
            both[0] += value
            both[1] += count
    return {name: float(f"{value / count:.6g}") for name, (value, count) in total.items() if count}


def unsound(means: Mapping[str, float]) -> str | None:
    """The first name whose mean is no number any more."""
    return next((name for name, mean in means.items() if not np.isfinite(mean)), None)


def values_of(record: Mapping[str, Any]) -> dict[str, float]:
    """The means of a line, without its stamps."""
    return {name: value for name, value in record.items() if name not in _STAMPS}


def _record(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and isinstance(record.get("step"), int) else None


def _stands(record: Mapping[str, Any], step: int) -> bool:
    return bool(record["step"] <= step and not record.get("part"))
