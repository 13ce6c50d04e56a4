"""The parts of a style-based training, each against a statement of its own of what it should be."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional as F  # noqa: E402

from henshin.errors import HenshinError  # noqa: E402
from henshin.train.data import AdaptiveAugmentation  # noqa: E402
from henshin_plugins.stylegan2.discriminator import StyleGan2Discriminator, first_blocks, minibatch_stddev  # noqa: E402
from henshin_plugins.stylegan2.training import PathLength, final_blocks, lazy_regularisation, mix_styles  # noqa: E402

STANDARD = [512, 512, 512, 512, 512, 256, 128]
"""Channels at 4, 8, ..., 256 pixels."""


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameters_of_the_discriminator_at_256_px_layer_by_layer():
    with torch.device("meta"):
        discriminator = StyleGan2Discriminator(STANDARD)
    expected = 3 * 128 + 128  # from RGB
    for before, after in ((128, 256), (256, 512), (512, 512), (512, 512), (512, 512), (512, 512)):
        expected += before * before * 9 + before  # keeps the size
        expected += before * after * 9 + after  # halves it
        expected += before * after  # beside them, without a bias
    expected += (512 + 1) * 512 * 9 + 512
    expected += 512 * 16 * 512 + 512
    expected += 512 + 1
    assert count(discriminator) == expected == 28_864_129


def smooth(x: torch.Tensor, before: int, after: int) -> torch.Tensor:
    """The sum over 4x4 neighbours, each with its weight, with zeros around: no convolution."""
    taps = [1 / 8, 3 / 8, 3 / 8, 1 / 8]
    x = F.pad(x, (before, after, before, after))
    height, width = x.shape[2] - 3, x.shape[3] - 3
    return sum(a * b * x[:, :, i : i + height, j : j + width] for i, a in enumerate(taps) for j, b in enumerate(taps))


def act(x: torch.Tensor) -> torch.Tensor:
    return torch.where(x > 0, x, 0.2 * x) * math.sqrt(2)


def spread(x: torch.Tensor) -> torch.Tensor:
    """The statistic of a batch that is one group."""
    return ((x - x.mean(0)).square().mean(0) + 1e-8).sqrt().mean()


def test_the_discriminator_equals_a_plain_statement():
    discriminator = StyleGan2Discriminator([6, 5, 4]).double()
    state = {name: torch.randn_like(value) for name, value in discriminator.state_dict().items()}
    discriminator.load_state_dict(state)
    pictures = torch.randn(3, 3, 16, 16, dtype=torch.float64)

    def conv(x: torch.Tensor, name: str, stride: int = 1, padding: int = 0) -> torch.Tensor:
        weight = state[f"{name}.weight"]
        return F.conv2d(x, weight / math.sqrt(weight[0].numel()), state.get(f"{name}.bias"), stride, padding)

    x = act(conv(pictures, "from_rgb"))
    for i in range(2):
        skip = conv(smooth(x, 1, 1), f"blocks.{i}.skip", 2)
        x = act(conv(x, f"blocks.{i}.first", padding=1))
        x = act(conv(smooth(x, 2, 2), f"blocks.{i}.second", 2))
        x = (x + skip) / math.sqrt(2)
    x = torch.cat([x, spread(x).expand(3, 1, 4, 4)], 1)
    x = act(conv(x, "final", padding=1)).flatten(1)
    x = act(x @ state["dense.weight"].T / math.sqrt(96) + state["dense.bias"])
    wanted = x @ state["score.weight"].T / math.sqrt(6) + state["score.bias"]
    # the statistic is computed in fp32, whatever the network's precision
    assert torch.allclose(discriminator(pictures), wanted, atol=1e-5)


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12])
def test_the_spread_of_a_batch_is_that_of_groups_of_four_at_least(batch):
    x = torch.randn(batch, 3, 4, 4)
    found = minibatch_stddev(x)
    assert torch.equal(found[:, :3], x)
    groups = max(1, batch // 4)
    members = [[i for i in range(batch) if i % groups == j] for j in range(groups)]
    assert batch < 4 or all(4 <= len(one) <= 7 for one in members)
    for one in members:
        assert torch.allclose(found[one, 3], spread(x[one]).expand(len(one), 4, 4))


def test_the_spread_equals_the_usual_one_where_the_batch_is_a_multiple():
    x = torch.randn(12, 6, 4, 4)
    usual = (x.view(4, 3, 6, 4, 4).var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
    assert torch.allclose(minibatch_stddev(x)[:, -1, 0, 0], usual.repeat(4))


# ---- penalties and styles


def test_path_length_of_a_linear_generator_is_the_one_of_its_matrix():
    """Of pictures A w the slope against noise y is A' y, whose square summed over w is the length's."""
    matrix = torch.randn(2 * 3 * 4 * 4, 5 * 6, dtype=torch.float64)
    w = torch.randn(2, 5, 6, dtype=torch.float64, requires_grad=True)
    parameter = torch.ones((), dtype=torch.float64, requires_grad=True)
    pictures = (parameter * w.flatten(1) @ matrix.T)[:, :48].view(2, 3, 4, 4)
    noise = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    slopes = (noise.flatten(1) / 4 @ matrix[:48]).view(2, 5, 6)
    lengths = torch.stack([torch.stack([row.square().sum() for row in one]).mean().sqrt() for one in slopes])

    path = PathLength(decay=0.1)
    path.mean = torch.tensor(2.0, dtype=torch.float64)
    loss = path(pictures, w, noise)
    mean = 2 + 0.1 * (lengths.mean() - 2)
    assert torch.allclose(path.mean, mean)
    assert torch.allclose(loss, (lengths - mean).square().mean())
    (slope,) = torch.autograd.grad(loss, parameter)
    assert torch.allclose(slope, (2 * (lengths - mean) * lengths).mean())  # the length is proportional to it


def test_rates_of_steps_that_are_taken_more_often():
    assert lazy_regularisation(0.002, 0.99, 16) == pytest.approx((0.002 * 16 / 17, 0.99 ** (16 / 17)))
    assert lazy_regularisation(0.002, 0.99, 0) == (0.002, 0.99)


def test_styles_change_once_at_some_layer_in_a_part_of_the_pictures():
    one, other = torch.zeros(4000, 2), torch.ones(4000, 2)
    rng = np.random.default_rng(1)
    w = mix_styles(one, other, 8, 0.9, rng)
    assert w.shape == (4000, 8, 2)
    assert torch.equal(w[:, :, 0], w[:, :, 1])
    assert (w[:, :, 0].diff(dim=1) >= 0).all()  # never back again
    assert (w[:, 0] == 0).all()
    after = w[:, :, 0].sum(1)  # layers of the other
    assert (after > 0).float().mean().item() == pytest.approx(0.9, abs=0.02)
    counts = torch.bincount(after.long())[1:]
    assert len(counts) == 7
    assert counts.min() > 0.8 * 3600 / 7
    assert (mix_styles(one, other, 8, 0.0, rng) == 0).all()


# ---- how much is augmented


def test_the_chance_rises_while_real_scores_are_sure_and_falls_else():
    adaptive = AdaptiveAugmentation(("blit",), target=0.6, pictures=1000, maximum=0.5, every=2)
    sure = torch.ones(10, 1)
    adaptive.update(sure)
    assert adaptive.probability == 0
    adaptive.update(sure)
    assert adaptive.probability == pytest.approx(20 / 1000)
    half = torch.tensor([1.0, 1.0, 1.0, -1.0])  # mean sign 0.5, below the target
    for _ in range(2):
        adaptive.update(half)
    assert adaptive.probability == pytest.approx(12 / 1000)
    for _ in range(200):
        adaptive.update(sure)
    assert adaptive.probability == 0.5
    for _ in range(4000):
        adaptive.update(-sure)
    assert adaptive.probability == 0


def test_a_chance_goes_on_where_it_was():
    one, other = (AdaptiveAugmentation(("blit",), pictures=100, every=3) for _ in range(2))
    one.update(torch.ones(5))
    one.update(-torch.ones(2))
    other.load_state_dict(one.state_dict())
    for adaptive in (one, other):
        adaptive.update(torch.ones(9))
    assert one.state_dict() == other.state_dict()
    assert one.probability == pytest.approx(0.16)


def test_without_changes_there_is_no_chance():
    adaptive = AdaptiveAugmentation((), pictures=1)
    for _ in range(8):
        adaptive.update(torch.ones(4))
    assert adaptive.probability == 0
    pictures = torch.rand(2, 3, 8, 8)
    assert torch.equal(adaptive(pictures), pictures)


def test_blocks_that_are_not_there_are_refused():
    discriminator = StyleGan2Discriminator([4, 4, 4])
    assert first_blocks(discriminator, 0) == []
    assert {id(one) for one in discriminator.blocks[1].parameters()}.isdisjoint(map(id, first_blocks(discriminator, 1)))
    with pytest.raises(HenshinError, match="discriminator_frozen: 3 is too many; this discriminator has 2 blocks"):
        first_blocks(discriminator, 3)
    synthesis = torch.nn.Module()
    synthesis.constant = torch.nn.Parameter(torch.zeros(1))
    synthesis.blocks = torch.nn.ModuleList(torch.nn.Linear(1, 1) for _ in range(3))
    assert [len(final_blocks(synthesis, k)) for k in (1, 2, 3)] == [2, 4, 7]  # the last with the constant
    with pytest.raises(HenshinError, match="blocks: 4 is too many; this generator has 3"):
        final_blocks(synthesis, 4)
