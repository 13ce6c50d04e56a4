"""assess: what lowers the score of a face, what does not, and what becomes of faces below the least score."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.paths import ROOT

from henshin import Face, Frame, PictureError
from henshin.cli import run_pipeline
from henshin.gallery.entries import read_record
from henshin.testing import check_stage
from henshin_plugins.face import Assess
from henshin_plugins.face.assessment import TESTS, assess, judged, measures
from henshin_plugins.face.geometry import template

SIDE = 200
SKIN, HAIR = (205, 165, 140), (60, 45, 40)


def portrait(skin: Any = SKIN, hair: Any = HAIR) -> np.ndarray:
    """An oval of skin with eyes and a mouth before something darker, where the template has them."""
    row, column = (np.indices((SIDE, SIDE)) + 0.5) / SIDE
    picture = np.empty((SIDE, SIDE, 3), np.uint8)
    picture[:] = hair
    picture[np.hypot((column - 0.5) / 0.3, (row - 0.6) / 0.32) < 1] = skin
    for x in (0.375, 0.625):
        picture[np.hypot((column - x) / 0.05, (row - 0.414) / 0.025) < 1] = (40, 30, 30)
    picture[np.hypot((column - 0.5) / 0.1, (row - 0.703) / 0.02) < 1] = (170, 90, 90)
    noise = np.random.default_rng(0).normal(0, 4, picture.shape)
    return np.asarray((picture + noise).clip(0, 255), np.uint8)


def face(marks: np.ndarray | None = None) -> Face:
    marks = template(1.0) * SIDE if marks is None else marks
    return Face(np.array([40, 40, 160, 180], np.float32), 1.0, marks.astype(np.float32))


def shaded(picture: np.ndarray, light: Callable[[np.ndarray, np.ndarray], Any]) -> np.ndarray:
    row, column = np.indices(picture.shape[:2]) / SIDE
    return np.asarray((picture * np.asarray(light(column, row))[..., None]).clip(0, 255), np.uint8)


def test_an_even_frontal_face_has_nothing_against_it() -> None:
    found = assess(portrait(), face())
    assert found.reasons == ()
    assert found.score > 0.8
    assert str(found) == f"score {found.score:.2f}"


def turned(by: float) -> np.ndarray:
    marks = template(1.0) * SIDE
    marks[2, 0] += by * SIDE * 0.25
    return marks


@pytest.mark.parametrize(
    ("words", "picture", "marks"),
    [
        ("the head is turned", portrait(), turned(0.3)),
        ("light from one side", shaded(portrait(), lambda x, _: np.where(x < 0.5, 0.35, 1.0)), None),
        ("dark", shaded(portrait(), lambda x, _: 0.3 + 0 * x), None),
        ("overexposed", portrait((255, 255, 255)), None),
        ("a beard, or a shadow on the chin", shaded(portrait(), lambda _, y: np.where(y > 0.74, 0.3, 1.0)), None),
        ("a shadow on the upper face", shaded(portrait(), lambda _, y: np.where(y < 0.68, 0.4, 1.0)), None),
        ("face and surroundings of one colour", portrait(hair=SKIN), None),
    ],
)
def test_what_makes_a_photo_difficult_is_told(words: str, picture: np.ndarray, marks: np.ndarray | None) -> None:
    found = assess(picture, face(marks))
    assert words in found.reasons
    assert found.score < assess(portrait(), face()).score - 0.03
    assert str(found).startswith(f"score {found.score:.2f}: ")


def test_small_blurred_and_cut_faces_are_told() -> None:
    small = Image.fromarray(portrait()).resize((80, 80))
    assert "small" in assess(np.asarray(small), face(template(1.0) * 80)).reasons
    assert "blurred" in assess(np.asarray(small.resize((24, 24)).resize((SIDE, SIDE))), face()).reasons
    cut = np.ascontiguousarray(portrait()[60:, 30:140])
    assert "close to the border" in assess(cut, face(template(1.0) * SIDE - (30, 60))).reasons


@settings(max_examples=20, deadline=None)
@given(st.floats(-np.pi, np.pi), st.floats(0.3, 3), st.floats(-0.3, 0.3))
def test_the_pose_is_that_of_the_head_and_not_of_the_camera(angle: float, scale: float, turn: float) -> None:
    marks = turned(turn)
    rotation = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = np.array([SIDE / 2, SIDE / 2])
    moved = (marks - middle) @ rotation.T + middle
    before, after = (measures(portrait(), face(points))["turned"] for points in (marks, moved))
    assert after == pytest.approx(before, abs=1e-4)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from([test.measure for test in TESTS]), st.floats(-200, 200)))
def test_a_score_is_a_share_and_worse_values_never_raise_it(changed: dict[str, float]) -> None:
    values = {**measures(portrait(), face()), **changed}
    found = judged(values)
    assert 0 <= found.score <= 1
    for test in TESTS:
        worse = {**values, test.measure: values[test.measure] + 10 * (test.bad - test.fine)}
        others = [one for one in TESTS if one.measure == test.measure and one is not test]
        if all(one.penalty(worse[one.measure]) >= one.penalty(values[one.measure]) for one in others):
            assert judged(worse).score <= found.score + 1e-12


def test_landmarks_are_wanted_and_must_differ() -> None:
    with pytest.raises(PictureError):
        assess(portrait(), Face(np.zeros(4, np.float32), 1.0))
    assert assess(portrait(), face(np.full((5, 2), 7.0))).score == 0


def stage(**options: Any) -> Assess:
    config: Any = Assess.Config(**options)
    made = Assess(config)
    made.open(None)  # type: ignore[arg-type]
    return made


def test_scores_and_reasons_are_remembered_in_the_order_of_faces() -> None:
    frame = Frame("a", "a", portrait(), faces=[face(turned(0.3)), face()])
    (result,) = stage().run([frame])
    assert len(result.faces) == 2
    assert all(one.dropped is None for one in result.faces)
    assert len(result.remarks) == 1
    assert result.remarks[0].startswith("face 1: score 0.")
    told = json.loads(result.remembered[0])
    assert [bool(one["reasons"]) for one in told] == [True, False]
    assert told[0]["score"] < told[1]["score"]


@pytest.mark.parametrize("policy", ["copy", "skip"])
def test_faces_below_the_least_score_are_dropped(policy: str) -> None:
    frame = Frame("a", "a", portrait(), faces=[face(turned(0.4)), face()])
    (both,) = stage(drop_below=0.7, without_faces=policy).run([frame])
    assert [one.dropped is None for one in both.faces] == [False, True]
    assert both.faces[0].dropped is not None
    assert both.faces[0].dropped.kind == "unlikely"
    assert "the head is turned; at least 0.7 wanted" in both.faces[0].dropped.reason
    assert not both.bypass
    (none,) = stage(drop_below=0.7, without_faces=policy).run([replace(frame, faces=[face(turned(0.4))])])
    assert none.bypass is (policy == "copy")
    (empty,) = stage(drop_below=0.7).run([replace(frame, faces=[])])
    assert not empty.bypass


def test_the_stage_keeps_the_rules() -> None:
    check_stage(Assess)


def test_a_run_keeps_scores_in_its_record_and_leaves_out_what_is_unlikely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("p.yaml").write_text(
        "stages:\n  - use: face_detect\n  - use: assess\n  - use: face_align\n  - use: paste_back\n    roundness: 0\n"
    )
    photo = str(ROOT / "examples/astronaut.jpg")
    assert run_pipeline(["p.yaml", "-i", photo, "-o", "out/", "--device", "cpu"]) == 0
    record = "".join(file.read_text() for file in Path("out/.henshin").glob("*.jsonl"))
    assert '\\"score\\": 0.' in record
    (entry,) = read_record(Path("out")).entries
    assert all(one.startswith("assess: score 0.") for one in entry.remarks)
    capsys.readouterr()
    words = ["--set", "assess.drop_below=1", "--set", "assess.without_faces=skip"]
    assert run_pipeline(["p.yaml", "-i", photo, "-o", "other/", "--device", "cpu", *words]) == 0
    assert "1 unlikely (assess)" in capsys.readouterr().out
    assert not list(Path("other").glob("*.jpg"))
