"""Figures of sets of pictures, with their intervals, and the results of an evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from henshin.metrics.bootstrap import LEVEL, Estimate

Better = Literal["lower", "higher", "nearer to 1"]


@dataclass(frozen=True)
class Figure:
    """A figure of a set, with the limits of its interval; None where it has none.

    `key` is its name for machines, `title` that for people; both say the network, if it is not the metric's own.
    `pictures` is how many of each set, or `{"pairs": n}`, it is of; `notes` say what to know of it.
    """

    key: str
    title: str
    value: float
    low: float | None
    high: float | None
    better: Better
    pictures: Mapping[str, int]
    resamples: int
    notes: Sequence[str] = ()

    @classmethod
    def of(
        cls,
        key: str,
        title: str,
        estimate: Estimate,
        better: Better,
        pictures: Mapping[str, int],
        *,
        normal: bool = False,
        notes: Sequence[str] = (),
    ) -> Figure:
        """Return the figure of an estimate; `normal`: its interval is the normal one. Without resamples it has none."""
        count = len(estimate.resamples)
        low: float | None = None
        high: float | None = None
        if count > 1 and math.isfinite(estimate.value):
            limits = estimate.normal_interval() if normal else estimate.interval()
            low, high = limits if all(map(math.isfinite, limits)) else (None, None)
        return cls(key, title, estimate.value, low, high, better, pictures, count, notes)

    def as_dict(self) -> dict[str, Any]:
        """Return the figure for JSON; what is not finite is null."""
        return {
            "metric": self.key,
            "title": self.title,
            "value": self.value if math.isfinite(self.value) else None,
            "low": self.low,
            "high": self.high,
            "level": LEVEL,
            "resamples": self.resamples,
            "better": self.better,
            "pictures": dict(self.pictures),
            "notes": list(self.notes),
        }


@dataclass
class Results:
    """The results of an evaluation.

    `sets` is the number of pictures of each set that could be read; `unmeasured` says of metrics why they have no
    figure; `unreadable` and `unpaired` say of pictures, by the name of their set, why they do not count.
    """

    sets: Mapping[str, int]
    figures: list[Figure] = field(default_factory=list)
    unmeasured: dict[str, str] = field(default_factory=dict)
    unreadable: dict[str, dict[str, str]] = field(default_factory=dict)
    unpaired: dict[str, dict[str, str]] = field(default_factory=dict)
    missing: bool = False
    """Whether a metric has no figure because a package or weights are not on this machine."""

    @property
    def exit_code(self) -> int:
        """The exit code: 0 all is measured, 1 some pictures or metrics are not, 3 a package or weights are missing."""
        if self.missing:
            return 3
        return 1 if self.unmeasured or self.unreadable or self.unpaired else 0

    def as_dict(self) -> dict[str, Any]:
        """Return the results for JSON."""
        return {
            "sets": dict(self.sets),
            "figures": [figure.as_dict() for figure in self.figures],
            "unmeasured": self.unmeasured,
            "unreadable": self.unreadable,
            "unpaired": self.unpaired,
            "exit_code": self.exit_code,
        }


OnPicture = Callable[[str, str | None], None]
"""Called for each picture, or pair, that a metric is done with: its name, and the reason why it failed, or None."""


def ignore(name: str, reason: str | None) -> None:
    """Do nothing with a picture that is done: for evaluations whose progress is not shown."""
