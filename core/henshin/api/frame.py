"""The frame that travels through a pipeline: a picture, its faces and the metadata of its file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from henshin.images.picture import Floats, Metadata, Picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from henshin.errors import PictureError

Zone = Literal["photos", "crops"]
"""What a stage on pictures works on: whole photos, or crops of their faces."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """The decision of a stage to leave a picture out of a set, with its reason. It is no failure.

    A pictures stage returns it in a picture's place; a frames stage sets ``frame.dropped`` or ``face.dropped``.
    Dropped pictures are counted by ``kind``, a few words ("blurred"; a noun in the plural, "near-duplicates").
    ``reason`` holds the measured and the wanted value ("edges 2.4 px wide, at most 1.7"). ``instead`` is the ``source``
    of the frame that stays in the place of this one: when that source changes or goes, this one is processed again.
    """

    kind: str
    reason: str
    instead: str | None = None


@dataclass(slots=True, eq=False)
class Face:
    """One face of a frame. Coordinates are pixels of the frame's picture, pixel centres at .5.

    ``box`` is (4,) x0 y0 x1 y1; ``landmarks`` (5, 2): eyes, nose, mouth corners, image-left first, or None where the
    detector finds none; ``matrix`` (2, 3) maps a point of the photo to the crop; ``mask`` (H, W) uint8 is 255 where
    the crop shows the photo and 0 where it was extrapolated beyond the border. ``dropped`` takes this face out of
    its frame; a frame whose last face is dropped is left out, unless ``bypass`` is set.
    """

    box: Floats
    score: float
    landmarks: Floats | None = None
    matrix: Floats | None = None
    crop: Picture | None = None
    mask: Picture | None = None
    dropped: Dropped | None = None

    def shift(self, x: float, y: float) -> None:
        """Move the face's coordinates by ``x`` pixels to the right and ``y`` down, as when the picture is padded.

        Box and landmarks move, and ``matrix`` maps the moved points to the same places of the crop. All three become
        new arrays: another frame may share the old ones.
        """
        import numpy as np

        by = np.array([x, y], np.float32)
        self.box = self.box + np.tile(by, 2)
        self.landmarks = None if self.landmarks is None else self.landmarks + by
        if self.matrix is not None:
            turn = self.matrix[:, :2]
            self.matrix = np.concatenate([turn, (self.matrix[:, 2] - turn @ by)[:, None]], axis=1)


@dataclass(slots=True, eq=False)
class Frame:
    """One source on its way through a pipeline.

    ``source`` names where it came from (the path as given, or ``NAME-00000i`` of a source stage); ``name`` is the
    relative path of its output without suffix. ``alpha`` is (H, W) uint8 or None. ``decoded`` is the picture as
    decoded from the file: while ``picture is decoded`` nothing has changed, and the file's bytes can be copied.
    ``bypass`` sends the frame past every later stage; a frame with ``error`` or ``dropped`` goes no further.
    ``remembered`` holds the texts given to ``remember``, ``remarks`` those given to ``remark``. ``latents`` are arrays
    that stages leave for later ones, by name: row k belongs to the k-th face with a crop, in the order of ``faces``, or
    the only row to the photo.
    """

    source: str
    name: str
    picture: Picture
    alpha: Picture | None = None
    metadata: Metadata = field(default_factory=Metadata)
    faces: list[Face] = field(default_factory=list)
    latents: dict[str, Any] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    decoded: Picture | None = None
    bypass: bool = False
    error: PictureError | None = None
    dropped: Dropped | None = None
    remembered: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def cut(self, x0: int, y0: int, x1: int, y1: int) -> None:
        """Crop the picture and its alpha to this window, in pixels; the faces' coordinates move with it."""
        import numpy as np

        self.picture = np.ascontiguousarray(self.picture[y0:y1, x0:x1])
        if self.alpha is not None:
            self.alpha = np.ascontiguousarray(self.alpha[y0:y1, x0:x1])
        for face in self.faces:
            face.shift(-x0, -y0)

    def keep(self, faces: Sequence[Face]) -> None:
        """Keep only these of its faces, in this order, and their rows of the latents. Errors: ValueError for others."""
        crops = self._crops()
        rows = [crops.index(id(face)) for face in faces if face.crop is not None]
        self.latents = {name: one[rows] if _has(one, len(crops)) else one for name, one in self.latents.items()}
        self.faces = list(faces)

    def latents_of(self, crop: int) -> dict[str, Any]:
        """Return the latents of one crop, (1, ...) each, by name; ``crop`` counts the faces that have one."""
        count = len(self._crops())
        return {name: one[[crop]] for name, one in self.latents.items() if _has(one, count)}

    def _crops(self) -> list[int]:
        return [id(face) for face in self.faces if face.crop is not None]

    def remember(self, value: str) -> None:
        """Write a short text into the record of the run; the same stage can read it in a later run."""
        self.remembered = (*self.remembered, value)

    def remark(self, text: str) -> None:
        """Say something about this picture to people, in a few words: in the record, the gallery, and with `-v`."""
        self.remarks = (*self.remarks, text)


def _has(latents: Any, rows: int) -> bool:
    """Return whether latents are an array with so many rows; a stage may leave any object under a name of its own."""
    shape: Any = getattr(latents, "shape", ())
    return len(shape) > 0 and bool(shape[0] == rows)
