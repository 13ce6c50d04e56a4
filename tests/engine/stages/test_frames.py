"""What frames stages may return: shared faces, strange planes, crops ended and given anew; and how reasons read."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.engine import Bench, Crop, Faces, Invert, Uncrop
from support.onnx import box, invert

from henshin.api.frame import Face, Frame
from henshin.api.placement import zones
from henshin.api.stage import Stage, StageConfig
from henshin.engine.preparation.input_files import SourceFile
from henshin.engine.stages.job import Job
from henshin.engine.stages.runner import StageRunner
from henshin.errors import HenshinError
from henshin.images.picture import Metadata


def job(colour: int = 9, size: tuple[int, int] = (8, 12)) -> Job:
    picture = np.full((*size, 3), colour, np.uint8)
    picture.flags.writeable = False
    frame = Frame("0.png", "0", picture, decoded=picture, metadata=Metadata(notes=["first of 2"]))
    return Job(SourceFile.at(Path("0.png"), "0.png"), "", [frame])


def go(*stages: Any, size: tuple[int, int] = (8, 12)) -> Job:
    made = job(size=size)
    StageRunner([stage if isinstance(stage, Stage) else stage(stage.Config()) for stage in stages]).run([made])
    return made


def frames_stage(run: Any, **traits: Any) -> type[Stage[Any]]:
    return type("Made", (Stage,), {"name": "made", "works_on": "frames", "run": run, **traits})


def test_a_stage_that_ends_crops_and_gives_others_leaves_crops() -> None:
    recrop = frames_stage(lambda self, frames: frames, gives=frozenset({"crops"}), ends=frozenset({"crops"}))
    classes: list[Any] = [Faces, Crop, recrop, Invert, Uncrop, Invert]
    stages = [stage(stage.Config()) for stage in classes]
    assert zones(stages) == [False, False, True, True, True, False]


class Doubled(Stage[StageConfig]):
    """Make crops of half the height."""

    name = "doubled"

    def run(self, pictures: Any) -> Any:
        return [picture.repeat(2, axis=0) for picture in pictures]


def test_frames_made_of_one_share_neither_faces_nor_records() -> None:
    copy = frames_stage(lambda self, frames: [replace(frame, name=name) for frame in frames for name in "ab"])
    made = go(Faces, Crop, copy, Doubled)
    one, other = made.frames
    for face in (*one.faces, *other.faces):
        assert face.matrix is not None
        assert face.matrix[1, 1] == 2, "each crop was doubled once, and so its matrix"
    assert not {id(face) for face in one.faces} & {id(face) for face in other.faces}
    one.metadata.notes.append("mine")
    one.latents["z"] = 1
    assert other.metadata.notes == ["first of 2"]
    assert other.latents == {}
    assert one.timings is not other.timings


def test_the_parts_of_split_faces_have_notes_of_their_own() -> None:
    from henshin_plugins.face import SplitFaces

    crop = np.zeros((4, 4, 3), np.uint8)
    frame = job().frames[0]
    point = np.zeros((5, 2), np.float32)
    frame.faces = [Face(np.zeros(4, np.float32), 1.0, point, crop=crop) for _ in range(2)]
    one, other = SplitFaces(SplitFaces.Config()).run([frame])
    one.metadata.notes.append("mine")
    assert other.metadata.notes == frame.metadata.notes == ["first of 2"]


@pytest.mark.parametrize(
    ("plane", "says"),
    [
        (np.zeros((8, 12), np.float32), "float32"),
        (np.zeros((8, 12), bool), "bool"),
        (np.zeros((8, 12, 1), np.uint8), r"(8, 12, 1)"),
        ("opaque", "str"),
    ],
)
@pytest.mark.parametrize("what", ["alpha", "mask"])
def test_alpha_and_masks_that_are_none_fail_their_frame(plane: Any, says: str, what: str) -> None:
    def run(self: Any, frames: Any) -> Any:
        for frame in frames:
            if what == "alpha":
                frame.alpha = plane
            for face in frame.faces if what == "mask" else ():
                face.mask = plane
        return frames

    (error,) = go(Faces, Crop, frames_stage(run)).errors
    assert says in error.reason
    assert what in error.reason


def test_alpha_and_masks_are_read_only_and_as_large_as_their_picture() -> None:
    def run(self: Any, frames: Any) -> Any:
        for frame in frames:
            frame.alpha = np.full((12, 8), 255, np.uint8).T
            for face in frame.faces:
                face.mask = np.full((2, 2), 255, np.uint8)
        return frames

    (frame,) = go(Faces, Crop, frames_stage(run)).frames
    planes = [(frame.alpha, frame.picture), *((face.mask, face.crop) for face in frame.faces)]
    for plane, picture in planes:
        assert plane is not None
        assert picture is not None
        assert plane.shape == picture.shape[:2]
        assert not plane.flags.writeable
        assert plane.flags.c_contiguous


def test_what_henshin_says_itself_comes_without_the_name_of_a_class() -> None:
    def run(self: Any, frames: Any) -> Any:
        raise HenshinError("the table has no row for this")

    assert go(frames_stage(run)).errors[0].reason == "the table has no row for this"


def test_the_decoded_picture_is_let_go_once_it_is_not_what_is_written() -> None:
    made = job()
    photo = weakref.ref(made.frames[0].picture)
    seen = []

    class Look(Invert):
        def run(self, pictures: Any) -> Any:
            gc.collect()
            seen.append(photo() is None)
            return super().run(pictures)

    StageRunner([Look(Look.Config()), Look(Look.Config())]).run([made])
    assert seen == [False, True]


# -- Networks --------------------------------------------------------------------------------------------------------


def test_two_networks_of_one_file_name_are_both_told(tmp_path: Path) -> None:
    class Two(Stage[StageConfig]):
        name = "two"

        def open(self, context: Any) -> None:
            for folder in ("one", "other"):
                context.network(tmp_path / folder / "tiny.onnx")

        def run(self, pictures: Any) -> Any:
            return pictures

    for folder, make in (("one", invert), ("other", box)):
        (tmp_path / folder).mkdir()
        make(tmp_path / folder / "tiny.onnx")
    bench = Bench(tmp_path)
    bench.photo("x.png")
    wanted = {"tiny", str(tmp_path / "other" / "tiny.onnx")}
    assert set(bench.plan(Two).providers) == wanted
    assert set(bench.run(Two).providers) == wanted
