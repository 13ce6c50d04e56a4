"""Inference with ONNX Runtime or OpenVINO: devices, sessions, batches and tiles.

Importing it loads neither of them, nor numpy. Only `device` and `bound_session` import ONNX Runtime, and only
`openvino_core` imports OpenVINO.
"""

from __future__ import annotations

from henshin.runtime.device import Device, parse_device, resolve_device
from henshin.runtime.device_choice import parse_choice
from henshin.runtime.model import Model
from henshin.runtime.opening import open_session
from henshin.runtime.session import NetworkError, OnnxSession, OutOfMemoryError, Port, Session

__all__ = [
    "Device",
    "Model",
    "NetworkError",
    "OnnxSession",
    "OutOfMemoryError",
    "Port",
    "Session",
    "open_session",
    "parse_choice",
    "parse_device",
    "resolve_device",
]
