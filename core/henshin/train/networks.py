"""Generators by name and options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from henshin.errors import HenshinError
from henshin.generator import Generator
from henshin.registry import Registry
from henshin.words import one_line


def make_generator(registry: Registry, name: str, options: Mapping[str, Any]) -> Generator[Any]:
    """A generator plugin with its options. Errors: HenshinError for an unknown name or a wrong option."""
    kind = registry.generator(name)
    try:
        return kind(kind.Config(**options))
    except ValidationError as error:
        raise HenshinError(f"generator '{name}': {one_line(error)}") from error
