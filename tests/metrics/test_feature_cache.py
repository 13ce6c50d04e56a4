"""The cache of what was computed for pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from henshin.metrics.feature_cache import Cache, pixel_hash


def test_the_cache_measures_only_new_pictures(tmp_path: Path) -> None:
    pictures = [np.full((4, 5, 3), i, np.uint8) for i in range(4)]
    given: list[int] = []

    def means(new: Sequence[Any]) -> Any:
        given.append(len(new))
        return np.array([[picture.mean()] for picture in new])

    cache = Cache(tmp_path)
    assert cache.get("mean", pictures[:3], means).tolist() == [[0], [1], [2]]
    assert cache.get("mean", [pictures[3], pictures[1], pictures[1]], means).tolist() == [[3], [1], [1]]
    assert cache.get("mean", pictures, means).tolist() == [[0], [1], [2], [3]]
    assert given == [3, 1]
    assert pixel_hash(pictures[0]) != pixel_hash(pictures[0].reshape(5, 4, 3))
