"""The test kit for plugins, for any test runner."""

from __future__ import annotations

from henshin.testing.generators import check_generator
from henshin.testing.stages import check_plugin, check_stage, context, picture

__all__ = ["check_generator", "check_plugin", "check_stage", "context", "picture"]
