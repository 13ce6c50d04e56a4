"""The three hooks of a plugin. Each returns classes, and loads no heavy library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from henshin.api.generator import Generator
    from henshin.api.recipe import Recipe
    from henshin.api.stage import Stage

PROJECT = "henshin"
"""Name of the pluggy project and of the entry-point group in which plugins register."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def henshin_stages() -> list[type[Stage[Any]]]:  # type: ignore[empty-body]
    """Return the stage classes of this plugin."""


@hookspec
def henshin_generators() -> list[type[Generator[Any]]]:  # type: ignore[empty-body]
    """Return the generator classes of this plugin."""


@hookspec
def henshin_recipes() -> list[type[Recipe[Any]]]:  # type: ignore[empty-body]
    """Return the recipe classes of this plugin."""
