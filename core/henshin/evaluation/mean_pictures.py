"""Mean pictures of folders: they show whether faces of two sets have their eyes and chins on the same lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from henshin.errors import PictureError

if TYPE_CHECKING:
    from henshin.evaluation.datasets import PictureSet
    from henshin.images.picture import Floats, Picture

RULED = 10
"""Number of equal parts into which the lines divide a mean picture."""

LINE_STRENGTH = 0.35
"""Share of black in the lines."""


@dataclass(frozen=True)
class MeanPicture:
    """The mean (side, side, 3) of a set, in [0, 255], the number of its pictures, and those that failed."""

    name: str
    values: Floats
    count: int
    failures: list[tuple[str, str]]


def mean_of(pictures: PictureSet, side: int, finished: Callable[[str, str | None], None]) -> MeanPicture:
    """Return the mean of all pictures, each resized to a square of `side` pixels.

    `finished` is called after each with its name and, where it cannot be read, the reason. Errors: PictureError when
    none can be read.
    """
    import numpy as np

    from henshin.images import read
    from henshin.images.resizing import resample

    total, count, failures = np.zeros((side, side, 3)), 0, list(pictures.unfit)
    for name, reason in failures:
        finished(name, reason)
    for name, path, _ in pictures.members:
        try:
            picture = read(path).picture
        except PictureError as error:
            failures.append((name, error.reason))
            finished(name, error.reason)
            continue
        total += resample(picture, side, side)
        count += 1
        finished(name, None)
    if not count:
        raise PictureError(f"none of the pictures of '{pictures.name}' can be read")
    return MeanPicture(pictures.name, (total / count).astype(np.float32), count, failures)


def ruled(values: Floats) -> Picture:
    """Return a mean picture with a horizontal line at every tenth of its height."""
    import numpy as np

    shown = values.copy()
    for part in range(1, RULED):
        shown[len(shown) * part // RULED] *= 1 - LINE_STRENGTH
    return np.rint(shown).astype(np.uint8)


def halves(means: Sequence[MeanPicture]) -> Floats:
    """Return the left half of the first mean beside the right half of the second."""
    import numpy as np

    middle = means[0].values.shape[1] // 2
    return np.concatenate([means[0].values[:, :middle], means[1].values[:, middle:]], axis=1)


def default_name(path: str) -> str:
    """Return the heading of a folder's column: its own name."""
    return Path(path).resolve().name
