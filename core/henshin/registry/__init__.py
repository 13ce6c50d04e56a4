"""The registry: entry points become classes, checked and named."""

from __future__ import annotations

from henshin.registry.registry import Registry, build_registry

__all__ = ["Registry", "build_registry"]
