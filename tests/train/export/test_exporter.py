"""Exported models draw what PyTorch draws, say what they are, and are not written otherwise."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
import onnx  # noqa: E402
from onnx import numpy_helper  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from support.train import domains, last_state, run_yaml  # noqa: E402
from torch import nn  # noqa: E402

from henshin import Generator, GeneratorConfig  # noqa: E402
from henshin.cli.model_output import print_models  # noqa: E402
from henshin.errors import HenshinError  # noqa: E402
from henshin.models import Contract, read_contract  # noqa: E402
from henshin.registry import build_registry  # noqa: E402
from henshin.runtime import Device, Model, OnnxSession  # noqa: E402
from henshin.testing import picture  # noqa: E402
from henshin.train.config.run_config import TrainOptions, load_run  # noqa: E402
from henshin.train.export import export, exporter  # noqa: E402
from henshin.train.export.models import export_and_install  # noqa: E402
from henshin.train.export.parity import check_parity  # noqa: E402
from henshin.train.loop.launch import train  # noqa: E402
from henshin.train.weights.from_published import from_weights  # noqa: E402
from henshin.train.weights.from_run import from_run  # noqa: E402
from henshin.train.weights.trained_network import TrainedNetwork  # noqa: E402
from henshin.train.weights.weight_files import hash_of_tensors  # noqa: E402
from henshin_plugins.cyclegan import ResNet  # noqa: E402
from henshin_plugins.cyclegan.config import ResNetConfig  # noqa: E402

PICTURES = [picture(120, 90, seed) for seed in range(3)]
OPTIONS = {"width": 8, "blocks": 1, "downs": 1}


def source(upsample: str = "resize", **options: int) -> TrainedNetwork:
    torch.manual_seed(4)
    generator = ResNet(ResNetConfig(**{**OPTIONS, **options}, upsample=upsample))
    network = generator.build()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(4)  # as contrasty as a trained network
    return TrainedNetwork(generator, network, 64, "a test", "no data", "Apache-2.0")


def model(path: Path) -> Model:
    contract = read_contract(path)
    assert contract is not None
    return Model(contract, OnnxSession(path, Device("cpu")))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> tuple[TrainedNetwork, Path, Contract]:
    """A network, its model with the weights beside it, and the contract that its export returned."""
    path = tmp_path_factory.mktemp("exported") / "tiny.onnx"
    made = source()
    return made, path, export(made, path, PICTURES, weights=True)


@pytest.mark.parametrize(("upsample", "fp16"), [("resize", False), ("transposed", True)])
def test_an_exported_network_draws_what_pytorch_draws_at_any_size_and_batch(tiny, tmp_path, upsample, fp16):
    made, path, _ = tiny
    if fp16:
        made, path = source(upsample), tmp_path / "half.onnx"
        export(made, path, PICTURES, storage="fp16")
    for height, width in ((64, 64), (36, 100)):
        batch = np.stack([picture(width, height, seed) for seed in range(3)])
        with torch.no_grad():
            x = torch.from_numpy(batch).permute(0, 3, 1, 2).float() / 127.5 - 1
            expected = ((made.network(x) + 1) * 127.5).clamp(0, 255).round().permute(0, 2, 3, 1).numpy()
        got = model(path).run(batch)
        assert got.dtype == np.uint8
        assert np.abs(got.astype(float) - expected).max() <= 1
        assert expected.std() > 10


def test_the_model_says_what_it_is(tiny, tmp_path, monkeypatch):
    _, path, contract = tiny
    assert read_contract(path) == contract
    assert (contract.name, contract.generator, contract.size_multiple, contract.reach) == (
        "tiny",
        "resnet",
        2,
        "global",
    )
    defaults = {"strided_padding": "zeros", "colour_skip": 0, "photo_skip": False, "norm": "instance"}
    assert contract.config == {**OPTIONS, "upsample": "resize", **defaults}
    assert (contract.preferred_size, contract.data, contract.licence) == (64, "no data", "Apache-2.0")
    again = from_weights("resnet", contract.config, path.with_suffix(".safetensors"), build_registry(), 64, "", "")
    monkeypatch.setattr(exporter, "write_graph", lambda _, side, *__: shutil.copyfile(path, side))
    assert export(again, tmp_path / "again.onnx", PICTURES).weights_sha256 == contract.weights_sha256


def test_fp16_halves_the_file_and_keeps_the_arithmetic(tiny, tmp_path):
    _, path, _ = tiny
    before = model(path).translate([PICTURES[0]])[0]
    export(source(), tmp_path / "half.onnx", PICTURES, storage="fp16")
    after = model(tmp_path / "half.onnx").translate([PICTURES[0]])[0]
    assert (tmp_path / "half.onnx").stat().st_size < 0.75 * path.stat().st_size
    assert np.abs(before.astype(int) - after).max() <= 3


@pytest.mark.parametrize(("upsample", "periods"), [("transposed", [2]), ("resize", [])])
def test_a_checkerboard_of_transposed_convolutions_is_told(tmp_path, capsys, upsample, periods):
    torch.manual_seed(4)
    generator = ResNet(ResNetConfig(width=8, blocks=1, downs=1, upsample=upsample))
    network = generator.build()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()  # kernels that smooth, as trained ones do behind a resize
    made = TrainedNetwork(generator, network, 64, "a test", "no data", "Apache-2.0")
    path = tmp_path / "drawn.onnx"
    written = export_and_install({path: made}, PICTURES)
    assert [one.period for one in written[0].patterns] == periods
    print_models(written, "exported")
    told = capsys.readouterr().err
    assert ("warning: what drawn draws has a pattern with a period of 2 pixels" in told) == bool(periods)


@pytest.mark.parametrize("upsample", ["resize", "transposed"])
def test_int8_quarters_the_file_and_keeps_the_arithmetic(tmp_path, upsample):
    made = source(upsample, width=16)
    export(made, tmp_path / "whole.onnx", PICTURES)
    report: list[Any] = []
    contract = export(made, tmp_path / "small.onnx", PICTURES, storage="int8", weights=True, report=report.append)
    before, after = (model(tmp_path / f"{name}.onnx").translate([PICTURES[0]])[0] for name in ("whole", "small"))
    sizes = [(tmp_path / f"{name}.onnx").stat().st_size for name in ("whole", "small")]
    assert sizes[1] < 0.4 * sizes[0]
    assert 0 < np.abs(before.astype(int) - after).mean() < 1.5, "rounded, and hardly to be seen"
    kept = load_file(tmp_path / "small.safetensors")
    for name, tensor in made.network.state_dict().items():
        assert torch.equal(kept[name], tensor), "the weights beside the model are not rounded"
    assert contract.weights_sha256 == read_contract(tmp_path / "whole.onnx").weights_sha256


def test_weights_in_int8_are_widened_when_the_model_is_loaded(tmp_path):
    """Each large weight is int8 in the file, with a scale for each output channel, and comes out as it was rounded."""
    made = source("resize", width=16)
    export(made, tmp_path / "small.onnx", PICTURES, storage="int8")
    graph = onnx.load(tmp_path / "small.onnx").graph
    stored = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    integers = {name.removesuffix("_int8"): values for name, values in stored.items() if name.endswith("_int8")}
    weights = {name: one for name, one in made.network.named_parameters() if one.ndim > 1 and one.numel() >= 1024}
    assert len(integers) == len(weights)
    for values in integers.values():
        assert values.dtype == np.int8
        assert np.abs(values.astype(int)).reshape(len(values), -1).max(axis=1).min() == 127
    found = [stored[f"{name}_scale"] * values for name, values in integers.items()]
    for weight in weights.values():
        own = weight.detach().numpy()
        alike = [one for one in found if one.shape == own.shape]
        limit = np.abs(own).reshape(len(own), -1).max(axis=1) / 127 * 0.501
        assert any((np.abs(one - own).reshape(len(own), -1).max(axis=1) <= limit + 1e-8).all() for one in alike)


def test_a_weight_beyond_fp16_is_named(tmp_path):
    made = source()
    with torch.no_grad():
        next(made.network.parameters())[0, 0, 0, 0] = 1e6
    with pytest.raises(HenshinError, match=r"'encoder\.0\.1\.weight' does not fit into fp16"):
        export(made, tmp_path / "half.onnx", PICTURES, storage="fp16")


class Wandering(nn.Module):
    """Gives something else each time it is asked: no export can agree with it."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 3, 1)
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return torch.tanh(self.convolution(x) + 0.2 * (self.calls % 5))


class WanderingGenerator(Generator[GeneratorConfig]):
    """See Wandering."""

    name = "wandering"

    def build(self):
        return Wandering()


def test_a_model_that_differs_from_pytorch_is_not_written(tmp_path):
    generator = WanderingGenerator(GeneratorConfig())
    target = tmp_path / "wandering.onnx"
    with pytest.raises(HenshinError, match=r"differs from PyTorch by \d+ grey levels.*nothing was written"):
        export(TrainedNetwork(generator, generator.build(), None, "", "", ""), target, PICTURES, weights=True)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(HenshinError, match="on nothing"):
        check_parity(nn.Identity(), target, [])


class Blue(Generator[GeneratorConfig]):
    """Keeps the first channel of BGR in [0, 1], and nothing else."""

    name = "blue"
    value_range = (0.0, 1.0)
    channel_order = "BGR"
    reach = 0

    def build(self):
        class Keep(nn.Module):
            def forward(self, x):
                return x * torch.tensor([1.0, 0.0, 0.0])[:, None, None]

        return Keep()


def test_range_and_channel_order_are_put_into_the_graph(tmp_path):
    generator = Blue(GeneratorConfig())
    export(TrainedNetwork(generator, generator.build(), None, "", "", ""), tmp_path / "blue.onnx", PICTURES)
    drawn = model(tmp_path / "blue.onnx").translate([PICTURES[0]])[0]
    assert np.array_equal(drawn[..., 2], PICTURES[0][..., 2])
    assert not drawn[..., :2].any()


def test_a_run_becomes_a_model_by_its_averaged_weights(unmade, tmp_path):
    domains(tmp_path)
    registry = build_registry()
    plan = load_run(run_yaml(tmp_path, "cut", steps=3, scales=1, ema=0.9), registry)
    train(plan, tmp_path / "run", registry, TrainOptions(device="cpu", precision="fp32"), lambda _: None)
    found = from_run(tmp_path / "run", registry, data="drawn by a test", licence="CC0")
    contract = export(found, tmp_path / "drawn.onnx", PICTURES)
    assert contract.preferred_size == 32
    assert "recipe cut, 3 steps" in contract.origin
    assert contract.data == "drawn by a test"
    averaged = last_state(tmp_path / "run")["ema"]
    tensors = {name.removeprefix("network."): value for name, value in averaged.items() if name != "step"}
    assert contract.weights_sha256 == hash_of_tensors(tensors)


def test_weights_that_do_not_fit_are_refused_by_the_first_tensor(tmp_path):
    from safetensors.torch import save_file

    options = {"width": 8, "blocks": 2, "upsample": "resize"}
    made = source(blocks=2, downs=2)
    registry = build_registry()
    tensors = made.network.state_dict()
    save_file({**tensors, "extra": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(HenshinError, match="has an unknown tensor 'extra'"):
        from_weights("resnet", options, tmp_path / "w.safetensors", registry, None, "", "")
    save_file(tensors, tmp_path / "w.safetensors")
    with pytest.raises(HenshinError, match=r"has an unknown tensor 'encoder\.4\.body\.1\.bias'"):
        from_weights("resnet", {**options, "blocks": 1}, tmp_path / "w.safetensors", registry, None, "", "")
    with pytest.raises(HenshinError, match=r"'decoder\.0\.2\.bias' is \(16,\), generator 'resnet' wants \(32,\)"):
        from_weights(
            "resnet",
            {"width": 16, "blocks": 2, "upsample": "resize"},
            tmp_path / "w.safetensors",
            registry,
            None,
            "",
            "",
        )
    (tmp_path / "w.safetensors").write_text("no")
    with pytest.raises(HenshinError, match="cannot be read as safetensors"):
        from_weights("resnet", {}, tmp_path / "w.safetensors", registry, None, "", "")


def test_a_folder_without_a_run_is_told(tmp_path):
    with pytest.raises(HenshinError, match=r"no run\.json"):
        from_run(tmp_path, build_registry())
