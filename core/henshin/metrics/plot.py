"""A plot of figures with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from henshin.images.sheets.pages import pixels_of, require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from henshin.images.picture import Picture
    from henshin.metrics.figures import Figure

ROW = 0.62
"""Height of a figure's row, inches."""

BLUE, GREY = "#2f6fb0", "#8a8f98"


def draw_figures(figures: Sequence[Figure]) -> Picture:
    """Return a plot (H, W, 3) uint8: a row for each figure on a scale of its own, for their units differ.

    Errors: MissingError without matplotlib.
    """
    require_matplotlib()
    from matplotlib.figure import Figure as Page

    page = Page(figsize=(9, ROW * len(figures) + 0.45), dpi=110)
    grid = page.subplots(len(figures), 1, squeeze=False)
    page.subplots_adjust(left=0.4, right=0.86, top=1 - 0.15 / page.get_figheight(), bottom=0.36 / page.get_figheight())
    page.subplots_adjust(hspace=1.1)
    for axes, figure in zip(grid[:, 0], figures, strict=True):
        _draw_row(axes, figure)
    return pixels_of(page)


def _draw_row(axes: Axes, figure: Figure) -> None:
    import math

    value = figure.value if math.isfinite(figure.value) else 0.0
    low, high = (value if limit is None else limit for limit in (figure.low, figure.high))
    axes.hlines(0, low, high, color=BLUE, linewidth=5, alpha=0.4)
    axes.plot([value], [0], "o", color=BLUE, markersize=7)
    target = 1.0 if figure.better == "nearer to 1" else 1e-9
    least, most = min(low, value, 0.0), max(high, value, target)
    axes.set_xlim(least - 0.05 * (most - least), most + 0.05 * (most - least))
    axes.set_ylim(-1, 1)
    axes.set_yticks([])
    axes.tick_params(labelsize=7, colors=GREY, length=2, pad=1)
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GREY)
    axes.text(-0.02, 0.5, figure.title, transform=axes.transAxes, ha="right", va="bottom", fontsize=9)
    axes.text(-0.02, 0.4, f"{figure.better} is better", transform=axes.transAxes, ha="right", va="top", fontsize=7,
              color=GREY)  # fmt: skip
    shown = "equal" if not math.isfinite(figure.value) else f"{figure.value:.4g}"
    axes.text(1.02, 0.5, shown, transform=axes.transAxes, ha="left", va="center", fontsize=9)
