"""A session of OpenVINO on the CPU for one ONNX file: named arrays in, named arrays out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from henshin.errors import HenshinError, MissingError
from henshin.files import is_file
from henshin.runtime.openvino_core import openvino, openvino_core
from henshin.runtime.session import AfterRun, OutOfMemoryError, Port, error_reason, to_network_error

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

    ``threads`` is the number of threads that compute one run (None: all cores), ``at_once`` the number of runs that are
    computed at the same time; a further thread that calls waits. The weights are in memory once.
    Errors: MissingError if the file or the package is absent, or OpenVINO computes at another precision than the
    device's; HenshinError if the file is no valid ONNX model.
    """

    def __init__(self, path: Path | str, device: Device, threads: int | None = None, at_once: int = 1) -> None:
        self.path = Path(path)
        self.device = device
        self.memory: AfterRun = "auto"
        if not is_file(self.path):
            raise MissingError(f"{self.path}: there is no such model file")
        self.providers = [f"OpenVINO {device.precision}"]
        try:
            network = _read(self.path)
            self._compiled = openvino_core().compile_model(network, "CPU", _settings(device, threads, at_once))
        except MissingError:
            raise
        except Exception as error:
            raise HenshinError(f"{self.path}: cannot be opened as an ONNX model: {_reason(error)}") from error
        computed = self._compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        if computed != _HINTS[device.precision]:
            raise MissingError(f"{self.path.name} was to run on {device}, but OpenVINO computes it in {computed}")
        self.inputs = [_port(node.get_friendly_name(), node) for node in network.get_parameters()]
        # a result's name is that of the file's output with a suffix; its tensor may bear other names too
        names = [node.get_friendly_name().removesuffix("/sink_port_0") for node in network.get_results()]
        self.outputs = [_port(name, node) for name, node in zip(names, network.get_results(), strict=True)]
        self._requests: list[Any] = []

    @property
    def provider(self) -> str:
        """OpenVINO's name, with the precision in which it computes this network."""
        return self.providers[0]

    def run(self, feed: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[np.generic]]:
        """Run once on named arrays and return every output by its name. Several threads may do so at once.

        Errors: OutOfMemoryError, or NetworkError with OpenVINO's reason in one line.
        """
        request = self._take_request()
        try:
            for name, array in feed.items():
                request.set_tensor(name, _tensor(array))
            request.infer()
            results = [request.get_output_tensor(index).data.copy() for index in range(len(self.outputs))]
        except MemoryError as error:
            raise OutOfMemoryError(f"{self.path.name}: out of memory") from error
        except Exception as error:
            raise to_network_error(self.path.name, _reason(error)) from error
        large = self.memory == "auto" and sum(array.nbytes for array in feed.values()) > _LARGE
        if large or self.memory == "return":
            del request  # it holds its input and output
            self._compiled.release_memory()
        else:
            self._requests.append(request)
        return {port.name: result for port, result in zip(self.outputs, results, strict=True)}

    def _take_request(self) -> Any:
        """Return a request that no thread is using: one of earlier runs, or a new one."""
        try:
            return self._requests.pop()  # atomic, as append is
        except IndexError:
            return self._compiled.create_infer_request()


def _read(path: Path) -> Any:
    """Read an ONNX file. Core.read_model would try the formats of other libraries too, and print their complaints."""
    frontend = openvino().frontend.FrontEndManager().load_by_framework("onnx")
    return frontend.convert(frontend.load(str(path)))


def _settings(device: Device, threads: int | None, at_once: int) -> dict[str, Any]:
    settings: dict[str, Any] = {
        # By default it depends on the processor.
        "INFERENCE_PRECISION_HINT": _HINTS[device.precision],
        "NUM_STREAMS": at_once,
        # A thread bound to a core waits there for the threads that decode pictures.
        "ENABLE_CPU_PINNING": False,
        # Kernels that are kept for each shape seen take memory without end, and save nothing measurable.
        "CPU_RUNTIME_CACHE_CAPACITY": 0,
    }
    return settings if threads is None else {**settings, "INFERENCE_NUM_THREADS": threads * at_once}


def _tensor(array: npt.NDArray[Any]) -> Any:
    """Return an array as OpenVINO's, without a copy where it can be shared: contiguous and writeable."""
    import numpy as np

    shared = np.ascontiguousarray(array)
    return openvino().Tensor(shared if shared.flags.writeable else shared.copy(), shared_memory=True)


def _port(name: str, node: Any) -> Port:
    shape = tuple(side.get_length() if side.is_static else None for side in node.get_output_partial_shape(0))
    word = node.get_output_element_type(0).to_string()
    return Port(name, shape, f"tensor({_TYPES.get(word) or re.sub('^([iu])([0-9])', _integer, word)})")


def _integer(match: re.Match[str]) -> str:
    return ("int" if match[1] == "i" else "uint") + match[2]


def _reason(error: Exception) -> str:
    """Return OpenVINO's reason in one line: the last of its lines, which the places in its own source precede."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return error_reason(RuntimeError(lines[-1] if lines else type(error).__name__))
