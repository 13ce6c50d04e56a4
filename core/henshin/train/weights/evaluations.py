"""Measurements of a run on its held-out pictures: one line of figures each, and the state that measured best."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from henshin.errors import HenshinError
from henshin.files import write_atomic
from henshin.models.trained_weights import list_checkpoints
from henshin.train.loggers.metrics_log import parse_record
from henshin.train.weights import checkpoint

LOG_FILE = "evaluation.jsonl"
BEST = "best"


@dataclass
class Evaluations:
    """All measurements of the run in a folder, `{"step": 200, "figures": [...]}`; the first figure decides.

    The best state is a checkpoint of the published weights alone, in the folder's `best/`. It stays where a run is
    resumed from a step before it: those weights were trained, whatever comes now.
    """

    folder: Path
    records: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, folder: Path, step: int | None = None) -> Evaluations:
        """Return the measurements of a run up to a step, None for all of them."""
        file = folder / LOG_FILE
        lines = file.read_text().splitlines() if file.is_file() else []
        records = [record for line in lines if (record := parse_record(line))]
        return cls(folder, [record for record in records if step is None or record["step"] <= step])

    def best_value(self) -> float | None:
        """Return the deciding figure of the best state; None where there is none yet."""
        kept = list_checkpoints(self.folder / BEST)
        return None if not kept else float(checkpoint.load(kept[-1])["evaluation"]["figures"][0]["value"])

    def add(self, step: int, figures: Sequence[Mapping[str, Any]], states: Mapping[str, Any]) -> bool:
        """Add a measurement; keep the states if it is the best so far, the lowest. Return whether it is."""
        record = {"step": step, "figures": list(figures)}
        best, value = self.best_value(), figures[0]["value"]
        is_best = value is not None and (best is None or value < best)
        if is_best:
            self._keep({**states, "run": {"steps": step}, "evaluation": record}, step)
        self.records.append(record)
        with write_atomic(self.folder / LOG_FILE) as part:
            part.write_text("".join(json.dumps(one) + "\n" for one in self.records))
        return is_best

    def _keep(self, state: dict[str, Any], step: int) -> None:
        """Write the best state, and only then remove the one before, also one of a later step."""
        place = self.folder / BEST
        before = list_checkpoints(place)
        if any(int(old.name) == step for old in before):
            return  # the same state, measured again after a resume
        checkpoint.save(place, step, state, keep=len(before) + 1)
        for old in before:
            shutil.rmtree(old)


def best_checkpoint(run: Path) -> Path:
    """Return the best state of the run in a folder. Errors: HenshinError where none was kept."""
    kept = list_checkpoints(run / BEST)
    if not kept:
        raise HenshinError(f"{run}: this run kept no best state, which its option evaluate_every makes it do")
    return kept[-1]


def figures_of_state(run: Path, states: Mapping[str, Any]) -> str:
    """Return the figures of a checkpoint's state as a text for a model's contract; "" where it was not measured."""
    if "evaluation" in states:
        return describe_figures(states["evaluation"]["figures"])
    found = [record for record in Evaluations.of(run).records if record["step"] == states["run"]["steps"]]
    return describe_figures(found[-1]["figures"]) if found else ""


def describe_figures(figures: Sequence[Mapping[str, Any]]) -> str:
    """Return figures as one text: `KID (VGG-19) 0.1608 [0.1449, 0.1786] (100 real, 100 fake); ...`."""
    return "; ".join(_describe(figure) for figure in figures)


def _describe(figure: Mapping[str, Any]) -> str:
    value = "-" if figure["value"] is None else f"{figure['value']:.4g}"
    low, high = figure["low"], figure["high"]
    interval = "" if low is None or high is None else f" [{low:.4g}, {high:.4g}]"
    return f"{figure['title']} {value}{interval} ({', '.join(f'{n} {role}' for role, n in figure['pictures'].items())})"
