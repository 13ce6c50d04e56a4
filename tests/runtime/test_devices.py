"""The words for devices of networks, and what a device says of itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from henshin.errors import HenshinError, MissingError
from henshin.runtime import Device, parse_choice, parse_device, resolve_device
from henshin.runtime import device as device_module
from henshin.runtime.device_choice import Choice


@pytest.mark.parametrize(
    ("wanted", "choice"),
    [
        ("auto", Choice("auto")),
        ("cpu", Choice("cpu")),
        ("openvino", Choice("openvino")),
        ("openvino:fp32", Choice("openvino", precision="fp32")),
        ("openvino:bf16", Choice("openvino", precision="bf16")),
        ("cuda", Choice("cuda")),
        ("cuda:12", Choice("cuda", 12)),
        ("cuda:fp16", Choice("cuda", precision="fp16")),
        ("cuda:1:fp16:graphs", Choice("cuda", 1, "fp16", True)),
        ("cuda:graphs:1", Choice("cuda", 1, graphs=True)),
        ("tensorrt:0:fp16", Choice("tensorrt", 0, "fp16")),
    ],
)
def test_words_follow_a_device_in_any_order(wanted: str, choice: Choice) -> None:
    assert parse_choice(wanted) == choice


@pytest.mark.parametrize(
    ("wanted", "right"),
    [
        ("tpu", "or openvino"),
        ("", "or openvino"),
        ("auto:fp32", "nothing follows 'auto'"),
        ("cpu:bf16", "nothing follows 'cpu'"),
        ("openvino:f32", "after 'openvino:' come fp32 or bf16"),
        ("openvino:fp16", "after 'openvino:' come fp32 or bf16"),
        ("openvino:0", "after 'openvino:' come fp32 or bf16"),
        ("openvino:fp32:bf16", "each once"),
        ("cuda:bf16", "the number of a GPU, fp32 or fp16, and graphs"),
        ("cuda:0:1", "each once"),
        ("cuda::fp16", "the number of a GPU"),
    ],
)
def test_a_wrong_word_says_what_would_be_right(wanted: str, right: str) -> None:
    with pytest.raises(HenshinError, match=f"^no device '{wanted}': .*{right}") as caught:
        parse_choice(wanted)
    assert "\n" not in str(caught.value)


def test_a_device_is_named_by_the_words_that_choose_it() -> None:
    for words in ("cpu", "openvino:bf16", "openvino:fp32", "cuda:0", "cuda:1:fp16", "tensorrt:0:fp16:graphs"):
        choice = parse_choice(words)
        assert choice.kind != "auto"
        assert str(Device(choice.kind, choice.index, choice.precision or "fp32", choice.graphs)) == words


def test_networks_that_give_numbers_are_computed_in_fp32_and_not_compiled() -> None:
    assert Device("openvino", precision="bf16").exact == Device("openvino")
    assert Device("cuda", 1, "fp16", graphs=True).exact == Device("cuda", 1)
    assert Device("tensorrt", 1, "fp16").exact == Device("cuda", 1)
    assert Device("cpu").exact == Device("cpu")


def test_pytorch_is_told_of_the_processor() -> None:
    devices = (Device("cpu"), Device("openvino", precision="bf16"), Device("cuda", 2), Device("tensorrt", 1, "fp16"))
    assert [device.hardware for device in devices] == ["cpu", "cpu", "cuda:2", "cuda:1"]
    assert [device.is_gpu for device in devices] == [False, False, True, True]


def test_a_training_knows_no_device_that_only_runs_networks() -> None:
    for wanted in ("openvino", "tensorrt", "cuda:fp16"):
        with pytest.raises(HenshinError, match=r"it is auto, cpu, cuda or cuda:N$"):
            parse_device(wanted)


def test_the_providers_of_tensorrt_end_with_cuda_and_keep_their_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HENSHIN_CACHE", "/kept")
    (first, engines), (second, cuda), third = Device("tensorrt", 1, "fp16", graphs=True).providers
    assert [first, second, third] == ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    assert engines["trt_engine_cache_path"] == str(Path("/kept/tensorrt"))
    assert engines["trt_engine_cache_enable"] == engines["trt_fp16_enable"] == engines["trt_cuda_graph_enable"] == "1"
    assert engines["device_id"] == cuda["device_id"] == "1"
    assert "enable_cuda_graph" not in cuda, "the graph is TensorRT's"
    assert "trt_fp16_enable" not in Device("tensorrt").providers[0][1]
    assert Device("cuda", graphs=True).providers[0][1]["enable_cuda_graph"] == "1"
    assert "enable_cuda_graph" not in Device("cuda").providers[0][1]
    assert Device("openvino").providers == Device("cpu").providers == ["CPUExecutionProvider"]


def test_a_gpu_without_tensorrt_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_module, "cuda_problem", lambda _: None)
    monkeypatch.setattr(device_module, "_probe", lambda device, wanted: f"{wanted} on {device} does not open")
    device_module.tensorrt_problem.cache_clear()
    try:
        with pytest.raises(MissingError, match=r"^device 'tensorrt:2' cannot be used: Tensorrt.* on tensorrt:2 does n"):
            resolve_device("tensorrt:2")
    finally:
        device_module.tensorrt_problem.cache_clear()
    assert resolve_device("cuda:2:fp16:graphs") == Device("cuda", 2, "fp16", True)


def test_openvino_and_a_required_gpu_exclude_each_other() -> None:
    with pytest.raises(HenshinError, match=r"^device 'openvino' and a required GPU exclude each other$"):
        resolve_device("openvino", require_gpu=True)


def test_without_openvino_the_command_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from henshin.runtime import openvino_core

    monkeypatch.setitem(sys.modules, "openvino", None)
    for function in (openvino_core.openvino, openvino_core.openvino_core):
        function.cache_clear()
    try:
        with pytest.raises(
            MissingError, match=r"^device 'openvino' needs the package openvino: pip install 'henshin\["
        ):
            resolve_device("openvino")
    finally:
        for function in (openvino_core.openvino, openvino_core.openvino_core):
            function.cache_clear()


@pytest.mark.parametrize(("has_bf16", "precision"), [(True, "bf16"), (False, "fp32")])
def test_openvino_computes_bf16_only_where_the_processor_does(
    monkeypatch: pytest.MonkeyPatch, has_bf16: bool, precision: Any
) -> None:
    monkeypatch.setattr("henshin.runtime.openvino_core.computes_bf16", lambda: has_bf16)
    assert resolve_device("openvino") == Device("openvino", precision=precision)
    assert resolve_device("openvino:fp32") == Device("openvino")
    if has_bf16:
        assert resolve_device("openvino:bf16") == Device("openvino", precision="bf16")
    else:
        with pytest.raises(MissingError, match="this processor does not compute bf16; 'openvino' is fp32 on it"):
            resolve_device("openvino:bf16")
