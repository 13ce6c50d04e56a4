"""Forms of pipelines: what the page shows of each stage's options, made from their schema, and what it may set."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from henshin.config.options import FileOption, FolderOption, ModelOption, StagesOption, full_annotation, markers_in
from henshin.engine.preparation.fingerprint import all_models_of
from henshin.errors import HenshinError
from henshin.models.requirements import model_problem
from henshin.pipeline.steps import labels
from henshin.text import flatten

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

    from henshin.api.stage import Stage
    from henshin.models import ModelStore
    from henshin.pipeline import Pipeline

Kind = Literal["switch", "choice", "range", "number", "text", "yaml"]

_NOT_OFFERED = (FileOption, FolderOption, StagesOption)
"""Markers of options that the page does not offer: they name files of this machine, or hold stages."""

_NUMBERS = {"integer": 1.0, "number": None}


@dataclass(frozen=True)
class FormField:
    """One option of a stage: how it is shown, its value in the pipeline, and its bounds or choices.

    With ``optional`` it may also be null, shown as a box "auto". ``step`` None lets numbers have any fraction.
    """

    name: str
    kind: Kind
    value: Any
    description: str
    optional: bool = False
    least: float | None = None
    most: float | None = None
    step: float | None = None
    choices: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class StageForm:
    """The options of one stage; ``label`` is its name in overrides."""

    label: str
    name: str
    summary: str
    fields: list[FormField]


@dataclass(frozen=True)
class Form:
    """A pipeline as the page shows it. ``models`` have a name and a licence."""

    name: str
    description: str
    takes_photos: bool
    stages: list[StageForm]
    models: list[dict[str, str]]

    def as_dict(self) -> dict[str, Any]:
        """Return the form for JSON."""
        return asdict(self)


def form_of(pipeline: Pipeline, store: ModelStore) -> Form:
    """Return the form of a loaded pipeline."""
    stages = []
    models: dict[str, str] = {}
    for label, stage in zip(labels([one.name for one in pipeline.stages]), pipeline.stages, strict=True):
        fields = _fields(stage.config, store, pipeline.base)
        stages.append(StageForm(label, stage.name, _summary(stage), fields))
        models |= {one.name: one.contract.licence for one in all_models_of(stage, pipeline.base, store)}
    listed = [{"name": name, "licence": licence or "not stated"} for name, licence in models.items()]
    return Form(pipeline.name, pipeline.description, pipeline.source is None, stages, listed)


def _summary(stage: Stage[Any]) -> str:
    """Return the first paragraph of a stage's description, in one line."""
    return flatten(inspect.cleandoc(type(stage).__doc__ or "").partition("\n\n")[0])


def overrides_of(form: Form, given: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the overrides for values by stage and option, as the page sends them.

    Errors: HenshinError for a stage, an option or a choice that the form does not have.
    """
    known = {stage.label: {one.name: one for one in stage.fields} for stage in form.stages}
    overrides = []
    for label, values in given.items():
        if label not in known:
            raise HenshinError(f"this pipeline has no stage '{label}'")
        for name, value in values.items():
            field = known[label].get(name)
            if field is None:
                raise HenshinError(f"{label} has no option '{name}' that the page may set")
            if field.kind == "choice" and value not in field.choices and not (field.optional and value is None):
                raise HenshinError(f"{label}.{name}: {value!r} is none of {', '.join(field.choices)}")
            text = value if field.kind == "yaml" and isinstance(value, str) else json.dumps(value)
            overrides.append(f"{label}.{name}={text}")
    return overrides


def _fields(config: BaseModel, store: ModelStore, base: Path) -> list[FormField]:
    schema = type(config).model_json_schema()
    shared = schema.get("$defs", {})
    values = config.model_dump(mode="json", by_alias=True)
    fields = []
    for key, info in type(config).model_fields.items():
        name = info.alias or key
        marks = _markers(info)
        if any(isinstance(mark, _NOT_OFFERED) for mark in marks):
            continue
        part = _resolved(schema["properties"][name], shared)
        models = [mark for mark in marks if isinstance(mark, ModelOption)]
        common = {"name": name, "value": values.get(name), "description": info.description or ""}
        made = _model_field(common, part, models[0], store, base) if models else _field(common, part, shared)
        if made.kind != "choice" or made.choices:
            fields.append(made)
    return fields


def _markers(info: FieldInfo) -> list[Any]:
    """Return the markers in the type of one option."""
    kinds = (*_NOT_OFFERED, ModelOption)
    return [mark for kind in kinds for mark in markers_in(full_annotation(info), kind)]


def _model_field(
    common: dict[str, Any], part: dict[str, Any], option: ModelOption, store: ModelStore, base: Path
) -> FormField:
    """Return a choice among the models that are here and fit; their files' paths are not offered."""
    names = {name for folder in store.folders.values() for name in store.names_in(folder)}
    fit = sorted(name for name in names if model_problem(store, name, base, option) is None)
    fixed = [word for member in part.get("anyOf", [part]) for word in member.get("enum", [])]
    value = common["value"]
    choices = list(dict.fromkeys([*fixed, *([value] if isinstance(value, str) else []), *fit]))
    return FormField(**common, kind="choice", optional=_is_optional(part), choices=choices)


def _field(common: dict[str, Any], part: dict[str, Any], shared: Mapping[str, Any]) -> FormField:
    optional = _is_optional(part)
    members = [_resolved(one, shared) for one in part.get("anyOf", [part]) if one.get("type") != "null"]
    if len(members) != 1:
        return FormField(**common, kind="yaml", optional=optional)
    (only,) = members
    choices = only.get("enum") or ([only["const"]] if "const" in only else [])
    if choices and all(isinstance(one, str) for one in choices):
        return FormField(**common, kind="choice", optional=optional, choices=list(choices))
    kind = only.get("type")
    if kind == "boolean":
        return FormField(**common, kind="switch", optional=optional)
    if kind == "string":
        return FormField(**common, kind="text", optional=optional)
    if kind not in _NUMBERS:
        return FormField(**common, kind="yaml", optional=optional)
    least, most = (only.get(one, only.get(f"exclusive{one.title()}")) for one in ("minimum", "maximum"))
    is_range = least is not None and most is not None and most - least <= 1000
    return FormField(
        **common, kind="range" if is_range else "number", optional=optional, least=least, most=most, step=_NUMBERS[kind]
    )


def _is_optional(part: Mapping[str, Any]) -> bool:
    return any(one.get("type") == "null" for one in part.get("anyOf", ()))


def _resolved(part: dict[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    name = part.get("$ref", "").rpartition("/")[2]
    return {**shared[name], **{key: value for key, value in part.items() if key != "$ref"}} if name in shared else part
