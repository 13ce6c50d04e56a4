"""The run loop: reads ahead, runs the stages over chunks of pictures, writes behind."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

from henshin.engine.execution.reader import LoadedSource, Reader
from henshin.engine.execution.recorder import PendingWrite, Recorder
from henshin.engine.execution.streaming import WriteBehind, chunks, read_ahead
from henshin.engine.execution.writer import StoppedError, Writer, WrittenFile
from henshin.engine.options import RunOptions
from henshin.engine.preparation.prepare import PreparedRun
from henshin.engine.report.summary import Reporter, Summary, network_name
from henshin.engine.stages.job import Job
from henshin.engine.stages.runner import StageRunner, bytes_held
from henshin.errors import TerminatedError

if TYPE_CHECKING:
    from henshin.api.context import Context

MOST_WORKERS = 8

log = logging.getLogger("henshin")


class RunLoop:
    """The loop of one run. ``summary`` is filled while it goes on."""

    def __init__(
        self,
        stages: StageRunner,
        context: Context,
        prepared: PreparedRun,
        options: RunOptions,
        report: Reporter,
        start: float,
    ) -> None:
        self.stages = stages
        self.context = context
        self.prepared = prepared
        self.options = options
        self.report = report
        self.writer = Writer(prepared, options.on_existing)
        self.summary = Summary("", prepared.target.display_path)
        self.reader = Reader(prepared)
        self.recorder = Recorder(prepared, self.summary, report, start)
        self._opened = False
        self._growth = 1.0
        self._reported: set[Path] = set()

    # -- The flow ----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run to the end, or until the run is interrupted or stopped; results in flight are still written then.

        Errors: HenshinError when the stages cannot be opened.
        """
        workers = self.options.limits.workers or min(MOST_WORKERS, _cpus())
        readers = ThreadPoolExecutor(workers, "henshin-read")
        writers = ThreadPoolExecutor(workers, "henshin-write")
        behind: WriteBehind[PendingWrite, WrittenFile] = WriteBehind(
            writers, self.recorder.finish, 4 * self._chunk + 4 * workers, self.options.limits.write_bytes
        )
        try:
            self._stream(readers, behind)
        except KeyboardInterrupt as stop:
            self.summary.interrupted = True
            self.summary.terminated = isinstance(stop, TerminatedError)
        except StoppedError as stop:
            self.summary.stopped = str(stop)
        finally:
            readers.shutdown(wait=False, cancel_futures=True)
            try:
                self._finish_writes(behind)
            finally:
                writers.shutdown(cancel_futures=True)
                self.stages.close()
                self._store_timings()

    def _stream(self, readers: ThreadPoolExecutor, behind: WriteBehind[PendingWrite, WrittenFile]) -> None:
        limits = self.options.limits
        first = self.options.batch_size or (4 if self.context.device.is_gpu else 1)
        with closing(self._loaded_sources(readers)) as sources:
            for chunk in chunks(sources, self._working_size, first=first, count=self._chunk, limit=limits.chunk_bytes):
                self._process(chunk, behind)
                chunk.clear()  # else it is held in memory until the next one is complete
        behind.drain()

    @property
    def _chunk(self) -> int:
        count = self.options.limits.chunk or (64 if self.context.device.is_gpu else 8)
        return count if self.options.limits.chunk else max(count, 2 * (self.options.batch_size or 0))

    def _working_size(self, loaded: LoadedSource) -> int:
        """Return the bytes that a source will take in the stages if it grows by the same factor as the last chunk."""
        return ceil(loaded.size * self._growth)

    def _run_stages(self, jobs: list[Job], behind: WriteBehind[PendingWrite, WrittenFile]) -> None:
        peak = 0

        def between() -> None:
            nonlocal peak
            peak = max(peak, bytes_held(jobs))
            behind.finish_ready()

        self._open()
        self.stages.run(jobs, between)
        self._growth = max(1.0, peak / max(1, sum(job.size for job in jobs)))
        self._report_networks()

    def _process(self, chunk: list[LoadedSource], behind: WriteBehind[PendingWrite, WrittenFile]) -> None:
        jobs = [loaded.job for loaded in chunk if loaded.job is not None]
        if any(job.frames for job in jobs):
            self._run_stages(jobs, behind)
        for loaded in chunk:
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

    def _finish_writes(self, behind: WriteBehind[PendingWrite, WrittenFile]) -> None:
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
            count=2 * self._chunk,
            limit=self.options.limits.read_bytes,
        )

    # -- Stages ------------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        """Open the stages, once, for the first picture that needs them: a run with nothing to do loads no model."""
        if not self._opened:
            self._opened = True
            self.stages.open(self.context)
            self._report_networks()

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


def _log_times(job: Job) -> None:
    """Log the time of each stage for a source: its share where pictures were processed together."""
    for frame in job.frames[:1]:
        times = ", ".join(f"{label} {seconds:.3f} s" for label, seconds in frame.timings.items())
        if times:
            log.debug("%s: %s", job.source.path, times)


def _cpus() -> int:
    """Return the number of CPUs that this process may use, without regard to a container's CPU quota."""
    affinity: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
