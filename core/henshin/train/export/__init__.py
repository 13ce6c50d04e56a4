"""Export: a trained network becomes an ONNX model that passed its parity check."""

from __future__ import annotations

from henshin.train.export.exporter import export
from henshin.train.export.models import WrittenModel, export_targets, write_all

__all__ = ["WrittenModel", "export", "export_targets", "write_all"]
