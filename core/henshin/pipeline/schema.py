"""The JSON schema of a pipeline's YAML, so that editors complete stages and options."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from pydantic.errors import PydanticUserError

if TYPE_CHECKING:
    from henshin.api.stage import Stage
    from henshin.registry import Registry

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema(registry: Registry) -> dict[str, Any]:
    """Return the JSON schema of a pipeline with every registered stage, told apart by the constant in ``use``."""
    from henshin.pipeline.loading import PipelineFile

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
        "$defs": definitions,
    }


def _definitions(name: str, cls: type[Stage[Any]]) -> dict[str, Any]:
    """Return the schema of a stage as "NAME", and those that its options refer to as "NAME.THEIRS"."""
    use = {"const": name, "description": f"The stage '{name}'."}
    try:
        options = cls.Config.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}")
    except PydanticUserError:  # a type that JSON cannot describe: then the options of this stage stay open
        options = {"type": "object", "properties": {}, "additionalProperties": True}
    inner = options.pop("$defs", {})
    if "$ref" in options:  # a configuration that holds itself
        options = inner[options["$ref"].rpartition(f"{name}.")[2]]
    stage = {
        **options,
        "title": name,
        "description": inspect.cleandoc(cls.__doc__ or "") or name,
        "properties": {"use": use, **options.get("properties", {})},
        "required": ["use", *options.get("required", [])],
    }
    return {name: stage, **{f"{name}.{key}": value for key, value in inner.items()}}
