"""The networks against their papers' tables and against a second, plain statement of each."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from henshin.testing import check_generator  # noqa: E402
from henshin.train.networks import (  # noqa: E402
    ImageDiscriminator,
    MultiScaleDiscriminator,
    PatchDiscriminator,
    make_discriminator,
    mean_score,
)
from henshin_plugins.cyclegan import ResNet  # noqa: E402
from henshin_plugins.cyclegan.config import ResNetConfig  # noqa: E402
from henshin_plugins.cyclegan.network import ResNetGenerator  # noqa: E402


def count(network) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(("blocks", "exact"), [(9, 11_378_179), (6, 7_837_699), (4, 5_477_379)])
def test_the_residual_generator_has_the_papers_parameters(blocks, exact):
    assert count(ResNetGenerator(64, blocks, 2, "transposed")) == exact


def activations(network) -> list[tuple[int, ...]]:
    shapes = []
    for child in (*network.encoder, *network.decoder):
        child.register_forward_hook(lambda _m, _i, out: shapes.append(tuple(out.shape[1:])))
    with torch.inference_mode():
        network(torch.zeros(1, 3, 256, 256))
    return shapes


def test_activations_have_the_papers_shapes():
    shapes = activations(ResNetGenerator(64, 9, 2, "transposed"))
    assert shapes[:3] == [(64, 256, 256), (128, 128, 128), (256, 64, 64)]
    assert shapes[3:12] == [(256, 64, 64)] * 9
    assert shapes[12:14] == [(128, 128, 128), (64, 256, 256)]
    assert shapes[-1] == (3, 256, 256)


def test_three_halvings_lead_to_512x32x32_and_back():
    shapes = activations(ResNetGenerator(64, 4, 3, "transposed"))
    assert shapes[:4] == [(64, 256, 256), (128, 128, 128), (256, 64, 64), (512, 32, 32)]
    assert shapes[4:8] == [(512, 32, 32)] * 4
    assert shapes[8:11] == [(256, 64, 64), (128, 128, 128), (64, 256, 256)]
    assert shapes[-1] == (3, 256, 256)


def published_resnet(blocks: int, downs: int = 2, width: int = 8, dropout: bool = False):
    """The generator as the authors' PyTorch code lays it out: one Sequential, counted through, with biases."""

    class Block(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            first = [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels), nn.ReLU()]
            second = [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels)]
            self.conv_block = nn.Sequential(*first, *([nn.Dropout(0.5)] if dropout else []), *second)

        def forward(self, x):
            return x + self.conv_block(x)

    layers = [nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7), nn.InstanceNorm2d(width), nn.ReLU()]
    for i in range(downs):
        channels = width * 2**i
        layers += [nn.Conv2d(channels, 2 * channels, 3, 2, 1), nn.InstanceNorm2d(2 * channels), nn.ReLU()]
    layers += [Block(width * 2**downs) for _ in range(blocks)]
    for i in reversed(range(downs)):
        channels = width * 2**i
        up = nn.ConvTranspose2d(2 * channels, channels, 3, 2, 1, output_padding=1)
        layers += [up, nn.InstanceNorm2d(channels), nn.ReLU()]
    layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh()]
    network = nn.Module()
    network.model = nn.Sequential(*layers)
    return network


@pytest.mark.parametrize(("blocks", "downs", "dropout"), [(9, 2, False), (6, 2, False), (2, 3, True)])
def test_published_weights_of_the_residual_generator_draw_what_they_drew(blocks, downs, dropout):
    torch.manual_seed(1)
    theirs = published_resnet(blocks, downs, dropout=dropout).eval()
    options, tensors = ResNet.recognise(theirs.state_dict())
    assert options == {"width": 8, "blocks": blocks, "downs": downs}
    ours = ResNet(ResNetConfig(**options)).build()
    ours.load_state_dict(tensors)
    x = torch.rand(1, 3, 32, 48) * 2 - 1
    with torch.no_grad():
        assert torch.allclose(ours(x), theirs.model(x), atol=1e-5)


def test_old_files_and_wrapped_networks_are_recognised_and_others_are_not():
    theirs = published_resnet(2).state_dict()
    plain = ResNet.recognise(theirs)[1]
    old = {f"module.{name}": value for name, value in theirs.items()}
    old |= {"module.model.2.running_mean": torch.zeros(8), "module.model.2.num_batches_tracked": torch.zeros(())}
    tidied = ResNet.recognise(old)[1]
    assert all(torch.equal(plain[name], tidied[name]) for name in {*plain, *tidied})
    assert ResNet.recognise({**theirs, "model.2.weight": torch.ones(8)}) is None, (
        "a norm with weights is another layout"
    )
    assert ResNet.recognise({**theirs, "model.1.weight": torch.zeros(8, 1, 7, 7)}) is None, "gray pictures"
    assert ResNet.recognise({name: value for name, value in theirs.items() if name != "model.4.bias"}) is None
    assert ResNet.recognise(ResNetGenerator(8, 1, 2, "transposed").state_dict()) is None


class PlainResNet(nn.Module):
    """The generator written down flat, in the order of the paper's appendix, with functional calls."""

    def __init__(self, blocks: int, downs: int = 2, width: int = 64) -> None:
        super().__init__()
        self.downs = downs
        halved = [width * 2**i for i in range(downs + 1)]
        between = [(after, before, 3) for before, after in pairwise(halved)]
        sizes = [(width, 3, 7), *between, *[(halved[-1], halved[-1], 3)] * (2 * blocks)]
        self.weights = nn.ParameterList(torch.randn(o, i, k, k) * 0.02 for o, i, k in sizes)
        self.ups = nn.ParameterList(torch.randn(after, before, 3, 3) * 0.02 for after, before, _ in reversed(between))
        self.last = nn.Parameter(torch.randn(3, width, 7, 7) * 0.02)
        self.biases = nn.ParameterList(torch.randn(n) for n in [*[s[0] for s in sizes], *halved[-2::-1], 3])

    def forward(self, x):
        f = nn.functional
        bias = iter(self.biases)
        weight = iter(self.weights)

        def conv(y, pad, stride=1):
            y = f.pad(y, (pad,) * 4, "reflect") if stride == 1 else f.pad(y, (1,) * 4)
            return f.instance_norm(f.conv2d(y, next(weight), next(bias), stride))

        x = f.relu(conv(x, 3))
        for _ in range(self.downs):
            x = f.relu(conv(x, 1, 2))
        for _ in range((len(self.weights) - 1 - self.downs) // 2):
            x = x + conv(f.relu(conv(x, 1)), 1)
        for up in self.ups:
            x = f.relu(f.instance_norm(f.conv_transpose2d(x, up, next(bias), 2, 1, 1)))
        return torch.tanh(f.conv2d(f.pad(x, (3,) * 4, "reflect"), self.last, next(bias)))


@pytest.mark.parametrize(("blocks", "downs", "width"), [(3, 2, 16), (2, 3, 8)])
def test_the_residual_generator_equals_a_second_statement(blocks, downs, width):
    torch.manual_seed(0)
    plain, ours = PlainResNet(blocks, downs, width), ResNetGenerator(width, blocks, downs, "transposed")
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
    discriminator = PatchDiscriminator()
    assert count(discriminator) == 2_764_737
    x = torch.rand(1, 3, 256, 256, requires_grad=True)
    scores = discriminator(x)
    assert scores.shape == (1, 1, 30, 30)
    plain = PatchDiscriminator(norm="none")  # instance norm would let every pixel reach every score
    plain(x)[0, 0, 15, 15].backward()
    seen = x.grad.abs().sum((0, 1)).nonzero()
    assert (seen.max(0).values - seen.min(0).values + 1).tolist() == [70, 70]


def normed(x):
    """Instance norm, written down."""
    middle, spread = x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True, unbiased=False)
    return (x - middle) / torch.sqrt(spread + 1e-5)


def convolutions_of(discriminator):
    """The weights and biases of a discriminator's convolutions, randomly set, in their order."""
    found = [m for m in discriminator.modules() if isinstance(m, nn.Conv2d)]
    with torch.no_grad():
        for m in found:
            m.weight.copy_(torch.randn_like(m.weight) * 0.1)
            m.bias.copy_(torch.randn_like(m.bias))
    return [(m.weight, m.bias) for m in found]


@pytest.mark.parametrize("channels", [3, 6])
def test_the_patch_discriminator_equals_a_second_statement(channels):
    torch.manual_seed(2)
    discriminator = PatchDiscriminator(8, channels=channels)
    x = y = torch.rand(2, channels, 64, 48) * 2 - 1
    f = nn.functional
    with torch.no_grad():
        for i, (weight, bias) in enumerate(convolutions_of(discriminator)):
            y = f.conv2d(y, weight, bias, stride=2 if i < 3 else 1, padding=1)
            y = y if i in (0, 4) else normed(y)
            y = y if i == 4 else torch.where(y > 0, y, 0.2 * y)
        assert i == 4
        assert torch.allclose(discriminator(x), y, atol=1e-4)


@pytest.mark.parametrize("norm", ["instance", "none"])
def test_the_plain_discriminator_equals_a_second_statement(norm):
    torch.manual_seed(3)
    discriminator = ImageDiscriminator(8, norm)
    x = y = torch.rand(2, 3, 64, 48) * 2 - 1
    with torch.no_grad():
        for i, (weight, bias) in enumerate(convolutions_of(discriminator)):
            y = nn.functional.conv2d(y, weight, bias, stride=2, padding=1)
            y = y if norm == "none" or i == 0 else normed(y)
            y = torch.where(y > 0, y, 0.2 * y)
        assert y.shape == (2, 64, 4, 3)
        expected = y.mean((2, 3)) @ discriminator.last.weight.T + discriminator.last.bias
        assert torch.allclose(discriminator(x), expected, atol=1e-4)


def test_the_plain_discriminator_is_64_128_256_512_and_one_linear_layer():
    sizes = [tuple(p.shape) for p in ImageDiscriminator().parameters() if p.dim() > 1]
    assert sizes == [(64, 3, 3, 3), (128, 64, 3, 3), (256, 128, 3, 3), (512, 256, 3, 3), (1, 512)]
    assert make_discriminator("plain", 16, 3, "spectral")(torch.zeros(2, 3, 32, 32)).shape == (2, 1)
    assert make_discriminator("patch", 16, 2, "none", channels=6)(torch.zeros(2, 6, 32, 32)).shape == (2, 1, 6, 6)


def test_initial_weights_are_normal_with_a_spread_of_two_hundredths():
    networks = [
        ResNetGenerator(32, 2, 2, "transposed"),
        PatchDiscriminator(32),
        ImageDiscriminator(32),
        make_discriminator("plain", 32, 3, "spectral"),
    ]
    for network in networks:
        for name, value in network.state_dict().items():
            if name.endswith(("bias", "_u", "_v")):
                assert name.endswith(("_u", "_v")) or not value.any()
            elif value.numel() > 3000:
                assert value.std().item() == pytest.approx(0.02, rel=0.1), name
                assert abs(value.mean().item()) < 2e-3


def test_scores_are_told_as_how_real_a_discriminator_takes_pictures_to_be():
    scores = [torch.zeros(3, 1), torch.full((1, 1, 2, 2), 2.0)]
    assert mean_score("lsgan", scores).item() == pytest.approx(1.0)
    assert mean_score("vanilla", scores).item() == pytest.approx((0.5 + 1 / (1 + math.exp(-2))) / 2)


def test_spectral_norm_bounds_every_convolution():
    discriminator = MultiScaleDiscriminator(2, 16, 2)
    discriminator.train()
    for _ in range(60):
        scores = discriminator(torch.rand(1, 3, 64, 64))
    assert [s.shape[2] for s in scores] == [14, 6]
    for module in discriminator.modules():
        if isinstance(module, nn.Conv2d):
            assert torch.linalg.matrix_norm(module.weight.flatten(1), 2).item() == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(("upsample", "padding"), [("transposed", "zeros"), ("resize", "zeros"), ("resize", "reflect")])
def test_the_plugin_keeps_the_contract_of_a_generator(upsample, padding):
    check_generator(ResNet, {"width": 8, "blocks": 1, "upsample": upsample, "strided_padding": padding})
    assert ResNet(ResNetConfig(downs=3)).size_multiple == 8


@pytest.mark.parametrize(("padding", "flat"), [("zeros", False), ("reflect", True)])
def test_reflected_strided_convolutions_keep_a_flat_picture_flat(padding, flat):
    network = ResNetGenerator(8, 1, 2, "resize", strided_padding=padding)
    strided = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d) and layer.stride == (2, 2)]
    assert len(strided) == 2
    for layer in strided:
        found = layer(torch.full((1, layer.in_channels, 12, 16), 0.7))
        assert found.shape[2:] == (6, 8)
        spread = found - found[:, :, 3:4, 4:5]
        assert (float(spread.detach().abs().max()) < 1e-5) == flat
