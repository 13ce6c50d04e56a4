"""A session of OpenVINO on the CPU for one ONNX file: named arrays in, named arrays out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from henshin.errors import HenshinError, MissingError
from henshin.files import is_file
from henshin.runtime.openvino_core import openvino, openvino_core
from henshin.runtime.session import AfterRun, NetworkError, Port, error_reason, speaks_of_memory, to_network_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

    from henshin.runtime.device import Device

_LARGE = 1 << 20
"""Bytes of input above which a run frees its working memory: one large photo must not keep gigabytes allocated."""

_HINTS = {"fp32": "f32", "bf16": "bf16"}
"""OpenVINO's words for the precisions."""

_TYPES = {"f32": "float", "f64": "double", "f16": "float16", "bf16": "bfloat16", "u8": "uint8", "boolean": "bool"}
"""ONNX's words for OpenVINO's types, where they differ by more than "i64" does from "int64"."""


class OpenVinoSession:
    """A session of OpenVINO on the CPU, with the interface of ``Session``.

    ``threads`` is the number of threads that compute one run (0: all cores), ``at_once`` the number of runs that are
    computed at the same time; a further thread that calls waits. The weights are in memory once.
    Errors: MissingError if the file or the package is absent, or OpenVINO computes at another precision than the
    device's; HenshinError if the file is no valid ONNX model.
    """

    def __init__(self, path: Path | str, device: Device, threads: int = 0, at_once: int = 1) -> None:
        self.path = Path(path)
        self.device = device
        self.threads = threads
        self.memory: AfterRun = "auto"
        if not is_file(self.path):
            raise MissingError(f"{self.path}: there is no such model file")
        self.providers = [f"OpenVINO {device.precision}"]
        self._settings = _settings(device, threads, at_once)
        network, compiled = self._compile()
        self._compiled: _Compiled | None = compiled
        computed = compiled.network.get_property("INFERENCE_PRECISION_HINT").to_string()
        if computed != _HINTS[device.precision]:
            raise MissingError(f"{self.path.name} was to run on {device}, but OpenVINO computes it in {computed}")
        self.inputs = [_port(node.get_friendly_name(), node) for node in network.get_parameters()]
        # a result's name is that of the file's output with a suffix; its tensor may bear other names too
        names = [node.get_friendly_name().removesuffix("/sink_port_0") for node in network.get_results()]
        self.outputs = [_port(name, node) for name, node in zip(names, network.get_results(), strict=True)]

    @property
    def provider(self) -> str:
        """OpenVINO's name, with the precision in which it computes this network."""
        return self.providers[0]

    def run(self, feed: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[np.generic]]:
        """Run once on named arrays and return every output by its name. Several threads may do so at once.

        Errors: OutOfMemoryError, or NetworkError with OpenVINO's reason in one line.
        """
        absent = [port.name for port in self.inputs if port.name not in feed]
        if absent:
            raise NetworkError(f"{self.path.name}: no array is given for its input '{absent[0]}'")
        compiled = self._compiled or self._compile()[1]
        self._compiled = compiled
        request = compiled.take_request()
        try:
            arrays = {name: _shareable(array) for name, array in feed.items()}  # OpenVINO only points to them
            for name, array in arrays.items():
                request.set_tensor(name, openvino().Tensor(array, shared_memory=True))
            request.infer()
            results = [request.get_output_tensor(index).data.copy() for index in range(len(self.outputs))]
        except Exception as error:
            reason = _reason(error)
            if speaks_of_memory(reason):
                # the next run, of whatever size, would ask for as much again: it compiles the network anew
                self._compiled = None
            raise to_network_error(self.path.name, reason) from error
        large = self.memory == "auto" and sum(array.nbytes for array in feed.values()) > _LARGE
        if large or self.memory == "return":
            del request  # it holds its input and output
            compiled.network.release_memory()
        else:
            compiled.requests.append(request)
        return {port.name: result for port, result in zip(self.outputs, results, strict=True)}

    def _compile(self) -> tuple[Any, _Compiled]:
        """Return the network as it was read, and compiled. Errors: HenshinError."""
        core = openvino_core()
        try:
            network = _read(self.path)
            return network, _Compiled(core.compile_model(network, "CPU", self._settings))
        except Exception as error:
            raise HenshinError(f"{self.path}: cannot be opened as an ONNX model: {_reason(error)}") from error


class _Compiled:
    """A compiled network with the requests of earlier runs that no thread is using."""

    def __init__(self, network: Any) -> None:
        self.network = network
        self.requests: list[Any] = []

    def take_request(self) -> Any:
        """Return a request for one run."""
        try:
            return self.requests.pop()  # atomic, as append is
        except IndexError:
            return self.network.create_infer_request()


def _read(path: Path) -> Any:
    """Read an ONNX file. Core.read_model would try the formats of other libraries too, and print their complaints."""
    frontend = openvino().frontend.FrontEndManager().load_by_framework("onnx")
    network = frontend.convert(frontend.load(str(path)))
    if not network.get_results():
        raise ValueError("it holds no network")
    return network


def _settings(device: Device, threads: int, at_once: int) -> dict[str, Any]:
    settings: dict[str, Any] = {
        # By default it depends on the processor.
        "INFERENCE_PRECISION_HINT": _HINTS[device.precision],
        "NUM_STREAMS": at_once,
        # A thread bound to a core waits there for the threads that decode pictures.
        "ENABLE_CPU_PINNING": False,
        # Kernels that are kept for each shape seen take memory without end, and save nothing measurable.
        "CPU_RUNTIME_CACHE_CAPACITY": 0,
    }
    return {**settings, "INFERENCE_NUM_THREADS": threads * at_once} if threads else settings


def _shareable(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return an array whose memory OpenVINO can use: contiguous and writeable; a copy if it is not."""
    import numpy as np

    shared = np.ascontiguousarray(array)
    return shared if shared.flags.writeable else shared.copy()


def _port(name: str, node: Any) -> Port:
    shape = tuple(side.get_length() if side.is_static else None for side in node.get_output_partial_shape(0))
    word = node.get_output_element_type(0).to_string()
    return Port(name, shape, f"tensor({_TYPES.get(word) or re.sub('^([iu])([0-9])', _integer, word)})")


def _integer(match: re.Match[str]) -> str:
    return ("int" if match[1] == "i" else "uint") + match[2]


def _reason(error: Exception) -> str:
    """Return OpenVINO's reason in one line: the last of its lines, which the places in its own source precede."""
    if isinstance(error, MemoryError):
        return "out of memory"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return error_reason(RuntimeError(lines[-1] if lines else type(error).__name__))
