"""The options that all face detectors share: selection of faces, and the policy for photos without any."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from henshin.api.frame import Dropped
from henshin.errors import PictureError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from henshin.api.frame import Face, Frame
    from henshin.images.picture import Floats, Picture

Policy = Literal["copy", "skip", "fail", "whole"]
POLICY = (
    "Treatment of a photo without any face: 'copy' writes it as it is, past every later stage; 'skip' leaves it "
    "out; 'fail' lists it as failed; 'whole' sends the whole photo through the later stages."
)

Choice = Literal["all", "largest", "most_central", "leftmost", "rightmost", "best_score"]
CHOICE = "All faces of a photo, or one of them. The order is always from left to right."


def none_left(frame: Frame, policy: Policy, kind: str, reason: str) -> Frame:
    """Return a frame without faces, treated by its policy; ``kind`` and ``reason`` are those of a ``Dropped``."""
    if policy == "skip":
        return replace(frame, faces=[], dropped=Dropped(kind, reason))
    if policy == "fail":
        return replace(frame, error=PictureError(reason))
    return replace(frame, faces=[], bypass=policy == "copy")


def chosen(faces: Iterable[Face], which: Choice, most: int | None, picture: Picture) -> list[Face]:
    """Return the selected faces, from left to right; of "all" at most the ``most`` largest."""
    import numpy as np

    middle = np.array([picture.shape[1], picture.shape[0]]) / 2
    first = {
        "all": lambda face: -side(face),
        "largest": lambda face: -side(face),
        "most_central": lambda face: float(np.hypot(*(centre(face) - middle))),
        "leftmost": lambda face: float(centre(face)[0]),
        "rightmost": lambda face: -float(centre(face)[0]),
        "best_score": lambda face: -face.score,
    }[which]
    wanted = sorted(faces, key=first)[: most if which == "all" else 1]
    return sorted(wanted, key=lambda face: tuple(centre(face)))


def is_seen(face: Face, alpha: Picture | None) -> bool:
    """Return whether any part of a face is visible: files may hold pixels below full transparency."""
    if alpha is None:
        return True
    x0, y0, x1, y1 = (max(0, round(float(value))) for value in face.box)
    return bool(alpha[y0:y1, x0:x1].any())


def side(face: Face) -> float:
    """Return the longer side of a face's box."""
    return float((face.box[2:] - face.box[:2]).max())


def centre(face: Face) -> Floats:
    """Return (2,) the middle of a face's box."""
    import numpy as np

    middle: Floats = (face.box[:2] + face.box[2:]) / np.float32(2)
    return middle
