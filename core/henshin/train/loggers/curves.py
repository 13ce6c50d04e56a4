"""Curves of a run as pictures: what a person looks at to see whether it goes well."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from henshin.train.loggers.metrics_log import values_of

OVERVIEW = "losses.png"
MOST_POINTS = 2000
SHARE = 20
"""Curves are drawn at most for one part in so many of the time."""
_FIRST = ("adversarial", "cycle", "identity", "total", "discriminators", "scores")
_TITLES = {"total": "generator total"}


def panels(records: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Which values stand together: every discriminator in one panel, real and fake scores in one, others alone."""
    found: dict[str, list[str]] = {}
    for record in records:
        for name in values_of(record):
            panel = found.setdefault(_panel(name), [])
            if name not in panel:
                panel.append(name)
    return {name: found[name] for name in sorted(found, key=lambda name: (_rank(name), name))}


def _panel(name: str) -> str:
    if name.startswith(("discriminator", "discriminator")):
        return "discriminators"
    if name.startswith("adversarial"):
        return "adversarial"
    return "scores" if name.endswith("_score") or name.startswith(("real_score", "fake_score")) else name


def _rank(panel: str) -> int:
    return _FIRST.index(panel) if panel in _FIRST else len(_FIRST)


def curve(records: Sequence[Mapping[str, Any]], name: str) -> tuple[list[int], list[float]]:
    """(steps, values) of one name, thinned to some two thousand points."""
    points = [(record["step"], float(record[name])) for record in records if name in record]
    points = points[:: max(1, len(points) // MOST_POINTS)]
    return [step for step, _ in points], [value for _, value in points]


def smooth(values: Sequence[float]) -> list[float]:
    """A running mean over about the last twentieth of a curve, with the bias of its start taken out."""
    weight = 1 - 1 / max(1.0, len(values) / 20)
    mean, total, found = 0.0, 0.0, []
    for value in values:
        mean, total = weight * mean + (1 - weight) * value, weight * total + (1 - weight)
        found.append(mean / total)
    return found


class Curves:
    """Draws `plots/losses.png`, all curves on one page, and a picture for each panel."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "plots"
        self._drawn, self._took = 0.0, 0.0

    def draw(self, records: Sequence[Mapping[str, Any]], at_last: bool = False) -> None:
        """Draw the curves anew; not if that was done only now, unless it is for the last time."""
        if len({record["step"] for record in records}) < (1 if at_last else 2):  # no curve yet
            return
        start = time.monotonic()
        if not at_last and self._took and start - self._drawn < SHARE * self._took:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        drawn = []
        for panel, names in panels(records).items():
            drawn.append(_drawn(records, panel, names))
            self._put(drawn[-1], f"{panel}.png")
        self._put(_side_by_side(drawn), OVERVIEW)
        self._drawn = time.monotonic()
        self._took = self._drawn - start

    def _put(self, page: Image.Image, name: str) -> None:
        side = self.folder / f".{name}.part"
        page.save(side, "PNG")
        side.replace(self.folder / name)


def _side_by_side(drawn: Sequence[Image.Image], columns: int = 3) -> Image.Image:
    width, height = drawn[0].size
    columns = min(columns, len(drawn))
    page = Image.new("RGB", (width * columns, height * -(-len(drawn) // columns)), "white")
    for i, one in enumerate(drawn):
        page.paste(one, (i % columns * width, i // columns * height))
    return page


def _drawn(records: Sequence[Mapping[str, Any]], panel: str, names: Sequence[str]) -> Image.Image:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure  # not pyplot, which would look for a screen

    figure = Figure(figsize=(6, 3.6), dpi=100)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.11, 0.13, 0.86, 0.77))
    for name in names:
        steps, values = curve(records, name)
        (line,) = axes.plot(steps, values, linewidth=0.7, alpha=0.35)
        marker = "o" if len(steps) == 1 else None  # a line of one point would not be seen
        label = name.replace("_", " ")
        axes.plot(steps, smooth(values), color=line.get_color(), linewidth=1.5, marker=marker, label=label)
    axes.set_title(_TITLES.get(panel, panel).replace("_", " "), fontsize=10)
    axes.set_xlabel("step", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)
    if len(names) > 1:
        axes.legend(fontsize=8)
    canvas.draw()  # type: ignore[no-untyped-call]
    drawn = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return Image.fromarray(drawn).convert("RGB")
