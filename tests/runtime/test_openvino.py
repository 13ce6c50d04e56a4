"""OpenVINO behind the same door: it gives what ONNX Runtime gives, and fails as that does."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import onnx as tiny
from support.paths import ROOT
from support.runtime import pictures_of, translated

from henshin.cli import run_pipeline
from henshin.errors import HenshinError, MissingError
from henshin.models import Contract, read_contract
from henshin.runtime import Device, Model, NetworkError, OnnxSession, OutOfMemoryError, open_session

pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install 'henshin[openvino]'")

from henshin.runtime.openvino_core import computes_bf16
from henshin.runtime.openvino_session import OpenVinoSession

FP32 = Device("openvino")
bf16 = pytest.mark.skipif(not computes_bf16(), reason="this processor does not compute bf16")


def opened(path: Path, device: Device = FP32) -> Model:
    contract = read_contract(path)
    assert contract is not None
    return Model(contract, open_session(path, device, gives_pictures=contract.gives_pictures))


def both(path: Path, precision: Any, feed: Any) -> tuple[Any, Any]:
    """What ONNX Runtime and OpenVINO make of the first input."""
    one, other = OnnxSession(path, Device("cpu")), open_session(path, Device("openvino", precision=precision),
                                                               gives_pictures="mapping" not in path.name)  # fmt: skip
    assert [(port.name, port.type) for port in other.inputs + other.outputs] == [
        (port.name, port.type) for port in one.inputs + one.outputs
    ]
    return one.run({one.inputs[0].name: feed}), other.run({one.inputs[0].name: feed})


def photo(side: int) -> Any:
    with Image.open(ROOT / "examples" / "astronaut.jpg") as picture:
        return np.asarray(picture.convert("RGB").resize((side, side)))[None]


@pytest.mark.parametrize("name", ["selfie2anime", "photo2monet", "carn-m-x2"])
@pytest.mark.parametrize(("precision", "most", "least"), [("fp32", 1, 80), pytest.param("bf16", 24, 50, marks=bf16)])
def test_our_models_draw_the_same(name: str, precision: str, most: int, least: float) -> None:
    """bf16 differs by what was measured, and by more than nothing."""
    one, other = both(ROOT / "exported" / f"{name}.onnx", precision, photo(64))
    difference = one["pictures_out"].astype(float) - other["pictures_out"]
    assert np.abs(difference).max() <= most
    assert 10 * np.log10(255**2 / max(np.mean(difference**2), 1e-9)) > least
    assert difference.any() == (precision == "bf16") or most == 1


def test_a_sampler_of_two_models_draws_the_same(rng: np.random.Generator) -> None:
    noise = rng.standard_normal((2, 128)).astype(np.float32)
    one, other = both(ROOT / "exported" / "faces-mapping.onnx", "fp32", noise)
    np.testing.assert_allclose(other["styles"], one["styles"], atol=1e-5)
    np.testing.assert_array_equal(other["mean_style"], one["mean_style"])
    drawn, again = both(ROOT / "exported" / "faces-synthesis.onnx", "fp32", one["styles"])
    assert np.abs(drawn["pictures_out"].astype(int) - again["pictures_out"]).max() <= 1


def test_pictures_of_any_size_follow_each_other(tmp_path: Path, rng: np.random.Generator) -> None:
    pictures = pictures_of(rng, (40, 30), (17, 60), (40, 30), (9, 9))
    for path in (tiny.invert(tmp_path / "invert.onnx"), tiny.enlarge(tmp_path / "enlarge.onnx", 3)):
        for picture, result in zip(pictures, translated(opened(path), pictures), strict=True):
            wanted = 255 - picture if path.stem == "invert" else picture.repeat(3, axis=0).repeat(3, axis=1)
            assert np.array_equal(result, wanted)


def test_it_says_what_runs_where(tmp_path: Path) -> None:
    model = opened(tiny.invert(tmp_path / "invert.onnx"))
    assert model.network.providers == ["OpenVINO fp32"]
    assert model.describe().startswith("openvino:fp32 (OpenVINO fp32), ")
    assert model.network.inputs[0].shape == (None, None, None, 3)
    assert [port.type for port in model.network.inputs + model.network.outputs] == ["tensor(uint8)"] * 2


@bf16
def test_only_networks_that_give_pictures_are_computed_in_bf16(tmp_path: Path) -> None:
    path = tiny.foreign_float(tmp_path / "detector.onnx")
    device = Device("openvino", precision="bf16")
    assert open_session(path, device, gives_pictures=True).provider == "OpenVINO bf16"
    assert open_session(path, device, gives_pictures=False).provider == "OpenVINO fp32"


def test_the_precision_is_the_one_that_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a hint OpenVINO takes what suits the processor, and that is never silently so."""
    monkeypatch.setattr("henshin.runtime.openvino_session._HINTS", {"fp32": "f32", "bf16": "f32"})
    path = tiny.invert(tmp_path / "invert.onnx")
    OpenVinoSession(path, Device("openvino", precision="bf16"))
    monkeypatch.setattr("henshin.runtime.openvino_session._settings", lambda *_: {"INFERENCE_PRECISION_HINT": "f32"})
    monkeypatch.setattr("henshin.runtime.openvino_session._HINTS", {"bf16": "bf16"})
    with pytest.raises(
        MissingError, match=r"^invert\.onnx was to run on openvino:bf16, but OpenVINO computes it in f3"
    ):
        OpenVinoSession(path, Device("openvino", precision="bf16"))


def test_several_threads_run_one_network(tmp_path: Path, rng: np.random.Generator) -> None:
    network = OpenVinoSession(tiny.box(tmp_path / "box.onnx"), FP32, threads=1, at_once=2)
    pictures = pictures_of(rng, *[(20 + number, 30) for number in range(24)])
    alone = [network.run({"pictures": picture[None]})["pictures_out"] for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda picture: network.run({"pictures": picture[None]})["pictures_out"], pictures))
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one, other)


def test_a_result_is_the_callers_own(tmp_path: Path) -> None:
    network = OpenVinoSession(tiny.invert(tmp_path / "invert.onnx"), FP32)
    black, white = np.zeros((1, 4, 4, 3), np.uint8), np.full((1, 4, 4, 3), 255, np.uint8)
    black.flags.writeable = False
    first = network.run({"pictures": black})["pictures_out"]
    network.run({"pictures": white})
    assert (first == 255).all()
    assert np.array_equal(network.run({"pictures": white[:, ::2, ::-1]})["pictures_out"], black[:, ::2])


@pytest.mark.parametrize("content", [b"", b"hello world" * 50, b"\x08"])
def test_a_broken_file_is_told_in_one_line_and_nothing_is_printed(
    tmp_path: Path, content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(HenshinError, match=r"broken\.onnx: cannot be opened as an ONNX model: \S") as caught:
        OpenVinoSession(path, FP32)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")
    with pytest.raises(MissingError, match=r"absent\.onnx"):
        OpenVinoSession(tmp_path / "absent.onnx", FP32)


@pytest.mark.parametrize(
    ("feed", "reason"),
    [
        ({"pictures": np.zeros((1, 4, 4, 3), np.float32)}, "precision"),
        ({"pictures": np.zeros((4, 4, 3), np.uint8)}, "incompatible"),
        ({"photos": np.zeros((1, 4, 4, 3), np.uint8)}, "no array is given for its input 'pictures'"),
    ],
)
def test_a_wrong_input_is_told_in_one_line(tmp_path: Path, feed: Any, reason: str) -> None:
    network = OpenVinoSession(tiny.invert(tmp_path / "invert.onnx"), FP32)
    with pytest.raises(NetworkError, match=rf"^invert\.onnx: .*{reason}") as caught:
        network.run(feed)
    assert "\n" not in str(caught.value)
    assert not isinstance(caught.value, OutOfMemoryError)


def test_a_small_picture_on_which_the_network_fails_is_padded(tmp_path: Path, rng: np.random.Generator) -> None:
    path = tiny.reflecting(tmp_path / "reflecting.onnx")
    (picture,) = pictures_of(rng, (2, 5))
    (result,) = translated(opened(path), [picture])
    assert np.array_equal(result, picture)
    with pytest.raises(NetworkError, match="REFLECT padding"):
        opened(path).network.run({"pictures": picture[None]})


def test_short_memory_halves_batches_and_the_network_is_compiled_anew(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tiny.invert(tmp_path / "invert.onnx")
    network = OpenVinoSession(path, FP32)
    compiled = network._compiled

    class Refusing:
        def set_tensor(self, name: str, tensor: Any) -> None:
            self.count = tensor.shape[0]

        def infer(self) -> None:
            raise RuntimeError(
                "Exception from src/x.cpp:1:\nCheck 'ptr' failed at src/cpu_memory.cpp:257:\n"
                "Failed to allocate 301989888 bytes of memory\n\n"
            )

    assert compiled is not None
    compiled.requests.append(Refusing())
    pictures = pictures_of(rng, *[(6, 6)] * 4)
    results = translated(Model(Contract(name="invert", reach=0), network, batch_size=4), pictures)
    assert all(np.array_equal(result, 255 - picture) for picture, result in zip(pictures, results, strict=True))
    assert network._compiled not in (None, compiled)


def test_importing_the_rooms_and_running_elsewhere_loads_no_openvino(tmp_path: Path) -> None:
    path = tiny.invert(tmp_path / "invert.onnx")
    code = f"""
import sys
from henshin.runtime import open_session, resolve_device
open_session({str(path)!r}, resolve_device("cpu"), gives_pictures=True)
print("openvino" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_openvino_is_imported_without_its_telemetry(tmp_path: Path) -> None:
    (tmp_path / "openvino_telemetry").mkdir()
    (tmp_path / "openvino_telemetry" / "__init__.py").write_text("print('it is told')\n")
    (tmp_path / "openvino_telemetry" / "backend.py").write_text("backend_ga4 = None\n")
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from henshin.runtime.openvino_core import openvino
print(openvino().__name__, "openvino_telemetry" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "openvino False\n"


@bf16
def test_a_run_tells_the_device_and_is_done_again_at_another_precision(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.box(place / "box.onnx")
    Path("box.yaml").write_text("name: box\nstages:\n  - use: generator\n    model: box.onnx\n")
    words = ["box.yaml", "-i", "photos", "-o", "out", "--device"]
    assert run_pipeline([*words, "openvino", "--dry-run"]) == 0
    plan = capsys.readouterr().out.splitlines()
    assert plan[0] == "box on openvino:bf16 -> out"
    assert "  box  OpenVINO bf16" in plan
    assert run_pipeline([*words, "openvino"]) == 0
    said = capsys.readouterr()
    assert "box runs on OpenVINO bf16" in said.err
    assert "3 done" in said.out
    for device, told in (("openvino:bf16", "3 up to date"), ("openvino:fp32", "3 done"), ("cpu", "3 up to date")):
        assert run_pipeline([*words, device]) == 0
        assert told in capsys.readouterr().out
