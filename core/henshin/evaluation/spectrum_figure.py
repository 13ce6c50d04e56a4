"""The figure of spectra: for each set one picture, its spectrum and the mean spectrum, and the radial curves of all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from henshin.images.measures.spectra import HALF, log_magnitude
from henshin.images.sheets.pages import pixels_of, require_matplotlib

if TYPE_CHECKING:
    from henshin.evaluation.spectrum import SetSpectrum
    from henshin.images.picture import Picture

_DOTS, _COLUMN, _CURVES = 100, 2.6, 3.4
"""Pixels of an inch; inches of a column, and of the height of the curves."""

_LOWEST = 1.0
"""Percentile of all spectra that is shown in the darkest colour."""


def draw(spectra: Sequence[SetSpectrum]) -> Picture:
    """Return the figure (H, W, 3) uint8, one column for each set.

    All spectra have one scale of colours, in dB, and the zero frequency in the middle.
    Errors: MissingError without matplotlib.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    columns = len(spectra)
    width = max(columns * _COLUMN, 6.4)
    figure = Figure(figsize=(width, 3 * _COLUMN + _CURVES), dpi=_DOTS, layout="constrained")
    grid = figure.add_gridspec(4, columns, height_ratios=(_COLUMN, _COLUMN, _COLUMN, _CURVES))
    _draw_squares(figure, grid, spectra)
    _draw_curves(figure.add_subplot(grid[3, :]), spectra)
    return pixels_of(figure)


def _draw_squares(figure: Any, grid: Any, spectra: Sequence[SetSpectrum]) -> None:
    shown = [one.shown for one in spectra if one.shown is not None]
    levels = [log_magnitude(one.mean_power) for one in spectra] + [log_magnitude(powers) for _, _, powers in shown]
    lowest = min(float(np.percentile(level, _LOWEST)) for level in levels)
    highest = max(float(level.max()) for level in levels)
    image, panels = None, []
    for number, one in enumerate(spectra):
        top, middle, bottom = (figure.add_subplot(grid[row, number]) for row in range(3))
        if one.shown is not None:
            name, square, powers = one.shown
            top.imshow(square, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            middle.imshow(log_magnitude(powers), cmap="magma", vmin=lowest, vmax=highest, extent=(-1, 1, 1, -1))
            middle.set_title(f"spectrum of {name}"[-34:], fontsize=8)
        top.set_title(one.name[-30:], fontsize=10)
        top.set_axis_off()
        image = bottom.imshow(
            log_magnitude(one.mean_power), cmap="magma", vmin=lowest, vmax=highest, extent=(-1, 1, 1, -1)
        )
        bottom.set_title(f"mean of {len(one.pictures)}", fontsize=8)
        for panel in (middle, bottom):
            panel.tick_params(labelsize=7)
            panel.set_xticks((-1, 0, 1))
            panel.set_yticks((-1, 0, 1))
            panels.append(panel)
    bar = figure.colorbar(image, ax=panels, shrink=0.6, label="dB")
    bar.ax.tick_params(labelsize=7)


def _draw_curves(axes: Any, spectra: Sequence[SetSpectrum]) -> None:
    for one in spectra:
        frequencies, mean, lower, upper = one.curves()
        (line,) = axes.plot(frequencies[1:], mean[1:], label=one.name, linewidth=1.4)
        axes.fill_between(frequencies[1:], lower[1:], upper[1:], color=line.get_color(), alpha=0.15, linewidth=0)
    axes.axvline(HALF, color="grey", linewidth=0.8, linestyle=":")
    axes.set_yscale("log")
    axes.set_xlim(0, 1)
    axes.set_xlabel("frequency / Nyquist frequency", fontsize=8)
    axes.set_ylabel("mean power", fontsize=8)
    axes.set_title("power by frequency, with the band from the 10th to the 90th percentile of the pictures", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8)
