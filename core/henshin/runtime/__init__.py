"""The only place that knows ONNX Runtime: devices, sessions, batches, tiles. Nothing heavy loads at import."""

from __future__ import annotations

from henshin.runtime.device import Device, parse_device, resolve_device
from henshin.runtime.model import Model
from henshin.runtime.session import NetworkError, OnnxSession, OutOfMemoryError, Port

__all__ = [
    "Device",
    "Model",
    "NetworkError",
    "OnnxSession",
    "OutOfMemoryError",
    "Port",
    "parse_device",
    "resolve_device",
]
