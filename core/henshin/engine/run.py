"""Run of a pipeline over pictures, from the request to the summary."""

from __future__ import annotations

import logging
from time import perf_counter
from typing import TYPE_CHECKING

from henshin.engine.execution.loop import RunLoop
from henshin.engine.preparation.input_files import Listing
from henshin.engine.preparation.outputs import renamed_note
from henshin.engine.preparation.prepare import PreparedRun, RecordMemory, open_run
from henshin.engine.preparation.request import RunRequest
from henshin.engine.preparation.schedule import schedule_of
from henshin.engine.record.manifest import FOLDER
from henshin.engine.record.run_log import RunLog
from henshin.engine.report.description import describe_run, outcome_of
from henshin.engine.report.dropped import report_dropped
from henshin.engine.report.dropped_samples import Samples
from henshin.engine.report.profile import TRACE, Profile, make_profile
from henshin.engine.report.summary import Failure, Reporter, Summary
from henshin.engine.stages.branch import open_branch
from henshin.engine.stages.runner import StageRunner
from henshin.engine.timeline import Timeline
from henshin.text import one_line

if TYPE_CHECKING:
    from henshin.api.context import Context

log = logging.getLogger("henshin")


def run(request: RunRequest, report: Reporter) -> Summary:
    """Run a pipeline on every picture below the inputs, and write the results below the output folder.

    Failures are listed in the summary and in the record, and not raised. An interruption (Ctrl-C) or a full disk ends
    the run early, after the pictures in progress are written and recorded; the same call continues from there.

    Errors: HenshinError, before anything is written, for wrong use (no pictures, files in the way, ...);
    MissingError for a model, package or GPU that is not there.
    """
    start = perf_counter()
    with open_run(request, write=True) as (context, prepared):
        pipeline = request.pipeline
        context.make_branch = open_branch
        samples = Samples(prepared.target.record)
        timeline = Timeline() if request.options.profile else None
        schedule = schedule_of(request, context, prepared)
        stages = StageRunner(
            pipeline.stages,
            lambda label: RecordMemory(prepared, label),
            samples.add,
            schedule.threads,
            schedule.all_threads,
            schedule.workers,
            timeline,
        )
        runs = RunLog(prepared.target.record)

        def log_begin() -> None:
            runs.begin(describe_run(request, prepared, str(context.device), stages.networks))

        loop = RunLoop(
            stages, context, prepared, request.options, schedule, report, start, timeline, request.cancel, log_begin
        )
        summary = loop.summary
        summary.pipeline = pipeline.name
        summary.device = str(context.device)
        summary.workers, summary.threads = schedule.workers, schedule.threads
        summary.total = None if pipeline.source is not None else len(prepared.sources)
        summary.non_pictures = prepared.listing.non_pictures
        report.started(summary.total)
        _report_listing(prepared.listing, summary, report)
        _report_renamed(prepared, report)
        try:
            loop.run()
        finally:
            report_dropped(summary, prepared, samples, loop.recorder.record_count)
            if timeline is not None:
                summary.profile = _profile(timeline, stages, context, prepared)
            summary.seconds = round(perf_counter() - start, 4)
            runs.end(outcome_of(summary))
            report.finished(summary)
    return summary


def _profile(timeline: Timeline, stages: StageRunner, context: Context, prepared: PreparedRun) -> Profile:
    """Return the profile of a run, and write its trace into the folder of the record, if there is one."""
    networks: dict[str, tuple[int, list[str]]] = {}
    for label, paths in stages.networks.items():
        sessions = [context.opened[path] for path in paths if path in context.opened]
        if sessions:
            networks[label] = (sessions[0].threads, sorted({session.provider for session in sessions}))
    trace = None if prepared.target.record is None else prepared.target.record / FOLDER / TRACE
    if trace is not None:
        try:
            timeline.write(trace)
        except OSError as error:
            log.warning("no trace: %s", one_line(error))
            trace = None
    return make_profile(timeline, stages.labels, networks, None if trace is None else str(trace))


def _report_listing(listing: Listing, summary: Summary, report: Reporter) -> None:
    for folder, reason in listing.unreadable:
        summary.failures.append(Failure(folder, "read", reason))
        report.note(f"failed: {folder}: {reason}")
        summary.failed += 1
    for folder in listing.excluded:
        report.note(f"'{folder}' holds results of henshin and is left out")


def _report_renamed(prepared: PreparedRun, report: Reporter) -> None:
    renamed = prepared.renamed()
    if renamed:
        report.note(renamed_note(len(renamed)))
    for source, name in renamed.items():
        log.info("%s -> %s", source, name)
