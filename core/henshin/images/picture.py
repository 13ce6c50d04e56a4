"""The picture: one image as an array, and the metadata of its file."""

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
    # numpy itself stays unloaded here: `henshin --help` would pay for it.
    Picture = Any
    Floats = Any


def picture_problem(value: object) -> str | None:
    """Say what this is instead of a picture ("an array of float32 (4, 4); a picture is ..."); None if it is one.

    That it is contiguous and read-only is not asked for.
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
    """What a file held besides its pixels, so that the writer can give it back.

    ``format`` is Pillow's name ("JPEG", "PNG", ...) or None for a picture that no file held. ``exif`` is the raw
    block as read (orientation included: the writer resets it), ``icc`` the profile of the file's own pixels,
    ``size`` (width, height) of the upright picture, ``notes`` what the reader wants said ("first of 12 frames").
    ``lossless`` tells a format that knows both ways (WebP) to lose nothing, as the file did.
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
"""Larger pictures are refused: a file of a few bytes can claim any size, and 500 megapixels already fill 1.5 GB.
The same ends what stages may make of a picture: 125 megapixels can still be doubled, 55 be enlarged three times."""


@dataclass(slots=True, eq=False)
class Decoded:
    """A picture as read: ``picture`` (H, W, 3) uint8 RGB in sRGB, upright, C-contiguous, read-only.

    ``alpha`` is (H, W) uint8, read-only, or None; ``metadata`` what else the file held, and the reader's notes.
    """

    picture: Picture
    alpha: Picture | None
    metadata: Metadata
