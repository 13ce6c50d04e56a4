"""The residual generator without norm: its reach, its start, and that tiles of large photos show no seams."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from henshin.models import read_contract  # noqa: E402
from henshin.runtime import Device, Model, OnnxSession  # noqa: E402
from henshin.testing import check_generator, picture  # noqa: E402
from henshin.train.export import export  # noqa: E402
from henshin.train.weights.trained_network import TrainedNetwork  # noqa: E402
from henshin_plugins.cyclegan import ResNet  # noqa: E402
from henshin_plugins.cyclegan.config import ResNetConfig  # noqa: E402

SHAPES = [("resize", 1, 1), ("resize", 2, 1), ("resize", 2, 4), ("resize", 3, 2), ("transposed", 2, 1)]


def made(**options: Any) -> ResNet:
    return ResNet(ResNetConfig(**{"width": 4, "norm": "none", "strided_padding": "reflect", **options}))


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(("upsample", "downs", "blocks"), SHAPES)
def test_the_reach_is_that_of_the_farthest_pixel_that_counts(upsample, downs, blocks):
    generator = made(upsample=upsample, downs=downs, blocks=blocks)
    network = generator.build().double()
    with torch.no_grad():
        for layer in network.modules():  # means of neighbourhoods: no two ways from a pixel to another cancel out
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                layer.weight.fill_(1 / (layer.in_channels * layer.kernel_size[0] ** 2))
    step = generator.size_multiple
    middle = -(-(generator.reach + 8) // step) * step
    seen = []
    for place in range(middle, middle + step):
        photo = torch.rand(1, 3, 2 * middle, 2 * middle, dtype=torch.float64, requires_grad=True)
        network(photo)[0, 0, place, place].backward()
        touched = photo.grad.abs().sum((0, 1)).nonzero()
        seen += [*(place - touched.min(0).values).tolist(), *(touched.max(0).values - place).tolist()]
    assert max(seen) == generator.reach


@pytest.mark.parametrize(("upsample", "padding"), [("resize", "reflect"), ("transposed", "zeros")])
def test_it_keeps_the_contract_of_a_generator(upsample, padding):
    options = {"width": 8, "blocks": 1, "upsample": upsample, "strided_padding": padding, "norm": "none"}
    check_generator(ResNet, options)


def test_what_sees_the_whole_picture_says_so():
    assert made(blocks=4, upsample="resize").reach == 47
    assert made(photo_skip=True).reach == made().reach
    assert made(norm="instance").reach == made(colour_skip=8).reach == "global"


def test_parameters_are_those_of_the_paper():
    def convolution(before: int, after: int, kernel: int = 3) -> int:
        return before * after * kernel**2 + after

    steps = [convolution(32, 64), convolution(64, 128), convolution(128, 64), convolution(64, 32)]
    wanted = convolution(3, 32, 7) + sum(steps) + 8 * convolution(128, 128) + convolution(32, 3, 7)
    options = {"width": 32, "blocks": 4, "upsample": "resize"}
    assert count(made(**options).build()) == count(made(norm="instance", **options).build()) == wanted == 1_374_723


@pytest.mark.parametrize("upsample", ["resize", "transposed"])
def test_the_signal_keeps_its_size_through_any_depth_at_the_start(upsample):
    torch.manual_seed(0)
    network = made(width=16, blocks=16, upsample=upsample).build()
    photo = torch.rand(1, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        sizes = [float(found.square().mean().sqrt()) for found in network.features(photo, tuple(range(19)))]
        drawn = network(photo)
    assert len(sizes) == 19
    assert max(sizes) < 2 * min(sizes)
    assert 0.01 < drawn.std() < 0.3, "no tanh is saturated"


def test_it_sees_colour_and_contrast_which_instance_norm_removes():
    photo = torch.rand(1, 3, 32, 32) - 0.5
    for norm, blind in (("instance", True), ("none", False)):
        torch.manual_seed(0)
        network = made(norm=norm).build()
        with torch.no_grad():
            apart = (network(photo) - network(photo * 0.5 + 0.2)).abs().max()
        assert (apart < 1e-3) == blind


def test_a_photo_skip_starts_at_the_photo():
    torch.manual_seed(0)
    photo = torch.rand(2, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        drawn = made(photo_skip=True, upsample="resize").build()(photo)
    assert (drawn - 0.9 * photo).abs().mean() < 0.1
    assert drawn.abs().max() < 1
    with pytest.raises(ValueError, match="photo_skip brings all colours of the photo: set colour_skip to 0"):
        made(photo_skip=True, colour_skip=8)


def test_tiles_of_an_exported_model_show_no_seams(tmp_path: Path) -> None:
    torch.manual_seed(3)
    generator = made(width=8, blocks=2, upsample="resize", photo_skip=True)
    network = generator.build().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1.5)
    path = tmp_path / "scene.onnx"
    contract = export(TrainedNetwork(generator, network, 64, "", "", ""), path, [picture(64, 48), picture(96, 64)])
    assert contract == read_contract(path)
    assert contract.reach == generator.reach
    tiled, whole = (Model(contract, OnnxSession(path, Device("cpu")), tile=tile) for tile in (96, 10_000))
    for photo in (picture(210, 130, 1), picture(97, 181, 2)):
        (one,), (other,) = tiled.translate([photo]), whole.translate([photo])
        assert one.std() > 10
        assert np.abs(one.astype(int) - other).max() <= 1
