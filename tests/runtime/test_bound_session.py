"""Buffers that stay on the device: for real on the CPU, and what ONNX Runtime is told on a GPU, by a stand-in."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from support import onnx as tiny
from support.paths import ROOT
from support.runtime import pictures_of, translated

from henshin.errors import HenshinError, MissingError
from henshin.models import Contract
from henshin.runtime import Device, Model, NetworkError, OnnxSession, OutOfMemoryError, open_session
from henshin.runtime import bound_session as module
from henshin.runtime.bound_session import BoundSession, to_fp16

CPU = Device("cpu")


def batches(rng: np.random.Generator, *shapes: tuple[int, int, int]) -> list[Any]:
    return [rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes]


# -- For real, with buffers of the CPU


def test_runs_of_one_shape_share_buffers_and_results_are_the_callers_own(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    network = BoundSession(tiny.enlarge(tmp_path / "enlarge.onnx", 2), CPU)
    given = batches(rng, (1, 5, 4), (1, 5, 4), (2, 5, 4), (1, 5, 4))
    results = [network.run({"pictures": batch})["pictures_out"] for batch in given]
    for batch, result in zip(given, results, strict=True):
        assert np.array_equal(result, batch.repeat(2, axis=1).repeat(2, axis=2))
    assert len(network._buffers) == 2


def test_the_buffers_of_a_few_shapes_are_kept(tmp_path: Path, rng: np.random.Generator) -> None:
    network = BoundSession(tiny.invert(tmp_path / "invert.onnx"), CPU)
    for _ in range(2):
        for batch in batches(rng, *[(1, side, 8) for side in range(3, 12)]):
            assert np.array_equal(network.run({"pictures": batch})["pictures_out"], 255 - batch)
    assert [shapes[0][1][1] for shapes in network._buffers] == [8, 9, 10, 11]


def test_a_failed_run_gives_its_buffers_back_and_fails_as_ever(tmp_path: Path, rng: np.random.Generator) -> None:
    network = BoundSession(tiny.reflecting(tmp_path / "reflecting.onnx"), CPU)
    good, bad = batches(rng, (1, 8, 8), (1, 2, 2))
    network.run({"pictures": good})
    with pytest.raises(NetworkError, match=r"^reflecting\.onnx: ") as caught:
        network.run({"pictures": bad})
    assert "\n" not in str(caught.value)
    assert not network._buffers
    assert np.array_equal(network.run({"pictures": good})["pictures_out"], good)


def test_a_view_is_as_good_as_an_array(tmp_path: Path, rng: np.random.Generator) -> None:
    network = BoundSession(tiny.invert(tmp_path / "invert.onnx"), CPU)
    (batch,) = batches(rng, (1, 9, 8))
    for view in (batch[:, ::2], batch[:, ::-2]):
        assert np.array_equal(network.run({"pictures": view})["pictures_out"], 255 - view)


# -- fp16


@pytest.mark.parametrize("name", ["selfie2anime", "carn-m-x2", "faces-synthesis"])
def test_a_model_computes_in_fp16_and_draws_the_same(name: str, rng: np.random.Generator) -> None:
    """fp32, int8 and modulated weights; on a CPU fp16 is rounded to at each node that computes it."""
    path = ROOT / "exported" / f"{name}.onnx"
    exact, half = OnnxSession(path, CPU), BoundSession(path, Device("cpu", precision="fp16"))
    assert half.providers == ["CPUExecutionProvider fp16"]
    feed: Any = rng.integers(0, 256, (1, 64, 64, 3), np.uint8)
    if name == "faces-synthesis":
        feed = rng.standard_normal((1, 10, 128)).astype(np.float32)
    (wanted,) = exact.run({exact.inputs[0].name: feed}).values()
    (found,) = half.run({exact.inputs[0].name: feed}).values()
    assert found.dtype == wanted.dtype == np.uint8
    difference = wanted.astype(int) - found.astype(int)
    assert 0 < np.abs(difference).max() <= 3
    assert np.mean(difference**2) < 0.2


def test_sums_over_pictures_stay_in_fp32() -> None:
    graph = onnx.load_from_string(to_fp16(ROOT / "exported" / "selfie2anime.onnx")).graph
    casts = {node.output[0]: node for node in graph.node if node.op_type == "Cast"}
    norms = [node for node in graph.node if node.op_type == "InstanceNormalization"]
    assert len(norms) > 10
    for node in norms:
        assert casts[node.input[0]].attribute[0].i == onnx.TensorProto.FLOAT
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    halves = {w.name for w in graph.initializer if w.data_type == onnx.TensorProto.FLOAT16}
    assert convolutions
    assert halves


def test_without_onnx_the_command_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingError, match=r"^fp16 on CUDA needs the package onnx: pip install onnx"):
        to_fp16(ROOT / "exported" / "carn-m-x2.onnx")


def test_a_broken_file_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"hello world" * 50)
    with pytest.raises(HenshinError, match=r"broken\.onnx: cannot be converted to fp16: \S") as caught:
        BoundSession(tmp_path / "broken.onnx", Device("cpu", precision="fp16"))
    assert "\n" not in str(caught.value)


# -- What is said to ONNX Runtime on a GPU


class Gpu:
    """A GPU that inverts, and takes note: arrays that are made there, and runs with where they read and write.

    ``capacity`` is the number of pictures that fit.
    """

    def __init__(self, capacity: int = 100) -> None:
        self.capacity = capacity
        self.made: list[tuple[str, int]] = []
        self.runs: list[tuple[int, int, str]] = []
        self.plain = 0
        self.opened: Any = None
        self.OrtValue = SimpleNamespace(ortvalue_from_numpy=self.to_device)

    def to_device(self, array: Any, where: str, index: int) -> Value:
        self.made.append((where, index))
        return Value(array)

    # the session

    def get_providers(self) -> list[str]:
        return [provider[0] if isinstance(provider, tuple) else provider for provider in self.opened.providers]

    def get_inputs(self) -> list[Any]:
        return [SimpleNamespace(name="pictures", shape=["n", "h", "w", 3], type="tensor(uint8)")]

    def get_outputs(self) -> list[Any]:
        return [SimpleNamespace(name="pictures_out", shape=["n", "h", "w", 3], type="tensor(uint8)")]

    def io_binding(self) -> Binding:
        return Binding()

    def run_with_iobinding(self, binding: Binding, options: Any) -> None:
        given = binding.given["pictures"]
        if len(given.array) > self.capacity:
            raise RuntimeError("[ONNXRuntimeError] : 1 : FAIL : CUDA failure 2: out of memory")
        if binding.result is None:
            binding.result = Value(255 - given.array)
        else:
            binding.result.array[...] = 255 - given.array
        graph = next((entry for entry in options if entry[0] == "gpu_graph_id"), ("", "none"))[1]
        self.runs.append((id(given), id(binding.result) if binding.bound else 0, graph))

    def run(self, names: Any, feed: Any, options: Any) -> list[Any]:
        self.plain += 1
        return [255 - feed["pictures"]]


class Value:
    def __init__(self, array: Any) -> None:
        self.array = array.copy()

    def update_inplace(self, array: Any) -> None:
        assert array.shape == self.array.shape
        self.array[...] = array

    def numpy(self) -> Any:
        return self.array.copy()


class Binding:
    def __init__(self) -> None:
        self.given: dict[str, Value] = {}
        self.result: Value | None = None
        self.bound = False
        self.asked: list[tuple[str, str, int]] = []

    def bind_ortvalue_input(self, name: str, value: Value) -> None:
        self.given[name] = value

    def bind_output(self, name: str, where: str, index: int) -> None:
        self.asked.append((name, where, index))

    def bind_ortvalue_output(self, name: str, value: Value) -> None:
        self.bound = value is self.result

    def get_outputs(self) -> list[Value]:
        assert self.result is not None
        return [self.result]


class Options(list[tuple[str, str]]):
    log_severity_level = 0

    def add_run_config_entry(self, key: str, value: str) -> None:
        self.append((key, value))


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    machine = Gpu()

    def opened(path: Path, source: Any, device: Device, _: int) -> Any:
        machine.opened = SimpleNamespace(source=source, providers=device.providers)
        return machine

    monkeypatch.setattr("henshin.runtime.session._open", opened)
    monkeypatch.setattr("henshin.runtime.session.onnxruntime", lambda: SimpleNamespace(RunOptions=Options))
    monkeypatch.setattr(module, "onnxruntime", lambda: machine)
    return machine


def on(device: Device, tmp_path: Path) -> Any:
    return open_session(tiny.invert(tmp_path / "invert.onnx"), device, gives_pictures=True)


def test_on_a_gpu_nothing_is_allocated_after_the_first_run_of_a_shape(
    gpu: Gpu, tmp_path: Path, rng: np.random.Generator
) -> None:
    network = on(Device("cuda", 1), tmp_path)
    for batch in batches(rng, *[(2, 4, 5)] * 4):
        assert np.array_equal(network.run({"pictures": batch})["pictures_out"], 255 - batch)
    assert gpu.made == [("cuda", 1)]
    assert [output == 0 for _, output, _ in gpu.runs] == [True, False, False, False]
    assert len(set(gpu.runs[1:])) == 1, "one place to read and one to write"
    assert gpu.runs[0][2] == "none"
    (buffers,) = network._buffers.values()
    assert buffers.binding.asked == [("pictures_out", "cuda", 1)]


def test_a_graph_is_recorded_for_each_shape_once_its_buffers_stand(
    gpu: Gpu, tmp_path: Path, rng: np.random.Generator
) -> None:
    network = on(Device("cuda", graphs=True), tmp_path)
    for batch in batches(rng, (2, 4, 5), (2, 4, 5), (1, 4, 5), (2, 4, 5), (1, 4, 5), (1, 4, 5)):
        network.run({"pictures": batch})
    assert [graph for _, _, graph in gpu.runs] == ["-1", "1", "-1", "1", "2", "2"]


def test_a_graph_of_tensorrt_is_its_own_business(gpu: Gpu, tmp_path: Path, rng: np.random.Generator) -> None:
    network = on(Device("tensorrt", 0, "fp16", graphs=True), tmp_path)
    (batch,) = batches(rng, (2, 4, 5))
    network.run({"pictures": batch})
    assert network.providers[:2] == ["TensorrtExecutionProvider fp16", "CUDAExecutionProvider"]
    assert [graph for _, _, graph in gpu.runs] == ["none"]
    assert gpu.opened.source == str(tmp_path / "invert.onnx"), "TensorRT converts by itself"


def test_cuda_is_given_the_network_in_fp16(gpu: Gpu, tmp_path: Path) -> None:
    network = on(Device("cuda", 0, "fp16"), tmp_path)
    assert network.providers[0] == "CUDAExecutionProvider fp16"
    onnx.checker.check_model(onnx.load_from_string(gpu.opened.source))


def test_a_detector_on_a_gpu_is_plain_cuda_in_fp32(gpu: Gpu, tmp_path: Path, rng: np.random.Generator) -> None:
    path = tiny.invert(tmp_path / "detector.onnx")
    network = open_session(path, Device("tensorrt", 1, "fp16", graphs=True), gives_pictures=False)
    (batch,) = batches(rng, (1, 4, 5))
    assert np.array_equal(network.run({"pictures": batch})["pictures_out"], 255 - batch)
    assert network.providers == ["CUDAExecutionProvider", "CPUExecutionProvider"]
    assert (gpu.opened.source, gpu.plain, gpu.runs) == (str(path), 1, [])


def test_a_provider_that_did_not_open_is_an_error(gpu: Gpu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for missing, device, words in (
        ("TensorrtExecutionProvider", Device("tensorrt"), "tensorrt:0, but TensorRT did not open; .*pip install"),
        ("CUDAExecutionProvider", Device("cuda", 0, "fp16"), "cuda:0:fp16, but CUDA did not open; .*pip install"),
    ):
        every = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
        monkeypatch.setattr(gpu, "get_providers", lambda out=missing, all_=every: [p for p in all_ if p != out])
        with pytest.raises(MissingError, match=rf"^invert\.onnx was to run on {words}"):
            on(device, tmp_path)


def test_short_memory_on_a_gpu_halves_the_batches(gpu: Gpu, tmp_path: Path, rng: np.random.Generator) -> None:
    gpu.capacity = 3
    network = on(Device("cuda", graphs=True), tmp_path)
    with pytest.raises(OutOfMemoryError):
        network.run({"pictures": np.zeros((8, 6, 6, 3), np.uint8)})
    assert not network._buffers
    pictures = pictures_of(rng, *[(6, 6)] * 8)
    results = translated(Model(Contract(name="invert"), network, batch_size=8), pictures)
    assert all(np.array_equal(result, 255 - picture) for picture, result in zip(pictures, results, strict=True))
    assert {shapes[0][1][0] for shapes in network._buffers} == {2}
