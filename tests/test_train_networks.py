"""The networks against their papers' tables and against a second, plain statement of each."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from henshin.testing import check_generator  # noqa: E402
from henshin.train.discriminators import MultiScale, PatchGan  # noqa: E402
from henshin_plugins.cyclegan import ResNet, ResNetConfig  # noqa: E402
from henshin_plugins.cyclegan.network import ResNetGenerator  # noqa: E402


def count(network) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(("blocks", "millions"), [(9, 11.378), (6, 7.838), (4, 5.477)])
def test_the_residual_generator_has_the_papers_parameters(blocks, millions):
    assert count(ResNetGenerator(64, blocks, 2, "transposed")) / 1e6 == pytest.approx(millions, abs=5e-4)


def test_activations_have_the_papers_shapes():
    network = ResNetGenerator(64, 9, 2, "transposed")
    shapes = []
    for child in (*network.encoder, *network.decoder):
        child.register_forward_hook(lambda _m, _i, out: shapes.append(tuple(out.shape[1:])))
    with torch.inference_mode():
        network(torch.zeros(1, 3, 256, 256))
    assert shapes[:3] == [(64, 256, 256), (128, 128, 128), (256, 64, 64)]
    assert shapes[3:12] == [(256, 64, 64)] * 9
    assert shapes[12:14] == [(128, 128, 128), (64, 256, 256)]
    assert shapes[-1] == (3, 256, 256)


class PlainResNet(nn.Module):
    """The generator written down flat, in the order of the paper's appendix, with functional calls."""

    def __init__(self, blocks: int) -> None:
        super().__init__()
        sizes = [(64, 3, 7), (128, 64, 3), (256, 128, 3), *[(256, 256, 3)] * (2 * blocks)]
        self.weights = nn.ParameterList(torch.randn(o, i, k, k) * 0.02 for o, i, k in sizes)
        self.ups = nn.ParameterList(torch.randn(i, o, 3, 3) * 0.02 for i, o in ((256, 128), (128, 64)))
        self.last = nn.Parameter(torch.randn(3, 64, 7, 7) * 0.02)
        self.biases = nn.ParameterList(torch.randn(n) for n in [*[s[0] for s in sizes], 128, 64, 3])

    def forward(self, x):
        f = nn.functional
        bias = iter(self.biases)
        weight = iter(self.weights)

        def conv(y, pad, stride=1):
            y = f.pad(y, (pad,) * 4, "reflect") if stride == 1 else f.pad(y, (1,) * 4)
            return f.instance_norm(f.conv2d(y, next(weight), next(bias), stride))

        x = f.relu(conv(x, 3))
        x = f.relu(conv(x, 1, 2))
        x = f.relu(conv(x, 1, 2))
        for _ in range((len(self.weights) - 3) // 2):
            x = x + conv(f.relu(conv(x, 1)), 1)
        for up in self.ups:
            x = f.relu(f.instance_norm(f.conv_transpose2d(x, up, next(bias), 2, 1, 1)))
        return torch.tanh(f.conv2d(f.pad(x, (3,) * 4, "reflect"), self.last, next(bias)))


def test_the_residual_generator_equals_a_second_statement():
    torch.manual_seed(0)
    plain, ours = PlainResNet(3), ResNetGenerator(64, 3, 2, "transposed")
    convolutions = [m for m in ours.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    theirs = [*plain.weights, *plain.ups, plain.last]
    with torch.no_grad():
        for convolution, weight, bias in zip(convolutions, theirs, plain.biases, strict=True):
            convolution.weight.copy_(weight)
            convolution.bias.copy_(bias)
        x = torch.rand(2, 3, 32, 48) * 2 - 1
        assert torch.allclose(ours(x), plain(x), atol=1e-5)


def test_features_are_those_of_the_pass_that_draws():
    network = ResNetGenerator(8, 3, 2, "resize")
    x = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        drawn, traced = network.trace(x, (0, 2, 4))
        alone = network.features(x, (0, 2, 4))
        assert torch.equal(drawn, network(x))
    assert [f.shape[1] for f in traced] == [8, 32, 32]
    assert all(torch.equal(a, b) for a, b in zip(traced, alone, strict=True))


def test_the_patch_discriminator_has_the_papers_size_scores_and_reach():
    judge = PatchGan()
    assert count(judge) == 2_764_737
    x = torch.rand(1, 3, 256, 256, requires_grad=True)
    scores = judge(x)
    assert scores.shape == (1, 1, 30, 30)
    plain = PatchGan(norm="none")  # instance norm would let every pixel reach every score
    plain(x)[0, 0, 15, 15].backward()
    seen = x.grad.abs().sum((0, 1)).nonzero()
    assert (seen.max(0).values - seen.min(0).values + 1).tolist() == [70, 70]


def test_spectral_norm_bounds_every_convolution():
    judge = MultiScale(2, 16, 2)
    judge.train()
    for _ in range(60):
        scores = judge(torch.rand(1, 3, 64, 64))
    assert [s.shape[2] for s in scores] == [14, 6]
    for module in judge.modules():
        if isinstance(module, nn.Conv2d):
            assert torch.linalg.matrix_norm(module.weight.flatten(1), 2).item() == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("upsample", ["transposed", "resize"])
def test_the_plugin_keeps_the_contract_of_a_generator(upsample):
    check_generator(ResNet, {"width": 8, "blocks": 1, "upsample": upsample})
    assert ResNet(ResNetConfig(downs=3)).size_multiple == 8
