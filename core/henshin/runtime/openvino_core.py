"""OpenVINO as it is installed here, and what it says of the processor. Only this module imports OpenVINO."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

from henshin.errors import MissingError

_TELEMETRY = "openvino_telemetry"

_HOW_TO_GET = "pip install 'henshin[openvino]'"


@cache
def openvino() -> Any:
    """Import OpenVINO. It takes 0.3 s, so it is imported when a device or a network of it is opened.

    Its import would tell its maker of itself over the network, by the package openvino-telemetry; without that package,
    which is hidden meanwhile, it says nothing. Errors: MissingError without OpenVINO.
    """
    known = sys.modules.get(_TELEMETRY)
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]
    try:
        import openvino
        import openvino.frontend
    except ImportError as error:
        raise MissingError(f"device 'openvino' needs the package openvino: {_HOW_TO_GET}") from error
    finally:
        del sys.modules[_TELEMETRY]
        if known is not None:
            sys.modules[_TELEMETRY] = known
    return openvino


@cache
def openvino_core() -> Any:
    """Return the object that compiles networks. Errors: MissingError without OpenVINO or its part for this CPU."""
    core = openvino().Core()
    if "CPU" not in core.available_devices:
        raise MissingError(f"the installed openvino cannot compute on this processor; {_HOW_TO_GET}")
    return core


def computes_bf16() -> bool:
    """Return whether the processor has instructions for bf16 (AVX512-BF16, AMX, AVX-VNNI-2; OpenVINO emulates others).

    Errors: MissingError without OpenVINO.
    """
    return "BF16" in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
