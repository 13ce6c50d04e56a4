"""Samplers become models that draw from noise what PyTorch draws; and how parity is told and on what it is checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from support.onnx import traced_before  # noqa: E402
from torch import nn  # noqa: E402

from henshin import Generator, GeneratorConfig  # noqa: E402
from henshin.cli import main  # noqa: E402
from henshin.errors import HenshinError  # noqa: E402
from henshin.models import read_contract  # noqa: E402
from henshin.runtime import Device, Model, OnnxSession  # noqa: E402
from henshin.testing import picture  # noqa: E402
from henshin.train.export import export  # noqa: E402
from henshin.train.export import exporter as exporting  # noqa: E402
from henshin.train.export.exporter import fold_batch_norm  # noqa: E402
from henshin.train.export.onnx_graph import example_input  # noqa: E402
from henshin.train.export.parity import Parity, noise_trials, picture_trials  # noqa: E402
from henshin.train.weights.from_run import strip_folders  # noqa: E402
from henshin.train.weights.trained_network import TrainedNetwork  # noqa: E402
from henshin_plugins.cyclegan import ResNet  # noqa: E402
from henshin_plugins.cyclegan.config import ResNetConfig  # noqa: E402
from henshin_plugins.dcgan import DcganNetwork  # noqa: E402
from henshin_plugins.dcgan.config import DcganNetworkConfig  # noqa: E402


def source(**options: object) -> TrainedNetwork:
    """A sampler that draws something, with statistics in its batch norms as after training."""
    torch.manual_seed(5)
    generator = DcganNetwork(DcganNetworkConfig.model_validate({"size": 32, "width": 8, "latent": 6} | options))
    network = generator.build()
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.weight.uniform_(0.5, 2)
                layer.bias.normal_(0, 0.5)
        for _ in range(20):
            network(torch.randn(64, 6))
        network.body[-1][0].weight.mul_(20)
    return TrainedNetwork(generator, network, 32, "a test", "no data", "CC0", "Blots.")


def drawn_by_pytorch(made: TrainedNetwork, latents: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        drawn = made.network.eval()(torch.from_numpy(latents))
    return ((drawn + 1) * 127.5).clamp(0, 255).round().permute(0, 2, 3, 1).numpy()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainedNetwork, Path]:
    folder = tmp_path_factory.mktemp("sampler")
    one = source()
    export(one, folder / "blots.onnx", [])
    return one, folder / "blots.onnx"


def model(path: Path, batch_size: int | None = None) -> Model:
    contract = read_contract(path)
    assert contract is not None
    return Model(contract, OnnxSession(path, Device("cpu")), batch_size)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_an_exported_sampler_draws_what_pytorch_draws_from_any_number_of_latents(made, count):
    one, path = made
    latents = np.random.default_rng(count).standard_normal((count, 6), np.float32)
    expected = drawn_by_pytorch(one, latents)
    got = model(path).run(latents)
    assert got.shape == (count, 32, 32, 3)
    assert got.dtype == np.uint8
    assert expected.std() > 10
    assert np.abs(got.astype(float) - expected).max() <= 1


def test_the_model_says_that_it_draws_from_noise(made):
    contract = read_contract(made[1])
    assert contract is not None
    assert (contract.kind, contract.latent_shape, contract.preferred_size) == ("sampler", (6,), 32)
    assert contract.config == {"latent": 6, "size": 32, "width": 8, "activation": "leaky_relu", "extra": True}
    assert contract.weights_sha256 is not None
    network = OnnxSession(made[1], Device("cpu"))
    assert [(port.name, port.shape, port.type) for port in network.inputs] == [("latents", ("n", 6), "tensor(float)")]
    assert [port.shape[1:] for port in network.outputs] == [(32, 32, 3)]


def test_half_the_space_with_batch_norm_made_part_of_the_convolutions(made, tmp_path):
    one = source()
    told: list[Parity] = []
    export(one, tmp_path / "half.onnx", [], storage="fp16", weights=True, report=told.append)
    assert (tmp_path / "half.onnx").stat().st_size < 0.7 * made[1].stat().st_size
    assert told[0].worst <= 1
    latents = np.random.default_rng(9).standard_normal((4, 6), np.float32)
    apart = np.abs(model(tmp_path / "half.onnx").run(latents).astype(float) - drawn_by_pytorch(one, latents))
    assert apart.mean() < 0.5, "rounding the weights changes little"
    from safetensors.torch import load_file

    one.generator.build().load_state_dict(load_file(tmp_path / "half.safetensors"))


def test_folding_changes_nothing_and_leaves_the_network_as_it_was():
    network = source().network.eval()
    latents = torch.randn(3, 6)
    with torch.no_grad():
        before = network(latents)
        assert torch.allclose(fold_batch_norm(network)(latents), before, atol=1e-4)
        assert torch.equal(network(latents), before)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in fold_batch_norm(network).modules())
    plain = nn.Sequential(nn.Conv2d(3, 3, 1))
    assert fold_batch_norm(plain) is plain


class Odd(Generator[GeneratorConfig]):
    """Says what the test wants, and draws nothing."""

    name = "odd"
    kind = "sampler"

    def build(self):
        return nn.Linear(4, 4)


def test_what_is_no_sampler_is_told(tmp_path):
    odd = Odd(GeneratorConfig())
    with pytest.raises(HenshinError, match="does not say its latent_shape"):
        export(TrainedNetwork(odd, odd.build(), None, "", "", ""), tmp_path / "odd.onnx", [])
    odd.latent_shape = (4,)
    with pytest.raises(HenshinError, match=r"two latents into \(2, .*no two pictures"):
        export(TrainedNetwork(odd, nn.Sequential(nn.Linear(4, 4), nn.Unflatten(1, (1, 2, 2))), None, "", "", ""),
               tmp_path / "odd.onnx", [])  # fmt: skip
    odd.kind = "mapping"
    with pytest.raises(HenshinError, match="is a mapping; translators, samplers and encoders"):
        export(TrainedNetwork(odd, odd.build(), None, "", "", ""), tmp_path / "odd.onnx", [])
    assert list(tmp_path.iterdir()) == []


def test_noise_is_the_same_each_time_and_is_that_of_the_sample_stage():
    one, three = noise_trials((5,))
    assert (one.batch.shape, three.batch.shape) == ((1, 5), (3, 5))
    assert np.allclose(three.batch[1], np.random.default_rng([0, 2]).standard_normal(5), atol=1e-6)


def test_flat_pictures_are_left_out_and_replaced_where_nothing_else_is_left():
    flat = np.full((80, 80, 3), 90, np.uint8)
    (alone, _) = picture_trials([flat, picture(80, 80)], 4, 64)
    assert alone.words == "1 pictures of 64x64"
    assert alone.batch.std() > 20
    (alone, _) = picture_trials([flat], 4, 64)
    assert "made-up photos" in alone.words
    assert alone.batch.std() > 20


def test_instance_norm_on_flat_pictures_does_not_fail_the_check(tmp_path):
    torch.manual_seed(1)
    generator = ResNet(ResNetConfig(width=4, blocks=1, downs=1))
    network = generator.build()
    export(
        TrainedNetwork(generator, network, 64, "", "", ""), tmp_path / "a.onnx", [np.full((64, 64, 3), 200, np.uint8)]
    )
    assert (tmp_path / "a.onnx").is_file()


@pytest.mark.parametrize(("multiple", "preferred"), [(1, None), (4, 128), (256, 256), (256, None), (128, 64)])
def test_trials_fit_the_size_multiple_and_are_not_absurdly_large(multiple, preferred):
    for trial in picture_trials([picture(90, 70)], multiple, preferred):
        _, height, width, _ = trial.batch.shape
        assert height % multiple == width % multiple == 0
        assert max(height, width) <= max(256, 2 * multiple)


def test_a_deep_network_is_traced_at_twice_its_multiple():
    contract = exporting.describe(
        TrainedNetwork(ResNet(ResNetConfig(downs=4)), nn.Identity(), 1, "", "", ""), "x", nn.Identity()
    )
    example, _, name = example_input(contract.model_copy(update={"size_multiple": 256}))
    assert (tuple(example.shape), name) == ((2, 512, 768, 3), "pictures")


def test_parity_in_words():
    assert str(Parity(0, 0.0)) == "the very same grey levels"
    assert str(Parity(1, 0.021)) == "at most 1 grey level apart, 0.02 on average"
    assert str(Parity(1, 0.0001)) == "at most 1 grey level apart, less than 0.01 on average"


def test_settings_do_not_tell_where_data_lay():
    told = strip_folders({"data": {"pictures": ["/home/me/faces", "c:\\x\\more/"], "size": 64}, "use": "dcgan"}, None)
    assert told == {"data": {"pictures": ["faces", "more"], "size": 64}, "use": "dcgan"}


def test_the_command_says_how_far_apart_and_lists_and_shows(made, tmp_path, monkeypatch, capsys):
    from safetensors.torch import save_file

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HENSHIN_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(exporting, "write_graph", traced_before(lambda _: made[1]))
    save_file(made[0].network.state_dict(), "w.safetensors")
    words = ["export", "--generator", "dcgan", "--set", "size=32", "--set", "width=8", "--set", "latent=6"]
    assert main([*words, "--weights", "w.safetensors", "--name", "blots", "--description", "Blots."]) == 0
    assert "blots.onnx: exported, and draws as PyTorch does: " in capsys.readouterr().out
    assert main(["models", "list"]) == 0
    assert any(line.split()[:2] == ["blots", "sampler"] for line in capsys.readouterr().out.splitlines())
    assert main(["models", "show", "blots"]) == 0
    shown = capsys.readouterr().out
    assert "latent_shape" in shown
    assert "scale" not in shown
    assert main(["export", "run", "--set", "size=32"]) == 2
    assert "--set: only for weights from elsewhere" in capsys.readouterr().err
    assert main(["export", "--generator", "dcgan", "--set", "size=32"]) == 2
    assert "--generator, --set want --weights" in capsys.readouterr().err
