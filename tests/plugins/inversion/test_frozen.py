"""Networks with fixed weights: they draw what they drew, and every row to the same bit whatever is beside it."""

from __future__ import annotations

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")
nn: Any = torch.nn

from henshin.registry import build_registry  # noqa: E402
from henshin_plugins.inversion.optimise.frozen import freeze  # noqa: E402


def synthesis(form: str) -> Any:
    torch.manual_seed(0)
    generator = build_registry().generator("stylegan2")
    network = generator(generator.Config(size=32, width=16, maximum_width=24, latent=12, mapping_layers=2, form=form))
    return network.build().eval()


@pytest.mark.parametrize("form", ["stylegan2", "adain"])
def test_it_draws_the_same_with_the_same_slopes(form: str) -> None:
    plain = synthesis(form)
    fixed = freeze(plain)
    z = torch.randn(3, 12)
    drawn = plain(z)
    # In float32 the last bits depend on the processor's kernels: 2e-6 of the largest value, which is 10, was seen.
    assert torch.allclose(fixed(z), drawn, rtol=0, atol=1e-5 * float(drawn.detach().abs().max()))
    styles = torch.randn(3, *plain.synthesis.latent_shape)
    slopes = []
    for network in (plain, fixed):
        given = styles.clone().requires_grad_()
        network.synthesis(given).square().sum().backward()
        slopes.append(given.grad)
    assert torch.allclose(slopes[0], slopes[1], atol=1e-4 * float(slopes[0].abs().max()))
    assert not any(one.requires_grad for one in fixed.parameters())
    assert all(one.requires_grad for one in plain.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_no_row_knows_of_the_others(dtype: Any) -> None:
    fixed = freeze(synthesis("stylegan2"), dtype).synthesis
    styles = torch.randn(17, *fixed.latent_shape)

    def drawn(count: int) -> tuple[Any, Any]:
        given = styles[:count].clone().requires_grad_()
        shown = fixed(given)
        shown.square().mean((1, 2, 3)).sum().backward()
        return shown.detach(), given.grad

    pictures, slopes = drawn(17)
    for count in (1, 2, 3, 8):
        some = drawn(count)
        assert torch.equal(some[0], pictures[:count])
        assert torch.equal(some[1], slopes[:count])


def test_bf16_draws_nearly_the_same() -> None:
    plain = synthesis("stylegan2")
    w = plain.broad(plain.mapping(torch.randn(3, 12)))
    exact, near = plain.synthesis(w).detach(), freeze(plain, torch.bfloat16).synthesis(w).detach()
    assert near.dtype == torch.float32
    assert 1e-5 < float((near - exact).square().mean().sqrt() / exact.square().mean().sqrt()) < 0.02


def test_noise_may_be_any() -> None:
    plain = synthesis("stylegan2").synthesis
    with torch.no_grad():
        for name, strength in plain.named_parameters():
            if name.endswith("strength"):
                strength.fill_(0.5)
    fixed, w = freeze(plain), torch.randn(2, *plain.latent_shape)
    own = [torch.randn(2, 1, *one.shape[2:]) for one in plain.noises()]
    for noise in ("fixed", "none", own):
        assert torch.allclose(fixed(w, noise), plain(w, noise), atol=1e-5)
    assert not torch.allclose(fixed(w, "random"), fixed(w, "random"), atol=1e-2)


def test_other_convolutions_stay_as_they_are() -> None:
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(3, 4, 3, padding=1),
        nn.Conv2d(4, 6, 3, stride=2, padding=1),
        nn.Conv2d(6, 6, 3, padding="same", groups=3),
        nn.Conv2d(6, 5, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(5, 2, (1, 3), padding=(0, 1)),
    ]
    plain = nn.Sequential(*layers)
    pictures = torch.randn(3, 3, 16, 16)
    assert torch.allclose(freeze(plain)(pictures), plain(pictures), atol=1e-6)
    alone = freeze(nn.Conv2d(3, 4, 3, padding=1))
    assert torch.equal(alone(pictures[:1]), alone(pictures)[:1])
    last = pictures.contiguous(memory_format=torch.channels_last)
    assert torch.equal(alone(last[:1]), alone(pictures)[:1])
