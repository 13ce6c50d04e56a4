"""From finished frames to files: formats, names, what may be kept, what may be overwritten."""

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
from henshin.errors import HenshinError, PictureError

STOPPING = frozenset(
    number for name in ("ENOSPC", "EDQUOT", "EROFS") if (number := getattr(errno, name, None)) is not None
)
"""Errors of a write after which no other write will do better: a full disk, a used-up quota, a read-only disk."""


class StoppedError(HenshinError):
    """The run cannot go on, for a reason outside it, and can be taken up again later."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """What became of one frame, and when (``perf_counter``). ``output`` is None where a strange file was left alone."""

    output: Output | None
    unchanged: bool = False
    seconds: float = 0.0
    at: float = 0.0


Task = tuple[int, Callable[[], WrittenFile]]
"""Bytes held until it is done, and the work."""


class Writer:
    """Makes the writes of a job. Names are given here, in the main thread and in order; the work is done in others."""

    def __init__(self, prepared: PreparedRun, on_existing: OnExisting | None) -> None:
        self.prepared = prepared
        self.on_existing = on_existing

    def tasks(self, job: Job) -> list[Task]:
        """Return the writes of a job's frames. A frame that cannot be written fails its job."""
        tasks: list[Task] = []
        for frame in job.frames:
            if frame.error is not None:
                continue
            try:
                task = self._task(job, frame)
            except PictureError as error:
                job.fail("write", error)
                continue
            held = frame.picture.nbytes + (frame.alpha.nbytes if frame.alpha is not None else 0)
            tasks.append((held, task))
        return tasks

    def _task(self, job: Job, frame: Frame) -> Callable[[], WrittenFile]:
        if frame.picture is None:
            raise PictureError("the frame has no picture")
        target, source = self.prepared.target, job.source
        untouched = frame.picture is frame.decoded and frame.alpha is job.alpha
        copied = images.copy_format(frame.metadata, target.write) if untouched else None
        fmt = copied or target.format_for(frame.metadata.format)
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
        # While it waits to be written a frame holds what is written, and no other picture.
        frame.decoded, frame.faces, frame.latents = None, [], {}
        return lambda: self._write(job, frame, fmt, relative, copied is not None)

    def _write(self, job: Job, frame: Frame, fmt: str, relative: str, keep: bool) -> WrittenFile:
        start = perf_counter()
        target = self.prepared.target
        path = target.folder / relative
        data = _own_bytes(job) if keep else b""
        if keep and (target.write.metadata == "keep" or images.has_no_metadata(data)):
            # Nothing came of what the reader had to say: the first of many frames, approximate colours, ...
            frame.metadata.notes[:] = [note for note in frame.metadata.notes if note not in job.notes]
        else:
            keep = False
            data = images.encode(frame.picture, frame.alpha, frame.metadata, fmt, target.write)
        news = self.prepared.manifest.starting(relative, job.source.key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            images.write_bytes(path, data)
        except BaseException:
            if news:
                self.prepared.manifest.abandon(relative)
            raise
        output = Output(relative, len(data), hashlib.sha256(data).hexdigest())
        end = perf_counter()
        return WrittenFile(output, keep, end - start, end)


def _own_bytes(job: Job) -> bytes:
    try:
        data = job.source.path.read_bytes()
    except OSError as error:
        raise PictureError(f"cannot be read again: {error.strerror or error}") from None
    if hashlib.sha256(data).hexdigest() != job.input_hash:
        raise PictureError("changed while it was being worked on; run again")
    return data


def explain(error: BaseException) -> PictureError:
    """Turn what went wrong in a write into the reason why its source failed. Errors: StoppedError for a full disk."""
    if isinstance(error, PictureError):
        return PictureError(error.reason)
    if isinstance(error, OSError):
        if error.errno in STOPPING:
            raise stopped_by(error) from None
        return PictureError(f"cannot be written: {error.strerror or error}")
    return PictureError(f"cannot be written: {type(error).__name__}: {error}")


def stopped_by(error: OSError) -> StoppedError:
    """Return the reason for giving up a run after an OSError while writing."""
    why = os.strerror(error.errno) if error.errno is not None else str(error)
    return StoppedError(f"{why}; what is finished stays")
