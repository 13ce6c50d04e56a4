"""The picture array, the metadata of its file, and the limit of its size."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


if TYPE_CHECKING:
    Picture: TypeAlias = npt.NDArray[np.uint8]
    Floats: TypeAlias = npt.NDArray[np.float32]
else:
    # A picture is a numpy array: (H, W, 3) uint8, RGB in sRGB, upright, C-contiguous, read-only between stages.
    # numpy is not imported here: `henshin --help` must start without it.
    Picture = Any
    Floats = Any


def picture_problem(value: object) -> str | None:
    """Return why a value is not a picture ("an array of float32 (4, 4); a picture is ..."), or None if it is one.

    It need not be contiguous or read-only.
    """
    import numpy as np

    wanted = "a picture is (height, width, 3) of uint8, not empty"
    if not isinstance(value, np.ndarray):
        return f"a {type(value).__name__}; {wanted}"
    if value.dtype == np.uint8 and value.ndim == 3 and value.shape[2] == 3 and value.size > 0:
        return None
    return f"an array of {value.dtype} {value.shape}; {wanted}"


@dataclass(slots=True, eq=False)
class Metadata:
    """The contents of a file besides its pixels, for the writer to write again.

    ``format`` is Pillow's name ("JPEG", "PNG", ...), or None for a picture without a file. ``exif`` is the raw block as
    read (with the orientation, which the writer resets); ``icc`` is the profile of the file's own pixels; ``size`` is
    (width, height) of the upright picture; ``notes`` are the notes of the reader ("first of 12 frames"). ``lossless``:
    the file was compressed without loss, in a format that also has a lossy mode (WebP).
    """

    format: str | None = None
    exif: bytes | None = None
    icc: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    size: tuple[int, int] | None = None
    mode: str | None = None
    lossless: bool = False
    notes: list[str] = field(default_factory=list)


MOST_PIXELS = 500_000_000
"""Larger pictures are refused: a file of a few bytes can claim any size, and 500 megapixels fill 1.5 GB.
The limit also holds for the results of stages: 125 megapixels can be enlarged twice, 55 three times."""


@dataclass(slots=True, eq=False)
class Decoded:
    """A decoded file: ``picture`` (H, W, 3) uint8 RGB in sRGB, upright, C-contiguous, read-only.

    ``alpha`` is (H, W) uint8, read-only, or None; ``metadata`` holds the rest of the file and the reader's notes.
    """

    picture: Picture
    alpha: Picture | None
    metadata: Metadata
