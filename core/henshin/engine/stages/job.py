"""A job: one source with its frames on their way through the stages, and the removal of those that a stage drops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from henshin.api.frame import Dropped, Face, Frame
from henshin.engine.preparation.input_files import SourceFile
from henshin.engine.record.manifest import Drop
from henshin.errors import PictureError
from henshin.images.picture import Picture

OnDrop = Callable[[str, Drop, Picture, Picture | None], None]
"""Called with the content hash of a source, the drop, and the dropped picture with its alpha."""

UNEXPLAINED = "left out"


@dataclass(slots=True, eq=False)
class Job:
    """One source at work, with the frames that were made from it.

    ``alpha`` is that of its file, ``notes`` the remarks of its reader. ``stage`` is the one at which it failed or was
    left out. ``faces`` counts the faces that were found, None before a stage looks for them. ``size`` is the bytes of
    its decoded picture. ``timings`` holds the seconds of each stage, by its label, ``dropped`` the pictures that stages
    dropped (``instead`` is a ``frame.source`` here), ``remembered`` the (name, text) pairs for the record, by stage,
    ``remarks`` what stages say to people, "stage: text".
    """

    source: SourceFile
    input_hash: str
    frames: list[Frame] = field(default_factory=list)
    alpha: Picture | None = None
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    size: int = 1
    faces: int | None = None
    stage: str | None = None
    errors: list[PictureError] = field(default_factory=list)
    dropped: list[Drop] = field(default_factory=list)
    remembered: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)

    def fail(self, stage: str, error: PictureError) -> None:
        """Add an error; the first one sets the stage."""
        if self.stage is None:
            self.stage = stage
        self.errors.append(error)


def collect_dropped(label: str, active: Sequence[tuple[Job, Frame]], on_drop: OnDrop) -> None:
    """Remove the frames and faces that a stage dropped from their jobs, and collect what it wants remembered.

    ``active`` holds the frames that the stage was given. A job without any frame left gets a drop too, if the stage
    gave no reason.
    """
    for job, original in {id(job): (job, frame) for job, frame in reversed(active)}.values():
        drop_count = len(job.dropped)
        for frame in job.frames:
            if frame.remembered:
                job.remembered.setdefault(label, []).extend((frame.name, text) for text in frame.remembered)
                frame.remembered = ()
            job.remarks += [f"{label}: {text}" for text in frame.remarks]
            frame.remarks = ()
        job.frames = [
            frame for frame in job.frames if frame.error is not None or _record_drops(label, job, frame, on_drop)
        ]
        if not job.frames and job.stage is None:
            job.stage = label
            if len(job.dropped) == drop_count:
                _add_drop(
                    label,
                    job,
                    original,
                    Dropped(UNEXPLAINED, f"left out by {label}"),
                    (original.picture, original.alpha),
                    on_drop,
                )


def _record_drops(label: str, job: Job, frame: Frame, on_drop: OnDrop) -> bool:
    """Record the drops of a frame and its faces, and remove those faces from it; return whether the frame stays.

    It does not without its last face, unless it bypasses the later stages.
    """
    if frame.dropped is not None:
        _add_drop(label, job, frame, frame.dropped, (frame.picture, frame.alpha), on_drop)
        return False
    kept = [face for face in frame.faces if face.dropped is None]
    if len(kept) == len(frame.faces):
        return True
    for face in frame.faces:
        if face.dropped is not None:
            _add_drop(label, job, frame, face.dropped, _face_picture(frame, face), on_drop)
    frame.keep(kept)
    return bool(kept) or frame.bypass


def _face_picture(frame: Frame, face: Face) -> tuple[Picture, Picture | None]:
    """Return the picture of a face and its alpha: the crop, else the part of the frame's picture in its box."""
    if face.crop is not None:
        return face.crop, None
    height, width = frame.picture.shape[:2]
    left, top = (max(0, int(value)) for value in face.box[:2])
    right, bottom = min(width, int(face.box[2]) + 1), min(height, int(face.box[3]) + 1)
    if left >= right or top >= bottom:
        return frame.picture, frame.alpha
    alpha = None if frame.alpha is None else frame.alpha[top:bottom, left:right]
    return frame.picture[top:bottom, left:right], alpha


def _add_drop(
    label: str, job: Job, frame: Frame, dropped: Dropped, picture: tuple[Picture, Picture | None], on_drop: OnDrop
) -> None:
    drop = Drop(label, dropped.kind, dropped.reason, frame.name, dropped.instead)
    job.dropped.append(drop)
    on_drop(job.input_hash, drop, *picture)
