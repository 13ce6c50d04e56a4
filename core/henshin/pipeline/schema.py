"""The JSON schema of a pipeline's YAML, by which editors complete stages and options."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.errors import PydanticUserError

from henshin.config.options import STAGE_SCHEMA
from henshin.text import name_problem

if TYPE_CHECKING:
    from henshin.api.stage import Stage
    from henshin.registry import Registry

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema(registry: Registry) -> dict[str, Any]:
    """Return the JSON schema of a pipeline with every registered stage, distinguished by the constant in ``use``."""
    whole = PipelineFile.model_json_schema()
    definitions: dict[str, Any] = {}
    for name, cls in sorted(registry.stages.items()):
        definitions |= _definitions(name, cls)
    choices = [{"$ref": f"#/$defs/{name}"} for name in sorted(registry.stages)]
    stages = {
        **whole["properties"]["stages"],
        "items": {"type": "object", "required": ["use"], "oneOf": choices} if choices else False,
    }
    return {
        "$schema": DIALECT,
        **whole,
        "title": "henshin pipeline",
        "description": "A list of stages through which henshin sends pictures.",
        "properties": {**whole["properties"], "stages": stages},
        "$defs": _with_stages(definitions),
    }


def _with_stages(part: Any) -> Any:
    """Return a part of the schema in which stages in options refer to the schemas of all stages."""
    if part == STAGE_SCHEMA:
        return {"$ref": "#/properties/stages/items"}
    if isinstance(part, dict):
        return {key: _with_stages(value) for key, value in part.items()}
    return [_with_stages(value) for value in part] if isinstance(part, list) else part


def _definitions(name: str, cls: type[Stage[Any]]) -> dict[str, Any]:
    """Return the schema of a stage as "NAME", and those that its options refer to as "NAME.MODEL"."""
    use = {"const": name, "description": f"The stage '{name}'."}
    try:
        options = cls.Config.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}")
    except PydanticUserError:  # a type that JSON cannot describe: the stage accepts any options then
        options = {"type": "object", "properties": {}, "additionalProperties": True}
    nested = options.pop("$defs", {})
    if "$ref" in options:  # a recursive configuration
        options = nested[options["$ref"].rpartition(f"{name}.")[2]]
    stage = {
        **options,
        "title": name,
        "description": inspect.cleandoc(cls.__doc__ or "") or name,
        "properties": {"use": use, **options.get("properties", {})},
        "required": ["use", *options.get("required", [])],
    }
    return {name: stage, **{f"{name}.{key}": value for key, value in nested.items()}}


class PipelineFile(BaseModel):
    """The top level of a pipeline's YAML."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str | None = Field(None, min_length=1, description="What the pipeline is called; default: the file's name.")
    description: str = Field("", description="What it does, in a sentence.")
    stages: list[Any] = Field(min_length=1, description="The stages, each `use: NAME` with its options.")

    @field_validator("stages", mode="before")
    @classmethod
    def _check_list(cls, value: Any) -> Any:
        if not isinstance(value, dict | str):
            return value
        use = value.get("use") if isinstance(value, dict) else value
        raise ValueError(f"is no list; write '- use: {use if isinstance(use, str) else 'NAME'}'")

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str | None) -> str | None:
        """Check that the name can be that of a folder: results go to ./henshin-out/NAME by default."""
        problem = None if name is None else name_problem(name)
        if problem:
            raise ValueError(f"{name!r} {problem}")
        return name
