"""Export: a trained network becomes an ONNX model that passed its parity check."""

from __future__ import annotations

from henshin.train.export.exporter import export
from henshin.train.export.models import WrittenModel, export_and_install, export_targets

__all__ = ["WrittenModel", "export", "export_and_install", "export_targets"]
