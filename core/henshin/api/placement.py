"""Exchange of pictures with frames: the pictures of a frame, results put back, checks of both.

The engine uses it for stages that work on pictures, and stages on frames use it to take and put back pictures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from henshin.api.frame import Dropped, Face, Frame
from henshin.errors import PictureError
from henshin.images.picture import Metadata, Picture, picture_problem

if TYPE_CHECKING:
    from henshin.api.stage import Stage

Place = tuple[Frame, Face | None]
"""The place of a picture in a frame: the crop of a face, or the whole photo (None)."""

_PARTS: dict[str, type] = {
    "source": str,
    "name": str,
    "faces": list,
    "latents": dict,
    "timings": dict,
    "metadata": Metadata,
}
"""Required types of a frame's attributes, besides its picture and alpha."""


def zones(stages: Sequence[Stage[Any]], inside: bool = False) -> list[bool]:
    """Return whether each stage works on crops: after one that gives them, until one that ends them.

    ``inside``: the first one does.
    """
    result = []
    for stage in stages:
        result.append(inside)
        inside = "crops" in stage.gives or (inside and "crops" not in stage.ends)
    return result


def places(frames: Iterable[Frame], crops: bool) -> list[Place]:
    """Return the places a pictures stage works on: every crop of every frame, or the photo of one without faces."""
    found: list[Place] = []
    for frame in frames:
        if crops and frame.faces:
            found += [(frame, face) for face in frame.faces if face.crop is not None]
        else:
            found.append((frame, None))
    return found


def picture_at(place: Place) -> Picture:
    """Return the picture of a place. Errors: PictureError when the frame has none yet."""
    frame, face = place
    picture = frame.picture if face is None else face.crop
    if picture is None:
        raise PictureError("the frame has no picture yet")
    return picture


def place_result(place: Place, result: Any) -> None:
    """Put the result of a stage in its place; if the size changed, alpha, mask, boxes and matrices are scaled too.

    ``result`` is a picture, a Dropped, which takes it out of the run, or a PictureError, which fails the whole frame.
    Errors: PictureError for anything else.
    """
    frame, face = place
    if isinstance(result, Dropped):
        (frame if face is None else face).dropped = result
        return
    if isinstance(result, PictureError):
        frame.error = frame.error or result
        return
    picture = checked(result)
    if face is None:
        _put_photo(frame, picture)
    else:
        _put_crop(face, picture)


def _put_photo(frame: Frame, picture: Picture) -> None:
    sx, sy = _scales(frame.picture, picture)
    frame.picture = picture
    if frame.alpha is not None:
        frame.alpha = resized(frame.alpha, picture.shape[:2])
    if (sx, sy) != (1.0, 1.0) and frame.faces:
        frame.faces = [_moved(face, sx, sy) for face in frame.faces]


def _put_crop(face: Face, picture: Picture) -> None:
    sx, sy = _scales(face.crop, picture)
    face.crop = picture
    if face.mask is not None:
        face.mask = resized(face.mask, picture.shape[:2])
    if face.matrix is not None and (sx, sy) != (1.0, 1.0):
        # Pixels cover areas, so a crop that is twice as large has every point at exactly twice its coordinates.
        matrix = face.matrix.copy()
        matrix[0] *= sx
        matrix[1] *= sy
        face.matrix = matrix


def _moved(face: Face, sx: float, sy: float) -> Face:
    """Return a face of a resized photo with its coordinates in the new picture."""
    import numpy as np

    box = (face.box * np.array([sx, sy, sx, sy])).astype(face.box.dtype)
    landmarks, matrix = face.landmarks, face.matrix
    if landmarks is not None:
        landmarks = (landmarks * np.array([sx, sy])).astype(landmarks.dtype)
    if matrix is not None:
        matrix = (matrix / np.array([sx, sy, 1.0])).astype(matrix.dtype)
    return replace(face, box=box, landmarks=landmarks, matrix=matrix)


def _scales(before: Picture | None, after: Picture) -> tuple[float, float]:
    if before is None:
        return 1.0, 1.0
    return after.shape[1] / before.shape[1], after.shape[0] / before.shape[0]


def resized(plane: Picture, shape: tuple[int, ...]) -> Picture:
    """Return an alpha or mask (H, W) uint8 at another (height, width); the same array if nothing changes."""
    if plane.shape == tuple(shape):
        return plane
    import numpy as np
    from PIL import Image

    # Bilinear, for a filter with negative lobes would ring: opaque areas must stay at 255.
    height, width = shape
    small = np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR))
    return frozen(np.ascontiguousarray(small))


def checked(value: Any) -> Picture:
    """Return a stage's result as a read-only, contiguous picture: the same array where it is one already.

    Errors: PictureError that says what was returned instead of a picture.
    """
    import numpy as np

    problem = picture_problem(value)
    if problem:
        raise PictureError(f"returned {problem}")
    return frozen(value if value.flags.c_contiguous else np.ascontiguousarray(value))


def frozen(array: Picture) -> Picture:
    """Make an array read-only and return it."""
    array.flags.writeable = False
    return array


def frame_problem(frame: Frame) -> str | None:
    """Return which attribute of a frame has a wrong type ("latents that are no dict"), or None."""
    for part, kind in _PARTS.items():
        if not isinstance(getattr(frame, part), kind):
            return f"{part} that {'are' if part.endswith('s') else 'is'} no {kind.__name__}"
    if not all(isinstance(face, Face) for face in frame.faces):
        return "faces that are no Face"
    error: object = frame.error
    if not isinstance(error, PictureError | None):
        return "an error that is no PictureError"
    verdicts: list[object] = [frame.dropped, *(face.dropped for face in frame.faces)]
    if not all(isinstance(one, Dropped | None) for one in verdicts):
        return "a dropped that is no Dropped"
    return None


def check_frame(frame: Frame) -> None:
    """Make the pictures of a returned frame read-only and contiguous. A wrong frame gets its ``error`` set."""
    try:
        problem = frame_problem(frame)
        if problem:
            raise PictureError(f"returned {problem}")
        if frame.picture is not None:
            frame.picture = checked(frame.picture)
            frame.alpha = _checked_plane(frame.alpha, frame.picture, "alpha")
        for face in frame.faces:
            if face.crop is not None:
                face.crop = checked(face.crop)
                face.mask = _checked_plane(face.mask, face.crop, "mask")
    except PictureError as error:
        frame.error = frame.error or error


def _checked_plane(plane: Any, picture: Picture, what: str) -> Picture | None:
    """Return an alpha or a mask, read-only and of its picture's size. Errors: PictureError for anything else."""
    import numpy as np

    if plane is None:
        return None
    if not isinstance(plane, np.ndarray) or plane.dtype != np.uint8 or plane.ndim != 2 or plane.size == 0:
        shown = f"{plane.dtype} {plane.shape}" if isinstance(plane, np.ndarray) else type(plane).__name__
        raise PictureError(f"returned {shown} as {what}, which is (height, width) of uint8")
    return frozen(np.ascontiguousarray(resized(plane, picture.shape[:2])))
