"""Running the stages of a pipeline over frames: who sees what, who failed where, and how long it took."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

from henshin.api.frame import Frame
from henshin.api.placement import Place, check_frame, frame_problem, picture_at, place_result, places, zones
from henshin.api.stage import NOTHING, Memory
from henshin.engine.stages.job import Show, collect_dropped
from henshin.errors import HenshinError, MissingError, PictureError
from henshin.images.picture import Picture
from henshin.pipeline.loading import labels
from henshin.registry.checks import extra_of
from henshin.text import flatten, one_line

if TYPE_CHECKING:
    from henshin.api.context import Context
    from henshin.api.stage import Stage
    from henshin.engine.stages.job import Job


log = logging.getLogger("henshin")


class StageRunner:
    """The opened stages of one run. Use ``opened`` to get them, so that they are closed whatever happens."""

    def __init__(
        self,
        stages: Sequence[Stage[Any]],
        memory: Callable[[str], Memory] = lambda _: NOTHING,
        show: Show = lambda *_: None,
    ) -> None:
        self.stages = list(stages)
        self.memory = memory
        self.show = show
        self.labels = labels([stage.name for stage in stages])
        self.crops = zones(stages)
        self.seconds = dict.fromkeys(self.labels, 0.0)
        self.opening: dict[str, float] = {}
        self._tried: list[tuple[str, Stage[Any]]] = []

    @property
    def source(self) -> Stage[Any] | None:
        """The stage that makes the frames itself, if the pipeline begins with one."""
        return self.stages[0] if self.stages and self.stages[0].works_on == "source" else None

    def open(self, context: Context, after: Callable[[str], None] = lambda _: None) -> None:
        """Load what the stages need; ``after`` gets the name of each that has. Errors: HenshinError that names it."""
        for label, stage, crops in zip(self.labels, self.stages, self.crops, strict=True):
            start = perf_counter()
            stage.zone = "crops" if crops else "photos"
            stage.memory = self.memory(label)
            self._tried.append((label, stage))
            try:
                stage.open(context)
            except HenshinError:
                raise
            except ImportError as error:
                raise MissingError(f"stage '{label}' lacks a package: {one_line(error)}{_remedy(stage)}") from error
            except (Exception, SystemExit) as error:
                log.info("stage '%s' does not open", label, exc_info=True)
                raise HenshinError(f"stage '{label}' does not open: {one_line(error)}") from error
            self.opening[label] = perf_counter() - start
            after(label)

    def close(self) -> None:
        """Close in reverse every stage whose ``open`` was called; what goes wrong is a warning: the work is done."""
        while self._tried:
            label, stage = self._tried.pop()
            try:
                stage.close()
            except (Exception, SystemExit) as error:
                log.warning("stage '%s' does not close: %s", label, one_line(error))
                log.info("stage '%s' does not close", label, exc_info=True)

    # -- Running -----------------------------------------------------------------------------------------------------

    def run(self, jobs: Sequence[Job], between: Callable[[], None] = lambda: None) -> None:
        """Send the frames of jobs through all stages. What fails is noted in its frame and job; nothing is raised.

        ``between`` is called after each stage. Errors: what it raises, and MissingError when a stage misses something
        that no picture can help.
        """
        for position, (label, stage) in enumerate(zip(self.labels, self.stages, strict=True)):
            if stage.works_on == "source":
                continue
            active = [(job, frame) for job in jobs for frame in job.frames if not frame.bypass and frame.error is None]
            if not active:
                continue
            with self._timed(label, active):
                if stage.works_on == "frames":
                    _run_frames(stage, label, active)
                else:
                    _run_pictures(stage, label, [frame for _, frame in active], self.crops[position])
            _take_stock(stage, label, active)
            collect_dropped(label, active, self.show)
            between()

    @contextmanager
    def _timed(self, label: str, active: list[tuple[Job, Frame]]) -> Iterator[None]:
        start = perf_counter()
        try:
            yield
        finally:
            elapsed = perf_counter() - start
            self.seconds[label] += elapsed
            for job, frame in active:
                job.seconds += elapsed / len(active)
                timings: object = frame.timings
                if isinstance(timings, dict):  # else the stage broke it and is told so; a copy is in the frame's place
                    timings[label] = timings.get(label, 0.0) + elapsed / len(active)


def bytes_held(jobs: Iterable[Job]) -> int:
    """Return the bytes of all pictures that jobs hold: photos, alpha, crops and masks."""
    arrays = (
        array
        for job in jobs
        for frame in job.frames
        for array in (frame.picture, frame.alpha, *(part for face in frame.faces for part in (face.crop, face.mask)))
    )
    # A frame that has failed may hold anything.
    return sum({id(array): getattr(array, "nbytes", 0) for array in arrays if array is not None}.values())


def _remedy(stage: Stage[Any]) -> str:
    extra = extra_of(stage.extra)
    return f"; it comes with: pip install '{extra.install}'" if extra else ""


def _listed(results: Any, what: str) -> list[Any]:
    """Return what a stage returned as a list. Errors: PictureError when it is nothing of that kind."""
    if isinstance(results, str | bytes | Mapping) or not isinstance(results, Iterable):
        raise PictureError(f"returned {type(results).__name__} instead of a list of {what}")
    return list(results)


def _take_stock(stage: Stage[Any], label: str, active: list[tuple[Job, Frame]]) -> None:
    """Note who failed and how many faces there are, after a stage."""
    # A job may be here with several frames: once is enough.
    for job in {id(job): job for job, _ in active}.values():
        if "faces" in stage.gives:
            job.faces = sum(len(frame.faces) for frame in job.frames)
        known = {id(error) for error in job.errors}
        for frame in job.frames:
            if frame.picture is not frame.decoded:
                frame.decoded = None  # it is only there to tell whether anything has changed
            if frame.error is not None and id(frame.error) not in known:
                job.fail(label, frame.error)


# -- Pictures --------------------------------------------------------------------------------------------------------


def _run_pictures(stage: Stage[Any], label: str, frames: list[Frame], crops: bool) -> None:
    """Run a pictures stage on crops, on photos, or, where some frames have no faces, on first these and then those."""
    found = places(frames, crops)
    stage.zone = "crops"
    _run_places(stage, label, [place for place in found if place[1] is not None])
    stage.zone = "photos"
    _run_places(stage, label, [place for place in found if place[1] is None])


def _run_places(stage: Stage[Any], label: str, found: list[Place]) -> None:
    usable: list[Place] = []
    pictures: list[Picture] = []
    for place in found:
        try:
            pictures.append(picture_at(place))
            usable.append(place)
        except PictureError as error:
            place[0].error = error
    if not pictures:
        return

    def work(items: list[Picture]) -> Sequence[Any]:
        # The list is the stage's to do with as it likes, so it gets one of its own.
        results = _listed(stage.run(list(items)), "pictures")
        if len(results) != len(items):
            raise PictureError(f"returned {len(results)} pictures for {len(items)}")
        return results

    results = run_isolated(label, work, pictures, pictures.__getitem__)
    for place, result in zip(usable, results, strict=True):
        try:
            place_result(place, result)
        except PictureError as error:
            place[0].error = place[0].error or error


# -- Frames ----------------------------------------------------------------------------------------------------------


def _run_frames(stage: Stage[Any], label: str, active: list[tuple[Job, Frame]]) -> None:
    frames = [frame for _, frame in active]
    # A stage may have changed frames before it raised; the second attempt begins with what the first was given.
    before = [_copy(frame) for frame in frames]
    results = run_isolated(
        label, lambda items: _grouped(stage.run(list(items)), items), frames, lambda i: _copy(before[i])
    )
    at_work = {id(frame) for frame in frames}
    for job in {id(job): job for job, _ in active}.values():
        job.frames = [frame for frame in job.frames if id(frame) not in at_work]
    for (job, _), result, copy in zip(active, results, before, strict=True):
        if isinstance(result, PictureError):
            copy.error = result
            job.frames.append(copy)
            continue
        # What became of one frame may share its faces and records; stages and the engine change those in place.
        parts = [*result[:1], *(_copy(frame) for frame in result[1:])]
        for frame in parts:
            check_frame(frame)
        job.frames += parts


def _copy(frame: Frame) -> Frame:
    return replace(
        frame,
        faces=[replace(face) for face in frame.faces],
        latents=dict(frame.latents),
        timings=dict(frame.timings),
        metadata=replace(frame.metadata, notes=list(frame.metadata.notes)),
    )


def _grouped(results: Any, frames: list[Frame]) -> list[list[Frame]]:
    """Return, for each frame that a stage was given, those that became of it: itself, or those of its source.

    Errors: PictureError when the stage returned no frames, or some of an unknown source among several.
    """
    groups: list[list[Frame]] = [[] for _ in frames]
    by_source = {frame.source: position for position, frame in reversed(list(enumerate(frames)))}
    by_identity = {id(frame): position for position, frame in enumerate(frames)}
    for result in _listed(results, "frames"):
        if isinstance(result, PictureError):
            raise result
        if not isinstance(result, Frame):
            raise PictureError(f"returned {type(result).__name__} instead of a frame")
        problem = frame_problem(result)
        if problem:
            raise PictureError(f"returned {problem}")
        position = by_identity.get(id(result), by_source.get(result.source))
        if position is None:
            if len(frames) > 1:
                raise PictureError(f"returned a frame of an unknown source: '{result.source}'")
            # Whatever it calls itself, it can only have come from the one that was given.
            position, result.source = 0, frames[0].source
        groups[position].append(result)
    return groups


T = TypeVar("T")


def reason_of(error: BaseException) -> PictureError:
    """Turn what was raised into the reason why a picture failed.

    Always a new error: an old one holds, by its traceback, every picture that was at work.
    """
    if isinstance(error, PictureError):
        return PictureError(error.reason)
    # What henshin itself says needs no name of a class before it.
    return PictureError(flatten(error) if isinstance(error, HenshinError) else one_line(error))


def run_isolated(
    label: str, work: Callable[[list[T]], Sequence[Any]], items: list[T], again: Callable[[int], T]
) -> list[Any]:
    """Return ``work(items)``; if that fails, the work on each item alone, with a PictureError where it fails again.

    ``work`` raises whenever what it returns cannot be right. ``again(i)`` gives item i as it was before the attempt.
    A MissingError is nobody's fault but the installation's, and goes through.
    """
    try:
        return list(work(items))
    except MissingError:
        raise
    except (Exception, SystemExit) as error:  # a stage that calls sys.exit() must not end the run
        if len(items) == 1:
            log.info("%s failed", label, exc_info=True)
            return [reason_of(error)]
        log.debug("%s failed on %d together", label, len(items), exc_info=True)
    return [_alone(label, work, again(position)) for position in range(len(items))]


def _alone(label: str, work: Callable[[list[T]], Sequence[Any]], item: T) -> Any:
    try:
        return next(iter(work([item])))
    except MissingError:
        raise
    except (Exception, SystemExit) as error:
        log.info("%s failed", label, exc_info=True)
        return reason_of(error)
