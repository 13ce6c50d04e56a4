"""The choice of the device, CPU or GPU: a GPU is tested by running a convolution; no fallback is silent."""

from __future__ import annotations

import contextlib
import ctypes
import io
import re
import sys
import warnings
from base64 import b64decode
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from henshin.errors import HenshinError, MissingError
from henshin.text import flatten

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
HOW_TO_GET_CUDA = "its libraries come with: pip install 'henshin[cuda]'"

_FATAL = 4
"""ONNX Runtime's log level: errors are found by exceptions and `get_providers`, so nothing is logged to stderr."""

_PROBE = (
    "CAg6hwEKDwoBeAoBdxIBeSIEQ29udhIFcHJvYmUqMwgBCAEIAwgDEAFCAXdKJAAAgD8AAIA/AACAPwAAgD8AAIA/AACAPwAAgD8AAIA/AACAP1ob"
    "CgF4EhYKFAgBEhAKAggBCgIIAQoCCAMKAggDYhsKAXkSFgoUCAESEAoCCAEKAggBCgIIAQoCCAFCBAoAEBE="
)
"""An ONNX file in base64: a 3x3 convolution of ones, float x (1, 1, 3, 3) -> y (1, 1, 1, 1); needs cuBLAS and cuDNN."""


@dataclass(frozen=True, slots=True)
class Device:
    """The device that runs the networks. ``note`` gives the reason if "auto" chose the CPU."""

    kind: Literal["cpu", "cuda"] = "cpu"
    index: int = 0
    note: str = field(default="", compare=False)

    def __str__(self) -> str:
        return "cpu" if self.kind == "cpu" else f"cuda:{self.index}"

    @property
    def options(self) -> dict[str, str]:
        """Options of ONNX Runtime's CUDA provider for this device."""
        return {
            "device_id": str(self.index),
            # The default, an exhaustive search, tries every algorithm again for each new shape of picture.
            "cudnn_conv_algo_search": "HEURISTIC",
            "arena_extend_strategy": "kSameAsRequested",
        }


def parse_device(wanted: str) -> tuple[Literal["auto", "cpu", "cuda"], int]:
    """Return the kind of "auto", "cpu", "cuda" or "cuda:N", and the number of the GPU (0 by default).

    Errors: HenshinError for anything else.
    """
    if wanted == "auto":
        return "auto", 0
    if wanted == "cpu":
        return "cpu", 0
    match = re.fullmatch(r"cuda(?::([0-9]+))?", wanted)
    if match is None:
        raise HenshinError(f"no device '{wanted}': it is auto, cpu, cuda or cuda:N")
    return "cuda", int(match[1] or 0)


def resolve_device(wanted: str = "auto", require_gpu: bool = False) -> Device:
    """Return the device for ``--device``, tested.

    ``wanted``: "auto" (a GPU if one works, else the CPU with a note of the reason), "cpu", "cuda" or "cuda:N".
    Errors: MissingError if a GPU is named or required and does not work; HenshinError for an unknown device.
    """
    kind, index = parse_device(wanted)
    if kind == "cpu":
        if require_gpu:
            raise HenshinError("device 'cpu' and a required GPU exclude each other")
        return Device("cpu")
    problem = cuda_problem(index)
    if problem is None:
        return Device("cuda", index)
    if kind == "auto" and not require_gpu:
        return Device("cpu", note=f"no GPU is used: {problem}")
    if kind == "auto":
        raise MissingError(f"a GPU is required, whatever the stages, and none can be used: {problem}")
    raise MissingError(f"device '{wanted}' cannot be used: {problem}")


@cache
def onnxruntime() -> Any:
    """Import ONNX Runtime and silence its log. It takes about 0.1 s, so it is imported when a network is opened."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(_FATAL)
    return onnxruntime


@cache
def preload_cuda_libraries() -> None:
    """Load the CUDA and cuDNN libraries that pip installed with PyTorch or ONNX Runtime, without output.

    ONNX Runtime prints every library that it does not find, also those not needed. A session shows afterwards whether
    CUDA works.
    """
    load = getattr(onnxruntime(), "preload_dlls", None)
    if load is None:
        return
    silent = io.StringIO()
    with contextlib.redirect_stdout(silent), contextlib.redirect_stderr(silent), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(Exception):
            load()


@cache
def cuda_problem(index: int) -> str | None:
    """Return why GPU ``index`` cannot be used, in one line with advice, or None if it works.

    onnxruntime-gpu lists its CUDA provider on every machine, so the driver is asked and a small convolution is run.
    """
    if CUDA not in onnxruntime().get_available_providers():
        return "the installed onnxruntime has no CUDA (onnxruntime-gpu has it, on Linux and Windows x86-64)"
    count = _driver_count()
    if count is None:
        return "no NVIDIA driver is installed"
    if index >= count:
        return f"the NVIDIA driver shows {count} GPU(s), and there is none with number {index}"
    preload_cuda_libraries()
    return _probe(Device("cuda", index))


def _driver_count() -> int | None:
    """Return the number of GPUs that the driver shows, or None without a driver. Without one it takes a millisecond."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def _probe(device: Device) -> str | None:
    """Run the convolution on a GPU. Return why it failed, or None."""
    import numpy as np

    ort = onnxruntime()
    options = ort.SessionOptions()
    options.log_severity_level = _FATAL
    try:
        session = ort.InferenceSession(
            b64decode(_PROBE), options, providers=[(CUDA, device.options), CPU], enable_fallback=0
        )
        has_cuda = CUDA in session.get_providers()
        result = session.run(None, {"x": np.ones((1, 1, 3, 3), np.float32)})[0]
    except Exception as error:  # ONNX Runtime has no common base for its errors
        return f"a convolution on it failed ({flatten(error)[:160]}); {HOW_TO_GET_CUDA}"
    if not has_cuda or result.item() != 9.0:
        return f"CUDA or cuDNN do not open for onnxruntime {ort.__version__}; {HOW_TO_GET_CUDA}"
    return None
