"""The kit for strangers, on generators: it passes what keeps the rules, and names what breaks each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydantic import Field

from henshin import Generator, GeneratorConfig
from henshin.testing import check_generator


class Options(GeneratorConfig):
    width: int = Field(4, ge=1, description="Channels.")


def generator(build: Callable[[], Any], **more: Any) -> type[Generator[Any]]:
    return type("Net", (Generator,), {"name": "net", "build": lambda self: build(), **more})


@pytest.fixture
def nn() -> Any:
    pytest.importorskip("torch")
    from torch import nn

    return nn


def test_a_proper_generator_passes(nn: Any) -> None:
    def strided() -> Any:
        return nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Tanh())

    check_generator(generator(strided, size_multiple=2))
    check_generator(generator(lambda: nn.Sequential(nn.Conv2d(3, 3, 3, 1, 1), nn.InstanceNorm2d(3))), size=20)
    check_generator(generator(lambda: nn.Conv2d(3, 3, 5, 1, 2), reach=2, value_range=(0.0, 1.0)))
    up = generator(lambda: nn.Sequential(nn.Conv2d(3, 12, 3, 1, 1), nn.PixelShuffle(2)), scale=2, reach=1)
    check_generator(up)
    check_generator(generator(lambda: nn.Conv2d(3, 3, 1), maximum_size=32, size_multiple=8))


def test_the_callers_random_numbers_are_left_alone(nn: Any) -> None:
    import torch

    torch.manual_seed(7)
    want = torch.rand(3)
    torch.manual_seed(7)
    check_generator(generator(lambda: nn.Conv2d(3, 3, 1)))
    assert torch.equal(torch.rand(3), want)


def broken(nn: Any, forward: Callable[..., Any]) -> Callable[[], Any]:
    class Broken(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Conv2d(3, 3, 1)
            self.secret = float(np.random.default_rng().random())

        def forward(self, value: Any) -> Any:
            return forward(self, value)

    return Broken


@pytest.mark.parametrize(
    ("forward", "said"),
    [
        (lambda net, x: net.inner(x)[..., :-1], "its scale says"),
        (lambda net, x: [net.inner(x)], "a list, not one tensor"),
        (lambda net, x: net.inner(x) / 0 * 0, "not finite"),
        (lambda net, x: net.inner(x).double(), "float64, not float32"),
        (lambda net, x: net.inner(x) + x.new_empty(x.shape).uniform_(), "another output the second time"),
        (lambda net, x: net.inner(x) + net.secret, "same state dict gives another output"),
        (lambda net, x: net.inner(x) + x.mean(), "depends on the others in its batch"),
        (lambda net, x: net.inner(x.mul_(0.5)), "changes its input"),
        (lambda net, x: net.inner(x) + 300, "far from its value_range"),
        (lambda net, x: net.inner(x).reshape(2, 3, 64, 64), "the network fails on"),
    ],
)
def test_a_generator_that_breaks_a_rule_is_told(nn: Any, forward: Any, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check_generator(generator(broken(nn, forward)))


def test_wrong_attributes_of_a_generator_are_told(nn: Any) -> None:
    def strided() -> Any:
        return nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.ConvTranspose2d(8, 3, 4, 4))

    check_generator(generator(strided, size_multiple=4))
    with pytest.raises(AssertionError, match="its scale says"):
        check_generator(generator(strided))
    with pytest.raises(AssertionError, match="more than reach = 1 pixels away"):
        check_generator(generator(lambda: nn.Conv2d(3, 3, 5, 1, 2), reach=1))
    with pytest.raises(AssertionError, match="reach = 8"):
        check_generator(generator(lambda: nn.InstanceNorm2d(3), reach=8))
    widths = iter((4, 5))
    with pytest.raises(AssertionError, match="do not share one state dict"):
        check_generator(generator(lambda: nn.Sequential(nn.Conv2d(3, next(widths), 1), nn.LazyConv2d(3, 1))))
    with pytest.raises(AssertionError, match=r"^net: build\(\) gives int instead of a torch.nn.Module$"):
        check_generator(generator(lambda: 3))
    with pytest.raises(AssertionError, match=r"^net: its networks cannot be built: ZeroDivisionError"):
        check_generator(generator(lambda: 1 // 0))
    with pytest.raises(AssertionError, match=r"^net has size_multiple = 0; it must be a whole number of at least 1$"):
        check_generator(generator(lambda: nn.Conv2d(3, 3, 1), size_multiple=property(lambda self: 0)))
    with pytest.raises(AssertionError, match=r"^generator 'net': width: no such option; there are no options$"):
        check_generator(generator(lambda: nn.Conv2d(3, 3, 1)), {"width": 4})
    with pytest.raises(AssertionError, match="whole number"):
        check_generator(generator(lambda: nn.Conv2d(3, 3, 1), scale=0))


def test_latent_generators_are_run_from_a_latent(nn: Any) -> None:
    def sampler() -> Any:
        return nn.Sequential(nn.Linear(8, 48), nn.Unflatten(1, (3, 4, 4)), nn.Tanh())

    check_generator(generator(sampler, kind="sampler", latent_shape=(8,)))
    with pytest.raises(AssertionError, match="latent_shape"):
        check_generator(generator(sampler, kind="sampler"))
    with pytest.raises(AssertionError, match=r"pictures are \(N, 3, H, W\)"):
        check_generator(generator(lambda: nn.Linear(8, 48), kind="sampler", latent_shape=(8,)))

    def parts(self: Any) -> Any:
        mapping = nn.Sequential(nn.Linear(8, 16), nn.Unflatten(1, (2, 8)))
        synthesis = nn.Sequential(nn.Flatten(), nn.Linear(16, 48), nn.Unflatten(1, (3, 4, 4)))
        return {"mapping": mapping, "synthesis": synthesis}

    check_generator(generator(sampler, kind="synthesis", latent_shape=(2, 8), parts=parts))


@pytest.mark.parametrize(
    ("family", "said"),
    [
        ({}, r"family\(\) names no model"),
        ({"-a": {"width": 0}}, "width"),
        ({"-a": {"breadth": 3}}, "no such option"),
        (
            {"-a": {"width": 6}},
            r"the model '-a' of family\(\) wants the tensor 'weight' as .*; the whole network has it",
        ),
        ({"-a": {"extra": True}}, r"wants the tensor 'extra.weight', which the whole network does not have"),
        ({"": {}, "-b": {"width": 4}}, None),
    ],
)
def test_the_models_of_a_family_have_the_networks_tensors(nn: Any, family: dict[str, Any], said: str | None) -> None:
    class Wide(Options):
        extra: bool = Field(False, description="One more layer, for nothing.")

    class Net(Generator[Wide]):
        """One layer that draws, of as many channels as its option says, of which three are seen."""

        name = "net"
        Config = Wide

        def build(self) -> Any:
            config = self.config

            class Some(nn.Conv2d):  # type: ignore[misc]
                def __init__(self) -> None:
                    super().__init__(3, config.width, 1)
                    if config.extra:
                        self.extra = nn.Conv2d(1, 1, 1)

                def forward(self, x: Any) -> Any:
                    return super().forward(x)[:, :3]

            return Some()

        def family(self) -> dict[str, dict[str, Any]]:
            return family

    if said is None:
        check_generator(Net)
    else:
        with pytest.raises(AssertionError, match=said):
            check_generator(Net)


def test_the_kit_takes_carn(nn: Any) -> None:
    from henshin_plugins.carn import Carn

    check_generator(Carn, {"width": 8}, size=24)
