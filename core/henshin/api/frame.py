"""What travels through a pipeline: a picture, the faces in it, and all that its file held besides pixels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from henshin.images.picture import Floats, Metadata, Picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from henshin.errors import PictureError


@dataclass(frozen=True, slots=True)
class Dropped:
    """Why a stage leaves a picture out of a set: no failure, but a decision that is counted and shown.

    A pictures stage returns it in a picture's place; a frames stage sets ``frame.dropped`` or ``face.dropped``.
    ``kind`` are a few words by which such pictures are counted ("blurred"; a noun in the plural, "near-duplicates"),
    ``reason`` says what was measured and what was asked for ("edges 2.4 px wide, at most 1.7"). ``instead`` is the
    ``source`` of the frame that stays in the place of this one: when it changes or goes, this one is looked at again.
    """

    kind: str
    reason: str
    instead: str | None = None


@dataclass(slots=True, eq=False)
class Face:
    """One face of a frame. Coordinates are pixels of the frame's picture, pixel centres at .5.

    ``box`` is (4,) x0 y0 x1 y1; ``landmarks`` (5, 2): eyes, nose, mouth corners, image-left first, or None where the
    detector finds none; ``matrix`` (2, 3) takes a point of the photo to the crop; ``mask`` (H, W) uint8 is 255 where
    the crop shows the photo and 0 where it had to be invented beyond the border. ``dropped`` takes this face out of
    its frame; a frame that loses its last one so is left out.
    """

    box: Floats
    score: float
    landmarks: Floats | None = None
    matrix: Floats | None = None
    crop: Picture | None = None
    mask: Picture | None = None
    dropped: Dropped | None = None

    def shift(self, x: float, y: float) -> None:
        """Say that the frame's picture now starts ``x`` to the left of, and ``y`` above, where it did; in pixels.

        Box and landmarks move along, and ``matrix`` takes the moved points to the same places of the crop. All
        three become new arrays: another frame may share the old ones.
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
    the file gave it: while ``picture is decoded`` nothing has changed and the file's own bytes can be kept.
    ``bypass`` sends the frame past every later stage; ``error`` ends its way, and so does ``dropped``.
    ``remembered`` is what ``remember`` was given. ``latents`` are what stages leave for later ones, by name: arrays
    whose row k is that of the k-th face with a crop, in the order of ``faces``, or whose only row is the photo's.
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

    def cut(self, x0: int, y0: int, x1: int, y1: int) -> None:
        """Keep this window of the picture and its alpha, in pixels; faces stay where they are in the scene."""
        import numpy as np

        self.picture = np.ascontiguousarray(self.picture[y0:y1, x0:x1])
        if self.alpha is not None:
            self.alpha = np.ascontiguousarray(self.alpha[y0:y1, x0:x1])
        for face in self.faces:
            face.shift(-x0, -y0)

    def keep(self, faces: Sequence[Face]) -> None:
        """Keep these of its faces, in this order, each with its rows of the latents. Errors: ValueError for others."""
        crops = self._crops()
        rows = [crops.index(id(face)) for face in faces if face.crop is not None]
        self.latents = {name: one[rows] if _has(one, len(crops)) else one for name, one in self.latents.items()}
        self.faces = list(faces)

    def latents_of(self, crop: int) -> dict[str, Any]:
        """Return of all latents of crops the row of one, (1, ...) each; ``crop`` counts the faces that have one."""
        count = len(self._crops())
        return {name: one[[crop]] for name, one in self.latents.items() if _has(one, count)}

    def _crops(self) -> list[int]:
        return [id(face) for face in self.faces if face.crop is not None]

    def remember(self, value: str) -> None:
        """Have a short text written into the record of the run, for this stage to find there in a later one."""
        self.remembered = (*self.remembered, value)


def _has(latents: Any, rows: int) -> bool:
    """Whether latents are an array with so many rows; a stage may leave anything under a name of its own."""
    shape: Any = getattr(latents, "shape", ())
    return len(shape) > 0 and bool(shape[0] == rows)
