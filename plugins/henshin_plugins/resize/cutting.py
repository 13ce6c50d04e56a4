"""Cutting a window out of a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from henshin.frame import Frame


def cut(frame: Frame, window: tuple[int, int, int, int]) -> None:
    """Keep (x0, y0, x1, y1) of a frame's picture and alpha; its faces stay where they are in the scene."""
    x0, y0, x1, y1 = window
    frame.picture = np.ascontiguousarray(frame.picture[y0:y1, x0:x1])
    if frame.alpha is not None:
        frame.alpha = np.ascontiguousarray(frame.alpha[y0:y1, x0:x1])
    for face in frame.faces:
        face.shift(-x0, -y0)
