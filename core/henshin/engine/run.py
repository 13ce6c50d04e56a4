"""The engine's front door: one run of a pipeline over pictures."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from henshin.api.context import Context
from henshin.engine.execution.loop import RunLoop
from henshin.engine.options import RunOptions
from henshin.engine.preparation.input_files import Listing
from henshin.engine.preparation.outputs import Target, path_key, resolve_target
from henshin.engine.preparation.prepare import PreparedRun, RecordMemory, list_sources, prepare
from henshin.engine.record.manifest import Manifest
from henshin.engine.report.dropped import Samples, report_dropped
from henshin.engine.report.summary import Failure, Reporter, Summary
from henshin.engine.stages.runner import StageRunner
from henshin.files import user_cache

if TYPE_CHECKING:
    from henshin.models import ModelStore
    from henshin.pipeline import Pipeline
    from henshin.registry import Registry

log = logging.getLogger("henshin")


def run(
    pipeline: Pipeline,
    inputs: Sequence[Path | str],
    output: Path | str | None,
    options: RunOptions,
    *,
    store: ModelStore,
    registry: Registry,
    report: Reporter,
) -> Summary:
    """Send every picture below ``inputs`` through a pipeline and write the results below ``output``.

    ``output`` None means ``./henshin-out/PIPELINE``; the name of a picture, for a single input file, means that file,
    unless it ends with a slash.
    What fails is listed in the summary and in the record; nothing is raised for it. An interruption (Ctrl-C) and a full
    disk end the run early, with what was in flight written and recorded: the same call goes on from there.

    Errors: HenshinError, before anything is written, for wrong use (no pictures, files in the way, ...);
    MissingError for a model, package or GPU that is not there.
    """
    start = perf_counter()
    target, listing, context = begin(pipeline, inputs, output, options, store, registry)
    with Manifest(target.record, path_key) as manifest:
        prepared = prepare(pipeline, listing, target, options, manifest, store=store, registry=registry)
        samples = Samples(target.record)
        stages = StageRunner(pipeline.stages, lambda label: RecordMemory(prepared, label), samples.add)
        session = RunLoop(stages, context, prepared, options, report, start)
        summary = session.summary
        summary.pipeline = pipeline.name
        summary.device = str(context.device)
        summary.total = None if pipeline.source is not None else len(prepared.sources)
        summary.non_pictures = listing.non_pictures
        report.started(summary.total)
        _tell_listing(listing, summary, report)
        _tell_renamed(prepared, report)
        try:
            session.run()
        finally:
            report_dropped(summary, prepared, samples, session.recorder.record_count)
            summary.seconds = round(perf_counter() - start, 4)
            report.finished(summary)
    return summary


def _tell_listing(listing: Listing, summary: Summary, report: Reporter) -> None:
    for folder, reason in listing.unreadable:
        summary.failures.append(Failure(folder, "read", reason))
        report.note(f"failed: {folder}: {reason}")
        summary.failed += 1
    for folder in listing.excluded:
        report.note(f"'{folder}' holds results of henshin and is left out")


def _tell_renamed(prepared: PreparedRun, report: Reporter) -> None:
    renamed = prepared.renamed()
    if renamed:
        report.note(renamed_note(len(renamed)))
    for source, name in renamed.items():
        log.info("%s -> %s", source, name)


def renamed_note(number: int) -> str:
    """Say how many outputs have longer names than usual, and why."""
    if number == 1:
        return "1 output has a longer name, for its plain one would meet another's (-v names it)"
    return f"{number} outputs have longer names, for their plain ones would meet others' (-v names them)"


def begin(
    pipeline: Pipeline,
    inputs: Sequence[Path | str],
    output: Path | str | None,
    options: RunOptions,
    store: ModelStore,
    registry: Registry,
) -> tuple[Target, Listing, Context]:
    """Settle where results go, what is worked on, and with what the stages are opened. Errors: as ``run``."""
    target = resolve_target(output, pipeline.name, inputs, options.write)
    listing = list_sources(pipeline, inputs, target)
    return target, listing, _context(pipeline, options, store, registry)


def _context(pipeline: Pipeline, options: RunOptions, store: ModelStore, registry: Registry) -> Context:
    """Return what the stages of a run are opened with. Errors: MissingError when a GPU is required and absent."""
    from henshin.runtime import resolve_device

    return Context(
        device=resolve_device(options.device, options.require_gpu),
        batch_size=options.batch_size,
        cache_folder=options.cache or user_cache(),
        log=logging.getLogger("henshin"),
        registry=registry,
        store=store,
        base=pipeline.base,
    )
