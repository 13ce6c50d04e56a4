"""Which device a run uses: told plainly, found by trying, never fallen back from in silence."""

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
"""ONNX Runtime's log level: what goes wrong reaches us as an exception or in `get_providers`, never on stderr."""

_PROBE = (
    "CAg6hwEKDwoBeAoBdxIBeSIEQ29udhIFcHJvYmUqMwgBCAEIAwgDEAFCAXdKJAAAgD8AAIA/AACAPwAAgD8AAIA/AACAPwAAgD8AAIA/AACAP1ob"
    "CgF4EhYKFAgBEhAKAggBCgIIAQoCCAMKAggDYhsKAXkSFgoUCAESEAoCCAEKAggBCgIIAQoCCAFCBAoAEBE="
)
"""A whole ONNX file: one 3x3 convolution of ones, float x (1, 1, 3, 3) -> y (1, 1, 1, 1). It needs cuBLAS and cuDNN."""


@dataclass(frozen=True, slots=True)
class Device:
    """Where networks run. ``note`` says why it is this one, when the user left the choice to us."""

    kind: Literal["cpu", "cuda"] = "cpu"
    index: int = 0
    note: str = field(default="", compare=False)

    def __str__(self) -> str:
        return "cpu" if self.kind == "cpu" else f"cuda:{self.index}"

    @property
    def options(self) -> dict[str, str]:
        """The options of ONNX Runtime's CUDA provider for this device."""
        return {
            "device_id": str(self.index),
            # The exhaustive search tries every algorithm again for each new shape of picture.
            "cudnn_conv_algo_search": "HEURISTIC",
            "arena_extend_strategy": "kSameAsRequested",
        }


def parse_device(wanted: str) -> tuple[Literal["auto", "cpu", "cuda"], int]:
    """Read "auto", "cpu", "cuda" or "cuda:N": the kind, and the number of the GPU (0 where none is given).

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
    """Turn ``--device`` into the device that will really be used.

    ``wanted``: "auto" (a GPU if one really opens, else the CPU with a note why), "cpu", "cuda" or "cuda:N".
    Errors: MissingError when a GPU was named or required and none opens; HenshinError for an unknown device.
    """
    kind, index = parse_device(wanted)
    if kind == "cpu":
        if require_gpu:
            raise HenshinError("device 'cpu' and a required GPU exclude each other")
        return Device("cpu")
    obstacle = cuda_problem(index)
    if obstacle is None:
        return Device("cuda", index)
    if kind == "auto" and not require_gpu:
        return Device("cpu", note=f"no GPU is used: {obstacle}")
    if kind == "auto":
        raise MissingError(f"a GPU is required, whatever the stages, and none can be used: {obstacle}")
    raise MissingError(f"device '{wanted}' cannot be used: {obstacle}")


@cache
def onnxruntime() -> Any:
    """Import ONNX Runtime, quiet. It loads in about 0.1 s, so only when a network is opened."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(_FATAL)
    return onnxruntime


@cache
def preload_cuda_libraries() -> None:
    """Load the CUDA and cuDNN libraries that pip has put beside PyTorch or ONNX Runtime, without a word.

    ONNX Runtime prints what it does not find, the harmless along with the rest: whether CUDA opens is asked of a
    session afterwards.
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
    """Return what keeps GPU ``index`` from being used, in one line with what would be right; None if it opens.

    onnxruntime-gpu lists its CUDA provider on every machine, so the answer comes from the driver and from a small
    convolution that is really run.
    """
    if CUDA not in onnxruntime().get_available_providers():
        return "the installed onnxruntime has no CUDA (onnxruntime-gpu has it, on Linux and Windows x86-64)"
    found = _driver_count()
    if found is None:
        return "no NVIDIA driver is installed"
    if index >= found:
        return f"the NVIDIA driver shows {found} GPU(s), and there is none with number {index}"
    preload_cuda_libraries()
    return _probe(Device("cuda", index))


def _driver_count() -> int | None:
    """Return how many GPUs the driver shows, or None where there is no driver. Costs a millisecond without one."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def _probe(device: Device) -> str | None:
    import numpy as np

    ort = onnxruntime()
    options = ort.SessionOptions()
    options.log_severity_level = _FATAL
    try:
        session = ort.InferenceSession(
            b64decode(_PROBE), options, providers=[(CUDA, device.options), CPU], enable_fallback=0
        )
        opened = CUDA in session.get_providers()
        result = session.run(None, {"x": np.ones((1, 1, 3, 3), np.float32)})[0]
    except Exception as error:  # ONNX Runtime has no common base for its errors
        return f"a convolution on it failed ({flatten(error)[:160]}); {HOW_TO_GET_CUDA}"
    if not opened or result.item() != 9.0:
        return f"CUDA or cuDNN do not open for onnxruntime {ort.__version__}; {HOW_TO_GET_CUDA}"
    return None
