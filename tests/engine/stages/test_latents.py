"""Latents stay with their faces, where these are left out, split or put back; and what the check says of them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.engine import Bench, Crop, DropDark, Faces, Uncrop
from support.pipeline import Loader, stage_class, wrong

from henshin import Dropped, Face, Frame, Stage, StageConfig
from henshin.api.hookspecs import hookimpl
from henshin.registry import Registry
from henshin_plugins.face import FaceAlign, PasteBack, SplitFaces
from henshin_plugins.face.config import FaceAlignConfig, PasteBackConfig


class Number(Stage[StageConfig]):
    """Give every crop, or photo, its first value as a latent (K, 1, 2), and leave other things beside it."""

    name = "number"
    works_on = "frames"
    gives = frozenset({"latents"})

    def run(self, frames: Any) -> Any:
        for frame in frames:
            seen = [face.crop for face in frame.faces if face.crop is not None] or [frame.picture]
            rows = np.array([float(one[0, 0, 0]) for one in seen], np.float32)
            frame.latents = {"one": rows[:, None, None].repeat(2, 2), "two": -rows[:, None, None], "text": "no rows"}
        return frames


class DropOdd(Stage[StageConfig]):
    """Leave out what is odd at its first value."""

    name = "drop_odd"

    def run(self, pictures: Any) -> Any:
        return [Dropped("odd", "is odd") if one[0, 0, 0] % 2 else one for one in pictures]


class FacesDropOdd(DropOdd):
    """The same, as a frames stage."""

    name = "faces_drop_odd"
    works_on = "frames"

    def run(self, frames: Any) -> Any:
        for frame in frames:
            for face in frame.faces:
                face.dropped = Dropped("odd", "is odd") if face.crop[0, 0, 0] % 2 else None
        return frames


def face(value: int | None) -> Face:
    crop = None if value is None else np.full((4, 4, 3), value, np.uint8)
    matrix = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    mask = np.full((4, 4), 255, np.uint8)
    return Face(np.array([0, 0, 4, 4], np.float32), 0.9, matrix=matrix, crop=crop, mask=mask)


def crowd(*values: int | None) -> Frame:
    frame = Frame("p", "p", np.zeros((16, 16, 3), np.uint8), faces=[face(value) for value in values])
    return Number(StageConfig()).run([frame])[0]


@pytest.mark.parametrize("drop", [DropOdd, FacesDropOdd])
def test_a_face_that_is_left_out_takes_its_rows_along(tmp_path: Path, drop: Any) -> None:
    bench = Bench(tmp_path)
    ramp = np.full((8, 12, 3), 60, np.uint8)
    ramp[:, :4, 0] = [[2, 3, 5, 8]]
    Image.fromarray(ramp).save(bench.photos / "a.png")
    end = Uncrop(StageConfig())
    summary = bench.run(Faces(Faces.Config(number=4)), Crop, Number, drop, DropDark, end)
    assert (summary.failed, summary.dropped) == (0, {drop.name: {"odd": 2}})
    (seen,) = end.seen
    crops = [int(one.crop[0, 0, 0]) for one in seen.faces]
    assert crops == [2, 8]
    assert seen.latents["one"].tolist() == [[[2, 2]], [[8, 8]]]
    assert seen.latents["two"].tolist() == [[[-2]], [[-8]]]
    assert seen.latents["text"] == "no rows"


def test_a_frame_keeps_rows_in_the_order_of_its_faces() -> None:
    frame = crowd(5, None, 7, 9)
    before = frame.latents
    frame.keep([frame.faces[3], frame.faces[1], frame.faces[0]])
    assert [None if one.crop is None else int(one.crop[0, 0, 0]) for one in frame.faces] == [9, None, 5]
    assert frame.latents["two"].ravel().tolist() == [-9, -5]
    assert before["two"].ravel().tolist() == [-5, -7, -9]  # another frame may share them
    with pytest.raises(ValueError):
        frame.keep([face(5)])
    frame.keep(frame.faces[1:2])
    assert frame.latents["one"].shape == (0, 1, 2)


def test_each_split_face_takes_its_own_row() -> None:
    parts = SplitFaces(SplitFaces.Config()).run([crowd(5, None, 7, 9), Number(StageConfig()).run([crowd()])[0]])
    assert [part.name for part in parts] == ["p-1", "p-2", "p-3", "p"]
    for part, value in zip(parts[:3], (5, 7, 9), strict=True):
        assert part.latents.keys() == {"one", "two"}
        assert part.latents["one"].tolist() == [[[value, value]]]
        assert part.latents["two"].tolist() == [[[-value]]]
    assert parts[3].latents["two"].tolist() == [[[0]]]


def test_what_cuts_faces_out_or_puts_them_back_ends_latents() -> None:
    frame = crowd(5, 7)
    back = PasteBack(PasteBackConfig())
    back.open(None)  # type: ignore[arg-type]
    assert back.run([frame])[0].latents == {}
    whole = Number(StageConfig()).run([Frame("p", "p", np.full((40, 40, 3), 9, np.uint8))])[0]
    whole.faces = [Face(np.array([8, 8, 30, 30], np.float32), 0.9)]
    align = FaceAlign(FaceAlignConfig(by="box"))
    align.open(None)  # type: ignore[arg-type]
    (done,) = align.run([whole])
    assert done.faces[0].crop is not None
    assert done.latents == {}


# ---- the check


@pytest.fixture
def registry(registry: Registry) -> Registry:
    stages = [
        stage_class("invert_a", works_on="frames", gives="latents:a"),
        stage_class("invert_b", works_on="frames", gives="latents:b"),
        stage_class("some", works_on="frames", gives="latents"),
        stage_class("draw", works_on="frames", needs="latents:a"),
        stage_class("any", works_on="frames", needs="latents"),
        stage_class("forget", works_on="frames", ends="latents"),
        stage_class("forget_a", works_on="frames", ends="latents:a"),
    ]
    plugin = SimpleNamespace(henshin_stages=hookimpl(lambda: stages))
    plugin.henshin_stages.__name__ = "henshin_stages"
    registry.register(plugin, "latents")
    return registry


@pytest.mark.parametrize(
    "uses",
    [
        "invert_a draw",
        "invert_a invert_b draw any",
        "invert_b any",
        "some draw any",
        "invert_a forget invert_a draw",
        "invert_a invert_b forget_a any",
        "forget invert_a draw",
    ],
)
def test_latents_that_are_there(read: Loader, uses: str) -> None:
    assert read("stages:\n" + "".join(f"- use: {use}\n" for use in uses.split())).stages


def test_a_stage_that_is_unknown_may_give_any_latents(read: Loader) -> None:
    (line,) = wrong(read, "stages: [{use: mystery}, {use: draw}]")
    assert "mystery" in line


@pytest.mark.parametrize(
    ("uses", "said"),
    [
        ("draw", "2: draw needs latents, and no stage before it gives any"),
        ("forget draw", "3: draw needs latents, and no stage before it gives any"),
        ("invert_b draw", "3: draw needs latents 'a', and those before it are called: b"),
        ("invert_a invert_b forget_a draw", "5: draw needs latents 'a', and those before it are called: b"),
        ("invert_a forget draw", "4: draw needs latents, and forget before it has ended them"),
        ("some forget any", "4: any needs latents, and forget before it has ended them"),
    ],
)
def test_latents_that_are_not_there(read: Loader, uses: str, said: str) -> None:
    text = "stages:\n" + "".join(f"- use: {use}\n" for use in uses.split())
    assert wrong(read, text) == [f"p.yaml:{said}"]
