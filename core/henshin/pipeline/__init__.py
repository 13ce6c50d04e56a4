"""Pipelines: from a YAML file to validated, unopened stages, and their JSON schema."""

from __future__ import annotations

from henshin.pipeline.loading import Pipeline, find, load

__all__ = ["Pipeline", "find", "load"]
