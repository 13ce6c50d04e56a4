"""Generators by name and options."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from henshin.config_errors import validate
from henshin.errors import PipelineError
from henshin.generator import Generator
from henshin.registry import Registry
from henshin.yaml_nodes import parse


def make_generator(registry: Registry, name: str, options: Mapping[str, Any]) -> Generator[Any]:
    """A generator plugin with its options. Errors: HenshinError for an unknown name or a wrong option."""
    kind = registry.generator(name)
    where = f"generator '{name}'"
    config, problems = validate(kind.Config, parse(json.dumps(dict(options)), where, [], lines=False), where)
    if config is None:
        raise PipelineError(problems)
    return kind(config)
