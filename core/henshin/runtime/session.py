"""A session of ONNX Runtime for one ONNX file: named arrays in, named arrays out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from henshin.errors import HenshinError, MissingError
from henshin.files import is_file
from henshin.runtime.device import CPU, CUDA, HOW_TO_GET_CUDA, Device, onnxruntime, preload_cuda_libraries
from henshin.text import flatten

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

_LARGE = 1 << 20
"""Bytes of input above which a run frees its working memory: one large photo must not keep gigabytes allocated."""

AfterRun = Literal["auto", "keep", "return"]
"""Handling of the CPU's working memory after a run: "auto" frees it after a large run, "return" always."""

_MEMORY_WORDS = ("failed to allocate memory", "out of memory", "alloc_failed", "allocation_failed", "bad_alloc")


class NetworkError(HenshinError):
    """ONNX Runtime failed to run a network on its input."""


class OutOfMemoryError(NetworkError):
    """The device's memory is too small for this run. A smaller batch or tile may fit."""


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a network. A dimension is a number, or the name of one that may vary (or None)."""

    name: str
    shape: tuple[int | str | None, ...]
    type: str


class OnnxSession:
    """A session of ONNX Runtime on one device.

    ``providers`` are the providers in use; ``inputs`` and ``outputs`` are the ports in the file's order. ``memory`` may
    be set before a run by a caller that knows which run follows. Several threads may run it at once; ``threads`` work
    inside each run on a CPU, 0 for as many as the runtime takes.
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
        self._session = _open(self.path, device, threads)
        self.providers: list[str] = list(self._session.get_providers())
        if device.kind == "cuda" and CUDA not in self.providers:
            raise MissingError(f"{self.path.name} was to run on {device}, but CUDA did not open; {HOW_TO_GET_CUDA}")
        self.inputs = [Port(port.name, tuple(port.shape), port.type) for port in self._session.get_inputs()]
        self.outputs = [Port(port.name, tuple(port.shape), port.type) for port in self._session.get_outputs()]

    @property
    def provider(self) -> str:
        """ONNX Runtime's name of the provider that runs this network."""
        return self.providers[0]

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
            results = self._session.run(None, dict(feed), options)
        except MemoryError as error:
            raise OutOfMemoryError(f"{self.path.name}: out of memory") from error
        except Exception as error:  # ONNX Runtime has no common base for its errors
            raise _to_network_error(self.path.name, error) from error
        return {port.name: result for port, result in zip(self.outputs, results, strict=True)}


def _to_network_error(name: str, error: Exception) -> NetworkError:
    text = _reason(error)
    lowered = text.lower()
    if any(words in lowered for words in _MEMORY_WORDS):
        return OutOfMemoryError(f"{name}: out of memory")
    return NetworkError(f"{name}: {text}")


def _reason(error: Exception, limit: int = 240) -> str:
    """Return what an exception says in one line, without ONNX Runtime's prefix."""
    text = flatten(error).removeprefix("[ONNXRuntimeError] : ")
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _open(path: Path, device: Device, threads: int) -> Any:
    ort = onnxruntime()
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    # Memory patterns, one for each new shape, take half as much memory again and save no time.
    options.enable_mem_pattern = False
    # Spinning threads take CPU time from the threads that decode pictures.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers: list[Any] = [CPU]
    if device.kind == "cuda":
        preload_cuda_libraries()
        providers.insert(0, (CUDA, device.options))
    try:
        return ort.InferenceSession(str(path), options, providers=providers, enable_fallback=0)
    except Exception as error:  # ONNX Runtime has no common base for its errors
        raise HenshinError(f"{path}: cannot be opened as an ONNX model: {_reason(error)}") from error
