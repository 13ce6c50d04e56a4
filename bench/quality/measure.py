"""The figures of a model's portraits: over all photos, over each set, and over each group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from henshin.metrics import Cache, scale_of
from henshin.metrics.kernel_distance import ratio, variety
from henshin.metrics.pair_measures import kept
from quality.colour import CACHE_KIND, colour_changes, region_colours
from quality.faces import cache_kind, drawn_faces, landmark_distances, landmarks
from quality.judges import LEVEL, NETWORKS

if TYPE_CHECKING:
    import numpy.typing as npt

    from henshin import Picture
    from quality.judges import Judge
    from quality.portraits import Workshop

    Array: TypeAlias = npt.NDArray[np.float64]
    Rows: TypeAlias = npt.NDArray[np.intp]

LEAST_FOR_KID = 20
"""Photos, or drawings, below which a line has no KID and no variety: they would say nothing."""


@dataclass(frozen=True)
class Measured:
    """What is measured of pictures, a row for each: features by letter, colours, landmark distances, drawn faces."""

    pictures: Sequence[Picture]
    features: Mapping[str, Array]
    colours: Array
    marks: Array
    drawn_faces: Array | None

    def found(self, rows: Rows) -> dict[str, Any]:
        """Return the shares of pictures in which faces are found, and the mean distance of landmarks there."""
        marks = self.marks[rows]
        seen = ~np.isnan(marks)
        values: dict[str, Any] = {
            "landmarks_found": float(seen.mean()),
            "landmark_distance": float(marks[seen].mean()) if seen.any() else None,
        }
        if self.drawn_faces is not None:
            values["drawn_face_found"] = float(self.drawn_faces[rows].mean())
        return values


@dataclass
class Meter:
    """Measures pictures; what was measured before comes from the cache.

    `cascade` None leaves the drawn faces out; `yunet` None means MTCNN.
    """

    workshop: Workshop
    cache: Cache
    cascade: str | None
    yunet: str | None = None

    def measure(self, pictures: Sequence[Picture]) -> Measured:
        """Return all that is measured. Errors: MissingError for a package or a file of weights that is not there."""
        kind = cache_kind(self.workshop, "face_detect", self.yunet)
        marks = self.cache.get(kind, pictures, lambda new: landmarks(self.workshop, new, self.yunet))
        cascade, drawn = self.cascade, None
        if cascade is not None:
            kind = cache_kind(self.workshop, "anime_face_detect", cascade)
            drawn = self.cache.get(kind, pictures, lambda new: drawn_faces(self.workshop, new, cascade))
        return Measured(
            pictures,
            {one.letter: self.cache.get(one.features.kind, pictures, one.features.features) for one in NETWORKS},
            self.cache.get(CACHE_KIND, pictures, region_colours),
            landmark_distances(marks, self.workshop.margin),
            drawn,
        )


def figures(photos: Measured, drawn: Measured, drawings: Measured, rows: Rows) -> dict[str, Any]:
    """Return the figures of these rows. With enough of them also each network's ratio and variety, by its letter.

    Of a ratio there are value, low, high and, under the key "resamples", its bootstrap values (K,).
    """
    values: dict[str, Any] = {"n": len(rows)}
    if min(len(rows), len(drawings.pictures)) >= LEAST_FOR_KID:
        for network in NETWORKS:
            values[network.letter] = _ratio(network, photos, drawn, drawings, rows)
    alike = kept([photos.pictures[i] for i in rows], [drawn.pictures[i] for i in rows])
    values["kept"] = float(alike.mean())
    for region, change in colour_changes(photos.colours[rows], drawn.colours[rows]).items():
        values[region] = {
            "distance": float(change.distance.mean()),
            "lightness": float(np.abs(change.lightness).mean()),
            "chroma": float(change.chroma.mean()),
            "lighter": float(change.lightness.mean()),
        }
    return {**values, **drawn.found(rows)}


def _ratio(network: Judge, photos: Measured, drawn: Measured, drawings: Measured, rows: Rows) -> dict[str, Any]:
    letter = network.letter
    scale = scale_of(network.features, drawings.features[letter])
    of_photos, of_drawn = photos.features[letter][rows] / scale, drawn.features[letter][rows] / scale
    of_drawings = drawings.features[letter] / scale
    found = ratio(of_photos, of_drawn, of_drawings)
    low, high = found.interval(LEVEL)
    values = {"value": found.value, "low": low, "high": high, "variety": variety(of_drawn, of_drawings)}
    return {**values, "resamples": found.resamples}
