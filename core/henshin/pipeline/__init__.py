"""Pipelines: loading and validation of their YAML files, and the JSON schema."""

from __future__ import annotations

from henshin.pipeline.loading import Pipeline, find, load

__all__ = ["Pipeline", "find", "load"]
