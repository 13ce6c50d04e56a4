"""Losses against closed-form values, and the small pieces that recipes share."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from henshin.api.recipe import constant_then_linear  # noqa: E402
from henshin.train.data import ImagePool, augment  # noqa: E402
from henshin.train.data.augmentation import colour, cutout, translation  # noqa: E402
from henshin.train.losses import (  # noqa: E402
    cycle_loss,
    discriminator_loss,
    generator_loss,
    identity_loss,
    patch_nce_loss,
)
from henshin.train.networks import EMA  # noqa: E402

REAL, FAKE = torch.tensor([0.5, 2.0]), torch.tensor([-0.25, 1.0])


@pytest.mark.parametrize(
    ("kind", "discriminator", "generator"),
    [
        ("lsgan", 0.5 * ((0.25 + 1) / 2 + (0.0625 + 1) / 2), (1.25**2 + 0) / 2),
        ("hinge", 0.5 * ((0.5 + 0) / 2 + (0.75 + 2) / 2), -0.375),
        (
            "vanilla",
            0.5 * (sum(math.log1p(math.exp(-x)) for x in (0.5, 2.0)) / 2)
            + 0.5 * (sum(math.log1p(math.exp(x)) for x in (-0.25, 1.0)) / 2),
            sum(math.log1p(math.exp(-x)) for x in (-0.25, 1.0)) / 2,
        ),
    ],
)
def test_adversarial_losses_have_their_closed_form(kind, discriminator, generator):
    assert discriminator_loss(kind, [REAL], [FAKE]).item() == pytest.approx(discriminator, abs=1e-6)
    assert generator_loss(kind, [FAKE]).item() == pytest.approx(generator, abs=1e-6)


def test_several_discriminators_are_averaged_not_weighted_by_their_number_of_scores():
    coarse, fine = torch.ones(1), torch.zeros(100)
    assert generator_loss("lsgan", [coarse, fine]).item() == pytest.approx(0.5)


def test_cycle_and_identity_losses_are_mean_absolute_differences():
    x, y = torch.tensor([1.0, -1.0]), torch.tensor([0.0, 1.0])
    assert cycle_loss(x, y).item() == identity_loss(x, y).item() == pytest.approx(1.5)


def test_patch_nce_of_orthogonal_patches_is_the_softmax_of_the_temperature():
    unit = torch.eye(5)[None]
    right = -math.log(math.exp(1 / 0.07) / (math.exp(1 / 0.07) + 4))
    assert patch_nce_loss(unit, unit).item() == pytest.approx(right, abs=1e-6)
    assert patch_nce_loss(unit, unit.roll(1, 1)).item() == pytest.approx(1 / 0.07, abs=1e-3)


def test_patch_nce_compares_within_a_picture_only_and_gives_keys_no_gradient():
    query = torch.nn.functional.normalize(torch.randn(3, 7, 4), dim=2).requires_grad_()
    key = torch.nn.functional.normalize(torch.randn(3, 7, 4), dim=2).requires_grad_()
    loss = patch_nce_loss(query, key)
    alone = torch.stack([patch_nce_loss(query[i : i + 1], key[i : i + 1]) for i in range(3)]).mean()
    assert loss.item() == pytest.approx(alone.item(), abs=1e-5)
    loss.backward()
    assert key.grad is None
    assert query.grad.abs().sum() > 0


def test_the_pool_gives_back_the_past_half_of_the_time():
    pool = ImagePool(50, np.random.default_rng(0))
    stream = torch.arange(4050.0)[:, None, None, None]
    given = torch.cat([pool(stream[i : i + 1]) for i in range(4050)]).flatten()
    assert torch.equal(given[:50], stream[:50].flatten())
    fresh = (given[50:] == stream[50:].flatten()).float().mean().item()
    assert fresh == pytest.approx(0.5, abs=0.03)
    assert len(pool.pictures) == 50
    later = given[50:].tolist()
    assert len(set(later)) == len(later), "a picture that is swapped out is gone"


def test_an_empty_pool_changes_nothing():
    x = torch.randn(2, 3, 4, 4)
    assert torch.equal(ImagePool(0, np.random.default_rng(0))(x), x)


def test_translation_shifts_whole_pixels_and_fills_with_zero():
    torch.manual_seed(0)
    x = torch.arange(1.0, 1 + 16 * 16).view(1, 1, 16, 16).repeat(8, 3, 1, 1)
    for before, after in zip(x, translation(x), strict=True):
        found = [(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3) if torch.equal(_shifted(before, dy, dx), after)]
        assert len(found) == 1


def _shifted(picture, dy, dx):
    size = picture.shape[-1]
    big = torch.nn.functional.pad(picture, (size,) * 4)
    return big[:, size + dy : 2 * size + dy, size + dx : 2 * size + dx]


def test_cutout_blanks_one_rectangle_and_keeps_the_rest():
    torch.manual_seed(1)
    cut = cutout(torch.ones(16, 3, 32, 32))
    assert set(cut.unique().tolist()) == {0.0, 1.0}
    share = 1 - cut.mean((1, 2, 3))
    assert share.max() <= (17 / 32) ** 2 + 1e-6
    assert share.min() > 0


def test_colour_keeps_equal_pixels_equal_and_gradients_flow_through_all_policies():
    x = torch.rand(4, 3, 16, 16, requires_grad=True)
    flat = colour(torch.full((2, 3, 8, 8), 0.25))
    assert flat.std((2, 3)).max() < 1e-5
    augment(x, ("colour", "translation", "cutout")).square().sum().backward()
    assert x.grad.abs().sum() > 0
    assert augment(x, ()) is x


def test_the_average_follows_its_formula_and_warms_up():
    network = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(network.weight, 0.0)
    ema = EMA(network, 0.9)
    torch.nn.init.constant_(network.weight, 1.0)
    expected = 0.0
    for step in range(40):
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay)
        ema.update(network)
    assert ema.network.weight.item() == pytest.approx(expected, abs=1e-6)
    assert not ema.network.weight.requires_grad


def test_the_rate_is_constant_and_then_falls_to_zero():
    assert [constant_then_linear(step, 100, 0.5) for step in (0, 50, 75, 100)] == [1.0, 1.0, 0.5, 0.0]
    assert constant_then_linear(99, 100, 0.0) == 1.0
