"""Faces that detectors find in crops: landmarks, by a detector for photos, and drawn faces, by a cascade."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from henshin.files import hash_file
from henshin.metrics.faces import find_faces

if TYPE_CHECKING:
    import numpy.typing as npt

    from henshin import Face, Picture
    from quality.portraits import Workshop

    Array: TypeAlias = npt.NDArray[np.float64]

CASCADE = "lbpcascade-animeface"
YUNET = "yunet"


def landmarks(workshop: Workshop, pictures: Sequence[Picture], yunet: str | None = None) -> Array:
    """Return (N, 5, 2) landmarks of the largest face in each crop, as shares of its sides; NaN where none is found.

    They are those of the stage `face_detect`, by MTCNN, or by YuNet with its name or the path of its .onnx. A crop is
    upright, so there is no second pass. Errors: MissingError without the model.
    """
    detector = {"detector": "mtcnn"} if yunet is None else {"detector": "yunet", "model": yunet}
    options = {**detector, "faces": "largest", "second_pass": "never"}
    marks = np.full((len(pictures), 5, 2), np.nan)
    for row, picture, faces in zip(marks, pictures, _faces(workshop, "face_detect", options, pictures), strict=True):
        if faces and faces[0].landmarks is not None:
            row[:] = faces[0].landmarks / (picture.shape[1], picture.shape[0])
    return marks


def landmark_distances(marks: Array, margin: float) -> Array:
    """Return (N,) the mean distance of landmarks (N, 5, 2) from those that `face_align` aligns to, NaN without any."""
    from henshin_plugins.face.geometry import template

    distances: Array = np.linalg.norm(marks - template(margin), axis=2).mean(axis=1)
    return distances


def drawn_faces(workshop: Workshop, pictures: Sequence[Picture], cascade: str = CASCADE) -> Array:
    """Return (N,) 1 where the stage `anime_face_detect` finds a face, else 0. Errors: MissingError without its file."""
    found = _faces(workshop, "anime_face_detect", {"model": cascade}, pictures)
    return np.array([float(bool(faces)) for faces in found])


def cache_kind(workshop: Workshop, use: str, model: str | None) -> str:
    """Return the name in the cache of what a stage finds with a model: another file is another name."""
    return use if model is None else f"{use}-{hash_file(workshop.store.file(model))[:8]}"


def _faces(workshop: Workshop, use: str, options: dict[str, Any], pictures: Sequence[Picture]) -> list[list[Face]]:
    """Return the faces that a stage finds in each picture."""
    cls = workshop.registry.stage(use)
    return find_faces(cls(cls.Config.model_validate(options)), workshop.context, pictures)
