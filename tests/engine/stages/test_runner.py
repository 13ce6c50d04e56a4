"""Stages over frames: who sees what, who is to blame, and what follows a change of size."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.engine import Bench, Bigger, Crop, Faces, Invert, Same, Uncrop
from support.jobs import go, jobs, stage_with

from henshin.api.frame import Face
from henshin.api.placement import place_result, resized, zones
from henshin.api.stage import StageConfig
from henshin.errors import MissingError, PictureError


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_pictures_of_many_frames_come_together_and_read_only() -> None:
    seen = []

    def run(self: Any, pictures: Any) -> Any:
        seen.append([picture.flags.writeable for picture in pictures])
        return [picture[:, ::-1] for picture in pictures]

    made = go(jobs(1, 2, 3), stage_with(run), stage_with(run))
    assert seen == [[False] * 3, [False] * 3]
    assert all(job.frames[0].picture.flags.c_contiguous for job in made)


def test_a_list_belongs_to_the_stage_but_a_picture_does_not() -> None:
    def steals(self: Any, pictures: Any) -> Any:
        return [pictures.pop(0) for _ in range(len(pictures))]

    def scribbles(self: Any, pictures: Any) -> Any:
        pictures[0][:] = 0
        return pictures

    assert [job.errors for job in go(jobs(1, 2), stage_with(steals))] == [[], []]
    made = go(jobs(1, 2), stage_with(scribbles))
    assert all("read-only" in job.errors[0].reason for job in made)


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (None, "a NoneType; a picture is"),
        (np.zeros((4, 4, 3), np.float32), "float32"),
        (np.zeros((4, 4), np.uint8), r"\(4, 4\)"),
        (np.zeros((4, 4, 4), np.uint8), r"\(4, 4, 4\)"),
        (np.zeros((0, 4, 3), np.uint8), "not empty"),
    ],
)
def test_nonsense_fails_its_picture_by_the_name_of_the_stage(result: Any, says: str) -> None:
    def run(self: Any, pictures: Any) -> Any:
        return [result if picture[0, 0, 0] == 2 else picture for picture in pictures]

    made = go(jobs(1, 2, 3), stage_with(run))
    assert [bool(job.errors) for job in made] == [False, True, False]
    assert made[1].stage == "made"
    assert re.search(says, made[1].errors[0].reason)


@pytest.mark.parametrize("works_on", ["pictures", "frames"])
@pytest.mark.parametrize(
    "error", [ValueError("bad"), MemoryError(), PictureError("bad"), AssertionError(), StopIteration()]
)
def test_what_raises_is_tried_one_by_one_and_only_the_culprit_fails(works_on: str, error: Exception) -> None:
    calls = []

    def run(self: Any, items: Any) -> Any:
        calls.append(len(items))
        for item in items:
            if (item if works_on == "pictures" else item.picture)[0, 0, 0] == 2:
                raise error
        return items

    made = go(jobs(1, 2, 3), stage_with(run, works_on))
    assert calls == [3, 1, 1, 1]
    assert [bool(job.errors) for job in made] == [False, True, False]
    assert "\n" not in made[1].errors[0].reason
    assert made[1].errors[0].reason


def test_a_picture_error_in_its_place_fails_that_picture_without_a_second_try() -> None:
    calls = []

    def run(self: Any, pictures: Any) -> Any:
        calls.append(len(pictures))
        return [PictureError("too dark") if picture[0, 0, 0] == 1 else picture for picture in pictures]

    made = go(jobs(1, 2), stage_with(run))
    assert calls == [2]
    assert [error.reason for error in made[0].errors] == ["too dark"]
    assert not made[1].errors


def test_a_wrong_number_of_results_is_the_fault_of_the_stage() -> None:
    made = go(jobs(1, 2), stage_with(lambda self, pictures: pictures[:-1]))
    assert all("returned 0 pictures for 1" in job.errors[0].reason for job in made)
    made = go(jobs(1), stage_with(lambda self, pictures: None))
    assert "NoneType instead of a list of pictures" in made[0].errors[0].reason


def test_a_batch_as_one_array_and_a_generator_are_lists_too() -> None:
    assert not go(jobs(1, 2), stage_with(lambda self, pictures: np.stack(pictures)))[0].errors
    assert not go(jobs(1, 2), stage_with(lambda self, pictures: (picture for picture in pictures)))[0].errors


def test_what_is_missing_is_no_fault_of_a_picture() -> None:
    def run(self: Any, pictures: Any) -> Any:
        raise MissingError("no model")

    with pytest.raises(MissingError):
        go(jobs(1, 2), stage_with(run))


# -- Frames ----------------------------------------------------------------------------------------------------------


def test_a_second_try_begins_with_what_the_first_was_given() -> None:
    def run(self: Any, frames: Any) -> Any:
        for frame in frames:
            frame.faces.append(Face(np.zeros(4, np.float32), 1.0, np.zeros((5, 2), np.float32)))
            frame.latents["z"] = 1
            if frame.picture[0, 0, 0] == 2:
                raise ValueError("bad")
        return frames

    made = go(jobs(1, 2, 3), stage_with(run, "frames", gives=frozenset({"faces"})))
    assert [len(job.frames[0].faces) for job in made] == [1, 0, 1]
    assert [job.faces for job in made] == [1, 0, 1]
    assert made[1].frames[0].latents == {}


@pytest.mark.parametrize("result", [None, "frames", [1], [None]])
def test_frames_stages_that_return_no_frames_are_named(result: Any) -> None:
    made = go(jobs(1, 2), stage_with(lambda self, frames: result, "frames"))
    assert all(job.stage == "made" and "instead of" in job.errors[0].reason for job in made)


def test_frames_of_a_new_source_still_belong_to_the_one_they_came_from() -> None:
    def run(self: Any, frames: Any) -> Any:
        return [
            replace(frame, source=f"new of {frame.source}", name=f"{frame.name}-{n}") for frame in frames for n in "ab"
        ]

    made = go(jobs(1, 2), stage_with(run, "frames"), Same)
    assert [[frame.name for frame in job.frames] for job in made] == [["0-a", "0-b"], ["1-a", "1-b"]]


def test_a_frame_that_bypasses_or_has_failed_meets_no_later_stage() -> None:
    def mark(self: Any, frames: Any) -> Any:
        frames[0].bypass = True
        frames[1].error = PictureError("I do not like it")
        return frames

    made = go(jobs(1, 2, 3), stage_with(mark, "frames"), Invert)
    assert [int(job.frames[0].picture[0, 0, 0]) for job in made] == [1, 2, 252]
    assert made[1].stage == "made"
    assert [error.reason for error in made[1].errors] == ["I do not like it"]


def test_the_stage_that_left_a_frame_out_is_named() -> None:
    made = go(jobs(1, 2), stage_with(lambda self, frames: frames[1:], "frames"))
    assert (made[0].frames, made[0].stage, made[0].errors) == ([], "made", [])
    assert len(made[1].frames) == 1


def test_a_frames_stage_may_forget_the_alpha() -> None:
    made = jobs(1)
    made[0].frames[0].alpha = np.full((8, 12), 77, np.uint8)

    def run(self: Any, frames: Any) -> Any:
        frames[0].picture = np.zeros((4, 6, 3), np.uint8)
        return frames

    alpha = go(made, stage_with(run, "frames"))[0].frames[0].alpha
    assert alpha is not None
    assert alpha.shape == (4, 6)


# -- Crops -----------------------------------------------------------------------------------------------------------


def test_between_its_bounds_a_pictures_stage_sees_crops_of_all_frames_together() -> None:
    seen: list[tuple[str, list[Any]]] = []

    def run(self: Any, pictures: Any) -> Any:
        seen.append((self.zone, [picture.shape[:2] for picture in pictures]))
        return pictures

    watch = stage_with(run)
    go(jobs(1, 2), watch, Faces, watch, Crop, watch, Uncrop, watch)
    photos, crops = ("photos", [(8, 12)] * 2), ("crops", [(4, 4)] * 3 + [(4, 4)])
    assert seen == [photos, photos, crops, photos]


def test_zones_are_told_before_opening_too() -> None:
    stages = [stage(stage.Config()) for stage in (Invert, Faces, Crop, Invert, Uncrop, Invert)]
    assert zones(stages) == [False, False, False, True, True, False]


def test_without_faces_a_frame_in_the_zone_is_an_ordinary_photo() -> None:
    seen = []

    def run(self: Any, pictures: Any) -> Any:
        seen.append((self.zone, len(pictures)))
        return [255 - picture for picture in pictures]

    made = jobs(0, 9)
    go(made, Faces(Faces.Config(without="whole")), Crop, stage_with(run), Uncrop)
    assert seen == [("crops", 2), ("photos", 1)]
    assert made[0].frames[0].picture.min() == 255


def test_a_crop_that_grows_takes_its_matrix_and_mask_along() -> None:
    made = jobs(9)
    watch = Uncrop(StageConfig())
    go(made, Faces, Crop, Bigger, watch)
    face = watch.seen[0].faces[1]
    assert face.crop is not None
    assert face.mask is not None
    assert face.crop.shape == (8, 12, 3)
    assert face.mask.shape == (8, 12)
    assert face.mask.min() == 255
    # The corners of the box still go to the corners of the crop: pixels are areas.
    x0, y0, x1, y1 = face.box
    corners = np.array([[x0, y0, 1], [x1, y1, 1]], np.float32) @ face.matrix.T  # type: ignore[union-attr]
    assert corners.tolist() == [[0, 0], [12, 8]]


def test_one_failed_crop_fails_its_frame_and_no_other() -> None:
    def run(self: Any, pictures: Any) -> Any:
        return [PictureError("ugly") if number == 1 else picture for number, picture in enumerate(pictures)]

    made = go(jobs(8, 9), Faces, Crop, stage_with(run), Uncrop)
    assert [[error.reason for error in job.errors] for job in made] == [["ugly"], []]


def test_a_photo_that_is_resized_takes_its_faces_along() -> None:
    frame = jobs(5)[0].frames[0]
    frame.alpha = np.arange(96, dtype=np.uint8).reshape(8, 12)
    matrix = np.array([[2, 0.5, -3], [-0.5, 2, 4]], np.float32)
    box, points = np.array([2, 2, 6, 6], np.float32), np.full((5, 2), 3, np.float32)
    face = Face(box, 1.0, points, matrix)
    frame.faces = [face]
    place_result((frame, None), np.zeros((16, 36, 3), np.uint8))
    moved = frame.faces[0]
    assert moved.box.tolist() == [6, 4, 18, 12]
    assert moved.landmarks[0].tolist() == [9, 6]
    assert moved.matrix is not None
    assert np.allclose(moved.matrix @ [9, 6, 1], matrix @ [3, 3, 1]), "a point goes where it went before"
    assert frame.alpha is not None
    assert frame.alpha.shape == (16, 36)
    assert face.box.tolist() == [2, 2, 6, 6]


def test_an_opaque_plane_stays_opaque_at_any_size() -> None:
    plane = np.full((7, 5), 255, np.uint8)
    for shape in ((1, 1), (3, 9), (40, 31)):
        assert resized(plane, shape).min() == 255
    assert resized(plane, (7, 5)) is plane


def test_times_are_kept_per_stage_and_stages_of_one_name_are_told_apart(bench: Bench) -> None:
    bench.photo("x.png")
    summary = bench.run(Invert, Same, Invert)
    assert list(summary.stages) == ["invert#1", "same", "invert#2"]
    assert list(summary.opening) == ["invert#1", "same", "invert#2"]
