"""The writer: encodes finished frames and writes them as files, or copies the source's bytes if nothing changed."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

from henshin import images
from henshin.api.frame import Frame
from henshin.engine.options import OnExisting
from henshin.engine.preparation.prepare import PreparedRun
from henshin.engine.record.manifest import Output
from henshin.engine.stages.job import Job
from henshin.engine.timeline import WRITE, Timeline
from henshin.errors import HenshinError, PictureError

FATAL_ERRORS = frozenset(
    number for name in ("ENOSPC", "EDQUOT", "EROFS") if (number := getattr(errno, name, None)) is not None
)
"""Error numbers of a write that end the run: a full disk, a used-up quota, a read-only disk."""


class StoppedError(HenshinError):
    """The run cannot go on for an external reason; it can be resumed later."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """The result of writing one frame, at the time ``finished_at`` (``perf_counter``).

    ``output`` is None where a file that no run wrote was left in its place.
    """

    output: Output | None
    unchanged: bool = False
    seconds: float = 0.0
    finished_at: float = 0.0


Task = tuple[int, Callable[[], WrittenFile]]
"""Bytes held until the task is done, and the task."""


class Writer:
    """Makes the write tasks of a job. Names are claimed in the main thread and in order; the tasks run in others."""

    def __init__(self, prepared: PreparedRun, on_existing: OnExisting | None, timeline: Timeline | None = None) -> None:
        self.prepared = prepared
        self.timeline = timeline
        self.on_existing = on_existing

    def tasks(self, job: Job) -> list[Task]:
        """Return the write tasks of a job's frames. A frame that cannot be written fails its job."""
        tasks: list[Task] = []
        for frame in job.frames:
            if frame.error is not None:
                continue
            try:
                task = self._task(job, frame)
            except PictureError as error:
                job.fail("write", error)
                continue
            size = frame.picture.nbytes + (frame.alpha.nbytes if frame.alpha is not None else 0)
            tasks.append((size, task))
        return tasks

    def _task(self, job: Job, frame: Frame) -> Callable[[], WrittenFile]:
        if frame.picture is None:
            raise PictureError("the frame has no picture")
        target, source = self.prepared.target, job.source
        is_unchanged = frame.picture is frame.decoded and frame.alpha is job.alpha
        copy_format = images.copy_format(frame.metadata, target.write) if is_unchanged else None
        fmt = copy_format or target.format_for(frame.metadata.format)
        relative = self.prepared.names.claim(source, frame.name, target.suffix_for(fmt, source.suffix))
        if self.prepared.is_input(relative):
            raise PictureError(f"'{relative}' is one of the inputs by another way; give another folder with -o")
        if self.prepared.is_foreign(relative) and self.on_existing != "overwrite":
            if self.on_existing == "skip":
                return lambda: WrittenFile(None)
            raise PictureError(
                f"'{relative}' exists already, and no record says that henshin wrote it "
                "(--on-existing overwrite or skip)"
            )
        # While a frame waits to be written it holds no other picture than the one to write.
        frame.decoded, frame.faces, frame.latents = None, [], {}
        return lambda: self._write(job, frame, fmt, relative, copy_format is not None)

    def _write(self, job: Job, frame: Frame, fmt: str, relative: str, copy: bool) -> WrittenFile:
        start = perf_counter()
        target = self.prepared.target
        path = target.folder / relative
        data = _source_bytes(job) if copy else b""
        if copy and (target.write.metadata == "keep" or images.has_no_metadata(data)):
            # The reader's remarks (first of many frames, approximate colours, ...) do not concern a copy.
            frame.metadata.notes[:] = [note for note in frame.metadata.notes if note not in job.notes]
        else:
            copy = False
            data = images.encode(frame.picture, frame.alpha, frame.metadata, fmt, target.write)
        is_new = self.prepared.manifest.begin_write(relative, job.source.key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            images.write_bytes(path, data)
        except BaseException:
            if is_new:
                self.prepared.manifest.cancel_write(relative)
            raise
        output = Output(relative, len(data), hashlib.sha256(data).hexdigest())
        end = perf_counter()
        if self.timeline is not None:
            self.timeline.add(WRITE, start, 1, relative)
        return WrittenFile(output, copy, end - start, end)


def _source_bytes(job: Job) -> bytes:
    try:
        data = job.source.path.read_bytes()
    except OSError as error:
        raise PictureError(f"cannot be read again: {error.strerror or error}") from None
    if hashlib.sha256(data).hexdigest() != job.input_hash:
        raise PictureError("changed while it was being worked on; run again")
    return data


def write_error(error: BaseException) -> PictureError:
    """Return the error of a source for the exception of a write. Errors: StoppedError for a full disk."""
    if isinstance(error, PictureError):
        return PictureError(error.reason)
    if isinstance(error, OSError):
        if error.errno in FATAL_ERRORS:
            raise stopped_error(error) from None
        return PictureError(f"cannot be written: {error.strerror or error}")
    return PictureError(f"cannot be written: {type(error).__name__}: {error}")


def stopped_error(error: OSError) -> StoppedError:
    """Return the error that ends a run after an OSError while writing."""
    reason = os.strerror(error.errno) if error.errno is not None else str(error)
    return StoppedError(f"{reason}; what is finished stays")
