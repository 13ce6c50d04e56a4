"""How far a translated face is from the person in its source, by dlib's network for faces (extra `identity`)."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

from henshin.errors import MissingError, PictureError
from henshin.metrics.figures import Better

if TYPE_CHECKING:
    from henshin.images.picture import Picture

PACKAGE = "face_recognition_models"
INSTALL_HINT = "identity needs dlib-bin and face_recognition_models: pip install 'henshin[identity]'"


class IdentityDistance:
    """Euclidean distance of the vectors (128,) of two faces; below 0.6 its author takes them for one person's.

    King, "Dlib-ml", JMLR 2009; its network of 2017 is the ResNet of He et al. 2016 with 29 layers. Errors:
    MissingError without the packages.
    """

    key, title = "identity", "distance of identity (dlib)"
    better: Better = "lower"
    same_size = False

    def __init__(self) -> None:
        try:
            import dlib
        except ImportError:
            raise MissingError(INSTALL_HINT) from None
        self._dlib: Any = dlib
        self._detect = dlib.get_frontal_face_detector()
        self._shape = dlib.shape_predictor(str(_model_file("shape_predictor_5_face_landmarks")))
        self._network = dlib.face_recognition_model_v1(str(_model_file("dlib_face_recognition_resnet_model_v1")))

    def measure(self, picture: Picture, partner: Picture, /) -> float:
        """Return the distance of a pair. Errors: PictureError where dlib finds no face in one of them."""
        import numpy as np

        return float(np.linalg.norm(self._vector(picture, "translation") - self._vector(partner, "source")))

    def _vector(self, picture: Picture, what: str) -> Any:
        import numpy as np

        pixels = np.ascontiguousarray(picture)
        boxes = self._detect(pixels, 1)  # once enlarged: it finds no face below 80 pixels
        if not boxes:
            raise PictureError(f"dlib finds no face in the {what}")
        largest = max(boxes, key=lambda box: box.area())
        return np.array(self._network.compute_face_descriptor(pixels, self._shape(pixels, largest)))


def _model_file(stem: str) -> Path:
    """Return a file of the installed package, which is not imported: it wants a module that newer setuptools lack."""
    try:
        files = distribution(PACKAGE).files or []
    except PackageNotFoundError:
        raise MissingError(INSTALL_HINT) from None
    for file in files:
        if re.fullmatch(rf"{stem}\.dat", file.name) and (path := Path(str(file.locate()))).is_file():
            return path
    raise MissingError(f"the installed {PACKAGE} holds no {stem}.dat; wanted: pip install --force-reinstall {PACKAGE}")
