"""Source and result combined in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from henshin.errors import PictureError
from henshin.images import read
from henshin.images.resizing import Filter, resample

if TYPE_CHECKING:
    from henshin.api.frame import Frame
    from henshin.images.picture import Picture


def put_before(frame: Frame, filters: Sequence[Filter], *, row: bool, gap: int) -> None:
    """Put a frame's source to the left of its picture (or above), ``gap`` white pixels between them.

    The source is scaled to the picture's height (in a column: width) by each of the filters, one copy each. The result
    has alpha if either of the two has, and faces move with the picture. Errors: PictureError if the frame's source
    is no file, or cannot be read.
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
        alpha = _opaque(decoded.alpha, decoded.picture)
        before = [part for filter in filters for part in (resample(alpha, *size, filter), white[..., 0])]
        frame.alpha = np.concatenate((*before, _opaque(frame.alpha, frame.picture)), axis)
    before = [part for filter in filters for part in (resample(decoded.picture, *size, filter), white)]
    frame.picture = np.concatenate((*before, frame.picture), axis)
    shift = len(filters) * (size[axis] + gap)
    for face in frame.faces:
        face.shift(shift if row else 0, 0 if row else shift)


def _opaque(alpha: Picture | None, picture: Picture) -> Picture:
    """Return alpha (H, W), opaque where there is none."""
    return np.full(picture.shape[:2], 255, np.uint8) if alpha is None else alpha
