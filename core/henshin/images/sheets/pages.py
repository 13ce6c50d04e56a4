"""Sheets and plots as pictures and as files."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from henshin.errors import HenshinError, MissingError

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

    from henshin.images.picture import Picture


def require_matplotlib() -> None:
    """Check that matplotlib is installed. Errors: MissingError."""
    if find_spec("matplotlib") is None:
        raise MissingError("a plot needs matplotlib: pip install 'henshin[train]'")


def pixels_of(figure: Figure) -> Picture:
    """Return a figure of matplotlib as a picture (H, W, 3) uint8."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # not pyplot, which looks for a screen

    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    rgba = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return np.ascontiguousarray(rgba[..., :3])


def write_page(page: Picture, path: Path) -> None:
    """Write a sheet or plot in the format of its file's suffix. Errors: HenshinError when it cannot be written."""
    from henshin.images import WriteOptions, encode, output_format, write_bytes
    from henshin.images.picture import Metadata

    data = encode(page, None, Metadata(), output_format(None, path.suffix), WriteOptions())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, data)
    except OSError as error:
        raise HenshinError(f"cannot write '{path}': {error.strerror or error}") from error
