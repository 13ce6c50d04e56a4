"""What a configuration found, measured against what is known: recall, false hits, landmark errors, time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

OVERLAP = 0.5


@dataclass
class Figures:
    """Of one configuration and the scenes of one group."""

    photos: int = 0
    faces: int = 0
    found: int = 0
    false: int = 0
    errors: list[float] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)

    def add(self, other: Figures) -> None:
        """Count another scene's, or group's."""
        self.photos += other.photos
        self.faces += other.faces
        self.found += other.found
        self.false += other.false
        self.errors += other.errors
        self.milliseconds += other.milliseconds

    def row(self) -> dict[str, float | None]:
        """Return the figures of the table."""
        errors = np.array(self.errors) * 100
        return {
            "photos": self.photos,
            "faces": self.faces,
            "found": self.found,
            "recall": self.found / self.faces if self.faces else None,
            "false_per_photo": self.false / max(1, self.photos),
            "landmarks_median_percent": float(np.median(errors)) if len(errors) else None,
            "landmarks_90_percent": float(np.percentile(errors, 90)) if len(errors) else None,
            "ms_median": float(np.median(self.milliseconds)),
            "ms_mean": float(np.mean(self.milliseconds)),
        }


def matched(boxes: Any, found: Any) -> Any:
    """Return (N,) for each known box (N, 4) the index of the found one (M, 4+, best first) that is it, or -1."""
    match = np.full(len(boxes), -1)
    for index, box in enumerate(found):
        overlaps = np.array([iou(known, box) if match[i] < 0 else 0.0 for i, known in enumerate(boxes)])
        if len(overlaps) and overlaps.max() >= OVERLAP:
            match[int(overlaps.argmax())] = index
    return match


def iou(one: Any, other: Any) -> float:
    """Return intersection over union of two boxes."""
    sides = np.minimum(one[2:4], other[2:4]) - np.maximum(one[:2], other[:2])
    shared = float(np.prod(np.clip(sides, 0, None)))
    areas = [float(np.prod(box[2:4] - box[:2])) for box in (one, other)]
    return shared / (sum(areas) - shared)


def measured(boxes: Any, landmarks: Any, found: Sequence[Any], milliseconds: float) -> tuple[Figures, Any]:
    """Return the figures of one scene, and (N,) which of its faces were found. `found`: box, score, landmarks."""
    ordered = sorted(found, key=lambda face: -face["score"])
    match = matched(boxes, [np.array(face["box"]) for face in ordered])
    errors = []
    for known, index in zip(landmarks, match, strict=True):
        if index >= 0:
            eyes = float(np.hypot(*(known[1] - known[0])))
            errors.append(float(np.linalg.norm(known - np.array(ordered[index]["landmarks"]), axis=1).mean()) / eyes)
    hits = int((match >= 0).sum())
    return Figures(1, len(boxes), hits, len(ordered) - hits, errors, [milliseconds]), match >= 0


HEADER = (
    f"{'':24} {'':14} {'photos':>6} {'faces':>6} {'recall':>7} {'false':>6} {'landmarks':>14} {'ms':>7} {'mean':>7}"
)


def line(group: str, name: str, figures: Figures) -> str:
    """Return a line of the table."""
    row = figures.row()
    recall = "-" if row["recall"] is None else f"{row['recall']:.3f}"
    median, high = row["landmarks_median_percent"], row["landmarks_90_percent"]
    marks = "-" if median is None else f"{median:.1f} % ({high:.1f})"
    return (
        f"{group:24} {name:14} {figures.photos:6} {figures.faces:6} {recall:>7} {row['false_per_photo']:6.2f} "
        f"{marks:>14} {row['ms_median']:7.1f} {row['ms_mean']:7.1f}"
    )
