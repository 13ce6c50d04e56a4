"""bench/detect.py knows where the faces are that it pastes, and counts rightly what is found."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from detect import Configuration, configuration, main
from detection.figures import iou, measured
from detection.scenes import GROUPS, Group, Scene, make, paste, portrait
from detection.sources import Source
from PIL import Image

MARKS = np.array([[80.0, 90], [120, 90], [100, 110], [85, 130], [115, 130]])


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """A grey photo of 200 px with white dots of 7 px for eyes, nose and corners of the mouth."""
    picture = np.full((200, 200, 3), 60, np.uint8)
    for x, y in MARKS.astype(int):
        picture[y - 3 : y + 4, x - 3 : x + 4] = 255
    Image.fromarray(picture).save(tmp_path / "source.png")
    return Source(tmp_path / "source.png", np.array([60.0, 60, 140, 150]), MARKS + 0.5)


def brightness(picture: Any, points: Any) -> Any:
    x, y = points.astype(int).T
    return picture[y, x, 0]


@pytest.mark.parametrize("degrees", [0.0, 25.0, -90.0, 170.0])
@pytest.mark.parametrize("side", [60.0, 110.0])
def test_a_pasted_face_lies_where_it_says(source: Source, degrees: float, side: float) -> None:
    scene = Scene("", np.zeros((300, 400, 3), np.uint8))
    paste(scene, source, np.asarray(Image.open(source.path)), np.array([210.4, 140.7]), side, degrees)
    assert brightness(scene.picture, scene.landmarks[0]).min() > 190
    assert np.hypot(*(scene.landmarks[0][1] - scene.landmarks[0][0])) == pytest.approx(40 * side / 90)
    assert (scene.boxes[0][2:] - scene.boxes[0][:2]).prod() == pytest.approx(80 * 90 * (side / 90) ** 2)
    assert (scene.boxes[0][:2] + scene.boxes[0][2:]) / 2 == pytest.approx([210.4, 140.7])
    assert scene.picture[:10].max() == 0


def test_a_portrait_keeps_its_face(source: Source) -> None:
    for seed in range(4):
        scene = portrait(source, np.random.default_rng(seed), 400)
        assert scene.picture.shape == (400, 400, 3)
        assert brightness(scene.picture, scene.landmarks[0]).min() > 190
        assert scene.landmarks[0][0, 0] < scene.landmarks[0][1, 0], "image-left first, mirrored or not"


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_scenes_are_as_their_group_says(group: Group, source: Source, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 50, (90, 120, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "photo.png")
    group = replace(group, longest=(300, 600))
    scenes = [make(group, [source], [tmp_path / "photo.png"], np.random.default_rng(0)) for _ in range(2)]
    assert np.array_equal(scenes[0].picture, scenes[1].picture), "the same for the same seed"
    height, width = scenes[0].picture.shape[:2]
    assert group.longest[0] <= max(height, width) <= group.longest[1]
    assert len(scenes[0].boxes) <= group.faces[1]
    assert bool(scenes[0].boxes) == bool(group.faces[1])
    sides = [float((box[2:] - box[:2]).max()) for box in scenes[0].boxes]
    low, high = group.least or group.share
    unit = max(24, 0.024 * min(height, width)) if group.least else min(height, width)
    assert all(0.9 * low * unit <= side <= high * unit + 1 for side in sides)


def test_what_is_found_counts_once() -> None:
    boxes, marks = np.array([[0.0, 0, 10, 10], [50, 50, 70, 70]]), np.stack([MARKS, MARKS + 50])
    found = [
        {"box": [0, 0, 10, 11], "score": 0.9, "landmarks": (MARKS + np.array([4, 0])).tolist()},
        {"box": [0, 0, 10, 10], "score": 0.8, "landmarks": MARKS.tolist()},
        {"box": [90, 0, 99, 10], "score": 0.99, "landmarks": MARKS.tolist()},
    ]
    figures, seen = measured(boxes, marks, found, 12.0)
    assert seen.tolist() == [True, False]
    assert (figures.faces, figures.found, figures.false) == (2, 1, 2)
    assert figures.errors == pytest.approx([0.1])
    assert figures.row()["recall"] == 0.5
    assert iou(boxes[0], np.array([0.0, 0, 10, 5])) == 0.5
    none, _ = measured(boxes[:0], marks[:0], [], 1.0)
    assert none.row()["recall"] is None


def test_configurations_are_read() -> None:
    assert configuration("now") == Configuration("now", None, {})
    read = configuration("old@v1.2:detector=yunet,minimum_score=0.6")
    assert read == Configuration("old", "v1.2", {"detector": "yunet", "minimum_score": "0.6"})
    for wrong in ("", "@v1", "now:detector"):
        with pytest.raises(argparse.ArgumentTypeError, match="must be NAME"):
            configuration(wrong)


def test_a_missing_folder_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["detect.py", "--faces", str(tmp_path), "--photos", str(tmp_path / "none")])
    with pytest.raises(SystemExit, match="is no folder"):
        main()
