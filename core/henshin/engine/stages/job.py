"""What a stage leaves out: taken from its jobs, and noted with the reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from henshin.api.frame import Dropped, Face, Frame
from henshin.engine.preparation.input_files import SourceFile
from henshin.engine.record.manifest import Drop
from henshin.errors import PictureError
from henshin.images.picture import Picture

Show = Callable[[str, Drop, Picture, Picture | None], None]
"""Called with the content hash of a source, what was dropped of it and how that looked."""

SILENT = "left out"


def collect_dropped(label: str, active: Sequence[tuple[Job, Frame]], show: Show) -> None:
    """Take out of jobs the frames and faces that a stage dropped, and collect what it wants remembered.

    ``active`` is what the stage was given; a job that has no frame left, without a word, is noted too.
    """
    for job, given in {id(job): (job, frame) for job, frame in reversed(active)}.values():
        before = len(job.dropped)
        for frame in job.frames:
            if frame.remembered:
                job.remembered.setdefault(label, []).extend((frame.name, text) for text in frame.remembered)
                frame.remembered = ()
        job.frames = [frame for frame in job.frames if frame.error is not None or _stays(label, job, frame, show)]
        if not job.frames and job.stage is None:
            job.stage = label
            if len(job.dropped) == before:
                _note(label, job, given, Dropped(SILENT, f"left out by {label}"), (given.picture, given.alpha), show)


def _stays(label: str, job: Job, frame: Frame, show: Show) -> bool:
    """Whether anything of a frame goes on; one that loses its last face is out, and its faces have said why."""
    if frame.dropped is not None:
        _note(label, job, frame, frame.dropped, (frame.picture, frame.alpha), show)
        return False
    kept = [face for face in frame.faces if face.dropped is None]
    if len(kept) == len(frame.faces):
        return True
    for face in frame.faces:
        if face.dropped is not None:
            _note(label, job, frame, face.dropped, _picture_of(frame, face), show)
    frame.keep(kept)
    return bool(kept)


def _picture_of(frame: Frame, face: Face) -> tuple[Picture, Picture | None]:
    """Return what is shown of a face, and its alpha: the crop, else its place in the picture."""
    if face.crop is not None:
        return face.crop, None
    height, width = frame.picture.shape[:2]
    left, top = (max(0, int(value)) for value in face.box[:2])
    right, bottom = min(width, int(face.box[2]) + 1), min(height, int(face.box[3]) + 1)
    if left >= right or top >= bottom:
        return frame.picture, frame.alpha
    alpha = None if frame.alpha is None else frame.alpha[top:bottom, left:right]
    return frame.picture[top:bottom, left:right], alpha


def _note(
    label: str, job: Job, frame: Frame, dropped: Dropped, shown: tuple[Picture, Picture | None], show: Show
) -> None:
    drop = Drop(label, dropped.kind, dropped.reason, frame.name, dropped.instead)
    job.dropped.append(drop)
    show(job.input_hash, drop, *shown)


@dataclass(slots=True, eq=False)
class Job:
    """One source at work: the frames that have become of it, and what is known of it.

    ``alpha`` is the one its file had, ``notes`` what its reader said. ``stage`` is where it failed or was left out.
    ``faces`` counts those that were found, None before any stage looked for them. ``size`` is the bytes of its decoded
    picture. ``dropped`` is what stages left out of it (``instead`` as a ``frame.source`` still), ``remembered`` what
    they want written down.
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

    def fail(self, stage: str, error: PictureError) -> None:
        """Note the first failure of this source; its frames have theirs."""
        if self.stage is None:
            self.stage = stage
        self.errors.append(error)
