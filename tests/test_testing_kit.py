"""The kit for strangers: it passes what keeps the rules, and names what breaks each of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from pydantic import Field, ValidationError

from henshin import Face, Frame, Generator, GeneratorConfig, PictureError, Stage, StageConfig
from henshin.testing import check_generator, check_plugin, check_stage, picture


class DotsConfig(StageConfig):
    dot: int = Field(4, ge=2, description="Side of a dot.")


class Dots(Stage[DotsConfig]):
    """Shift every value by the size of a dot."""

    name = "dots"
    Config = DotsConfig

    def run(self, items: Any) -> Any:
        return [np.clip(one.astype(int) + self.config.dot, 0, 255).astype(np.uint8) for one in items]


def stage(run: Callable[[list[Any]], list[Any]], **more: Any) -> type[Stage[Any]]:
    return type("Made", (Stage,), {"name": "made", "run": lambda self, items: run(items), **more})


def test_pictures_are_the_same_each_time_and_read_only() -> None:
    one = picture(33, 17, seed=3)
    assert one.shape == (17, 33, 3)
    assert one.dtype == np.uint8
    assert not one.flags.writeable
    assert np.array_equal(one, picture(33, 17, seed=3))
    assert not np.array_equal(one, picture(33, 17, seed=4))
    assert picture(1, 1).shape == (1, 1, 3)
    assert one.std() > 20


def test_a_proper_stage_passes() -> None:
    check_stage(Dots)
    check_stage(Dots, {"dot": 9}, [picture(20, 10)])


def test_options_are_checked_like_any() -> None:
    with pytest.raises(ValidationError):
        check_stage(Dots, {"dot": 1})


def test_the_very_same_object_may_come_back() -> None:
    check_stage(stage(list))


def test_another_size_may_come_back() -> None:
    check_stage(stage(lambda items: [np.repeat(one, 2, axis=0) for one in items]))


def written_into(items: list[Any]) -> list[Any]:
    for one in items:
        one[:] = 0
    return items


def forced(items: list[Any]) -> list[Any]:
    for one in items:
        one.setflags(write=True)
        one[:] = 0
    return items


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (lambda items: items[:-1], "returned 3 results for 4 pictures"),
        (lambda items: items[::-1], "another one"),
        (lambda items: [one.astype(np.float32) for one in items], "float32"),
        (lambda items: [one[..., 0] for one in items], r"shape \(40, 48\)"),
        (lambda items: [one[..., :1] for one in items], r"shape \(40, 48, 1\)"),
        (lambda items: [one[:0] for one in items], r"shape \(0, 48, 3\)"),
        (lambda items: [one[:, ::-1] for one in items], "not C-contiguous"),
        (lambda items: [None for _ in items], "a NoneType, not a picture"),
        (lambda items: [PictureError("too dark") for _ in items], "given 48x40, refused the picture: too dark"),
        (lambda items: [one[2:-2, 2:-2].copy() for one in items], r"shape \(0, 0, 3\)"),
        (lambda items: [np.minimum(one, 30 * len(items)) for one in items], "alone in the list"),
        (written_into, "read-only, work on a copy"),
        (forced, "changed a picture that it was given"),
        (lambda items: 1 / 0, "made failed on pictures of 48x40, 33x17, 8x8, 1x1: ZeroDivisionError"),
    ],
)
def test_a_stage_that_breaks_a_rule_is_told(run: Any, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check_stage(stage(run))


def test_one_grey_level_is_no_difference() -> None:
    check_stage(stage(lambda items: [np.minimum(one, 254) + np.uint8(len(items) == 1) for one in items]))
    with pytest.raises(AssertionError, match="by up to 2 grey levels"):
        check_stage(stage(lambda items: [np.minimum(one, 253) + np.uint8(2 * (len(items) == 1)) for one in items]))


def test_an_improper_class_is_told_first() -> None:
    with pytest.raises(AssertionError, match="a-z, 0-9"):
        check_stage(stage(list, name="Made Up"))


def test_a_stage_is_closed_whatever_happens() -> None:
    closed = []
    with pytest.raises(AssertionError):
        check_stage(stage(lambda items: [], close=lambda self: closed.append(1)))
    assert closed == [1]


def test_a_frames_stage_is_run_on_frames() -> None:
    def with_face(frames: list[Any]) -> list[Any]:
        for frame in frames:
            box = np.zeros(4, np.float32)
            frame.faces = [Face(box, 1.0, np.zeros((5, 2), np.float32), np.zeros((2, 3), np.float32), frame.picture)]
        return frames

    gives = frozenset({"crops"})
    check_stage(stage(with_face, works_on="frames", gives=gives))
    check_stage(stage(lambda frames: frames[:1], works_on="frames"))
    with pytest.raises(AssertionError, match="not a Frame"):
        check_stage(stage(lambda frames: [frame.picture for frame in frames], works_on="frames"))

    def without_crop(frames: list[Any]) -> list[Any]:
        for frame in with_face(frames):
            frame.faces[0].crop = None
        return frames

    with pytest.raises(AssertionError, match="a face of frame 'test-0'"):
        check_stage(stage(without_crop, works_on="frames", gives=gives))


def test_a_source_must_yield_the_same_frames_again() -> None:
    def source(frames: Callable[[], Iterator[Frame]]) -> type[Stage[Any]]:
        return type("Made", (Stage,), {"name": "made", "works_on": "source", "frames": lambda self: frames()})

    check_stage(source(lambda: (Frame(f"n-{i}", f"n-{i}", picture(8, 8, i)) for i in range(10**9))))
    draw = np.random.default_rng(1)
    with pytest.raises(AssertionError, match="another one the second time"):
        check_stage(source(lambda: iter([Frame("n", "n", picture(8, 8, int(draw.integers(1 << 30))))])))
    with pytest.raises(AssertionError, match="yields no frame"):
        check_stage(source(lambda: iter([])))
    with pytest.raises(AssertionError, match="several frames of one name"):
        check_stage(source(lambda: iter([Frame("n", "n", picture(8, 8)), Frame("n", "n", picture(8, 8))])))


# Generators


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
    with pytest.raises(AssertionError, match="is a int"):
        check_generator(generator(lambda: 3))
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


# Plugins

PLUGIN = """
from henshin import Stage, StageConfig, hookimpl
from pydantic import Field

class DotsConfig(StageConfig):
    dot: int = Field(4, ge=2, description="Side of a dot.")

class Dots(Stage[DotsConfig]):
    name = "dots"
    Config = DotsConfig
    def run(self, pictures):
        return pictures

@hookimpl
def henshin_stages():
    return [Dots]
"""


@pytest.fixture
def importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(source: str) -> str:
        (tmp_path / "stranger_kit.py").write_text(source)
        return "stranger_kit"

    yield write
    sys.modules.pop("stranger_kit", None)


def test_a_proper_plugin_passes(importable: Callable[[str], str]) -> None:
    check_plugin(importable(PLUGIN))
    check_plugin(sys.modules["stranger_kit"])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "dots"', "", "Dots has no name"),
        ("henshin_stages", "henshin_stage", "unknown hook 'henshin_stage'; did you mean 'henshin_stages'"),
        (', description="Side of a dot."', "", "stage 'dots': option 'dot' has no description"),
        ("from pydantic", "import onnxruntime\nfrom pydantic", "importing stranger_kit loads .*onnxruntime"),
    ],
)
def test_a_plugin_that_breaks_a_rule_is_told(importable: Callable[[str], str], old: str, new: str, said: str) -> None:
    assert old in PLUGIN
    with pytest.raises(AssertionError, match=said):
        check_plugin(importable(PLUGIN.replace(old, new)))


def test_a_module_made_by_hand_is_checked_without_importing_it() -> None:
    made = ModuleType("made_by_hand")
    sys.modules["made_by_hand"] = made
    try:
        exec(PLUGIN, made.__dict__)
        check_plugin(made)
    finally:
        del sys.modules["made_by_hand"]
