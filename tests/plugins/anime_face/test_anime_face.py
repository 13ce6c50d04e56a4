"""`anime_face_detect`: the cascade beside scikit-image's, reading files, faces on drawings with known boxes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.anime import random_cascade, spot_cascade
from support.face import frame, picture, smooth
from support.stages import opened

from henshin.api.stage import Stage
from henshin.errors import HenshinError


def test_the_same_windows_pass_as_in_scikit_image(tmp_path: Path, rng: np.random.Generator) -> None:
    """At the cascade's own size: every window, none merged."""
    feature = pytest.importorskip("skimage.feature")
    from henshin_plugins.anime_face.lbp_cascade import read_cascade

    gray = np.asarray(Image.fromarray(smooth(rng, 70, 90, detail=5)).convert("L"))
    some = 0
    for number in range(4):
        path = random_cascade(tmp_path / f"{number}.xml", rng)
        theirs = feature.Cascade(str(path)).detect_multi_scale(
            img=gray, scale_factor=2.0, step_ratio=1, min_size=(24, 24), max_size=(25, 25),
            min_neighbor_number=0, intersection_score_threshold=2.0,
        )  # fmt: skip
        ours, margins = read_cascade(path).windows(gray, 1)
        # it leaves out the last column and the last row
        inner = {(x, y) for x, y in ours.tolist() if x < 90 - 24 and y < 70 - 24}
        assert {(one["c"], one["r"]) for one in theirs} == inner
        assert (margins >= -1e-4).all()
        coarse, _ = read_cascade(path).windows(gray, 2)
        assert {tuple(place) for place in coarse.tolist()} == {(x, y) for x, y in ours.tolist() if x % 2 == y % 2 == 0}
        some += 0 < len(ours) < 47 * 67
    assert some >= 2, "cascades that pass all or nothing prove little"


# a few such entities, each of several others, would fill any memory
BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa">]><opencv_storage><cascade>&a;</cascade></opencv_storage>'


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text[:500], "no sound XML"),
        (lambda _: BOMB, "DOCTYPE"),
        (lambda _: BOMB.encode("utf-16"), "DOCTYPE"),
        (lambda _: "<svg/>", "no <cascade>"),
        (lambda text: text.replace("LBP", "HAAR"), "<featureType> is 'HAAR', and LBP is right"),
        (lambda text: text.replace("<width>24", "<width>9000"), "window of 9000 x 24"),
        (lambda text: text.replace("<rect>", "<rect>20", 1), "does not lie in its window"),
        (lambda text: text.replace("<internalNodes>0 -1 ", "<internalNodes>0 -1 99", 1), "pattern 99.*of 12"),
        (lambda text: text.replace("<internalNodes>0 -1", "<internalNodes>0", 1), "<internalNodes> wants 11 numbers"),
        (lambda text: text.replace("<stageThreshold>0.1", "<stageThreshold>nan", 1), "<stageThreshold> wants 1 number"),
        (lambda text: text.replace("stages>", "steps>"), "<cascade> without <stages>"),
        (lambda text: text[: text.index("<stages>")] + "<stages/>" + text[text.index("<features>") :], "no stages"),
    ],
)
def test_a_file_that_is_no_cascade_is_refused(change: Any, said: str, tmp_path: Path, rng: np.random.Generator) -> None:
    from henshin_plugins.anime_face.lbp_cascade import read_cascade

    path = random_cascade(tmp_path / "some.xml", rng)
    changed = change(path.read_text())
    path.write_bytes(changed if isinstance(changed, bytes) else changed.encode())
    with pytest.raises(HenshinError, match=said) as caught:
        read_cascade(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_too_large_is_not_read(tmp_path: Path) -> None:
    from henshin_plugins.anime_face.lbp_cascade import LARGEST_FILE, read_cascade

    with (tmp_path / "large.xml").open("wb") as file:
        file.truncate(LARGEST_FILE + 1)
    with pytest.raises(HenshinError, match="more than 16 MB"):
        read_cascade(tmp_path / "large.xml")


def test_windows_around_one_place_are_one_face() -> None:
    from henshin_plugins.anime_face.detect import _merged

    near = [[10 + shift, 20, 50 + shift, 60, 5.0] for shift in (-2, 0, 2)]
    far, inner = [200, 20, 240, 60, 40.0], [20, 30, 40, 50, 8.0]
    found = _merged(np.array([*near, far, inner], float))
    assert found == pytest.approx(np.array([far, [10, 20, 50, 60, 15.0]]), abs=1e-6)
    assert _merged(np.zeros((0, 5))).shape == (0, 5)


@pytest.fixture(scope="module")
def weights(shared_data: Path) -> Path:
    path = shared_data.parent / "weights" / "lbpcascade_animeface.xml"
    if not path.is_file():
        pytest.skip("the cascade is not at hand")
    return path


def detector(weights: Path, **options: Any) -> Any:
    from henshin_plugins.anime_face import AnimeFaceDetect

    stage: Any = opened(AnimeFaceDetect, weights.parent, model=str(weights), **options)
    return stage.detector


@pytest.fixture(scope="module")
def drawings(shared_data: Path) -> list[Any]:
    return [picture(path) for path in sorted((shared_data / "selfie2anime" / "trainB").iterdir())[:12]]


Scene = tuple[Any, list[tuple[int, int, int]]]


@pytest.fixture(scope="module")
def scene(shared_data: Path, drawings: list[Any]) -> Scene:
    """A drawn landscape without people, and the faces pasted into it: x, y and side of each."""
    background = Image.open(min((shared_data / "scenes" / "anime-style").iterdir())).convert("RGB")
    places = [(20, 30, 70), (300, 60, 110), (40, 300, 160), (330, 400, 256), (60, 700, 200)]
    for (x, y, side), drawing in zip(places, drawings, strict=False):
        background.paste(Image.fromarray(drawing).resize((side, side), Image.Resampling.LANCZOS), (x, y))
    return np.asarray(background), places


def test_the_listed_file_is_this_one(weights: Path) -> None:
    from henshin.models import ModelStore

    entry = ModelStore().entries["lbpcascade-animeface"]
    assert entry.sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert entry.size == weights.stat().st_size


def test_faces_in_a_drawing_are_found_where_they_are(weights: Path, scene: Scene) -> None:
    pixels, places = scene
    found = detector(weights).find(pixels)
    assert len(found) == len(places), "all, and nothing in the trees"
    assert [face.box[0] for face in found] == sorted(face.box[0] for face in found), "about from left to right"
    for x, y, side in places:
        middle = np.array([x, y]) + side / 2
        face = min(found, key=lambda face: np.abs(face.box.reshape(2, 2).mean(axis=0) - middle).max())
        assert np.abs(face.box.reshape(2, 2).mean(axis=0) - middle).max() < 0.12 * side
        assert 0.55 < (face.box[2] - face.box[0]) / side < 0.95
        assert face.landmarks is None
        assert 0.5 <= face.score < 1


def test_options_choose_among_faces(weights: Path, scene: Scene) -> None:
    pixels, _ = scene
    (largest,) = detector(weights, faces="largest").find(pixels)
    assert 160 < largest.box[2] - largest.box[0] < 240
    assert len(detector(weights, maximum_faces=2).find(pixels)) == 2
    assert all(face.box[2] - face.box[0] > 90 for face in detector(weights, minimum_size=96).find(pixels))
    hidden = np.zeros(pixels.shape[:2], np.uint8)
    assert detector(weights).find(pixels, hidden) == []


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (23, 24), (24, 24), (31, 700)])
def test_tiny_pictures_have_no_faces(shape: tuple[int, int], weights: Path, rng: np.random.Generator) -> None:
    assert detector(weights, minimum_size=12).find(smooth(rng, *shape)) == []


def test_a_face_that_fills_its_picture_is_seen_in_a_second_look(weights: Path, drawings: list[Any]) -> None:
    closeups = [np.ascontiguousarray(drawing[40:216, 40:216]) for drawing in drawings]
    usual, without = detector(weights), detector(weights, second_pass=False)
    counts = [sum(bool(one.find(closeup)) for closeup in closeups) for one in (usual, without)]
    assert counts[0] > counts[1]
    assert counts[0] >= 10


def test_crops_by_box_show_what_the_training_sets_show(weights: Path, drawings: list[Any]) -> None:
    """Pasted small into a plain page, found and cut out again, a drawing is framed about as it was."""
    from henshin_plugins.anime_face import AnimeFaceDetect
    from henshin_plugins.face import FaceAlign

    detect: Stage[Any] = opened(AnimeFaceDetect, weights.parent, model=str(weights), faces="largest")
    align = opened(FaceAlign, weights.parent)
    edges = []
    for drawing in drawings:
        page = np.full((400, 400, 3), 230, np.uint8)
        page[100:228, 140:268] = np.asarray(Image.fromarray(drawing).resize((128, 128), Image.Resampling.LANCZOS))
        (cut,) = align.run(detect.run([frame(page)]))
        (face,) = cut.faces
        assert face.crop.shape[0] < 200, "nothing is enlarged"
        turn, shift = face.matrix[:, :2].astype(float), face.matrix[:, 2].astype(float)
        assert turn[0, 1] == turn[1, 0] == 0
        edges.append((np.array([[140, 100], [268, 228]]) @ turn.T + shift) / face.crop.shape[0])
    mean = np.mean(edges, axis=0)
    assert mean == pytest.approx(np.array([[0, 0], [1, 1]]), abs=0.06)


def test_landmarks_that_are_not_there_cannot_be_asked_for(weights: Path, drawings: list[Any]) -> None:
    from henshin.errors import PictureError
    from henshin_plugins.anime_face import AnimeFaceDetect
    from henshin_plugins.face import FaceAlign

    found = opened(AnimeFaceDetect, weights.parent, model=str(weights)).run([frame(drawings[0])])
    with pytest.raises(PictureError, match=r"face_align\.by: 'landmarks'"):
        opened(FaceAlign, weights.parent, by="landmarks").run(found)


def test_drawings_are_prepared_from_file_to_file(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a cascade that takes light spots for faces: found, cut out in the middle, brought to 256 pixels."""
    from henshin.cli import run_pipeline

    given, models = tmp_path / "given", tmp_path / "models"
    given.mkdir()
    models.mkdir()
    monkeypatch.setenv("HENSHIN_MODELS", str(models))
    monkeypatch.chdir(tmp_path)
    for name, spots in (("two", [(60, 50), (240, 120)]), ("none", [])):
        slope = np.add.outer(np.arange(200) / 4, np.arange(320) / 6)  # is lightest nowhere inside
        page = np.repeat(slope[..., None], 3, axis=2).astype(np.uint8)
        for x, y in spots:
            page[y : y + 40, x : x + 40] = rng.integers(200, 255, (40, 40, 3))
        Image.fromarray(page).save(given / f"{name}.png")
    words = ["prepare-anime-faces", "-i", str(given), "-o", str(tmp_path / "out"), "--device", "cpu"]
    words += ["--set", "drop_duplicates.difference=0"]  # these two are much alike
    assert run_pipeline(words) == 3
    assert "henshin models pull lbpcascade-animeface" in capsys.readouterr().err
    spot_cascade(models / "lbpcascade_animeface.xml")
    assert run_pipeline([*words, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["dropped"] == {"anime_face_detect": {"no face": 1}}
    assert sorted(path.name for path in (tmp_path / "out").glob("*.png")) == ["two-1.png", "two-2.png"]
    for path in (tmp_path / "out").glob("*.png"):
        crop = picture(path)
        assert crop.shape == (256, 256, 3)
        light = np.argwhere(crop.mean(axis=2) > 140)
        # match_proportions puts the light square where the skin of a face is: below the middle
        assert light.mean(axis=0) == pytest.approx([154, 128], abs=16)
