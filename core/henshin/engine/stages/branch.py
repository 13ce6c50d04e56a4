"""A branch: a list of stages that another stage runs on copies of its frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from henshin.api.context import BranchResult
from henshin.engine.preparation.input_files import SourceFile
from henshin.engine.stages.job import UNEXPLAINED, Job
from henshin.engine.stages.runner import StageRunner
from henshin.engine.stages.work import copy_frame

if TYPE_CHECKING:
    from henshin.api.context import Branch, Context
    from henshin.api.frame import Frame, Zone
    from henshin.api.stage import Stage


class StageBranch:
    """A list of stages, opened. Several threads may run it if all of its stages are concurrent."""

    def __init__(self, stages: Sequence[Stage[Any]], zone: Zone, context: Context) -> None:
        threads, at_once = context.threads, context.at_once
        self._runner = StageRunner(stages, threads=threads, all_threads=threads, workers=at_once, crops=zone == "crops")
        try:
            self._runner.open(context)
        except BaseException:
            self._runner.close()
            raise
        context.threads, context.at_once = threads, at_once  # the stages had their own

    def run(self, frames: Sequence[Frame]) -> list[BranchResult]:
        """Send copies of frames through the stages. Errors: MissingError when a stage lacks a model or package."""
        jobs = [Job(SourceFile.at(Path(frame.source), frame.name), "", [copy_frame(frame)]) for frame in frames]
        self._runner.run(jobs)
        return [_result(job) for job in jobs]

    def close(self) -> None:
        """Close the stages."""
        self._runner.close()


def open_branch(stages: Sequence[Stage[Any]], zone: Zone, context: Context) -> Branch:
    """Open a list of stages in a context. Errors: HenshinError that names the stage that does not open."""
    return StageBranch(stages, zone, context)


def _result(job: Job) -> BranchResult:
    frames = [frame for frame in job.frames if frame.error is None]
    if frames:
        return BranchResult(frames)
    if job.errors:
        return BranchResult([], job.stage or "", job.errors[0].reason, failed=True)
    reason = job.dropped[0].reason if job.dropped else UNEXPLAINED
    return BranchResult([], job.stage or "", reason)
