"""StyleGAN2's network: against the paper's own form of it, by its parameters, and as two models."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
from support.stylegan2 import TINY, drawn, filtered, kernel, modulated, published, styles  # noqa: E402

from henshin.testing import check_generator  # noqa: E402
from henshin.train.networks.stylegan2_layers import Blur, EqualLinear, ModulatedConv, Upsample  # noqa: E402
from henshin_plugins.stylegan2 import StyleGan2  # noqa: E402
from henshin_plugins.stylegan2.config import StyleGan2Config  # noqa: E402

WEIGHTS = published(**TINY)
MEAN = torch.linspace(-1, 1, TINY["latent"])
NET = {"size": 16, "latent": 6, "mapping_layers": 2, "width": 2, "maximum_width": 8}


def network():
    options, ours = StyleGan2.recognise({**WEIGHTS, "latent_avg": MEAN})
    whole = StyleGan2(StyleGan2Config(**options)).build().eval()
    whole.load_state_dict(ours)
    return whole


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("demodulate", [False, True])
def test_modulation_is_that_of_weights_of_each_samples_own(up, demodulate):
    torch.manual_seed(1)
    layer = ModulatedConv(5, 4, 3, 7, demodulate, up)
    x, w = torch.randn(3, 5, 6, 6), torch.randn(3, 7) * 3
    with torch.no_grad():
        found = layer(x, w)
        expected = modulated(x, layer.weight, layer.style(w), demodulate, up)
    assert found.shape == (3, 4, 12, 12) if up else (3, 4, 6, 6)
    assert torch.allclose(found, expected, atol=2e-5)
    if demodulate and not up:  # whatever the style's size, the outputs have unit variance for inputs that do
        many = layer(torch.randn(1, 5, 64, 64), w[:1] * 50)
        assert 0.8 < float(many.detach()[..., 1:-1, 1:-1].std()) < 1.25


def test_under_autocast_the_norms_stay_exact():
    torch.manual_seed(1)
    layer, w = ModulatedConv(64, 8, 3, 4), torch.randn(2, 4)
    with torch.no_grad():
        style = layer.style(w)
        exact = layer.demodulation(style)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(layer.demodulation(style), exact)
            assert layer(torch.randn(2, 64, 4, 4), w).dtype == torch.bfloat16
            z = torch.randn(2, 6)
            assert torch.equal(network().mapping(z), network().mapping(z.clone()))
            assert network()(z).dtype == torch.float32
        whole = network()
        plain = whole.mapping(z)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(whole.mapping(z), plain)


@pytest.mark.parametrize(("before", "after", "gain", "stride"), [(1, 1, 4.0, 1), (2, 1, 1.0, 1), (2, 2, 1.0, 2)])
def test_the_blur_is_a_sum_over_each_window(before, after, gain, stride):
    x = torch.randn(2, 3, 9, 7)
    expected = torch.stack([filtered(one, kernel(gain), 1, before, after) for one in x])[..., ::stride, ::stride]
    assert torch.allclose(Blur(before, after, gain, stride)(x), expected, atol=1e-6)


def test_upsampling_puts_zeros_between_and_filters():
    x = torch.randn(2, 3, 5, 4)
    expected = torch.stack([filtered(one, kernel(4.0), 2, 2, 1) for one in x])
    found = Upsample()(x)
    assert found.shape == (2, 3, 10, 8)
    assert torch.allclose(found, expected, atol=1e-6)
    assert torch.allclose(Upsample()(torch.ones(1, 1, 6, 6))[..., 2:-2, 2:-2], torch.ones(8, 8))


def test_equalised_layers_keep_the_variance_and_learn_at_one_pace():
    torch.manual_seed(0)
    for rate in (1.0, 0.01):
        layer = EqualLinear(256, 64, rate=rate)
        assert float(layer(torch.randn(512, 256)).detach().std()) == pytest.approx(1, rel=0.1)
        before = layer(torch.ones(1, 256))
        with torch.no_grad():
            layer.weight += 0.1
        assert float((layer(torch.ones(1, 256)) - before).detach().mean()) == pytest.approx(0.1 * rate * 16, rel=1e-3)


def test_the_whole_network_is_the_published_one():
    whole = network()
    z, w = torch.randn(3, 6), torch.randn(3, 6, 6) * 2
    with torch.no_grad():
        assert torch.allclose(whole.mapping(z), styles(WEIGHTS, z), atol=1e-5)
        assert torch.allclose(whole.synthesis(w), drawn(WEIGHTS, w), atol=1e-4)
        assert torch.allclose(whole.synthesis(w, "none"), drawn(WEIGHTS, w, noise=False), atol=1e-4)
        assert torch.equal(whole.synthesis(w, whole.synthesis.noises()), whole.synthesis(w))
        same = styles(WEIGHTS, z)[:, None].repeat(1, 6, 1)
        assert torch.allclose(whole(z), drawn(WEIGHTS, same), atol=1e-4)
        nearer = MEAN + (same - MEAN) * 0.4
        assert torch.allclose(whole(z, 0.4), drawn(WEIGHTS, nearer), atol=1e-4)
        assert torch.equal(whole(z * 7), whole(z)) or torch.allclose(whole(z * 7), whole(z), atol=1e-4)


def test_noise_is_random_while_training_and_still_afterwards():
    whole, w = network(), torch.randn(1, 6, 6)
    with torch.no_grad():
        assert torch.equal(whole.synthesis(w), whole.synthesis(w))
        whole.train()
        assert not torch.equal(whole.synthesis(w), whole.synthesis(w))
        assert torch.equal(whole.synthesis(w, "fixed"), whole.eval().synthesis(w))
    silent = StyleGan2(StyleGan2Config(**NET, noise="none")).build().eval()
    silent.load_state_dict(whole.state_dict())
    with torch.no_grad():
        assert torch.equal(silent.synthesis(w), whole.synthesis(w, "none"))


def test_each_layer_has_a_style_of_its_own():
    """Block b takes the layers 2b - 1 and 2b, its colours 2b + 1: a style changes what lies from there on alone."""
    synthesis, w = network().synthesis, torch.randn(1, 6, 6)
    seen = {}
    for number, block in enumerate(synthesis.blocks):
        block.second.register_forward_hook(lambda _, __, out, number=number: seen.__setitem__(number, out))
    with torch.no_grad():
        synthesis(w)
        before = dict(seen)
        for layer in range(6):
            other = w.clone()
            other[:, layer] += 1
            synthesis(other)
            first = (layer + 1) // 2
            assert [torch.equal(seen[i], before[i]) for i in range(3)] == [i < first for i in range(3)]


def test_the_mean_follows_the_styles():
    mapping = network().mapping
    mapping.follow(torch.ones(4, 6), decay=0.75)
    assert torch.allclose(mapping.mean, MEAN * 0.75 + 0.25)


def parameters_at(size: int) -> int:
    """Layer by layer, by the table of channels that the paper uses."""
    table = {4: 512, 8: 512, 16: 512, 32: 512, 64: 512, 128: 256, 256: 128, 512: 64, 1024: 32}

    def convolution(before: int, after: int, kernel: int) -> int:
        return before * after * kernel**2 + 512 * before + before  # weights; the style's layer

    def styled(before: int, after: int) -> int:
        return convolution(before, after, 3) + after + 1  # bias, strength of the noise

    def colours(before: int) -> int:
        return convolution(before, 3, 1) + 3

    total = 8 * (512 * 512 + 512)  # the mapping
    total += 512 * 4 * 4 + styled(512, 512) + colours(512)  # the constant and its block
    side = 8
    while side <= size:
        before, after = table[side // 2], table[side]
        total += styled(before, after) + styled(after, after) + colours(after)
        side *= 2
    return total


@pytest.mark.parametrize(("size", "count"), [(256, 30_034_338), (1024, 30_370_060)])
def test_the_standard_table_has_the_papers_parameters(size, count):
    with torch.device("meta"):
        whole = StyleGan2(StyleGan2Config(size=size)).build()
    assert sum(one.numel() for one in whole.parameters()) == parameters_at(size) == count
    assert len(whole.synthesis.blocks) == len(StyleGan2(StyleGan2Config(size=size)).blocks()) == size.bit_length() - 2
    assert whole.synthesis.latent_shape == (2 * size.bit_length() - 4, 512)


def test_the_adain_form_has_the_first_papers_parameters():
    """Of 26,219,627 those of the ways to RGB at lower sizes are missing, which only growing networks use."""
    with torch.device("meta"):
        whole = StyleGan2(StyleGan2Config(size=1024, form="adain", width=256)).build()
    lower = sum(3 * channels + 3 for channels in (512, 512, 512, 512, 256, 128, 64, 32))
    assert sum(one.numel() for one in whole.parameters()) == 26_219_627 - lower
    assert whole.synthesis.latent_shape == (18, 512)


def test_adain_gives_each_channel_the_mean_and_deviation_that_the_style_says():
    torch.manual_seed(3)
    synthesis = StyleGan2(StyleGan2Config(**{**NET, "form": "adain"})).build().eval().synthesis
    w = torch.randn(2, 6, 6)
    with torch.no_grad():
        features = []
        synthesis.blocks[2].second.register_forward_hook(lambda _, __, out: features.append(out))
        synthesis(w)
        scale, shift = synthesis.blocks[2].second.style(w[:, 5]).chunk(2, 1)
    assert torch.allclose(features[0].mean((2, 3)), shift, atol=1e-4)
    assert torch.allclose(features[0].std((2, 3), correction=0), (scale + 1).abs(), atol=1e-3)


@pytest.mark.parametrize("form", ["stylegan2", "adain"])
def test_the_kit_finds_nothing_wrong(form):
    check_generator(StyleGan2, {**NET, "form": form})
