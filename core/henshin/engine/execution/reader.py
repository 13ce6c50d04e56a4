"""The reader: turns sources into jobs with a first frame, and skips those that are up to date."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, BinaryIO

from henshin import images
from henshin.api.frame import Frame
from henshin.api.placement import check_frame
from henshin.engine.preparation.input_files import SourceFile
from henshin.engine.preparation.prepare import PreparedRun, content_hash
from henshin.engine.record.manifest import RecordEntry
from henshin.engine.report.summary import Status
from henshin.engine.stages.job import Job
from henshin.engine.stages.runner import StageRunner
from henshin.engine.timeline import READ, Timeline
from henshin.errors import HenshinError, PictureError
from henshin.files import hash_text
from henshin.text import one_line

if TYPE_CHECKING:
    from henshin.api.stage import Stage

log = logging.getLogger("henshin")


@dataclass(slots=True, eq=False)
class LoadedSource:
    """One source after reading: with a job, or with a status (and its record entry) when there is nothing to do."""

    source: SourceFile
    job: Job | None = None
    status: Status | None = None
    entry: RecordEntry | None = None

    @property
    def size(self) -> int:
        """Bytes in memory; 0 when there is nothing to do."""
        return self.job.size if self.job is not None else 0


class Reader:
    """Reads files, or the frames of a source stage, and skips sources that are up to date."""

    def __init__(self, prepared: PreparedRun, timeline: Timeline | None = None) -> None:
        self.prepared = prepared
        self.timeline = timeline

    def load(self, source: SourceFile) -> LoadedSource:
        """Read one file, unless it is up to date. Called in threads."""
        if source.key in self.prepared.existing:
            return LoadedSource(source, status="existing")
        start = perf_counter()
        try:
            file = images.open_picture(source.path)
        except PictureError as error:
            job = Job(source, "")
            finished = self._finished(source, job)
            job.fail("read", PictureError(error.reason))
        else:
            with file:  # opened once, so that hash and pixels are those of the same content
                job = Job(source, content_hash(source, file))
                finished = self._finished(source, job)
                if finished is None:
                    self._read(job, file)
        job.seconds = perf_counter() - start
        if self.timeline is not None:
            self.timeline.add(READ, start, 1, source.relative)
        return finished or LoadedSource(source, job)

    def _read(self, job: Job, file: BinaryIO) -> None:
        """Decode a file into the first frame of a job, or add the error to the job."""
        source = job.source
        try:
            decoded = images.read_open(file, source.path.suffix)
        except PictureError as error:
            job.fail("read", PictureError(error.reason))
            return
        except Exception as error:
            log.info("reading %s", source.path, exc_info=True)
            job.fail("read", PictureError(one_line(error)))
            return
        job.alpha, job.notes = decoded.alpha, tuple(decoded.metadata.notes)
        job.size = decoded.picture.nbytes + (decoded.alpha.nbytes if decoded.alpha is not None else 0)
        job.frames = [
            Frame(
                source=str(source.path),
                name=self.prepared.names.predicted(source),
                picture=decoded.picture,
                alpha=decoded.alpha,
                metadata=decoded.metadata,
                decoded=decoded.picture,
            )
        ]

    def _finished(self, source: SourceFile, job: Job) -> LoadedSource | None:
        entry = self.prepared.finished(source, job.input_hash)
        if entry is None:
            return None
        return LoadedSource(source, status="failed" if entry.status == "failed" else "up to date", entry=entry)

    def generate(
        self, stages: StageRunner, limit: int | None, open_stages: Callable[[], None]
    ) -> Generator[LoadedSource, None, None]:
        """Yield the frames of a source stage as loaded sources. Runs in the calling thread, as stages must.

        If the stage names its sources beforehand and all of them are up to date, it is neither opened nor run.
        """
        stage, label = stages.stages[0], stages.labels[0]
        finished = self._all_finished(stage, limit)
        if finished is not None:
            yield from finished
            return
        open_stages()
        frames = _start_frames(stage, label)
        number = 0
        try:
            while limit is None or number < limit:
                number += 1
                start = perf_counter()
                try:
                    frame = next(frames)
                except StopIteration:
                    return
                except HenshinError:
                    raise
                except (Exception, SystemExit) as error:
                    log.info("stage '%s' failed", label, exc_info=True)
                    raise HenshinError(f"stage '{label}' failed: {one_line(error)}") from error
                finally:
                    stages.seconds[label] += perf_counter() - start
                if self.timeline is not None:
                    self.timeline.add(label, start, 1)
                if not isinstance(frame, Frame):
                    raise HenshinError(f"stage '{label}' yielded a {type(frame).__name__} instead of a frame")
                yield self._load_frame(frame, label)
                del frame
        finally:
            if isinstance(frames, Generator):
                frames.close()

    def _all_finished(self, stage: Stage[Any], limit: int | None) -> list[LoadedSource] | None:
        """Return the loaded sources of a source stage if all are known and up to date, else None."""
        names = stage.sources()
        if names is None:
            return None
        loaded = []
        for name in list(names)[:limit]:
            finished = self._finished(_virtual_source(name, name), Job(_virtual_source(name, name), hash_text(name)))
            if finished is None:
                return None
            loaded.append(finished)
        return loaded

    def _load_frame(self, frame: Frame, label: str) -> LoadedSource:
        source = _virtual_source(frame.source, frame.name)
        job = Job(source, hash_text(frame.source), [frame])
        finished = self._finished(source, job)
        if finished is not None:
            return finished
        check_frame(frame)
        if frame.error is not None:
            job.fail(label, frame.error)
        elif frame.picture is not None:
            job.size = max(1, frame.picture.nbytes)
        job.alpha = frame.alpha
        return LoadedSource(source, job)


def _start_frames(stage: Stage[Any], label: str) -> Iterator[Any]:
    """Call ``frames()``, which may do work if it is no generator function. Errors: HenshinError."""
    try:
        return iter(stage.frames())
    except HenshinError:
        raise
    except (Exception, SystemExit) as error:
        log.info("stage '%s' failed", label, exc_info=True)
        raise HenshinError(f"stage '{label}' failed: {one_line(error)}") from error


def _virtual_source(name: str, output: str) -> SourceFile:
    """Return the source of a frame that has no file."""
    return SourceFile(Path(name), output, name, "")
