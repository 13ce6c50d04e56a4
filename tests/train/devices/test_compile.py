"""Networks under the precision of a run, compiled or not, and the order of memory in checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from support.recipe import dots, log  # noqa: E402
from support.train import different, last_state  # noqa: E402
from torch import nn  # noqa: E402

from henshin.errors import HenshinError, MissingError  # noqa: E402
from henshin.train.devices.compile import explain_compile_error, prepare, select_compiler  # noqa: E402
from henshin.train.devices.fabric import make_fabric  # noqa: E402
from henshin.train.weights import checkpoint  # noqa: E402


class Seeing(nn.Module):
    """Remembers in which precision it computed."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen = self.layer(x).dtype
        return self.layer(x)

    def features(self, x: torch.Tensor, twice: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
        self.seen = self.layer(x).dtype
        return self.layer(x), self.layer(x) * (2 if twice else 1)


@pytest.mark.parametrize(("precision", "seen"), [("bf16", torch.bfloat16), ("fp32", torch.float32)])
@pytest.mark.parametrize("compiler", [None, "eager"])
def test_methods_of_a_network_are_under_its_precision_too(precision, seen, compiler):
    network = Seeing()
    ready = prepare(make_fabric("cpu", precision), network, compiler)
    x = torch.rand(1, 3, 4, 4)
    assert ready(x).dtype == torch.float32
    assert network.seen == seen
    network.seen = None
    one, two = ready.features(x, twice=True)
    assert network.seen == seen
    assert one.dtype == two.dtype == torch.float32
    assert torch.allclose(2 * one, two)
    two.sum().backward()
    assert network.layer.weight.grad is not None
    assert list(ready.state_dict()) == list(network.state_dict()) == ["layer.weight", "layer.bias"]
    assert isinstance(ready.layer, nn.Conv2d)


def test_a_run_may_be_compiled_in_one_sitting_and_not_in_the_next(tmp_path: Path):
    pytest.importorskip("torch._dynamo")
    dots(tmp_path, "whole", "steps: 6\n", compile=True, compiler="aot_eager")
    said = dots(tmp_path, "mixed", "steps: 6\n", max_steps=3, compile=True, compiler="aot_eager")
    assert "trains on the CPU, in fp32, compiled" in said
    assert "trains on the CPU, in fp32" in dots(tmp_path, "mixed", "steps: 6\n", resume=True)
    whole, mixed = last_state(tmp_path / "whole"), last_state(tmp_path / "mixed")
    assert list(mixed["network"]) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    for name, tensor in whole["network"].items():
        assert torch.allclose(tensor, mixed["network"][name], atol=1e-4)
    assert [line["step"] for line in log(tmp_path / "mixed")] == [3, 6]


def test_compiling_is_for_those_who_ask_on_a_cpu(monkeypatch):
    fabric = make_fabric("cpu", "fp32")
    assert select_compiler(fabric, None) is None
    assert select_compiler(fabric, False) is None
    monkeypatch.setattr("henshin.train.devices.compile._missing_compiler", lambda on_gpu: "there is no compiler")
    assert select_compiler(fabric, None) is None
    with pytest.raises(MissingError, match="--compile: there is no compiler"):
        select_compiler(fabric, True)


def test_a_loss_that_differentiates_twice_through_a_compiled_network_is_explained():
    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Tanh())
    network.compile(backend="aot_eager")
    x = torch.rand(1, 3, 4, 4, requires_grad=True)
    (slope,) = torch.autograd.grad(network(x).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError) as caught:
        slope.square().sum().backward()
    assert isinstance(explain_compile_error(caught.value), HenshinError)
    assert "--no-compile" in str(explain_compile_error(caught.value))
    other = RuntimeError("something else")
    assert explain_compile_error(other) is other


def test_checkpoints_keep_the_order_in_which_tensors_lie_in_memory(tmp_path: Path):
    last = torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last)
    state = {"last": last, "turned": torch.rand(3, 4).T, "gaps": torch.rand(4, 6)[:, ::2], "one": torch.rand(1, 1, 4)}
    back = checkpoint.load(checkpoint.save(tmp_path, 1, state))
    assert different(back, state) == []
    assert back["last"].stride() == last.stride()
    assert back["turned"].stride() == state["turned"].stride()
    assert back["gaps"].is_contiguous()


def test_several_devices_must_be_there():
    with pytest.raises(HenshinError, match=r"--device cuda:1 is one GPU; for --devices 2 say --device cuda"):
        make_fabric("cuda:1", "fp32", 2)
    if not torch.cuda.is_available():
        with pytest.raises(MissingError, match=r"--device cuda --devices 2: PyTorch sees no GPU"):
            make_fabric("cuda", "fp32", 2)


@pytest.mark.slow
def test_a_run_is_really_compiled(tmp_path: Path):
    try:
        dots(tmp_path, "compiled", "steps: 4\n", compile=True)
    except MissingError as error:
        pytest.skip(str(error))
    dots(tmp_path, "plain", "steps: 4\n")
    compiled, plain = last_state(tmp_path / "compiled"), last_state(tmp_path / "plain")
    assert compiled["network"].keys() == plain["network"].keys()
    for name, tensor in plain["network"].items():
        assert torch.allclose(tensor, compiled["network"][name], atol=1e-4)
