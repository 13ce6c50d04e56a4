"""Differentiable augmentation: how far it goes, how often, and that gradients come back through it."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from henshin.train.data import augment  # noqa: E402
from henshin.train.data.augmentation import POLICIES, colour, cutout, tone, translation  # noqa: E402


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_the_slope_is_that_of_small_steps(name):
    pictures = (torch.rand(2, 3, 9, 12, dtype=torch.float64) * 2 - 1).requires_grad_()

    def same_changes(x):
        torch.manual_seed(5)
        return POLICIES[name](x)

    assert torch.autograd.gradcheck(same_changes, (pictures,), fast_mode=True)


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_pictures_change_each_in_its_own_way_and_in_the_same_way_from_the_same_state(name):
    pictures = (torch.rand(1, 3, 16, 24) * 2 - 1).repeat(6, 1, 1, 1)
    state = torch.get_rng_state()
    first, second = augment(pictures, (name,)), augment(pictures, (name,))
    assert first.shape == pictures.shape
    assert not torch.equal(first, second)
    assert len({tuple(picture.flatten().tolist()) for picture in first}) >= 5
    torch.set_rng_state(state)
    assert torch.equal(augment(pictures, (name,)), first)


def test_white_and_black_keep_their_gradient():
    extreme = torch.cat([torch.ones(4, 3, 8, 8), -torch.ones(4, 3, 8, 8)]).requires_grad_()
    (colour(extreme) * torch.rand(8, 3, 8, 8)).sum().backward()
    assert (extreme.grad.abs().amax((1, 2, 3)) > 1e-3).all()


def test_how_far_colours_go():
    gray = colour(torch.zeros(500, 3, 2, 2))[:, 0, 0, 0]
    assert gray.min() > -0.5 - 1e-6
    assert gray.max() < 0.5 + 1e-6
    assert gray.mean().abs() < 0.05
    assert gray.std().item() == pytest.approx(1 / 12**0.5, abs=0.03)  # evenly between -0.5 and 0.5

    halves = torch.zeros(500, 3, 2, 2)
    halves[:, :, 0] = 0.4  # gray: contrast alone changes how far the halves lie apart
    apart = colour(halves).diff(dim=2)[:, 0, 0, 0].neg() / 0.4
    assert 0.5 - 1e-5 < apart.min() < 0.55
    assert 1.45 < apart.max() < 1.5 + 1e-5

    red = torch.zeros(500, 3, 2, 2)
    red[:, 0] = 0.4
    changed = colour(red)
    chroma = (changed[:, 0] - changed[:, 1])[:, 0, 0] / 0.4  # saturation 0 to 2 times contrast, whose share is the same
    assert chroma.min() < 0.1
    assert 1.8 < chroma.max() < 3.0
    assert torch.allclose(changed[:, 1], changed[:, 2], atol=1e-6)


def test_all_shifts_come_up_about_equally_often_and_no_others():
    dot = torch.zeros(1800, 1, 17, 25)
    dot[:, :, 8, 12] = 1
    place = translation(dot, 0.125).flatten(1).argmax(1)
    counts_y, counts_x = torch.bincount(place // 25 - 8 + 4), torch.bincount(place % 25 - 12 + 4)
    assert (counts_y.nonzero().flatten() - 4).tolist() == [-2, -1, 0, 1, 2]
    assert (counts_x.nonzero().flatten() - 4).tolist() == [-3, -2, -1, 0, 1, 2, 3]
    for counts in (counts_y[counts_y > 0], counts_x[counts_x > 0]):
        assert counts.min() > 0.75 * 1800 / len(counts)
        assert counts.max() < 1.25 * 1800 / len(counts)


def test_translation_without_reach_changes_nothing():
    pictures = torch.rand(2, 3, 8, 8)
    assert torch.equal(translation(pictures, 0.0), pictures)


def test_the_middle_is_hidden_a_quarter_of_the_time():
    shown = cutout(torch.ones(2000, 1, 32, 32))[:, 0]
    assert (1 - shown[:, 16, 16]).mean().item() == pytest.approx(0.27, abs=0.05)  # 17 x 17 of 33 x 33 middles
    assert (1 - shown[:, 0, 0]).mean().item() == pytest.approx(0.074, abs=0.03)  # 9 x 9


# ---- with a chance


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_no_chance_changes_nothing_and_draws_nothing(name):
    pictures, state = torch.rand(4, 3, 8, 8), torch.get_rng_state()
    assert torch.equal(augment(pictures, (name,), 0.0), pictures)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(("name", "changes"), [("colour", 1), ("cutout", 1), ("geometry", 5), ("tone", 5)])
def test_each_picture_is_changed_with_its_own_chance(name, changes):
    pictures = torch.rand(1, 3, 8, 8).repeat(2000, 1, 1, 1) * 2 - 1
    changed = augment(pictures, (name,), 0.2)
    same = (changed - pictures).abs().amax((1, 2, 3)) < 1e-5
    # scale, stretch, shift and two turns that have the chance together; half of all inversions of luma invert nothing
    untouched = {"geometry": 0.8**4, "tone": 0.8**4 * 0.9}.get(name, 0.8)
    assert same.float().mean().item() == pytest.approx(untouched, abs=0.04)


def test_blits_are_turned_mirrored_and_shifted_pixels():
    picture = torch.rand(1, 12, 12)
    around = torch.nn.functional.pad(picture[None], (1, 1, 1, 1), mode="replicate")[0]  # one pixel mirrored is itself
    turned = [torch.rot90(one, k, (1, 2)) for one in (around, around.flip(2)) for k in range(4)]
    possible = torch.stack([one[:, y : y + 12, x : x + 12] for one in turned for y in range(3) for x in range(3)])
    blitted = augment(picture.repeat(400, 1, 1, 1), ("blit",))
    apart = (blitted[:, None] - possible[None]).abs().amax((2, 3, 4))
    nearest = apart.min(1)
    assert nearest.values.max() < 1e-4
    assert len(set(nearest.indices.tolist())) > 60  # of 8 turns and 9 shifts, an eighth of 12 pixels each way
    assert augment(picture.repeat(50, 1, 1, 1), ("blit",), 1e-9).allclose(picture, atol=1e-4)


def test_one_warp_is_as_good_as_two():
    """Where pixels fall on pixels; else the two blur twice what the one blurs once."""
    pictures = torch.linspace(-1, 1, 24)[None, None, None].expand(6, 3, 24, 24).contiguous()
    torch.manual_seed(3)
    once = augment(pictures, ("blit", "geometry"), 0.7)
    torch.manual_seed(3)
    twice = augment(augment(pictures, ("blit",), 0.7), ("geometry",), 0.7)
    assert (once - twice).abs().mean() < 0.03
    assert (once - pictures).abs().mean() > 0.2


def test_tones_are_affine_in_colours_and_turn_about_gray():
    black, gray, red = torch.zeros(3), torch.full((3,), 0.5), torch.tensor([0.4, 0.0, 0.0])
    pictures = torch.stack([black, gray, red, gray + red], 1)[None, :, :, None].repeat(300, 1, 1, 1)
    a, b, c, d = tone(pictures)[..., 0].unbind(2)
    assert torch.allclose(d - c, b - a, atol=1e-5)  # affine
    assert torch.allclose((b - a).amax(1), (b - a).amin(1), atol=1e-5)  # grays stay gray
    inverted = ((b - a).mean(1) < 0).float().mean().item()
    assert inverted == pytest.approx(0.5, abs=0.1)


def test_places_beyond_the_sides_are_mirrored_ones():
    flat = torch.full((50, 3, 16, 16), 0.3)
    assert torch.allclose(augment(flat, ("blit", "geometry")), flat, atol=1e-5)
