"""The run loop: reads ahead, runs the stages over chunks of pictures, several at once, and writes behind."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import count
from math import ceil
from pathlib import Path
from threading import Event
from time import perf_counter
from typing import TYPE_CHECKING

from henshin.engine.execution.reader import LoadedSource, Reader
from henshin.engine.execution.recorder import PendingWrite, Recorder
from henshin.engine.execution.streaming import CallingThread, InFlight, chunks, read_ahead
from henshin.engine.execution.writer import StoppedError, Writer, WrittenFile
from henshin.engine.options import RunOptions
from henshin.engine.preparation.prepare import PreparedRun
from henshin.engine.preparation.schedule import Schedule
from henshin.engine.report.summary import Reporter, Summary, network_name
from henshin.engine.stages.job import Job
from henshin.engine.stages.runner import StageRunner, bytes_held
from henshin.engine.timeline import WAIT_READ, WAIT_WRITE, Timeline
from henshin.errors import HenshinError, TerminatedError
from henshin.text import one_line

if TYPE_CHECKING:
    from henshin.api.context import Context

FIRST_GROWTH = 2.0
"""Assumed bytes of a picture in the stages, in those of its file's pixels, until the first one has been through."""

FADING = 0.8
"""Share of the growth of earlier pictures that counts for later ones."""

log = logging.getLogger("henshin")


@dataclass(slots=True, eq=False)
class Chunk:
    """Pictures that go through the stages together; ``number`` counts those chunks for which the stages run."""

    number: int | None
    loaded: list[LoadedSource]


class RunLoop:
    """The loop of one run. ``summary`` is filled while it goes on; ``before_record`` is called before an entry."""

    def __init__(
        self,
        stages: StageRunner,
        context: Context,
        prepared: PreparedRun,
        options: RunOptions,
        schedule: Schedule,
        report: Reporter,
        start: float,
        timeline: Timeline | None = None,
        cancel: Event | None = None,
        before_record: Callable[[], None] = lambda: None,
    ) -> None:
        self.stages = stages
        self.context = context
        self.prepared = prepared
        self.options = options
        self.schedule = schedule
        self.report = report
        self.timeline = timeline
        self.cancel = cancel
        self.writer = Writer(prepared, options.on_existing, timeline)
        self.summary = Summary("", prepared.target.display_path)
        self.reader = Reader(prepared, timeline)
        self.recorder = Recorder(prepared, self.summary, report, start, before_record)
        self._opening: Future[None] | None = None
        self._is_open = False
        self._growth = FIRST_GROWTH
        self._numbers = count()
        self._reported: set[Path] = set()

    # -- The flow ----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run to the end, or until the run is interrupted or stopped; results in flight are still written then.

        Errors: HenshinError when the stages cannot be opened.
        """
        plan = self.schedule
        readers = ThreadPoolExecutor(plan.helpers, "henshin-read")
        writers = ThreadPoolExecutor(plan.helpers, "henshin-write")
        # One worker is this thread: so Ctrl-C ends also a stage that takes minutes.
        workers: Executor = ThreadPoolExecutor(plan.workers, "henshin-stages") if plan.workers > 1 else CallingThread()
        behind: InFlight[PendingWrite, WrittenFile] = InFlight(
            writers, self.recorder.finish, 4 * plan.chunk + 4 * plan.helpers, plan.write_bytes
        )
        if self.timeline is not None:
            behind.waited = partial(self.timeline.add, WAIT_WRITE)
        work: InFlight[Chunk, int] = InFlight(
            workers, partial(self._pass_on, behind), 2 * plan.workers, plan.stage_bytes
        )
        opener = ThreadPoolExecutor(1, "henshin-open")
        try:
            if self._has_new_source():
                _import_what_threads_share()
                self._opening = self.stages.open_in(opener, self.context)
            self._stream(readers, work, behind)
        except (KeyboardInterrupt, _CancelledError) as stop:
            self.summary.interrupted = True
            self.summary.terminated = isinstance(stop, TerminatedError)
            self._finish_begun(work)
        except StoppedError as stop:
            self.summary.stopped = str(stop)
        finally:
            self.stages.give_up()
            self._cancel(work)
            readers.shutdown(wait=False, cancel_futures=True)
            try:
                opener.shutdown()
                workers.shutdown()
                self._finish_writes(behind)
            finally:
                writers.shutdown(cancel_futures=True)
                readers.shutdown()  # a photo that is being read meanwhile: no thread is left behind
                self.stages.close()
                self._store_timings()

    def _stream(
        self,
        readers: ThreadPoolExecutor,
        work: InFlight[Chunk, int],
        behind: InFlight[PendingWrite, WrittenFile],
    ) -> None:
        plan = self.schedule
        with closing(self._loaded_sources(readers)) as sources:
            found = chunks(sources, self._working_size, first=plan.first, count=plan.chunk, limit=plan.stage_bytes)
            for chunk in found if self.timeline is None else self._timed(self.timeline, found, work):
                self._put(Chunk(None, chunk), work, behind)
        work.drain()
        behind.drain()

    def _timed(
        self, timeline: Timeline, found: Iterator[list[LoadedSource]], work: InFlight[Chunk, int]
    ) -> Iterator[list[LoadedSource]]:
        """Yield chunks, and note the time for which a worker waits for one."""
        while True:
            is_free, start = work.unfinished_count() < self.schedule.workers, perf_counter()
            chunk = next(found, None)
            if is_free:
                timeline.add(WAIT_READ, start)
            if chunk is None:
                return
            yield chunk

    def _put(self, chunk: Chunk, work: InFlight[Chunk, int], behind: InFlight[PendingWrite, WrittenFile]) -> None:
        if self.cancel is not None and self.cancel.is_set():
            raise _CancelledError
        jobs = [loaded.job for loaded in chunk.loaded if loaded.job is not None]
        if not any(job.frames for job in jobs):
            work.put(chunk, [])
            return
        self._open()
        chunk.number = next(self._numbers)
        size = sum(self._working_size(loaded) for loaded in chunk.loaded)
        # What is written meanwhile can be recorded between two stages if they run in this thread.
        finish_ready = behind.finish_ready if self.schedule.workers == 1 else None
        work.put(chunk, [(size, partial(self._run_stages, jobs, chunk.number, finish_ready))])

    def _finish_begun(self, work: InFlight[Chunk, int]) -> None:
        """Finish the chunks that have begun when the run is interrupted, as far as that can be done."""
        self._cancel(work)
        try:
            work.drain()
        except StoppedError as stop:
            self.summary.stopped = str(stop)
        except HenshinError as error:
            log.warning("%s", one_line(error))

    def _cancel(self, work: InFlight[Chunk, int]) -> None:
        """Leave out the chunks that have not begun."""
        for chunk in work.cancel():
            if chunk.number is not None:
                self.stages.skip(chunk.number)

    def _working_size(self, loaded: LoadedSource) -> int:
        """Return the bytes that a source will take in the stages if it grows by the same factor as earlier ones."""
        return ceil(loaded.size * self._growth)

    def _run_stages(self, jobs: list[Job], number: int, finish_ready: Callable[[], None] | None) -> int:
        """Run the stages, in any thread; return the most bytes that the jobs held."""
        peak = 0

        def between() -> None:
            nonlocal peak
            peak = max(peak, bytes_held(jobs))
            if finish_ready is not None:
                finish_ready()

        self.stages.run(jobs, between, number)
        return peak

    def _pass_on(self, behind: InFlight[PendingWrite, WrittenFile], chunk: Chunk, futures: list[Future[int]]) -> None:
        """Hand the results of a chunk to the writers, in the order of the input."""
        for future in futures:
            peak = future.result()
            if self._opening is not None:
                self._opening.result()  # nothing is written before all stages are open
            size = sum(loaded.size for loaded in chunk.loaded)
            self._growth = max(1.0, peak / max(1, size), FADING * self._growth)
            self._report_networks()
        for loaded in chunk.loaded:
            job = loaded.job
            pending = PendingWrite(loaded.source, job, loaded.status, loaded.entry)
            if job is None:
                behind.put(pending, [])
                continue
            pending.notes = [frame.metadata.notes for frame in job.frames]
            _log_times(job)
            tasks = self.writer.tasks(job)
            job.frames, job.alpha = [], None  # from here on only the write tasks hold the pictures
            behind.put(pending, tasks)
        chunk.loaded.clear()

    def _finish_writes(self, behind: InFlight[PendingWrite, WrittenFile]) -> None:
        """Finish the writes in flight when the run ends, and record them if that is still possible."""
        while True:
            try:
                behind.drain()
            except StoppedError as stop:
                self.summary.stopped = self.summary.stopped or str(stop)
            else:
                return

    def _loaded_sources(self, readers: ThreadPoolExecutor) -> Generator[LoadedSource, None, None]:
        if self.stages.source is not None:
            return self.reader.generate(self.stages, self.options.limit, self._open)
        return read_ahead(
            self.prepared.sources,
            self.reader.load,
            lambda loaded: loaded.size,
            readers,
            count=2 * self.schedule.chunk + self.schedule.helpers,
            limit=self.schedule.read_bytes,
        )

    # -- Stages ------------------------------------------------------------------------------------------------------

    def _has_new_source(self) -> bool:
        """Return whether the stages will be needed for sure: they are opened then while the first picture is read.

        It also goes through the first ones while later ones are opened.
        """
        return any(
            source.key not in self.prepared.existing and self.prepared.last(source) is None
            for source in self.prepared.sources
        )

    def _open(self) -> None:
        """Open the stages, once, for the first picture that needs them: a run with nothing to do loads no model."""
        if self._is_open:
            return
        self._is_open = True
        if self._opening is None:
            self.stages.open(self.context)
            self._report_networks()
        if self.schedule.note:
            self.report.note(self.schedule.note)

    def _report_networks(self) -> None:
        """Report the provider that really runs each newly opened network."""
        for path, network in list(self.context.opened.items()):
            if path not in self._reported:
                if not self._reported and self.context.device.note:
                    self.report.note(self.context.device.note)
                self._reported.add(path)
                name = network_name(path, self.summary.providers)
                self.summary.providers[name] = list(network.providers)
                self.report.note(f"{name} runs on {network.providers[0]}")

    def _store_timings(self) -> None:
        self.summary.stages = {label: round(seconds, 4) for label, seconds in self.stages.seconds.items()}
        self.summary.opening = {label: round(seconds, 4) for label, seconds in self.stages.opening.items()}


class _CancelledError(Exception):
    """The run was cancelled by another thread."""


def _import_what_threads_share() -> None:
    """Import numpy, Pillow and kornia-rs before threads do: it fails now and then when two begin at the same time."""
    import numpy  # noqa: F401

    import henshin.images.decoding  # noqa: F401


def _log_times(job: Job) -> None:
    """Log the time of each stage for a source: its share where pictures were processed together."""
    for frame in job.frames[:1]:
        times = ", ".join(f"{label} {seconds:.3f} s" for label, seconds in frame.timings.items())
        if times:
            log.debug("%s: %s", job.source.path, times)
