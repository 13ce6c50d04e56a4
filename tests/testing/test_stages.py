"""The kit for strangers: it passes what keeps the rules, and names what breaks each of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from pydantic import Field

from henshin import Face, Frame, PictureError, Stage, StageConfig
from henshin.testing import check_plugin, check_stage, picture


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
    with pytest.raises(AssertionError, match=r"^stage 'dots': dot: 1 is too small; at least 2$"):
        check_stage(Dots, {"dot": 1})
    with pytest.raises(AssertionError, match=r"^stage 'dots': dto: no such option; did you mean 'dot'\?$"):
        check_stage(Dots, {"dto": 1})


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
        (lambda items: [one[..., 0] for one in items], r"uint8 \(40, 48\)"),
        (lambda items: [one[..., :1] for one in items], r"uint8 \(40, 48, 1\)"),
        (lambda items: [one[:0] for one in items], r"uint8 \(0, 48, 3\)"),
        (lambda items: [one[:, ::-1] for one in items], "not C-contiguous"),
        (lambda items: [None for _ in items], "returned a NoneType; a picture is"),
        (lambda items: [PictureError("too dark") for _ in items], "given 48x40, refused the picture: too dark"),
        (lambda items: [one[2:-2, 2:-2].copy() for one in items], r"uint8 \(0, 0, 3\)"),
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


def test_what_a_property_gives_is_checked_too() -> None:
    gives = property(lambda self: frozenset({"cats"}))
    with pytest.raises(AssertionError, match="made has a wrong gives: it holds 'cats'"):
        check_stage(stage(list, gives=gives))
    with pytest.raises(AssertionError, match="stage 'made': cannot be made: ZeroDivisionError"):
        check_stage(stage(list, needs=property(lambda self: 1 // 0)))


def test_a_stage_is_closed_whatever_happens() -> None:
    closed = []
    with pytest.raises(AssertionError):
        check_stage(stage(lambda items: [], close=lambda self: closed.append(1)))
    assert closed == [1]


def raising(*_: Any) -> Any:
    raise RuntimeError("no luck")


def leaving(*_: Any) -> Any:
    raise SystemExit(5)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (stage(list, open=raising), "made does not open: RuntimeError: no luck"),
        (stage(list, close=raising), "made does not close: RuntimeError: no luck"),
        (stage(list, open=leaving), "made does not open: SystemExit: 5"),
        (stage(leaving), "SystemExit: 5"),
        (stage(lambda items: None), "^made returned NoneType instead of a list of pictures$"),  # type: ignore[arg-type, return-value]
        (stage(raising, works_on="frames"), "made failed on 4 frames: RuntimeError: no luck"),
        (stage(lambda items: None, works_on="frames"), "made returned NoneType instead of a list of frames"),  # type: ignore[arg-type, return-value]
        (stage(list, works_on="source", frames=raising), r"made failed in frames\(\): RuntimeError: no luck"),
    ],
)
def test_whatever_a_stage_raises_is_told_as_its_fault(kind: type[Stage[Any]], said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check_stage(kind)


def test_what_went_wrong_first_is_told_though_the_stage_does_not_close_either() -> None:
    with pytest.raises(AssertionError, match="does not open"):
        check_stage(stage(list, open=raising, close=leaving))


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("name", "../../evil/x", "'../../evil/x' is no name for an output"),
        ("name", "/x", "is no name for an output"),
        ("name", 5, "name that is no str"),
        ("latents", np.zeros((1, 4)), "latents that are no dict"),
        ("alpha", np.zeros((3, 3), np.uint8), r"returned uint8 \(3, 3\) as alpha"),
        ("alpha", np.zeros((40, 48), np.float32), "returned float32"),
        ("alpha", "none", "returned str as alpha"),
    ],
)
def test_a_frame_with_a_wrong_part_is_told(part: str, value: object, said: str) -> None:
    def wrong(frames: list[Any]) -> list[Any]:
        for frame in frames:
            setattr(frame, part, value)
        return frames

    with pytest.raises(AssertionError, match=said):
        check_stage(stage(wrong, works_on="frames"))


def test_a_plugin_that_does_not_import_is_told(importable: Callable[[str], str]) -> None:
    with pytest.raises(AssertionError, match=r"stranger_kit: cannot be imported: ModuleNotFoundError: .*no_such"):
        check_plugin(importable("import no_such_library"))
    with pytest.raises(AssertionError, match="stranger_absent: cannot be imported"):
        check_plugin("stranger_absent")


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
    check_plugin("henshin_plugins.resize")  # installed already: its own names are not taken


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "dots"', "", "Dots has no name"),
        ("henshin_stages", "henshin_stage", "unknown hook 'henshin_stage'; did you mean 'henshin_stages'"),
        (', description="Side of a dot."', "", "Dots has an option 'dot' without a description"),
        ('name = "dots"', 'name = "resize"', "stranger_kit: the stage name 'resize' is taken by henshin/resize"),
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
