"""The registry: the stages, generators and recipes of all plugins, by name, and the checks of their classes."""

from __future__ import annotations

from henshin.registry.registry import Registry, build_registry

__all__ = ["Registry", "build_registry"]
