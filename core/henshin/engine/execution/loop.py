"""One run from its first file to its summary: read ahead, work, write behind."""

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
    """Does one run. ``summary`` fills as it goes."""

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
        self.saver = Writer(prepared, options.on_existing)
        self.summary = Summary("", prepared.target.shown)
        self.intake = Reader(prepared)
        self.ledger = Recorder(prepared, self.summary, report, start)
        self._opened = False
        self._growth = 1.0
        self._named: set[Path] = set()

    # -- The flow ----------------------------------------------------------------------------------------------------

    def go(self) -> None:
        """Run to the end, or to where it is interrupted or stopped; what is in flight then is still written.

        Errors: HenshinError when the stages cannot be opened.
        """
        workers = self.options.limits.workers or min(MOST_WORKERS, _cpus())
        readers = ThreadPoolExecutor(workers, "henshin-read")
        writers = ThreadPoolExecutor(workers, "henshin-write")
        behind: WriteBehind[PendingWrite, WrittenFile] = WriteBehind(
            writers, self.ledger.finish, 4 * self._chunk + 4 * workers, self.options.limits.write_bytes
        )
        try:
            self._flow(readers, behind)
        except KeyboardInterrupt as stop:
            self.summary.interrupted = True
            self.summary.terminated = isinstance(stop, TerminatedError)
        except StoppedError as stop:
            self.summary.stopped = str(stop)
        finally:
            readers.shutdown(wait=False, cancel_futures=True)
            try:
                self._wind_down(behind)
            finally:
                writers.shutdown(cancel_futures=True)
                self.stages.close()
                self._sum_up()

    def _flow(self, readers: ThreadPoolExecutor, behind: WriteBehind[PendingWrite, WrittenFile]) -> None:
        limits = self.options.limits
        first = self.options.batch_size or (1 if self.context.device.kind == "cpu" else 4)
        with closing(self._incoming(readers)) as incoming:
            for chunk in chunks(incoming, self._size_at_work, first=first, count=self._chunk, limit=limits.chunk_bytes):
                self._work(chunk, behind)
                chunk.clear()  # it would be held until the next one is whole
        behind.drain()

    @property
    def _chunk(self) -> int:
        usual = self.options.limits.chunk or (8 if self.context.device.kind == "cpu" else 64)
        return usual if self.options.limits.chunk else max(usual, 2 * (self.options.batch_size or 0))

    def _size_at_work(self, loaded: LoadedSource) -> int:
        """Return the bytes that a source takes at work, if it grows as the last chunk did (1: not at all)."""
        return ceil(loaded.size * self._growth)

    def _run_stages(self, jobs: list[Job], behind: WriteBehind[PendingWrite, WrittenFile]) -> None:
        most = 0

        def between() -> None:
            nonlocal most
            most = max(most, bytes_held(jobs))
            behind.finish_ready()

        self._open()
        self.stages.run(jobs, between)
        self._growth = max(1.0, most / max(1, sum(job.size for job in jobs)))
        self._name_networks()

    def _work(self, chunk: list[LoadedSource], behind: WriteBehind[PendingWrite, WrittenFile]) -> None:
        jobs = [loaded.job for loaded in chunk if loaded.job is not None]
        if any(job.frames for job in jobs):
            self._run_stages(jobs, behind)
        for loaded in chunk:
            job = loaded.job
            leaving = PendingWrite(loaded.source, job, loaded.verdict, loaded.entry)
            if job is None:
                behind.put(leaving, [])
                continue
            leaving.notes = [frame.metadata.notes for frame in job.frames]
            _log_times(job)
            tasks = self.saver.tasks(job)
            job.frames, job.alpha = [], None  # from here on only the writes hold the pictures
            behind.put(leaving, tasks)

    def _wind_down(self, behind: WriteBehind[PendingWrite, WrittenFile]) -> None:
        """Finish the writes in flight after whatever ended the flow, and record them if that can still be done."""
        while True:
            try:
                behind.drain()
            except StoppedError as stop:
                self.summary.stopped = self.summary.stopped or str(stop)
            else:
                return

    def _incoming(self, readers: ThreadPoolExecutor) -> Generator[LoadedSource, None, None]:
        if self.stages.source is not None:
            return self.intake.made(self.stages, self.options.limit, self._open)
        return read_ahead(
            self.prepared.sources,
            self.intake.load,
            lambda loaded: loaded.size,
            readers,
            count=2 * self._chunk,
            limit=self.options.limits.read_bytes,
        )

    # -- Stages ------------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        """Open the stages when the first picture wants them: a run with nothing to do loads no model."""
        if not self._opened:
            self._opened = True
            self.stages.open(self.context)
            self._name_networks()

    def _name_networks(self) -> None:
        """Say of each newly opened network what really runs it."""
        for path, network in list(self.context.opened.items()):
            if path not in self._named:
                if not self._named and self.context.device.note:
                    self.report.note(self.context.device.note)
                self._named.add(path)
                name = network_name(path, self.summary.providers)
                self.summary.providers[name] = list(network.providers)
                self.report.note(f"{name} runs on {network.providers[0]}")

    def _sum_up(self) -> None:
        self.summary.stages = {label: round(seconds, 4) for label, seconds in self.stages.seconds.items()}
        self.summary.opening = {label: round(seconds, 4) for label, seconds in self.stages.opening.items()}


def _log_times(job: Job) -> None:
    """Log how long each stage took for a source; for pictures that were at work together its share."""
    for frame in job.frames[:1]:
        times = ", ".join(f"{label} {seconds:.3f} s" for label, seconds in frame.timings.items())
        if times:
            log.debug("%s: %s", job.source.path, times)


def _cpus() -> int:
    """Return how many CPUs this process may be put on. A quota of a container's time is not seen."""
    affinity: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
