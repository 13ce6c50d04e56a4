"""ONNX Runtime behind its door: devices, sessions, batches, tiles, and what becomes of failures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import onnx as tiny
from support.runtime import model_of, pictures_of, translated

from henshin.errors import HenshinError, MissingError, PictureError
from henshin.models import Contract, read_contract
from henshin.runtime import Device, Model, OnnxSession, parse_device, resolve_device
from henshin.runtime import device as device_module

NO_GPU = device_module.cuda_problem(0) is not None

# -- Devices


def test_the_cpu_is_taken_when_asked_for() -> None:
    assert str(resolve_device("cpu")) == "cpu"


def test_a_model_whose_layout_is_another_is_not_opened(tmp_path: Path) -> None:
    network = OnnxSession(tiny.foreign_float(tmp_path / "m.onnx"), Device("cpu"))
    with pytest.raises(HenshinError, match=r"m\.onnx: .*'layout' is 'nhwc_uint8', but .* say .layout.: .nchw_float"):
        Model(Contract(), network)
    Model(Contract(layout="nchw_float"), network)


def test_an_unknown_device_says_what_there_is() -> None:
    with pytest.raises(HenshinError, match=r"no device 'gpu': it is auto, cpu, cuda or cuda:N"):
        resolve_device("gpu")


@pytest.mark.parametrize(
    ("wanted", "device"),
    [
        ("auto", ("auto", 0)),
        ("cpu", ("cpu", 0)),
        ("cuda", ("cuda", 0)),
        ("cuda:0", ("cuda", 0)),
        ("cuda:12", ("cuda", 12)),
    ],
)
def test_the_words_for_devices(wanted: str, device: tuple[str, int]) -> None:
    assert parse_device(wanted) == device


def test_cpu_and_required_gpu_exclude_each_other() -> None:
    with pytest.raises(HenshinError, match="exclude each other"):
        resolve_device("cpu", require_gpu=True)


@pytest.mark.skipif(not NO_GPU, reason="this machine has a GPU")
def test_without_a_gpu_auto_says_why_and_the_rest_fails() -> None:
    device = resolve_device("auto")
    assert device.kind == "cpu"
    assert "no GPU is used: " in device.note
    for wanted, required in (("auto", True), ("cuda", False), ("cuda:1", False)):
        with pytest.raises(MissingError) as caught:
            resolve_device(wanted, required)
        assert caught.value.exit_code == 3
        assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_driver_without_the_libraries_is_told_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    device_module.cuda_problem.cache_clear()
    monkeypatch.setattr(device_module, "_driver_count", lambda: 1)
    monkeypatch.setattr(device_module, "preload_cuda_libraries", lambda: None)
    monkeypatch.setattr(device_module, "CUDA", "XnnpackExecutionProvider")  # no build from PyPI opens it
    monkeypatch.setattr(device_module.onnxruntime(), "get_available_providers", lambda: ["XnnpackExecutionProvider"])
    try:
        with pytest.raises(MissingError, match=r"pip install 'henshin\[cuda\]'"):
            resolve_device("cuda")
        with pytest.raises(MissingError, match="none with number 3"):
            resolve_device("cuda:3")
    finally:
        device_module.cuda_problem.cache_clear()


@pytest.mark.skipif(not NO_GPU, reason="this machine has a GPU")
def test_a_session_that_falls_back_to_the_cpu_is_an_error(tmp_path: Path) -> None:
    path = tiny.invert(tmp_path / "invert.onnx")
    with pytest.raises(MissingError, match="CUDA did not open"):
        OnnxSession(path, Device("cuda", 0))


def test_the_probe_is_a_sound_model_and_gives_nine() -> None:
    from base64 import b64decode

    import onnx

    data = b64decode(device_module._PROBE)
    onnx.checker.check_model(onnx.load_from_string(data))
    session = device_module.onnxruntime().InferenceSession(data, providers=["CPUExecutionProvider"])
    assert session.run(None, {"x": np.ones((1, 1, 3, 3), np.float32)})[0].item() == 9


def test_looking_for_a_gpu_and_failing_to_open_it_prints_nothing(tmp_path: Path) -> None:
    path = tiny.invert(tmp_path / "invert.onnx")
    code = f"""
from henshin.runtime import Device, OnnxSession, resolve_device
print(resolve_device("auto").kind)
try:
    OnnxSession({str(path)!r}, Device("cuda", 0))
except Exception as error:
    print(type(error).__name__)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.split()[0] in ("cpu", "cuda")


def test_importing_the_rooms_loads_nothing_heavy() -> None:
    code = """
import sys, henshin.runtime, henshin.models, henshin_plugins.generator, henshin_plugins.super_resolution
print([name for name in ("numpy", "PIL", "onnxruntime", "torch") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# -- Networks


def test_a_network_takes_and_gives_named_arrays(tmp_path: Path, rng: np.random.Generator) -> None:
    network = OnnxSession(tiny.invert(tmp_path / "invert.onnx"), Device("cpu"))
    batch = rng.integers(0, 256, (2, 3, 4, 3), dtype=np.uint8)
    assert np.array_equal(network.run({"pictures": batch})["pictures_out"], 255 - batch)
    assert network.providers == ["CPUExecutionProvider"]
    assert [port.name for port in network.inputs] == ["pictures"]
    assert network.inputs[0].shape == ("n", "h", "w", 3)


@pytest.mark.parametrize("content", [b"", b"hello world" * 50, b"\x08"])
def test_a_broken_file_is_told_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(HenshinError, match=r"broken\.onnx: cannot be opened") as caught:
        OnnxSession(path, Device("cpu"))
    assert "\n" not in str(caught.value)


def test_a_file_cut_short_and_an_absent_one(tmp_path: Path) -> None:
    whole = tiny.box(tmp_path / "box.onnx").read_bytes()
    (tmp_path / "short.onnx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(HenshinError, match=r"short\.onnx"):
        OnnxSession(tmp_path / "short.onnx", Device("cpu"))
    with pytest.raises(MissingError, match=r"absent\.onnx"):
        OnnxSession(tmp_path / "absent.onnx", Device("cpu"))


# -- Translating


def test_results_keep_order_and_size_whatever_the_sizes(tmp_path: Path, rng: np.random.Generator) -> None:
    model = model_of(tiny.invert(tmp_path / "invert.onnx"), batch_size=4)
    sizes = [(5, 7), (1, 1), (64, 48), (5, 7), (7, 5), (1, 300), (5, 7)]
    pictures = pictures_of(rng, *sizes)
    for picture, result in zip(pictures, translated(model, pictures), strict=True):
        assert isinstance(result, np.ndarray)
        assert result.flags.c_contiguous
        assert np.array_equal(result, 255 - picture)
    assert translated(model, []) == []


@pytest.mark.parametrize("name", ["box", "centred", "strided"])
def test_the_same_pixels_whatever_the_batch(tmp_path: Path, rng: np.random.Generator, name: str) -> None:
    path = getattr(tiny, name)(tmp_path / f"{name}.onnx")
    pictures = pictures_of(rng, *[(20, 24)] * 5, (9, 24))
    alone = [translated(model_of(path, 1), [picture])[0] for picture in pictures]
    for batch_size in (None, 1, 2, 8):
        for result, wanted in zip(translated(model_of(path, batch_size), pictures), alone, strict=True):
            assert np.array_equal(result, wanted)


def test_a_lone_result_is_not_copied_and_keeps_no_others_in_memory(tmp_path: Path, rng: np.random.Generator) -> None:
    given: list[Any] = []

    class Spy(OnnxSession):
        def run(self, feed: Any) -> Any:
            given.append(super().run(feed))
            return given[-1]

    path = tiny.invert(tmp_path / "invert.onnx")
    pictures = pictures_of(rng, *[(20, 24)] * 3)
    for batch_size, shared in ((1, True), (3, False)):
        given.clear()
        results = Model(read_contract(path), Spy(path, Device("cpu")), batch_size).translate(pictures)
        for index, result in enumerate(results):
            (array,) = given[index if shared else 0].values()
            assert isinstance(result, np.ndarray)
            assert np.shares_memory(result, array) is shared
            assert np.array_equal(result, 255 - pictures[index])


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 2), (8, 8), (13, 6)])
def test_padding_to_the_size_multiple_is_undone_exactly(
    tmp_path: Path, rng: np.random.Generator, size: tuple[int, int]
) -> None:
    path = tiny.enlarge(tmp_path / "double.onnx", size_multiple=8)
    (picture,) = pictures_of(rng, size)
    (result,) = translated(model_of(path), [picture])
    assert np.array_equal(result, picture.repeat(2, 0).repeat(2, 1))


def test_padding_reflects_where_it_can_and_repeats_the_edge_where_not(tmp_path: Path) -> None:
    seen: list[Any] = []

    class Spy(OnnxSession):
        def run(self, feed: Any) -> Any:
            seen.append(feed["pictures"])
            return {"pictures_out": feed["pictures"]}

    path = tiny.invert(tmp_path / "invert.onnx", size_multiple=4)
    contract = read_contract(path)
    assert contract is not None
    model = Model(contract, Spy(path, Device("cpu")))
    row = np.arange(3, dtype=np.uint8)
    translated(model, [np.stack([row] * 3, -1)[None]])
    assert seen[0].shape == (1, 4, 4, 3)
    assert np.array_equal(seen[0][0, :, :, 0], [[0, 1, 2, 1]] * 4)


def test_a_wrong_array_is_an_error_in_its_place(tmp_path: Path, rng: np.random.Generator) -> None:
    model = model_of(tiny.invert(tmp_path / "invert.onnx"))
    good = pictures_of(rng, (4, 4))[0]
    results = translated(model, [good, good[..., 0], good.astype(np.float32), good[:0]])
    assert np.array_equal(results[0], 255 - good)
    assert all(isinstance(result, PictureError) for result in results[1:])


def test_the_culprit_of_a_batch_is_found(tmp_path: Path, rng: np.random.Generator) -> None:
    model = model_of(tiny.picky(tmp_path / "picky.onnx"), batch_size=4)
    pictures = pictures_of(rng, *[(40, 40)] * 6)
    for index, picture in enumerate(pictures):
        picture[0, 0] = 255 if index == 2 else 0
    results = translated(model, pictures)
    culprit = results.pop(2)
    assert isinstance(culprit, PictureError)
    assert "model 'picky' failed at 40 x 40" in culprit.reason
    assert "\n" not in culprit.reason
    assert all(np.array_equal(result, pictures[index + (index >= 2)]) for index, result in enumerate(results))


@pytest.mark.parametrize("size", [(1, 1), (2, 50), (3, 3), (40, 40)])
def test_a_network_that_reflects_takes_the_smallest_pictures(
    tmp_path: Path, rng: np.random.Generator, size: tuple[int, int]
) -> None:
    (picture,) = pictures_of(rng, size)
    (result,) = translated(model_of(tiny.reflecting(tmp_path / "reflecting.onnx")), [picture])
    assert np.array_equal(result, picture)


def test_a_contract_that_lies_about_its_scale_is_found_out(tmp_path: Path, rng: np.random.Generator) -> None:
    model = model_of(tiny.invert(tmp_path / "liar.onnx", scale=2))
    with pytest.raises(HenshinError, match="its contract says scale 2"):
        translated(model, pictures_of(rng, (8, 8)))


def test_a_contract_that_names_an_absent_input(tmp_path: Path) -> None:
    path = tiny.invert(tmp_path / "invert.onnx", input="x")
    with pytest.raises(HenshinError, match="names input 'x', but it has: pictures"):
        model_of(path)


def test_a_sampler_takes_no_pictures(tmp_path: Path, rng: np.random.Generator) -> None:
    with pytest.raises(HenshinError, match="is a sampler"):
        translated(model_of(tiny.invert(tmp_path / "invert.onnx", kind="sampler")), pictures_of(rng, (8, 8)))
