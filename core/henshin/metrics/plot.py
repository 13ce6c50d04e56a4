"""A plot of figures with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from henshin.errors import HenshinError, MissingError

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from henshin.images.picture import Picture
    from henshin.metrics.figures import Figure

ROW = 0.62
"""Height of a figure's row, inches."""

BLUE, GREY = "#2f6fb0", "#8a8f98"


def require_matplotlib() -> None:
    """Check that matplotlib is installed. Errors: MissingError."""
    if find_spec("matplotlib") is None:
        raise MissingError("a plot needs matplotlib: pip install 'henshin[train]'")


def draw_figures(figures: Sequence[Figure]) -> Picture:
    """Return a plot (H, W, 3) uint8: a row for each figure on a scale of its own, for their units differ.

    Errors: MissingError without matplotlib.
    """
    require_matplotlib()
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Page  # not pyplot, which looks for a screen

    page = Page(figsize=(9, ROW * len(figures) + 0.45), dpi=110)
    canvas = FigureCanvasAgg(page)
    grid = page.subplots(len(figures), 1, squeeze=False)
    page.subplots_adjust(left=0.4, right=0.86, top=1 - 0.15 / page.get_figheight(), bottom=0.36 / page.get_figheight())
    page.subplots_adjust(hspace=1.1)
    for axes, figure in zip(grid[:, 0], figures, strict=True):
        _draw_row(axes, figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    rgba = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return np.ascontiguousarray(rgba[..., :3])


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


def save_plot(plot: Picture, path: Path) -> None:
    """Write a plot as PNG. Errors: HenshinError when it cannot be written."""
    from PIL import Image

    from henshin.files import write_atomic

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomic(path) as part:
            Image.fromarray(plot).save(part, format="PNG")
    except OSError as error:
        raise HenshinError(f"cannot write '{path}': {error.strerror or error}") from error
