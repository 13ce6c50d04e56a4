"""The stage runner: runs the stages of a pipeline over frames, isolates failures, measures times.

Several threads may run it at once, each on its own jobs: they meet in concurrent stages, and pass the others in order.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING, Any

from henshin.api.frame import Frame
from henshin.api.placement import zones
from henshin.api.stage import NO_MEMORY, Memory, Stage
from henshin.engine.stages.job import Job, OnDrop, collect_dropped
from henshin.engine.stages.turnstile import Turnstile
from henshin.engine.stages.work import run_frames, run_pictures
from henshin.engine.timeline import WAIT_TURN, Timeline
from henshin.errors import HenshinError, MissingError
from henshin.images.picture import Picture
from henshin.pipeline.steps import labels
from henshin.registry.checks import extra_of
from henshin.text import one_line

if TYPE_CHECKING:
    from henshin.api.context import Context
    from henshin.engine.record.manifest import Drop


log = logging.getLogger("henshin")


class StageRunner:
    """The stages of one run. ``close`` is to be called also if ``open`` fails.

    ``memory`` returns the memory of a stage by its label; ``on_drop`` is called for each dropped picture, by one thread
    at a time. ``threads`` is that of each network of a concurrent stage, ``all_threads`` that of other networks; 0
    leaves the number to the runtime. ``workers`` threads call ``run``. With ``crops`` frames come with crops of faces.
    ``opening`` holds the seconds that opening a stage took, ``networks`` the files that it opened first or opens on
    demand.
    """

    def __init__(
        self,
        stages: Sequence[Stage[Any]],
        memory: Callable[[str], Memory] = lambda _: NO_MEMORY,
        on_drop: OnDrop = lambda *_: None,
        threads: int = 0,
        all_threads: int = 0,
        workers: int = 1,
        timeline: Timeline | None = None,
        crops: bool = False,
    ) -> None:
        self.stages = list(stages)
        self.memory = memory
        self.on_drop = on_drop
        self.threads, self.all_threads, self.workers = threads, all_threads, workers
        self.timeline = timeline
        self.labels = labels([stage.name for stage in stages])
        self.works_on_crops = zones(stages, crops)
        self.seconds = dict.fromkeys(self.labels, 0.0)
        self.opening: dict[str, float] = {}
        self.networks: dict[str, list[Path]] = {}
        self._opened: list[tuple[str, Stage[Any]]] = []
        self._turnstiles = {label: Turnstile() for label, stage in self._labelled() if not stage.concurrent}
        self._opening: dict[str, Future[None]] = {}
        self._lock = Lock()
        self._given_up = False

    def _labelled(self) -> Iterator[tuple[str, Stage[Any]]]:
        return zip(self.labels, self.stages, strict=True)

    @property
    def source(self) -> Stage[Any] | None:
        """The source stage, if the pipeline begins with one."""
        return self.stages[0] if self.stages and self.stages[0].works_on == "source" else None

    def open(self, context: Context) -> None:
        """Open the stages. Errors: HenshinError that names the stage."""
        for label, stage, crops in zip(self.labels, self.stages, self.works_on_crops, strict=True):
            start, known = perf_counter(), {*context.opened, *(model.path for model in context.on_demand)}
            stage.zone = "crops" if crops else "photos"
            stage.memory = self.memory(label)
            context.threads = self.threads if stage.concurrent else self.all_threads
            context.at_once = self.workers if stage.concurrent else 1
            self._opened.append((label, stage))
            try:
                stage.open(context)
            except HenshinError:
                raise
            except ImportError as error:
                raise MissingError(
                    f"stage '{label}' lacks a package: {one_line(error)}{_install_hint(stage)}"
                ) from error
            except (Exception, SystemExit) as error:
                log.info("stage '%s' does not open", label, exc_info=True)
                raise HenshinError(f"stage '{label}' does not open: {one_line(error)}") from error
            self.opening[label] = perf_counter() - start
            files = dict.fromkeys([*context.opened, *(model.path for model in context.on_demand)])
            self.networks[label] = [path for path in files if path not in known]
            if label in self._opening:
                self._opening[label].set_result(None)

    def open_in(self, pool: Executor, context: Context) -> Future[None]:
        """Open the stages in a thread; ``run`` waits for each one where it comes to it, and raises what ``open`` does.

        Return the future of all of them.
        """
        self._opening = {label: Future() for label in self.labels}

        def work() -> None:
            try:
                self.open(context)
            except BaseException as error:
                for opened in self._opening.values():
                    if not opened.done():
                        opened.set_exception(error)
                raise

        return pool.submit(work)

    def close(self) -> None:
        """Close every stage whose ``open`` was called, in reverse order. Errors are only logged: the work is done."""
        while self._opened:
            label, stage = self._opened.pop()
            try:
                stage.close()
            except (Exception, SystemExit) as error:
                log.warning("stage '%s' does not close: %s", label, one_line(error))
                log.info("stage '%s' does not close", label, exc_info=True)

    # -- Running -----------------------------------------------------------------------------------------------------

    def run(self, jobs: Sequence[Job], between: Callable[[], None] = lambda: None, number: int | None = None) -> None:
        """Send the frames of jobs through all stages. A failure is stored in its frame and job, not raised.

        ``between`` is called after each stage. ``number``, where several threads call at once, counts the calls from 0
        in the order of the input: in this order they pass the stages that are not concurrent. A call that is not made
        is to be skipped. Errors: those of ``between`` and of ``open_in``, and MissingError when a stage lacks a model
        or package.
        """
        try:
            for position, (label, stage) in enumerate(self._labelled()):
                if stage.works_on == "source" or self._given_up:
                    continue
                if label in self._opening:
                    self._opening[label].result()
                with self._turn(label, number):
                    self._run_one(position, jobs)
                between()
        finally:
            if number is not None:
                self.skip(number)

    def skip(self, number: int) -> None:
        """Let calls of ``run`` with higher numbers go on without this one."""
        for turnstile in self._turnstiles.values():
            turnstile.skip(number)

    def give_up(self) -> None:
        """Let calls of ``run`` end before their next stage, with their frames as they are then."""
        self._given_up = True

    @contextmanager
    def _turn(self, label: str, number: int | None) -> Iterator[None]:
        """Wait for the turn of a call if the stage takes one at a time; the block is the call."""
        turnstile = self._turnstiles.get(label)
        if turnstile is None or number is None:
            yield
            return
        start = perf_counter()
        with turnstile.visit(number):
            if self.timeline is not None:
                self.timeline.add(WAIT_TURN, start)
            yield

    def _run_one(self, position: int, jobs: Sequence[Job]) -> None:
        label, stage = self.labels[position], self.stages[position]
        active = [(job, frame) for job in jobs for frame in job.frames if not frame.bypass and frame.error is None]
        if not active:
            return
        with self._timed(label, active):
            if stage.works_on == "frames":
                run_frames(stage, label, active)
            else:
                run_pictures(stage, label, [frame for _, frame in active], self.works_on_crops[position])
        _note_results(stage, label, active)
        collect_dropped(label, active, self._drop)

    def _drop(self, input_hash: str, drop: Drop, picture: Picture, alpha: Picture | None) -> None:
        with self._lock:
            self.on_drop(input_hash, drop, picture, alpha)

    @contextmanager
    def _timed(self, label: str, active: list[tuple[Job, Frame]]) -> Iterator[None]:
        start = perf_counter()
        try:
            yield
        finally:
            elapsed = perf_counter() - start
            with self._lock:
                self.seconds[label] += elapsed
            if self.timeline is not None:
                self.timeline.add(label, start, len(active), active[0][1].name)
            for job, frame in active:
                job.seconds += elapsed / len(active)
                job.timings[label] = job.timings.get(label, 0.0) + elapsed / len(active)
                timings: object = frame.timings
                if isinstance(timings, dict):  # a stage may have overwritten it
                    timings[label] = timings.get(label, 0.0) + elapsed / len(active)


def bytes_held(jobs: Iterable[Job]) -> int:
    """Return the bytes of all arrays that jobs hold: pictures, alphas, crops and masks."""
    arrays = (
        array
        for job in jobs
        for frame in job.frames
        for array in (frame.picture, frame.alpha, *(part for face in frame.faces for part in (face.crop, face.mask)))
    )
    # A failed frame may hold values that are no arrays.
    return sum({id(array): getattr(array, "nbytes", 0) for array in arrays if array is not None}.values())


def _install_hint(stage: Stage[Any]) -> str:
    extra = extra_of(stage.extra)
    return f"; it comes with: pip install '{extra.install}'" if extra else ""


def _note_results(stage: Stage[Any], label: str, active: list[tuple[Job, Frame]]) -> None:
    """Store the errors of frames and the number of faces in their jobs, after a stage."""
    # Each job once, also one with several frames.
    for job in {id(job): job for job, _ in active}.values():
        if "faces" in stage.gives:
            job.faces = sum(len(frame.faces) for frame in job.frames)
        known = {id(error) for error in job.errors}
        for frame in job.frames:
            if frame.picture is not frame.decoded:
                frame.decoded = None  # it only serves to see whether the picture has changed
            if frame.error is not None and id(frame.error) not in known:
                job.fail(label, frame.error)
