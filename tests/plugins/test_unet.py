"""The U-Net against its paper's table, against the authors' nested layout, and as an exported model."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from henshin.models import read_contract  # noqa: E402
from henshin.runtime import Device, Model, OnnxSession  # noqa: E402
from henshin.testing import check_generator, picture  # noqa: E402
from henshin.train.export import export  # noqa: E402
from henshin.train.weights.trained_network import TrainedNetwork  # noqa: E402
from henshin_plugins.unet import UNet  # noqa: E402
from henshin_plugins.unet.config import UNetConfig  # noqa: E402
from henshin_plugins.unet.network import UNetGenerator  # noqa: E402


class Block(nn.Module):
    """One resolution as the authors' PyTorch code nests it: down, the block within, up; its input is kept beside."""

    def __init__(self, outer: int, inner: int, within: nn.Module | None, norm: str, outermost: bool = False) -> None:
        super().__init__()
        bias = norm == "instance"
        make = nn.InstanceNorm2d if bias else nn.BatchNorm2d
        self.outermost = outermost
        down = nn.Conv2d(3 if outermost else outer, inner, 4, 2, 1, bias=bias)
        up = nn.ConvTranspose2d(inner if within is None else 2 * inner, outer, 4, 2, 1, bias=bias or outermost)
        if outermost:
            layers = [down, within, nn.ReLU(True), up, nn.Tanh()]
        elif within is None:
            layers = [nn.LeakyReLU(0.2, True), down, nn.ReLU(True), up, make(outer)]
        else:
            layers = [nn.LeakyReLU(0.2, True), down, make(inner), within, nn.ReLU(True), up, make(outer)]
        self.model = nn.Sequential(*layers)

    def forward(self, x):
        return self.model(x) if self.outermost else torch.cat([x, self.model(x)], 1)


def published_unet(downs: int, norm: str, width: int = 8) -> nn.Module:
    """The authors' network: 8, 8, ... times the width inside, then 4, 2, 1 times, then the pictures."""
    block = None
    for _ in range(downs - 4):
        block = Block(8 * width, 8 * width, block, norm)
    for factor in (4, 2, 1):
        block = Block(factor * width, 2 * factor * width, block, norm)
    network = nn.Module()
    network.model = Block(3, width, block, norm, outermost=True)
    return network


def count(network) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(("norm", "exact"), [("batch", 54_413_955), ("instance", 54_409_603)])
def test_eight_halvings_have_the_papers_parameters(norm, exact):
    ours = count(UNet(UNetConfig(norm=norm)).build())
    assert ours == exact
    assert ours / 1e6 == pytest.approx(54.414, abs=0.005)
    assert ours == count(published_unet(8, norm, 64))


def test_the_activations_halve_to_one_pixel_and_meet_their_own_resolution_on_the_way_up():
    network = UNetGenerator(64, 8)
    given, gone_in = [], []
    for down in network.downs:
        down.register_forward_hook(lambda _m, _i, out: given.append(tuple(out.shape[1:])))
    for up in network.ups:
        up.register_forward_hook(lambda _m, i, out: gone_in.append(tuple(i[0].shape[1:])))
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 256, 256)).shape == (1, 3, 256, 256)
    channels, sides = (64, 128, 256, 512, 512, 512, 512, 512), (128, 64, 32, 16, 8, 4, 2, 1)
    assert given == [(c, s, s) for c, s in zip(channels, sides, strict=True)]
    assert gone_in == [(512, 1, 1), *[(2 * c, s, s) for c, s in reversed([*zip(channels, sides, strict=True)][:7])]]
    assert not any(isinstance(layer, nn.InstanceNorm2d) for layer in (*network.downs[0], *network.downs[-1]))


@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize("downs", [4, 5, 6])
def test_published_weights_draw_what_they_drew(downs, norm):
    torch.manual_seed(5)
    theirs = published_unet(downs, norm)
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1, 0.3)
            nn.init.normal_(module.running_mean, 0, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    state = {name: value.clone() for name, value in theirs.state_dict().items()}
    state = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    options, tensors = UNet.recognise({f"module.{name}": value for name, value in state.items()})
    assert options == {"width": 8, "downs": downs, "norm": norm}
    ours = UNet(UNetConfig(**options)).build()
    ours.load_state_dict(tensors)
    x = torch.rand(2, 3, 64, 128) * 2 - 1
    with torch.no_grad():
        assert torch.allclose(ours.eval()(x), theirs.eval().model(x), atol=1e-5)


def test_other_layouts_are_not_taken_for_it():
    theirs = published_unet(5, "instance").state_dict()
    assert UNet.recognise({**theirs, "model.model.7.weight": torch.ones(3)}) is None
    assert UNet.recognise({**theirs, "model.model.0.weight": torch.ones(8, 1, 4, 4)}) is None
    assert UNet.recognise(UNetGenerator(8, 5).state_dict()) is None
    assert UNet.recognise({"model.model.0.weight": torch.ones(8, 3, 4, 4)}) is None


def test_dropout_is_of_the_three_innermost_upward_layers_and_of_training_alone():
    network = UNetGenerator(4, 6, dropout=0.5)
    assert [any(isinstance(layer, nn.Dropout) for layer in up) for up in network.ups] == [True] * 3 + [False] * 3
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert not torch.equal(network(x), network(x))
        network.eval()
        assert torch.equal(network(x), network(x))


@pytest.mark.parametrize(
    "options", [{"downs": 5}, {"downs": 3, "upsample": "resize"}, {"downs": 4, "norm": "batch", "dropout": 0.5}]
)
def test_the_plugin_keeps_the_contract_of_a_generator(options):
    check_generator(UNet, {"width": 8, **options})
    assert UNet(UNetConfig(**options)).size_multiple == 2 ** options["downs"]


@pytest.mark.parametrize(
    ("options", "sizes"),
    [
        ({"downs": 3, "norm": "batch", "dropout": 0.5, "upsample": "resize"}, [(64, 64), (8, 48)]),
        ({"downs": 5}, [(32, 32), (32, 64)]),
    ],
)
def test_an_exported_unet_draws_what_pytorch_draws_at_any_size_and_batch(tmp_path, options, sizes):
    torch.manual_seed(6)
    generator = UNet(UNetConfig(width=4, **options))
    network = generator.build().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(4)  # as contrasty as a trained network
    source = TrainedNetwork(generator, network, None, "a test", "no data", "Apache-2.0")
    path = tmp_path / "unet.onnx"
    contract = export(source, path, [picture(120, 90, seed) for seed in range(2)])
    assert contract.size_multiple == 2 ** options["downs"]
    model = Model(read_contract(path), OnnxSession(path, Device("cpu")))
    for batch_size, (height, width) in zip((1, 2), sizes, strict=True):
        batch = np.stack([picture(width, height, seed) for seed in range(batch_size)])
        with torch.no_grad():
            x = torch.from_numpy(batch).permute(0, 3, 1, 2).float() / 127.5 - 1
            expected = ((network(x) + 1) * 127.5).clamp(0, 255).round().permute(0, 2, 3, 1).numpy()
        assert np.abs(model.run(batch).astype(float) - expected).max() <= 1
        assert expected.std() > 5
