"""Plots of a run's metrics."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from henshin.files import write_atomic
from henshin.images.sheets.pages import pixels_of
from henshin.train.loggers.metrics_log import values_of

OVERVIEW = "losses.png"
MOST_POINTS = 2000
MAX_TIME_SHARE = 1 / 20
"""Greatest share of the time that is spent on drawing curves."""
_FIRST = ("adversarial", "cycle", "identity", "total", "discriminators", "scores")
_TITLES = {"total": "generator total"}


def panels(records: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return {panel: names of its values}: all discriminators in one panel, all scores in one, others on their own."""
    names: dict[str, list[str]] = {}
    for record in records:
        for name in values_of(record):
            panel = names.setdefault(_panel(name), [])
            if name not in panel:
                panel.append(name)
    return {panel: names[panel] for panel in sorted(names, key=lambda panel: (_rank(panel), panel))}


def _panel(name: str) -> str:
    if name.startswith("discriminator"):
        return "discriminators"
    if name.startswith("adversarial"):
        return "adversarial"
    return "scores" if name.endswith("_score") or name.startswith(("real_score", "fake_score")) else name


def _rank(panel: str) -> int:
    return _FIRST.index(panel) if panel in _FIRST else len(_FIRST)


def curve(records: Sequence[Mapping[str, Any]], name: str) -> tuple[list[int], list[float]]:
    """Return the steps and values of one name, thinned to about two thousand points."""
    points = [(record["step"], float(record[name])) for record in records if name in record]
    points = points[:: max(1, len(points) // MOST_POINTS)]
    return [step for step, _ in points], [value for _, value in points]


def smooth(values: Sequence[float]) -> list[float]:
    """Return the exponential moving average of a curve over a twentieth of its length, corrected for its start."""
    weight = 1 - 1 / max(1.0, len(values) / 20)
    mean, total, smoothed = 0.0, 0.0, []
    for value in values:
        mean, total = weight * mean + (1 - weight) * value, weight * total + (1 - weight)
        smoothed.append(mean / total)
    return smoothed


class Curves:
    """Draws `plots/losses.png`, with all panels, and a picture for each panel."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "plots"
        self._drawn_at, self._duration = 0.0, 0.0

    def draw(self, records: Sequence[Mapping[str, Any]], final: bool = False) -> None:
        """Draw the curves; skip it if the last drawing was too recent, unless this one is `final`."""
        if len({record["step"] for record in records}) < (1 if final else 2):  # no curve yet
            return
        start = time.monotonic()
        if not final and self._duration and start - self._drawn_at < self._duration / MAX_TIME_SHARE:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        pages = []
        for panel, names in panels(records).items():
            pages.append(_plot_panel(records, panel, names))
            self._save(pages[-1], f"{panel}.png")
        self._save(_tile(pages), OVERVIEW)
        self._drawn_at = time.monotonic()
        self._duration = self._drawn_at - start

    def _save(self, page: Image.Image, name: str) -> None:
        with write_atomic(self.folder / name) as part:
            page.save(part, "PNG")


def _tile(pages: Sequence[Image.Image], columns: int = 3) -> Image.Image:
    width, height = pages[0].size
    columns = min(columns, len(pages))
    page = Image.new("RGB", (width * columns, height * -(-len(pages) // columns)), "white")
    for i, one in enumerate(pages):
        page.paste(one, (i % columns * width, i // columns * height))
    return page


def _plot_panel(records: Sequence[Mapping[str, Any]], panel: str, names: Sequence[str]) -> Image.Image:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.6), dpi=100)
    axes = figure.add_axes((0.11, 0.13, 0.86, 0.77))
    for name in names:
        steps, values = curve(records, name)
        (line,) = axes.plot(steps, values, linewidth=0.7, alpha=0.35)
        marker = "o" if len(steps) == 1 else None  # a line through one point is invisible
        label = name.replace("_", " ")
        axes.plot(steps, smooth(values), color=line.get_color(), linewidth=1.5, marker=marker, label=label)
    axes.set_title(_TITLES.get(panel, panel).replace("_", " "), fontsize=10)
    axes.set_xlabel("step", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)
    if len(names) > 1:
        axes.legend(fontsize=8)
    return Image.fromarray(pixels_of(figure))
