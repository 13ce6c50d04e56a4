"""One stage at work: on the pictures of frames, or on frames; a failure stays with the picture that caused it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from henshin.api.frame import Frame
from henshin.api.placement import Place, check_frame, frame_problem, picture_at, place_result, places
from henshin.api.stage import Stage
from henshin.engine.stages.isolation import run_isolated
from henshin.engine.stages.job import Job
from henshin.errors import PictureError
from henshin.images.picture import Picture

# -- Pictures --------------------------------------------------------------------------------------------------------


def run_pictures(stage: Stage[Any], label: str, frames: list[Frame], crops: bool) -> None:
    """Run a pictures stage on photos, or, with ``crops``, on all crops and then on the photos without faces."""
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
        # A copy of the list, because a stage may change it.
        results = _as_list(stage.run(list(items)), "pictures")
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


def run_frames(stage: Stage[Any], label: str, active: list[tuple[Job, Frame]]) -> None:
    """Run a frames stage; the frames that it returns take the places of those that it was given."""
    frames = [frame for _, frame in active]
    # A stage may have changed frames before it raised; the second attempt works on copies of the originals.
    originals = [copy_frame(frame) for frame in frames]
    results = run_isolated(
        label, lambda items: _group_by_input(stage.run(list(items)), items), frames, lambda i: copy_frame(originals[i])
    )
    at_work = {id(frame) for frame in frames}
    for job in {id(job): job for job, _ in active}.values():
        job.frames = [frame for frame in job.frames if id(frame) not in at_work]
    for (job, _), result, copy in zip(active, results, originals, strict=True):
        if isinstance(result, PictureError):
            copy.error = result
            job.frames.append(copy)
            continue
        # Frames made from one may share its faces and dicts, which stages and the engine change in place.
        parts = [*result[:1], *(copy_frame(frame) for frame in result[1:])]
        for frame in parts:
            check_frame(frame)
        job.frames += parts


def copy_frame(frame: Frame) -> Frame:
    """Return a copy of a frame with the same arrays, but with faces, latents, timings and notes of its own."""
    return replace(
        frame,
        faces=[replace(face) for face in frame.faces],
        latents=dict(frame.latents),
        timings=dict(frame.timings),
        metadata=replace(frame.metadata, notes=list(frame.metadata.notes)),
    )


def _group_by_input(results: Any, frames: list[Frame]) -> list[list[Frame]]:
    """Return for each input frame of a stage the frames made from it: itself, or those with its source.

    Errors: PictureError when the stage returned something else than frames, or one with an unknown source.
    """
    groups: list[list[Frame]] = [[] for _ in frames]
    by_source = {frame.source: position for position, frame in reversed(list(enumerate(frames)))}
    by_identity = {id(frame): position for position, frame in enumerate(frames)}
    for result in _as_list(results, "frames"):
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
            # With one input frame there is only one possible source.
            position, result.source = 0, frames[0].source
        groups[position].append(result)
    return groups


def _as_list(results: Any, what: str) -> list[Any]:
    """Return the results of a stage as a list. Errors: PictureError if they are not iterable."""
    if isinstance(results, str | bytes | Mapping) or not isinstance(results, Iterable):
        raise PictureError(f"returned {type(results).__name__} instead of a list of {what}")
    return list(results)
