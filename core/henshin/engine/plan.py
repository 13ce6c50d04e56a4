"""The plan of a run (``--dry-run``): its stages, models, providers and sources, without running any of it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from henshin.api.placement import zones
from henshin.engine.preparation.fingerprint import models_of
from henshin.engine.preparation.outputs import renamed_note
from henshin.engine.preparation.prepare import PreparedRun, content_hash, open_run
from henshin.engine.preparation.request import RunRequest
from henshin.engine.preparation.schedule import Schedule, schedule_of
from henshin.engine.report.summary import network_name
from henshin.engine.stages.branch import open_branch
from henshin.engine.stages.runner import StageRunner

if TYPE_CHECKING:
    from henshin.api.context import Context
    from henshin.api.stage import Stage
    from henshin.models import ModelStore, ResolvedModel

EXAMPLES = 5
"""Number of sources whose output names the plan holds."""


@dataclass(frozen=True)
class PlannedModel:
    """A model that a stage will use; ``remark`` is a warning for the user, or ""."""

    name: str
    path: str
    licence: str
    remark: str = ""


@dataclass(frozen=True)
class PlannedStage:
    """One stage: its options, what it works on ("photos", "crops", "frames" or "source"), and its models.

    ``networks`` are the files of networks that are not models, such as a detector's, and that this stage opens first.
    """

    name: str
    works_on: str
    options: dict[str, Any]
    models: list[PlannedModel] = field(default_factory=list)
    networks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """The plan of a run. ``files`` counts the listed pictures (None: a source stage makes them).

    ``workers`` pictures go through the stages at once, with ``threads`` for each network (0: as the runtime chooses).
    ``to_do`` + ``up_to_date`` + ``failed_before`` + ``existing`` = ``files``. ``providers`` maps each network to its
    execution providers, as its session reports them; ``names`` maps the first few sources to their expected outputs.
    """

    pipeline: str
    output: str
    device: str
    workers: int
    threads: int
    stages: list[PlannedStage]
    providers: dict[str, list[str]]
    files: int | None
    to_do: int | None
    up_to_date: int
    failed_before: int
    existing: int
    non_pictures: int
    names: dict[str, str]
    notes: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Return all fields, for JSON."""
        return asdict(self)


def plan(request: RunRequest) -> Plan:
    """Return the plan of ``run`` with the same request. Opens the stages to learn their providers; writes nothing.

    Errors: those of ``run``.
    """
    with open_run(request, write=False) as (context, prepared):
        context.make_branch = open_branch
        schedule = schedule_of(request, context, prepared)
        stages = StageRunner(
            request.pipeline.stages,
            threads=schedule.threads,
            all_threads=schedule.all_threads,
            workers=schedule.workers,
        )
        try:
            stages.open(context)
            for model in context.on_demand:
                model()
            providers: dict[str, list[str]] = {}
            for path, network in context.opened.items():
                providers[network_name(path, providers)] = list(network.providers)
        finally:
            stages.close()
        makes_pictures = request.pipeline.source is not None
        up_to_date, failed = (0, 0) if makes_pictures else _finished(prepared)
        files = len(prepared.sources)
        return Plan(
            pipeline=request.pipeline.name,
            output=prepared.target.display_path,
            device=str(context.device),
            workers=schedule.workers,
            threads=schedule.threads,
            stages=_stages(stages, request.pipeline.base, request.store),
            providers=providers,
            files=None if makes_pictures else files,
            to_do=None if makes_pictures else files - up_to_date - failed - len(prepared.existing),
            up_to_date=up_to_date,
            failed_before=failed,
            existing=len(prepared.existing),
            non_pictures=prepared.listing.non_pictures,
            names={
                str(source.path): prepared.names.predicted(source) + prepared.target.expected_suffix(source)
                for source in prepared.sources[:EXAMPLES]
            },
            notes=_notes(context, prepared, schedule, bool(providers)),
        )


def _notes(context: Context, prepared: PreparedRun, schedule: Schedule, has_networks: bool) -> list[str]:
    """Return the remarks on the device, on pictures at once, on longer names and on folders that are left out."""
    renamed = prepared.renamed()
    return [
        *([context.device.note] if context.device.note and has_networks else []),
        *([schedule.note] if schedule.note else []),
        *([renamed_note(len(renamed))] if renamed else []),
        *(f"'{folder}' {reason}" for folder, reason in prepared.listing.unreadable),
        *(f"'{folder}' holds results of henshin and is left out" for folder in prepared.listing.excluded),
    ]


def _finished(prepared: PreparedRun) -> tuple[int, int]:
    """Return the numbers of finished sources: (up to date, failed before)."""
    known = [
        source
        for source in prepared.sources
        if source.key not in prepared.existing and prepared.last(source) is not None
    ]
    with ThreadPoolExecutor(4) as pool:
        entries = list(pool.map(lambda source: prepared.finished(source, content_hash(source)), known))
    failed = sum(entry is not None and entry.status == "failed" for entry in entries)
    return sum(entry is not None for entry in entries) - failed, failed


def _stages(stages: StageRunner, base: Path, store: ModelStore) -> list[PlannedStage]:
    planned = []
    for label, stage, crops in zip(stages.labels, stages.stages, stages.works_on_crops, strict=True):
        works_on = ("crops" if crops else "photos") if stage.works_on == "pictures" else stage.works_on
        models = list({model.path: model for model in _models(stage, crops, base, store)}.values())
        model_paths = {model.path for model in models}
        networks = [path for path in map(str, stages.networks.get(label, ())) if path not in model_paths]
        options = stage.config.model_dump(mode="json", by_alias=True)
        planned.append(PlannedStage(label, works_on, options, models, networks))
    return planned


def _models(stage: Stage[Any], crops: bool, base: Path, store: ModelStore) -> Iterator[PlannedModel]:
    """Yield the models that the options of a stage name, and those of the stages in them."""
    yield from (_model(model, crops) for model in models_of(stage, base, store))
    for branch in stage.branches:
        for inner, on_crops in zip(branch, zones(branch, crops), strict=True):
            yield from _models(inner, on_crops, base, store)


def _model(model: ResolvedModel, crops: bool) -> PlannedModel:
    remark = "" if crops else model.contract.large_picture_note
    return PlannedModel(model.name, str(model.path), model.contract.licence, remark)
