"""The description of a run for its log: the pipeline with its options, and the models with hashes and licences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from henshin import __version__
from henshin.engine.preparation.fingerprint import all_models_of
from henshin.engine.preparation.prepare import PreparedRun
from henshin.engine.record.run_log import RunDescription, RunOutcome, UsedModel, UsedStage
from henshin.engine.report.summary import Summary
from henshin.files import hash_file

if TYPE_CHECKING:
    from henshin.engine.preparation.request import RunRequest
    from henshin.models import ResolvedModel


def describe_run(
    request: RunRequest, prepared: PreparedRun, device: str, networks: Mapping[str, Iterable[Path]]
) -> RunDescription:
    """Return the description of a run; ``networks`` maps labels of stages to the files that they opened."""
    pipeline = request.pipeline
    stages = tuple(
        UsedStage(label, stage.config.model_dump(mode="json", by_alias=True, exclude_defaults=True))
        for label, stage in zip(pipeline.labels, pipeline.stages, strict=True)
    )
    models = {
        model.path: model
        for stage in pipeline.stages
        for found in all_models_of(stage, pipeline.base, request.store)
        for model in (found, *([found.mapping] if found.mapping is not None else []))
    }
    others = {path for paths in networks.values() for path in paths} - models.keys()
    return RunDescription(
        fingerprint=prepared.fingerprint,
        pipeline=pipeline.name,
        description=pipeline.description,
        version=__version__,
        device=device,
        total=None if pipeline.source is not None else len(prepared.sources),
        stages=stages,
        models=(*_models(models.values()), *_networks(others)),
    )


def _models(models: Iterable[ResolvedModel]) -> Iterator[UsedModel]:
    """Yield what the log keeps of models; one whose file has gone meanwhile is left out."""
    for model in models:
        contract = model.contract
        with suppress(OSError):
            yield UsedModel(model.name, hash_file(model.path), contract.licence, contract.origin, contract.data)


def _networks(paths: Iterable[Path]) -> Iterator[UsedModel]:
    """Yield the networks that have no contract; one whose file has gone is left out."""
    for path in sorted(paths):
        with suppress(OSError):
            yield UsedModel(path.name, hash_file(path))


def outcome_of(summary: Summary) -> RunOutcome:
    """Return what the log keeps of a summary."""
    return RunOutcome(
        seconds=summary.seconds,
        done=summary.done,
        skipped=summary.skipped,
        failed=summary.failed,
        up_to_date=summary.up_to_date,
        workers=summary.workers,
        interrupted=summary.interrupted,
        stopped=summary.stopped,
    )
