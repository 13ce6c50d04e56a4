"""Losses of CartoonGAN, AnimeGAN, pix2pixHD, R1 and of style, against closed-form values and second writings."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from henshin.train.losses import (  # noqa: E402
    broad_colour_loss,
    colour_loss,
    content_loss,
    discriminator_loss,
    edge_promoting_loss,
    feature_matching_loss,
    gatys_style_loss,
    gram,
    grayscale_style_loss,
    pixel_loss,
    r1_penalty,
    style_loss,
    total_variation_loss,
)
from henshin.train.networks import ImageDiscriminator, MultiScaleDiscriminator, PatchDiscriminator  # noqa: E402


def test_content_and_pixels_are_l1_and_the_wanted_features_carry_no_gradient():
    a, b = torch.full((1, 2, 2, 2), 3.0, requires_grad=True), torch.full((1, 2, 2, 2), 1.0, requires_grad=True)
    loss = content_loss([a, 2 * a], [b, b])
    assert loss.item() == pytest.approx((2 + 5) / 2)
    loss.backward()
    assert a.grad is not None
    assert b.grad is None
    assert pixel_loss(torch.tensor([1.0, -1.0]), torch.tensor([0.5, 1.0])).item() == pytest.approx(1.25)


def test_the_gram_matrix_and_both_style_losses_by_hand():
    # two channels, four places; products over places, by channels and places
    one = torch.tensor([[1.0, 2.0, 0.0, 1.0], [0.0, 1.0, 1.0, 3.0]]).view(1, 2, 2, 2)
    other = torch.ones(1, 2, 4, 4)  # its size may differ
    assert torch.allclose(gram(one)[0], torch.tensor([[6.0, 5.0], [5.0, 11.0]]) / 8)
    assert torch.allclose(gram(other)[0], torch.full((2, 2), 0.5))
    apart = [6 / 8 - 0.5, 5 / 8 - 0.5, 5 / 8 - 0.5, 11 / 8 - 0.5]
    assert style_loss([one], [other]).item() == pytest.approx(sum(map(abs, apart)) / 4)
    assert gatys_style_loss([one], [other]).item() == pytest.approx(sum(x * x for x in apart) / 4)


def test_gatys_loss_is_that_of_the_paper_where_sizes_are_equal():
    torch.manual_seed(0)
    layers = [(torch.randn(2, c, h, h), torch.randn(2, c, h, h)) for c, h in ((3, 6), (5, 3))]
    expected = []
    for one, other in layers:
        n, c, h, w = one.shape
        for i in range(n):
            raw = [x[i].reshape(c, -1) @ x[i].reshape(c, -1).T for x in (one, other)]
            expected.append((raw[0] - raw[1]).square().sum().item() / (4 * c**2 * (h * w) ** 2))
    found = gatys_style_loss([one for one, _ in layers], [other for _, other in layers])
    assert found.item() == pytest.approx(sum(expected) / 4, rel=1e-5)


def test_style_knows_no_places_and_no_gradient_reaches_the_drawing():
    torch.manual_seed(0)
    one = torch.randn(1, 4, 8, 8, requires_grad=True)
    other = one.detach().flatten(2)[..., torch.randperm(64)].view(1, 4, 8, 8).requires_grad_()
    for loss in (style_loss, gatys_style_loss):
        assert loss([one], [other]).item() == pytest.approx(0, abs=1e-6)
        loss([one], [2 * other]).backward()
        assert one.grad.abs().sum() > 0
        assert other.grad is None


def test_gray_style_asks_for_strokes_and_not_for_colours():
    def network(pictures):
        return [pictures, torch.nn.functional.avg_pool2d(pictures, 2)]

    torch.manual_seed(0)
    drawing = torch.rand(1, 3, 8, 8) * 2 - 1
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    gray = (drawing * weights).sum(1, keepdim=True).expand(-1, 3, -1, -1)
    assert grayscale_style_loss(network, gray, drawing).item() == pytest.approx(0, abs=1e-6)
    drawn = (torch.rand(1, 3, 8, 8) * 2 - 1).requires_grad_()
    loss = grayscale_style_loss(network, drawn, drawing)
    assert loss.item() == pytest.approx(style_loss(network(drawn), network(gray)).item(), rel=1e-5)
    loss.backward()
    assert drawn.grad.abs().sum() > 0


def test_colours_by_the_formulas_of_yuv():
    torch.manual_seed(0)
    photo, drawn = torch.rand(2, 2, 3, 4, 5) * 2 - 1
    total = 0.0
    for picture_a, picture_b in zip(photo, drawn, strict=True):
        for y in range(4):
            for x in range(5):
                (r, g, b) = ((picture_b[:, y, x] - picture_a[:, y, x]) / 2).tolist()  # YUV is linear
                luma = 0.299 * r + 0.587 * g + 0.114 * b
                u, v = 0.492 * (b - luma), 0.877 * (r - luma)
                total += abs(luma) + u * u / 2 + v * v / 2
    assert colour_loss(photo, drawn).item() == pytest.approx(total / 40, rel=5e-3)
    assert colour_loss(photo, photo).item() == 0


def test_brightness_costs_l1_and_chroma_a_square():
    gray, lighter = torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.2)
    assert colour_loss(gray, lighter).item() == pytest.approx(0.1, abs=1e-4)
    tinted = gray + torch.tensor([0.114, 0.0, -0.299]).view(1, 3, 1, 1)  # as bright as gray
    assert colour_loss(gray, 2 * tinted).item() == pytest.approx(4 * colour_loss(gray, tinted).item(), rel=2e-2)


@pytest.mark.parametrize(("height", "width", "cells", "tolerance"), [(16, 24, 8, 0.06), (8, 8, 2, 0.3), (9, 7, 1, 0.0)])
def test_broad_colours_are_means_of_parts_beyond_a_tolerance(height, width, cells, tolerance):
    torch.manual_seed(0)
    drawing, photo = torch.rand(2, 2, 3, height, width) * 2 - 1
    drawing = (drawing + torch.linspace(-0.4, 0.4, width)).requires_grad_()
    costs = []
    for one, other in zip(drawing.detach(), photo, strict=True):
        for channel in range(3):
            for y in range(cells):
                for x in range(cells):
                    part = (
                        slice(y * height // cells, (y + 1) * height // cells),
                        slice(x * width // cells, (x + 1) * width // cells),
                    )
                    apart = abs((one[channel][part].mean() - other[channel][part].mean()).item())
                    costs.append(max(apart - tolerance, 0))
    loss = broad_colour_loss(drawing, photo, cells, tolerance)
    assert loss.item() == pytest.approx(sum(costs) / len(costs), rel=1e-4)
    assert sum(cost > 0 for cost in costs) > 0
    loss.backward()
    assert drawing.grad.abs().sum() > 0


def test_broad_colours_within_the_tolerance_and_fine_lines_are_free():
    photo = torch.zeros(1, 3, 16, 16)
    lines = torch.tensor([1.0, -1.0]).repeat(8).expand(1, 3, 16, 16)
    assert broad_colour_loss(lines, photo).item() == 0
    assert broad_colour_loss(photo + 0.05, photo, tolerance=0.06).item() == 0
    assert broad_colour_loss(photo + 0.26, photo, tolerance=0.06).item() == pytest.approx(0.2)


def test_total_variation():
    steps = torch.tensor([[0.0, 1.0, 3.0]]).repeat(2, 1).view(1, 1, 2, 3)
    assert total_variation_loss(steps).item() == pytest.approx((1 + 4) / 2)
    assert total_variation_loss(torch.ones(1, 3, 4, 4)).item() == 0


def test_r1_of_a_linear_discriminator_is_the_square_of_its_weights():
    weight = torch.randn(3 * 4 * 4, requires_grad=True)
    pictures = torch.randn(5, 3, 4, 4, requires_grad=True)
    score = pictures.flatten(1) @ weight
    penalty = r1_penalty([score, 2 * score[:, None]], pictures)
    square = weight.square().sum().item()
    assert penalty.item() == pytest.approx((square + 4 * square) / 2, rel=1e-5)
    penalty.backward()
    assert torch.allclose(weight.grad, 5 * weight.detach(), rtol=1e-4)


def test_r1_of_patches_counts_their_mean_and_a_real_discriminator_learns_to_be_flatter():
    pictures = torch.randn(3, 1, 2, 2, requires_grad=True)
    # each of four scores looks at one pixel, 1/4 of it in the mean: slope 1/4 * 2x
    found = r1_penalty([pictures.square()], pictures).item()
    assert found == pytest.approx((pictures.square().flatten(1).sum(1).mean() / 4).item(), rel=1e-5)

    torch.manual_seed(0)
    discriminator = PatchDiscriminator(4, 2)
    pictures = torch.randn(2, 3, 32, 32, requires_grad=True)
    course = []
    for _ in range(8):
        penalty = r1_penalty([discriminator(pictures)], pictures)
        slopes = torch.autograd.grad(penalty, list(discriminator.parameters()), allow_unused=True)
        for parameter, slope in zip(discriminator.parameters(), slopes, strict=True):
            if slope is not None:
                parameter.data -= 2e-3 * slope.sign()
        course.append(penalty.item())
    assert course[-1] < 0.5 * course[0]


def test_feature_matching_sums_layers_and_averages_discriminators():
    real = [[torch.zeros(2, 3), torch.ones(4)], [torch.zeros(1), torch.zeros(1)]]
    fake = [[torch.full((2, 3), 0.5), torch.full((4,), 3.0)], [torch.ones(1), -torch.ones(1)]]
    assert feature_matching_loss(real, fake).item() == pytest.approx(((0.5 + 2) + (1 + 1)) / 2)
    with pytest.raises(ValueError, match="zip"):
        feature_matching_loss(real, [fake[0][:1], fake[1]])


@pytest.mark.parametrize(
    "discriminator", [PatchDiscriminator(4, 2), ImageDiscriminator(4), PatchDiscriminator(4, 2, "spectral")]
)
def test_discriminators_give_what_they_see_and_the_same_scores_from_it(discriminator):
    discriminator.eval()
    pictures = torch.rand(2, 3, 32, 32)
    seen = discriminator.features(pictures)
    assert torch.equal(discriminator.score(seen), discriminator(pictures))
    assert [features.shape[1] for features in seen] == (
        [4, 8, 16, 32] if isinstance(discriminator, ImageDiscriminator) else [4, 8, 16]
    )
    assert feature_matching_loss([seen], [seen]).item() == 0
    other = discriminator.features(pictures.flip(3))
    assert feature_matching_loss([seen], [other]).item() > 0


def test_discriminators_at_several_scales_give_what_each_sees():
    discriminators = MultiScaleDiscriminator(3, 4, 2, gain=2.0).eval()
    pictures = torch.rand(2, 3, 64, 64, requires_grad=True)
    seen = discriminators.features(pictures)
    assert [features[0].shape[2] for features in seen] == [32, 16, 8]
    for one, other in zip(discriminators.score(seen), discriminators(pictures), strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    feature_matching_loss(discriminators.features(torch.rand(2, 3, 64, 64)), seen).backward()
    assert pictures.grad.abs().sum() > 0


def test_smoothed_cartoons_are_fake_too():
    real, fake, smoothed = torch.tensor([2.0]), torch.tensor([-1.0]), torch.tensor([0.5])
    expected = math.log1p(math.exp(-2)) + math.log1p(math.exp(-1)) + math.log1p(math.exp(0.5))
    assert edge_promoting_loss("vanilla", [real], [fake], [smoothed]).item() == pytest.approx(expected, rel=1e-6)
    without = edge_promoting_loss("lsgan", [real], [fake], [smoothed], weight=0.0)
    assert without.item() == pytest.approx(2 * discriminator_loss("lsgan", [real], [fake]).item())
