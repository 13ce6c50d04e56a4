"""Inference with ONNX Runtime: devices, sessions, batches and tiles.

Importing it loads neither ONNX Runtime nor numpy. Only `henshin.runtime.device` imports ONNX Runtime.
"""

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
