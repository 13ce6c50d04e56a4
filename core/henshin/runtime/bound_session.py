"""A session of ONNX Runtime for GPUs: buffers that stay on the device (IO binding), CUDA graphs, and fp16."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Any

from henshin.errors import HenshinError, MissingError
from henshin.runtime.device import onnxruntime
from henshin.runtime.session import OnnxSession
from henshin.text import flatten

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from henshin.runtime.device import Device

    Feed = dict[str, npt.NDArray[Any]]
    Shapes = tuple[tuple[str, tuple[int, ...], str], ...]

_SHAPES = 4
"""Shapes of input whose buffers are kept: whole batches, the last one of a run, and those of another size."""

_NOT_RECORDED = -1
"""The number of a CUDA graph that ONNX Runtime neither records nor replays."""


_SUMS = ["InstanceNormalization", "ReduceMean", "ReduceSum", "ReduceSumSquare", "Pow", "Softmax"]
"""Operators that stay in fp32: they sum over whole pictures, and fp16 ends at 65504."""


class BoundSession(OnnxSession):
    """A session of a network whose outputs' shapes follow from those of its inputs, for a GPU.

    Runs of one shape copy their input into the buffer of the runs before and find their result where those had it, so
    nothing is allocated; with ``device.graphs`` their work is recorded once and then replayed. At ``fp16`` on CUDA the
    network is converted when it is opened; TensorRT chooses the precision of each layer itself.
    Threads wait for each other: a GPU computes one batch after the other.
    Errors: those of OnnxSession; MissingError if fp16 needs a package that is not installed.
    """

    def __init__(self, path: Path | str, device: Device) -> None:
        super().__init__(path, device)
        if device.precision != "fp32":
            self.providers[0] += f" {device.precision}"
        self._lock = Lock()
        self._buffers: OrderedDict[Shapes, _Buffers] = OrderedDict()
        self._recorded = 0

    def _source(self) -> str | bytes:
        if self.device.precision == "fp16" and self.device.kind != "tensorrt":
            return to_fp16(self.path)
        return super()._source()

    def _execute(self, feed: Feed, options: Any) -> list[npt.NDArray[np.generic]]:
        with self._lock:
            try:
                return self._run_bound(feed, options)
            except Exception:
                self._buffers.clear()  # memory may be what was short
                raise

    def _run_bound(self, feed: Feed, options: Any) -> list[npt.NDArray[np.generic]]:
        shapes = tuple((name, array.shape, array.dtype.str) for name, array in feed.items())
        buffers = self._buffers.get(shapes)
        if buffers is None:
            buffers = self._buffers[shapes] = self._bind(feed)
            if len(self._buffers) > _SHAPES:
                self._buffers.popitem(last=False)
        else:
            self._buffers.move_to_end(shapes)
            buffers.fill(feed)
        if self.device.graphs and self.device.kind == "cuda":
            options.add_run_config_entry("gpu_graph_id", str(buffers.graph))
        self._session.run_with_iobinding(buffers.binding, options)
        results = buffers.results()
        if buffers.graph == _NOT_RECORDED and self.device.graphs:
            # what is recorded must find its outputs in one place, and that is known from now on
            self._recorded += 1
            buffers.graph = self._recorded
        return results

    def _bind(self, feed: Feed) -> _Buffers:
        import numpy as np

        where, index = ("cuda", self.device.index) if self.device.is_gpu else ("cpu", 0)
        binding = self._session.io_binding()
        inputs = {}
        for name, array in feed.items():
            # a copy, for on the CPU the buffer would be the caller's array
            inputs[name] = onnxruntime().OrtValue.ortvalue_from_numpy(np.array(array, order="C"), where, index)
            binding.bind_ortvalue_input(name, inputs[name])
        for port in self.outputs:
            binding.bind_output(port.name, where, index)
        return _Buffers(binding, inputs, [port.name for port in self.outputs], self.device.is_gpu)


class _Buffers:
    """The inputs and outputs of runs of one shape, on the device.

    ``graph`` is the number of their CUDA graph. ONNX Runtime allocates the outputs in the first run.
    """

    def __init__(self, binding: Any, inputs: dict[str, Any], outputs: list[str], on_gpu: bool) -> None:
        self.binding = binding
        self.graph = _NOT_RECORDED
        self._inputs = inputs
        self._names = outputs
        self._on_gpu = on_gpu
        self._outputs: list[Any] = []

    def fill(self, feed: Feed) -> None:
        """Copy arrays into the inputs."""
        import numpy as np

        for name, array in feed.items():
            self._inputs[name].update_inplace(np.ascontiguousarray(array))

    def results(self) -> list[npt.NDArray[np.generic]]:
        """Return copies of the outputs, and keep their buffers for the next run."""
        if not self._outputs:
            self._outputs = self.binding.get_outputs()
            for name, value in zip(self._names, self._outputs, strict=True):
                self.binding.bind_ortvalue_output(name, value)
        # of a buffer of the CPU, `numpy` gives a view
        return [value.numpy() if self._on_gpu else value.numpy().copy() for value in self._outputs]


def to_fp16(path: Path) -> bytes:
    """Return the ONNX file with its arithmetic in fp16; inputs and outputs keep their types.

    ONNX Runtime's own converter does it. Errors: MissingError without the package onnx; HenshinError if the file
    cannot be converted.
    """
    try:
        import onnx
        from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16
    except ImportError as error:
        raise MissingError(f"fp16 on CUDA needs the package onnx: pip install onnx ({error})") from error
    try:
        model = convert_float_to_float16(
            onnx.load(path), keep_io_types=True, op_block_list=[*DEFAULT_OP_BLOCK_LIST, *_SUMS]
        )
        # the converter repeats the cast of a constant for each node that takes it, under one name
        once = {node.output[0]: node for node in reversed(model.graph.node)}
        nodes = [node for node in model.graph.node if once[node.output[0]] is node]
        del model.graph.node[:]
        model.graph.node.extend(nodes)
        content: bytes = model.SerializeToString()
    except Exception as error:
        raise HenshinError(f"{path}: cannot be converted to fp16: {flatten(error)[:160]}") from error
    return content
