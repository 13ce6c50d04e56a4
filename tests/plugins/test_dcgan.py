"""DCGAN: its networks are those of the paper, its discriminator learns, its runs resume to the same weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from support.train import domains  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from henshin.errors import HenshinError, PipelineError  # noqa: E402
from henshin.models.trained_weights import last_checkpoint  # noqa: E402
from henshin.registry import build_registry  # noqa: E402
from henshin.runtime.latents import spherical  # noqa: E402
from henshin.testing import check_generator  # noqa: E402
from henshin.train.config.run_config import TrainOptions, load_run  # noqa: E402
from henshin.train.loop.launch import train  # noqa: E402
from henshin.train.networks import EMA, fixed_noise  # noqa: E402
from henshin.train.weights import checkpoint  # noqa: E402
from henshin_plugins.dcgan import DcganNetwork  # noqa: E402
from henshin_plugins.dcgan.config import DcganNetworkConfig  # noqa: E402
from henshin_plugins.dcgan.network import DcganDiscriminator, DcganGenerator  # noqa: E402
from henshin_plugins.dcgan.recipe import cross_entropy, renew_statistics, strips  # noqa: E402

REGISTRY = build_registry()


def run_yaml(folder: Path, more: str = "", **options: object) -> Path:
    lines = "".join(f"{key}: {value}\n" for key, value in options.items())
    path = folder / "dcgan.yaml"
    path.write_text(
        "recipe: dcgan\ngenerator: {use: dcgan, size: 32, width: 4, latent: 12}\n"
        "data: {pictures: b, size: 32, hold_out: 1}\nbatch: 4\ndiscriminator_width: 4\n" + lines + more
    )
    return path


def start(path: Path, folder: Path, **options) -> list[str]:
    said: list[str] = []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        fixed = TrainOptions(device="cpu", precision="fp32", log_every=1, **options)
        train(load_run(path, REGISTRY), folder, REGISTRY, fixed, said.append)
    finally:
        torch.set_num_threads(threads)
    return said


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    checkpoint.pack(checkpoint.load(last_checkpoint(folder)), "state", found)
    return found


def shapes(network: nn.Module, given: torch.Tensor) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = []
    for child in network.body:
        child.register_forward_hook(lambda _module, _input, output: found.append(tuple(output.shape[1:])))
    with torch.no_grad():
        network.eval()(given)
    return found


def test_activations_of_the_generator_are_the_papers():
    assert shapes(DcganGenerator(), torch.randn(1, 100)) == [
        (512, 4, 4), (256, 8, 8), (128, 16, 16), (64, 32, 32), (64, 32, 32), (3, 64, 64)
    ]  # fmt: skip
    plain = DcganGenerator(latent=128, activation="relu", extra=False)
    assert shapes(plain, torch.randn(1, 128)) == [
        (512, 4, 4), (256, 8, 8), (128, 16, 16), (64, 32, 32), (3, 64, 64)
    ]  # fmt: skip


def test_activations_of_the_discriminator_mirror_them():
    assert shapes(DcganDiscriminator(), torch.randn(1, 3, 64, 64)) == [
        (64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (512, 4, 4), (1, 1, 1)
    ]  # fmt: skip
    assert not any(isinstance(layer, nn.Linear) for layer in DcganDiscriminator().modules())


@pytest.mark.parametrize(("size", "first"), [(32, 16), (64, 32), (128, 64)])
def test_other_sizes_have_more_or_fewer_stages(size, first):
    found = shapes(DcganGenerator(size=size, width=4), torch.randn(1, 100))
    assert found[0] == (first, 4, 4)
    assert found[-1] == (3, size, size)
    assert shapes(DcganDiscriminator(size=size, width=4), torch.randn(1, 3, size, size))[-1] == (1, 1, 1)


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameter_counts_are_those_of_the_tables():
    doublings = 16 * (512 * 256 + 256 * 128 + 128 * 64)
    norms = 2 * (512 + 256 + 128 + 64)
    last = 16 * 64 * 3 + 3
    variant_a = 100 * 512 * 16 + doublings + norms + (64 * 64 * 9 + 2 * 64) + last
    variant_b = 128 * 512 * 16 + doublings + norms + last
    assert count(DcganGenerator()) == variant_a == 3_613_699
    assert count(DcganGenerator(128, activation="relu", extra=False)) == variant_b
    discriminator = (16 * 3 * 64 + 64) + doublings + 2 * (512 + 256 + 128) + (512 * 512 * 9 + 2 * 512) + (512 * 16 + 1)
    assert count(DcganDiscriminator()) == discriminator


def normed(x: torch.Tensor, state: dict[str, torch.Tensor], name: str) -> torch.Tensor:
    """Batch norm in eval mode, written out."""
    mean, var, factor, shift = (state[f"{name}.{k}"] for k in ("running_mean", "running_var", "weight", "bias"))
    scale = factor / (var + 1e-5).sqrt()
    return x * scale[:, None, None] + (shift - mean * scale)[:, None, None]


def random_statistics(network: nn.Module) -> None:
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 2)


@pytest.mark.parametrize(("activation", "extra"), [("leaky_relu", True), ("relu", False)])
def test_the_generator_equals_a_plain_statement(activation, extra):
    torch.manual_seed(1)
    network = DcganGenerator(10, 32, 4, activation, extra)
    random_statistics(network)
    state = network.eval().state_dict()
    act = F.relu if activation == "relu" else lambda x: torch.where(x > 0, x, 0.2 * x)
    noise = torch.randn(3, 10)
    x = noise.view(3, 10, 1, 1)
    for i in range(3):
        stride, padding = (1, 0) if i == 0 else (2, 1)
        x = act(normed(F.conv_transpose2d(x, state[f"body.{i}.0.weight"], None, stride, padding), state, f"body.{i}.1"))
    if extra:
        x = act(normed(F.conv2d(x, state["body.3.0.weight"], padding=1), state, "body.3.1"))
    last = f"body.{4 if extra else 3}.0"
    x = torch.tanh(F.conv_transpose2d(x, state[f"{last}.weight"], state[f"{last}.bias"], 2, 1))
    assert torch.allclose(network(noise), x, atol=1e-5)


@pytest.mark.parametrize("probability", [False, True])
def test_the_discriminator_equals_a_plain_statement(probability):
    torch.manual_seed(1)
    network = DcganDiscriminator(32, 4, "batch", True, probability)
    random_statistics(network)
    state = network.eval().state_dict()
    pictures = torch.rand(3, 3, 32, 32) * 2 - 1
    x = F.conv2d(pictures, state["body.0.0.weight"], state["body.0.0.bias"], 2, 1)
    for i in (1, 2, 3):
        x = torch.where(x > 0, x, 0.2 * x)
        stride = 2 if i < 3 else 1
        x = normed(F.conv2d(x, state[f"body.{i}.0.weight"], None, stride, 1), state, f"body.{i}.1")
    x = F.conv2d(torch.where(x > 0, x, 0.2 * x), state["body.4.weight"], state["body.4.bias"])
    assert torch.allclose(network.logits(pictures), x, atol=1e-5)
    assert torch.allclose(network(pictures), 1 / (1 + torch.exp(-x)) if probability else x, atol=1e-5)


def test_the_loss_is_binary_cross_entropy_and_survives_certainty():
    logits = torch.tensor([-2.0, 0.5, 3.0])
    p = 1 / (1 + np.exp(-logits.numpy().astype(np.float64)))
    for target in (0.0, 0.9, 1.0):
        expected = -(target * np.log(p) + (1 - target) * np.log(1 - p)).mean()
        assert float(cross_entropy(logits, target)) == pytest.approx(expected, rel=1e-5)
    assert float(cross_entropy(torch.tensor([200.0]), 0)) == pytest.approx(200)


@pytest.mark.parametrize("norm", ["batch", "spectral", "none"])
def test_the_discriminator_learns_a_fixed_batch_while_the_generator_is_frozen(norm):
    torch.manual_seed(2)
    discriminator = DcganDiscriminator(32, 8, norm)
    with torch.no_grad():
        fake = DcganGenerator(8, 32, 4)(torch.randn(8, 8))
    real = torch.rand(8, 3, 32, 32).round() * 2 - 1
    steps = torch.optim.Adam(discriminator.parameters(), 1e-3, (0.5, 0.999))
    curve = []
    for _ in range(12):
        loss = cross_entropy(discriminator.logits(real), 1) + cross_entropy(discriminator.logits(fake), 0)
        steps.zero_grad()
        loss.backward()
        steps.step()
        curve.append(float(loss.detach()))
    assert curve[-1] < 0.8 * curve[0]


def test_weights_begin_as_the_paper_says_and_spectral_norm_bounds_them():
    torch.manual_seed(0)
    for network in (DcganGenerator(width=16), DcganDiscriminator(width=16)):
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and layer.weight.numel() > 5000:
                assert float(layer.weight.detach().std()) == pytest.approx(0.02, rel=0.1)
    discriminator = DcganDiscriminator(32, 8, "spectral")
    for _ in range(20):
        discriminator(torch.rand(2, 3, 32, 32))
    assert float(torch.linalg.matrix_norm(discriminator.body[1][0].weight.detach().flatten(1), 2)) == pytest.approx(
        1, rel=0.1
    )
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in discriminator.modules())


def test_noise_is_that_of_the_sample_stage_and_strips_stay_on_the_sphere():
    noise = fixed_noise(3, 5, seed=7)
    assert np.allclose(noise[2], np.random.default_rng([7, 2]).standard_normal(5), atol=1e-6)
    between = strips(50, seed=7, rows=2, columns=5)
    assert torch.allclose(between[[0, 4, 5, 9]], fixed_noise(4, 50, 7), atol=1e-4)
    one, other = np.array([2.0, 0.0], np.float32), np.array([0.0, 2.0], np.float32)
    path = spherical(one, other, 3)
    assert np.allclose(np.linalg.norm(path, axis=1), 2.0)
    assert np.allclose(path[1], np.array([2.0, 2.0]) / 2**0.5, atol=1e-6)


def test_an_average_with_its_own_buffers_is_normed_by_its_own_activations():
    torch.manual_seed(3)
    network = DcganGenerator(6, 32, 4)
    ema = EMA(network, 0.99, own_buffers=True)
    noise = torch.randn(64, 6)
    for _ in range(60):
        renew_statistics(ema.network, noise)
        network(noise * 3)
        ema.update(network)
    settled = ema(noise)
    with torch.no_grad():
        trained = ema.network.train()(noise)
    assert float((settled - trained).abs().mean()) < 0.02
    assert not torch.allclose(ema.network.body[0][1].running_var, network.body[0][1].running_var, rtol=0.1)


def test_the_generator_says_what_it_is():
    check_generator(DcganNetwork, {"size": 32, "width": 4, "latent": 7})
    assert DcganNetwork(DcganNetworkConfig(latent=7)).latent_shape == (7,)


def test_a_tiny_run_logs_draws_and_resumes_to_the_same_weights(tmp_path):
    domains(tmp_path)
    path = run_yaml(tmp_path, steps=6, sheet_every=5, smoothing=0.1, augment="[translation, colour]")
    said = start(path, tmp_path / "whole")
    assert any("5 pictures, 32 px; an epoch is 2 steps" in line for line in said)
    line = json.loads((tmp_path / "whole/log.jsonl").read_text().splitlines()[0])
    assert {"discriminator", "adversarial", "real_score", "fake_score"} <= line.keys()
    assert 0 < line["real_score"] < 1
    assert {f"000000{n}{kind}.png" for n in (0, 5) for kind in ("", "-between")} == {
        file.name for file in (tmp_path / "whole/samples").iterdir()
    }
    start(path, tmp_path / "halves", max_steps=3)
    assert "resumed at step 3" in start(path, tmp_path / "halves", resume=True)
    whole, halves = tensors(tmp_path / "whole"), tensors(tmp_path / "halves")
    assert whole.keys() == halves.keys()
    assert [name for name in whole if not torch.equal(whole[name], halves[name])] == []


def test_sizes_that_do_not_agree_are_told_before_data_is_read(tmp_path):
    path = run_yaml(tmp_path)
    path.write_text(path.read_text().replace("size: 32, hold_out", "size: 64, hold_out"))
    with pytest.raises(PipelineError, match=r":3: data\.size: 64 is not what the generator draws; .*size is 32"):
        load_run(path, REGISTRY)
    with pytest.raises(PipelineError, match=r"--set: data\.size: 128 is not what"):
        load_run(path, REGISTRY, ["data.size=128"])
    path.write_text(
        path.read_text().replace("size: 64, hold_out", "size: 48, hold_out").replace("size: 32", "size: 48")
    )
    with pytest.raises(PipelineError, match=r":3: data\.size: 48 does not fit"):
        load_run(path, REGISTRY)
    path.write_text(path.read_text().replace(", size: 48, hold_out", ", hold_out").replace("size: 48", "size: 32"))
    with pytest.raises(PipelineError, match=r":2: generator\.size: 32 is not what .*; data\.size is 64"):
        load_run(path, REGISTRY)


def test_a_translator_draws_nothing_from_noise(tmp_path):
    domains(tmp_path)
    path = run_yaml(tmp_path, steps=1)
    path.write_text(path.read_text().replace("{use: dcgan, size: 32, width: 4, latent: 12}", "{use: resnet, width: 4}"))
    with pytest.raises(HenshinError, match="generator: 'resnet' is a translator; dcgan needs a sampler"):
        start(path, tmp_path / "run")
