"""Greedy non-maximum suppression: of boxes that overlap, the best one stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from henshin_plugins.face.geometry import Array


def suppress(boxes: Array, overlap: float, *, of_smaller: bool = False) -> npt.NDArray[np.int64]:
    """Return the indices of the boxes that stay, best first.

    `boxes` is (N, 5+): x0 y0 x1 y1 score. A box falls if it shares more than `overlap` of its union with a better
    one, or, `of_smaller`, of the smaller of the two (so that a box within a box falls too).
    """
    low, high = boxes[:, :2], boxes[:, 2:4]
    area = (high - low).prod(axis=1)
    order = np.argsort(-boxes[:, 4], kind="stable")
    kept = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(best)
        sides = np.minimum(high[best], high[rest]) - np.maximum(low[best], low[rest])
        shared = sides.clip(0.0).prod(axis=1)
        whole = np.minimum(area[best], area[rest]) if of_smaller else area[best] + area[rest] - shared
        order = rest[shared <= overlap * whole]
    return np.array(kept, np.int64)
