"""What every session is, and the session of ONNX Runtime: one ONNX file, named arrays in, named arrays out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from henshin.errors import HenshinError, MissingError
from henshin.files import is_file
from henshin.runtime.device import (
    CUDA,
    HOW_TO_GET_CUDA,
    HOW_TO_GET_TENSORRT,
    TENSORRT,
    Device,
    onnxruntime,
    preload_cuda_libraries,
    preload_tensorrt_libraries,
)
from henshin.text import flatten

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

_LARGE = 1 << 20
"""Bytes of input above which a run frees its working memory: one large photo must not keep gigabytes allocated."""

AfterRun = Literal["auto", "keep", "return"]
"""Handling of the CPU's working memory after a run: "auto" frees it after a large run, "return" always."""

_MEMORY_WORDS = ("failed to allocate", "out of memory", "alloc_failed", "allocation_failed", "bad_alloc")


class NetworkError(HenshinError):
    """A network failed on its input."""


class OutOfMemoryError(NetworkError):
    """The device's memory is too small for this run. A smaller batch or tile may fit."""


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a network. A dimension is a number, or the name of one that may vary (or None)."""

    name: str
    shape: tuple[int | str | None, ...]
    type: str


class Session(Protocol):
    """An open network. Several threads may run it at once.

    ``providers`` are the libraries, or ONNX Runtime's execution providers, that compute it, the first one as far as it
    can; ``inputs`` and ``outputs`` are the ports in the file's order. ``memory`` may be set before a run by a caller
    that knows which run follows. ``threads`` compute one run on a CPU, 0 for as many as the library takes.
    """

    path: Path
    device: Device
    threads: int
    memory: AfterRun
    providers: list[str]
    inputs: list[Port]
    outputs: list[Port]

    @property
    def provider(self) -> str:
        """The provider that computes this network as far as it can."""

    def run(self, feed: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[np.generic]]:
        """Run once on named arrays and return every output by its name. Errors: OutOfMemoryError, NetworkError."""


class OnnxSession:
    """A session of ONNX Runtime on one device.

    ``threads`` compute one run on a CPU, 0 for as many as the runtime takes.
    Errors: MissingError if the file is absent, or a GPU was chosen and the session opened without it; HenshinError if
    the file is no valid ONNX model.
    """

    def __init__(self, path: Path | str, device: Device, threads: int = 0) -> None:
        self.path = Path(path)
        self.device = device
        self.threads = threads
        self.memory: AfterRun = "auto"
        if not is_file(self.path):
            raise MissingError(f"{self.path}: there is no such model file")
        self._session = _open(self.path, self._source(), device, threads)
        self.providers: list[str] = list(self._session.get_providers())
        _check_providers(self.path, device, self.providers)
        self.inputs = [Port(port.name, tuple(port.shape), port.type) for port in self._session.get_inputs()]
        self.outputs = [Port(port.name, tuple(port.shape), port.type) for port in self._session.get_outputs()]

    @property
    def provider(self) -> str:
        """ONNX Runtime's name of the provider that runs this network."""
        return self.providers[0]

    def _source(self) -> str | bytes:
        """Return what ONNX Runtime is to open: the path, or the bytes of a changed network."""
        return str(self.path)

    def _execute(self, feed: dict[str, npt.NDArray[Any]], options: Any) -> list[npt.NDArray[np.generic]]:
        """Run under ONNX Runtime's run options; return the outputs in the file's order."""
        results: list[npt.NDArray[np.generic]] = self._session.run(None, feed, options)
        return results

    def run(self, feed: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[np.generic]]:
        """Run once on named arrays and return every output by its name.

        Errors: OutOfMemoryError, or NetworkError with ONNX Runtime's reason in one line.
        """
        ort = onnxruntime()
        options = ort.RunOptions()
        options.log_severity_level = 4
        large = self.memory == "auto" and sum(array.nbytes for array in feed.values()) > _LARGE
        if self.device.kind == "cpu" and (large or self.memory == "return"):
            options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        try:
            results = self._execute(dict(feed), options)
        except MemoryError as error:
            raise OutOfMemoryError(f"{self.path.name}: out of memory") from error
        except Exception as error:  # ONNX Runtime has no common base for its errors
            raise to_network_error(self.path.name, error_reason(error)) from error
        return {port.name: result for port, result in zip(self.outputs, results, strict=True)}


def to_network_error(name: str, reason: str) -> NetworkError:
    """Return the error of a failed run of the network in a file: OutOfMemoryError where the reason speaks of memory."""
    if speaks_of_memory(reason):
        return OutOfMemoryError(f"{name}: out of memory")
    return NetworkError(f"{name}: {reason}")


def speaks_of_memory(reason: str) -> bool:
    """Return whether the reason of a failed run is that memory was short."""
    lowered = reason.lower()
    return any(words in lowered for words in _MEMORY_WORDS)


def error_reason(error: Exception, limit: int = 240) -> str:
    """Return what an exception says in one line, without ONNX Runtime's prefix."""
    text = flatten(error).removeprefix("[ONNXRuntimeError] : ")
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _check_providers(path: Path, device: Device, providers: list[str]) -> None:
    """Check that a session opened where it was to run. Errors: MissingError."""
    if device.kind == "tensorrt" and TENSORRT not in providers:
        raise MissingError(f"{path.name} was to run on {device}, but TensorRT did not open; {HOW_TO_GET_TENSORRT}")
    if device.is_gpu and CUDA not in providers:
        raise MissingError(f"{path.name} was to run on {device}, but CUDA did not open; {HOW_TO_GET_CUDA}")


def _open(path: Path, source: str | bytes, device: Device, threads: int) -> Any:
    ort = onnxruntime()
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    # Memory patterns, one for each new shape, take half as much memory again and save no time.
    options.enable_mem_pattern = False
    # Spinning threads take CPU time from the threads that decode pictures.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if device.is_gpu:
        preload_cuda_libraries()
    if device.kind == "tensorrt":
        preload_tensorrt_libraries()
    try:
        return ort.InferenceSession(source, options, providers=device.providers, enable_fallback=0)
    except Exception as error:  # ONNX Runtime has no common base for its errors
        raise HenshinError(f"{path}: cannot be opened as an ONNX model: {error_reason(error)}") from error
