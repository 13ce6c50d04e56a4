"""The skip connection of broad colours: what it passes on, at any size and precision, and in exported models."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from henshin.models import read_contract  # noqa: E402
from henshin.runtime import Device, Model, OnnxSession  # noqa: E402
from henshin.testing import picture  # noqa: E402
from henshin.train.export import export  # noqa: E402
from henshin.train.networks import PictureOutput  # noqa: E402
from henshin.train.networks.layers import broad_colours  # noqa: E402
from henshin.train.weights.trained_network import TrainedNetwork  # noqa: E402
from henshin_plugins.cyclegan import ResNet  # noqa: E402
from henshin_plugins.ugatit import UGatIt  # noqa: E402
from henshin_plugins.unet import UNet  # noqa: E402

GENERATORS = {
    "resnet": (ResNet, {"width": 4, "blocks": 1}),
    "ugatit": (UGatIt, {"width": 4, "blocks": 1}),
    "unet": (UNet, {"width": 4, "downs": 3}),
}


def made(name: str, colour_skip: int, gain: float = 4.0) -> tuple[Any, Any]:
    """A generator and its network, with weights as large as a trained one's."""
    kind, options = GENERATORS[name]
    torch.manual_seed(0)
    generator = kind(kind.Config(**options, colour_skip=colour_skip))
    network = generator.build().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(gain)
    return generator, network


def restated(plane: np.ndarray, cells: int) -> np.ndarray:
    """Means of equal parts by a sum over pixels, and bilinear interpolation by a loop, of one plane (H, W)."""

    def reduced(rows: np.ndarray) -> np.ndarray:
        fine = np.repeat(rows, cells, axis=0)  # each row `cells` times: a part is a whole number of them
        return fine.reshape(cells, rows.shape[0], -1).mean(1)

    def enlarged(parts: np.ndarray, length: int) -> np.ndarray:
        out = []
        for place in range(length):
            middle = min(max((place + 0.5) * cells / length - 0.5, 0), cells - 1)
            low = math.floor(middle)
            high = min(low + 1, cells - 1)
            out.append(parts[low] * (1 - (middle - low)) + parts[high] * (middle - low))
        return np.array(out)

    rows = enlarged(reduced(plane), plane.shape[0])
    return enlarged(reduced(rows.T), plane.shape[1]).T


@pytest.mark.parametrize(("height", "width", "cells"), [(32, 32, 8), (40, 52, 8), (20, 13, 3), (5, 8, 8), (4, 6, 1)])
def test_broad_colours_are_means_of_equal_parts_enlarged_bilinearly(height, width, cells):
    pictures = torch.rand(2, 3, height, width) * 2 - 1
    found = broad_colours(pictures, cells)
    for i in range(2):
        for channel in range(3):
            expected = restated(pictures[i, channel].double().numpy(), cells)
            np.testing.assert_allclose(found[i, channel].numpy(), expected, atol=2e-6)


def test_broad_colours_are_pytorchs_pooling_and_interpolation_where_cells_are_whole():
    f, pictures = torch.nn.functional, torch.rand(2, 3, 48, 64)
    expected = f.interpolate(f.adaptive_avg_pool2d(pictures, 8), (48, 64), mode="bilinear", align_corners=False)
    assert torch.allclose(broad_colours(pictures, 8), expected, atol=2e-6)


def test_a_network_of_instance_norm_is_blind_to_colour_and_contrast_and_the_skip_lets_it_see():
    pictures = torch.rand(1, 3, 32, 48) * 2 - 1
    changed = pictures * 0.5 + torch.tensor([0.3, -0.2, 0.1]).view(1, 3, 1, 1)
    with torch.no_grad():
        blind = made("resnet", 0, gain=20)[1]
        assert torch.allclose(blind(pictures * 0.5 + 0.3), blind(pictures), atol=1e-2)
        assert torch.allclose(blind(changed), blind(pictures), atol=1e-2)
        seeing = made("resnet", 8)[1]
        apart = (seeing(changed) - seeing(pictures)).mean((2, 3))[0]
    assert apart[0] > 0.1
    assert apart[1] < -0.05
    assert apart.abs().min() > 0.02


@pytest.mark.parametrize("name", GENERATORS)
def test_without_features_the_output_is_the_broad_colour_of_the_photo(name):
    network = made(name, 4, gain=0.0)[1]
    pictures = torch.rand(2, 3, 32, 48) * 2 - 1
    with torch.no_grad():
        assert torch.allclose(network(pictures), 0.9 * broad_colours(pictures, 4), atol=1e-5)


@pytest.mark.parametrize("name", GENERATORS)
def test_the_skip_has_no_weights_and_a_network_without_it_stays_what_it_was(name):
    (_, without), (_, with_skip) = made(name, 0), made(name, 8)
    assert without.state_dict().keys() == with_skip.state_dict().keys()
    with_skip.load_state_dict(without.state_dict())
    pictures = torch.rand(1, 3, 32, 32) * 2 - 1
    inner: list[torch.Tensor] = []
    without.output.register_forward_pre_hook(lambda _, given: inner.append(given[0]))
    with torch.no_grad():
        plain, skipped = without(pictures), with_skip(pictures)
    assert torch.equal(plain, torch.tanh(inner[0]))
    expected = torch.tanh(inner[0] + torch.atanh(0.9 * broad_colours(pictures, 8)))
    assert torch.allclose(skipped, expected, atol=1e-5)


def test_a_traced_pass_draws_the_same():
    network = made("resnet", 8)[1]
    pictures = torch.rand(2, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        assert torch.equal(network.trace(pictures, (1,))[0], network(pictures))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_white_and_black_stay_finite_in_half_precision(dtype):
    output = PictureOutput(8)
    for value in (-1.0, 1.0, 1.5):
        pictures = torch.full((1, 3, 32, 24), value, dtype=dtype)
        z = torch.zeros(1, 3, 32, 24, dtype=dtype, requires_grad=True)
        drawn = output(z, pictures)
        assert drawn.dtype == dtype
        assert drawn.float().abs().max() <= 0.91
        drawn.float().sum().backward()
        assert torch.isfinite(z.grad).all()
        assert z.grad.abs().min() > 0
    with torch.autocast("cpu", torch.bfloat16):
        mixed = output(torch.zeros(1, 3, 30, 30), torch.full((1, 3, 30, 30), 0.123456))
    assert torch.allclose(mixed, torch.tensor(0.9 * 0.123456), atol=1e-5), "the skip is computed in fp32"


@pytest.mark.parametrize(("name", "cells"), [("resnet", 8), ("unet", 3)])
def test_an_exported_network_draws_what_pytorch_draws_at_sizes_that_the_cells_do_not_divide(tmp_path, name, cells):
    generator, network = made(name, cells)
    path = tmp_path / "skip.onnx"
    source = TrainedNetwork(generator, network, None, "a test", "no data", "Apache-2.0")
    contract = export(source, path, [picture(90, 70, seed) for seed in range(2)])
    assert contract.reach == "global"
    model = Model(read_contract(path), OnnxSession(path, Device("cpu")))
    for count, (height, width) in ((1, (40, 40)), (2, (48, 104))):
        batch = np.stack([picture(width, height, seed) for seed in range(count)])
        with torch.no_grad():
            x = torch.from_numpy(batch).permute(0, 3, 1, 2).float() / 127.5 - 1
            expected = ((network(x) + 1) * 127.5).clamp(0, 255).round().permute(0, 2, 3, 1).numpy()
        assert np.abs(model.run(batch).astype(float) - expected).max() <= 1
        assert expected.std() > 5
