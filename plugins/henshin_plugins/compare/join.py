"""Two pictures become one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from henshin.errors import PictureError
from henshin.images import read
from henshin.resampling import resample

if TYPE_CHECKING:
    from henshin.frame import Frame, Picture


def put_before(frame: Frame, *, row: bool, gap: int) -> None:
    """Put a frame's source to the left of its picture (or above), ``gap`` white pixels between them.

    The source is scaled to the picture's height (in a column: width). Alpha is kept where either has it, and faces
    move along with the picture. Errors: PictureError if the frame's source is no file, or cannot be read.
    """
    path = Path(frame.source)
    if not path.is_file():
        raise PictureError(f"compare needs the source's file, and there is none at '{frame.source}'")
    decoded = read(path)
    height, width = frame.picture.shape[:2]
    own_height, own_width = decoded.picture.shape[:2]
    if row:
        size = (height, max(1, round(own_width * height / own_height)))
        between = (height, gap)
    else:
        size = (max(1, round(own_height * width / own_width)), width)
        between = (gap, width)
    axis = 1 if row else 0
    white = np.full((*between, 3), 255, np.uint8)
    if frame.alpha is not None or decoded.alpha is not None:
        before = resample(_opaque(decoded.alpha, decoded.picture), *size)
        frame.alpha = np.concatenate((before, white[..., 0], _opaque(frame.alpha, frame.picture)), axis)
    frame.picture = np.concatenate((resample(decoded.picture, *size), white, frame.picture), axis)
    for face in frame.faces:
        face.shift(size[1] + gap if row else 0, 0 if row else size[0] + gap)


def _opaque(alpha: Picture | None, picture: Picture) -> Picture:
    """Give alpha (H, W), full where there is none."""
    return np.full(picture.shape[:2], 255, np.uint8) if alpha is None else alpha
