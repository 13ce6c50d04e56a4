"""The devices that run networks: a GPU is tested by running a convolution; no fallback is silent."""

from __future__ import annotations

import contextlib
import ctypes
import io
import re
import sys
import warnings
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from typing import Any, Literal

from henshin.errors import HenshinError, MissingError
from henshin.files import user_cache
from henshin.runtime.device_choice import Choice, Precision, parse_choice
from henshin.text import flatten

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"
HOW_TO_GET_CUDA = "its libraries come with: pip install 'henshin[cuda]'"
HOW_TO_GET_TENSORRT = "its libraries come with: pip install tensorrt"

Kind = Literal["cpu", "openvino", "cuda", "tensorrt"]

_FATAL = 4
"""ONNX Runtime's log level: errors are found by exceptions and `get_providers`, so nothing is logged to stderr."""

_PROBE = (
    "CAg6hwEKDwoBeAoBdxIBeSIEQ29udhIFcHJvYmUqMwgBCAEIAwgDEAFCAXdKJAAAgD8AAIA/AACAPwAAgD8AAIA/AACAPwAAgD8AAIA/AACAP1ob"
    "CgF4EhYKFAgBEhAKAggBCgIIAQoCCAMKAggDYhsKAXkSFgoUCAESEAoCCAEKAggBCgIIAQoCCAFCBAoAEBE="
)
"""An ONNX file in base64: a 3x3 convolution of ones, float x (1, 1, 3, 3) -> y (1, 1, 1, 1); needs cuBLAS and cuDNN."""


@dataclass(frozen=True, slots=True)
class Device:
    """The device that runs the networks. ``note`` gives the reason if "auto" chose the CPU.

    "cpu" and "cuda" are ONNX Runtime's, "tensorrt" is NVIDIA's compiler for GPUs below ONNX Runtime, "openvino" is
    OpenVINO on the CPU. ``precision`` is that of the arithmetic in networks that give pictures; all others compute in
    fp32. ``graphs``: the work of a GPU for one shape of batch is recorded once and replayed as a CUDA graph.
    """

    kind: Kind = "cpu"
    index: int = 0
    precision: Precision = "fp32"
    graphs: bool = False
    note: str = field(default="", compare=False)

    def __str__(self) -> str:
        words: list[str] = [self.kind]
        if self.is_gpu:
            words.append(str(self.index))
        if self.precision != "fp32" or self.kind == "openvino":
            words.append(self.precision)
        return ":".join([*words, "graphs"] if self.graphs else words)

    @property
    def is_gpu(self) -> bool:
        """Whether the networks run on a GPU."""
        return self.kind in ("cuda", "tensorrt")

    @property
    def hardware(self) -> str:
        """The processor, "cpu" or "cuda:N": PyTorch's name for it."""
        return f"cuda:{self.index}" if self.is_gpu else "cpu"

    @property
    def exact(self) -> Device:
        """The device for networks that give numbers rather than pictures, as detectors do: fp32, nothing recorded.

        TensorRT compiles an engine for each shape of input, of which a detector has too many: CUDA runs it.
        """
        return replace(self, kind="cuda" if self.is_gpu else self.kind, precision="fp32", graphs=False)

    @property
    def providers(self) -> list[Any]:
        """ONNX Runtime's execution providers for this device, with their options, in order of preference."""
        chosen: list[Any] = [CPU]
        if self.is_gpu:
            chosen.insert(0, (CUDA, self._cuda_options()))
        if self.kind == "tensorrt":
            chosen.insert(0, (TENSORRT, self._tensorrt_options()))
        return chosen

    def _cuda_options(self) -> dict[str, str]:
        return {
            "device_id": str(self.index),
            # The default, an exhaustive search, tries every algorithm again for each new shape of picture.
            "cudnn_conv_algo_search": "HEURISTIC",
            "arena_extend_strategy": "kSameAsRequested",
            **({"enable_cuda_graph": "1"} if self.graphs and self.kind == "cuda" else {}),
        }

    def _tensorrt_options(self) -> dict[str, str]:
        # An engine takes up to minutes to build, so it is kept; ONNX Runtime names its file after the model, its
        # shapes, the precision, the GPU and TensorRT's version.
        folder = user_cache() / "tensorrt"
        return {
            "device_id": str(self.index),
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": str(folder),
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": str(folder),
            **({"trt_fp16_enable": "1"} if self.precision == "fp16" else {}),
            **({"trt_cuda_graph_enable": "1"} if self.graphs else {}),
        }


def parse_device(wanted: str) -> tuple[Literal["auto", "cpu", "cuda"], int]:
    """Return the kind of a device for training, "auto", "cpu", "cuda" or "cuda:N", and the number of the GPU (or 0).

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

    ``wanted``: "auto" (a GPU if one works, else the CPU with a note of the reason), or what ``parse_choice`` takes.
    Errors: MissingError if a GPU is named or required and does not work, or OpenVINO is named and absent, or the
    processor lacks a precision that is named; HenshinError for an unknown device.
    """
    choice = parse_choice(wanted)
    if choice.kind in ("cpu", "openvino"):
        if require_gpu:
            raise HenshinError(f"device '{wanted}' and a required GPU exclude each other")
        return Device("cpu") if choice.kind == "cpu" else _resolve_openvino(wanted, choice)
    problem = cuda_problem(choice.index)
    if problem is None and choice.kind == "tensorrt":
        problem = tensorrt_problem(choice.index)
    if problem is None:
        kind: Kind = "tensorrt" if choice.kind == "tensorrt" else "cuda"
        return Device(kind, choice.index, choice.precision or "fp32", choice.graphs)
    if choice.kind == "auto" and not require_gpu:
        return Device("cpu", note=f"no GPU is used: {problem}")
    if choice.kind == "auto":
        raise MissingError(f"a GPU is required, whatever the stages, and none can be used: {problem}")
    raise MissingError(f"device '{wanted}' cannot be used: {problem}")


def _resolve_openvino(wanted: str, choice: Choice) -> Device:
    """Return the device of OpenVINO at the precision that is named, or the fastest of the processor."""
    from henshin.runtime.openvino_core import computes_bf16

    has_bf16 = computes_bf16()
    if choice.precision == "bf16" and not has_bf16:
        raise MissingError(
            f"device '{wanted}' cannot be used: this processor does not compute bf16; 'openvino' is fp32 on it"
        )
    return Device("openvino", precision=choice.precision or ("bf16" if has_bf16 else "fp32"))


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
    if load is not None:
        _call_silently(load)


@cache
def preload_tensorrt_libraries() -> None:
    """Load the TensorRT libraries that pip installed: the package `tensorrt` does it when it is imported."""
    _call_silently(lambda: import_module("tensorrt"))


def _call_silently(load: Callable[[], Any]) -> None:
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
    return _probe(Device("cuda", index), CUDA)


@cache
def tensorrt_problem(index: int) -> str | None:
    """Return why TensorRT cannot be used on GPU ``index``, which works under CUDA, or None if it can."""
    if TENSORRT not in onnxruntime().get_available_providers():
        return "the installed onnxruntime has no TensorRT (onnxruntime-gpu has it, on Linux and Windows x86-64)"
    preload_tensorrt_libraries()
    return _probe(Device("tensorrt", index), TENSORRT)


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


def _probe(device: Device, wanted: str) -> str | None:
    """Run the convolution on a GPU, by the provider that is wanted. Return why it failed, or None."""
    import numpy as np

    ort = onnxruntime()
    options = ort.SessionOptions()
    options.log_severity_level = _FATAL
    advice = HOW_TO_GET_CUDA if wanted == CUDA else HOW_TO_GET_TENSORRT
    try:
        session = ort.InferenceSession(b64decode(_PROBE), options, providers=device.providers, enable_fallback=0)
        opened = wanted in session.get_providers()
        result = session.run(None, {"x": np.ones((1, 1, 3, 3), np.float32)})[0]
    except Exception as error:  # ONNX Runtime has no common base for its errors
        return f"a convolution on it failed ({flatten(error)[:160]}); {advice}"
    if not opened or result.item() != 9.0:
        libraries = "CUDA or cuDNN do" if wanted == CUDA else "TensorRT does"
        return f"{libraries} not open for onnxruntime {ort.__version__}; {advice}"
    return None
