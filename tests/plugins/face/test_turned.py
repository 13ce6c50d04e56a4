"""Turned faces come out upright, and what is no face is not taken for one."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.face import EXAMPLES, detector

from henshin import Face


def turned_landmarks(face: Face, degrees: int, size: tuple[int, int], turned: tuple[int, int]) -> Any:
    """The landmarks of a face of a photo, (width, height), where `Image.rotate(degrees)` puts them."""
    turn, middle = np.radians(degrees), np.array(size) / 2
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return (face.landmarks - middle) @ rotation.T + np.array(turned) / 2


def eye_distance(face: Face) -> float:
    return float(np.hypot(*(face.landmarks[1] - face.landmarks[0])))


@pytest.mark.parametrize("degrees", [60, 90, 120, 135, 180, -90, -60, 45, -35])
def test_a_turned_photo_shows_its_face_upright(degrees: int, tmp_path: Path) -> None:
    image = Image.open(EXAMPLES / "astronaut.jpg").convert("RGB")
    finder = detector(tmp_path)
    ((upright,),) = finder.find([np.asarray(image)])
    turned = image.rotate(degrees, Image.Resampling.BICUBIC, expand=True)
    ((face,),) = finder.find([np.asarray(turned)])
    expected = turned_landmarks(upright, degrees, image.size, turned.size)
    assert np.abs(face.landmarks - expected).max() < 0.1 * eye_distance(upright)


@pytest.mark.parametrize("second_pass", ["never", "tilted", "turned"])
def test_a_photo_without_faces_shows_none(second_pass: str, tmp_path: Path) -> None:
    image = Image.open(EXAMPLES / "coffee.jpg").convert("RGB")
    turned = [image, image.rotate(90, expand=True), image.rotate(180), image.rotate(15), image.resize((1500, 1000))]
    assert detector(tmp_path, second_pass=second_pass).find([np.asarray(one) for one in turned]) == [[]] * len(turned)


def test_lace_is_no_face(shared_data: Path, tmp_path: Path) -> None:
    image = Image.open(sorted((shared_data / "portraits-cc0").iterdir())[3]).convert("RGB")
    image = image.resize((600, 600), Image.Resampling.LANCZOS)
    packed = io.BytesIO()
    image.save(packed, "JPEG", quality=80)
    leaning = image.rotate(15, Image.Resampling.BICUBIC, expand=True)
    pictures = [np.asarray(one) for one in (image, Image.open(packed), leaning)]
    assert [len(faces) for faces in detector(tmp_path).find(pictures)] == [1, 1, 1]


@pytest.mark.parametrize("share", [0.1, 0.05])
def test_a_washed_out_face_is_found_where_it_is(share: float, tmp_path: Path) -> None:
    pixels = np.asarray(Image.open(EXAMPLES / "astronaut.jpg").convert("RGB"))
    finder = detector(tmp_path)
    ((clear,),) = finder.find([pixels])
    part = np.s_[20:220, 120:330]
    faint = (255 - (255 - pixels[part].astype(float)) * share).astype(np.uint8)
    ((face,),) = finder.find([faint])
    assert np.abs(face.landmarks + np.array([120, 20]) - clear.landmarks).max() < 0.12 * eye_distance(clear)
    assert detector(tmp_path, second_pass="never").find([faint]) == [[]]


@pytest.mark.parametrize(
    ("name", "eyes"),
    [
        ("female_13455", [[57, 10], [163, 7]]),
        ("female_13769", [[92, 88], [168, 82]]),
        ("female_1485", [[89, 76], [178, 75]]),
    ],
)
def test_faces_cut_off_at_the_brow_hidden_or_over_exposed_are_found(
    name: str, eyes: Any, shared_data: Path, tmp_path: Path
) -> None:
    """Eyes as measured by eye, to a few pixels."""
    pixels = np.asarray(Image.open(shared_data / "selfie2anime" / "testA" / f"{name}.jpg").convert("RGB"))
    ((face,),) = detector(tmp_path).find([pixels])
    assert np.abs(face.landmarks[:2] - eyes).max() < 16


def test_small_faces_are_found(tmp_path: Path) -> None:
    """Of 30 pixels, on a photo of another thing."""
    finder = detector(tmp_path)
    image = Image.open(EXAMPLES / "astronaut.jpg").convert("RGB")
    ((face,),) = finder.find([np.asarray(image)])
    side = round(image.width * 30 / float((face.box[2:] - face.box[:2]).max()))
    photo = Image.open(EXAMPLES / "coffee.jpg").convert("RGB").resize((900, 600))
    photo.paste(image.resize((side, side), Image.Resampling.LANCZOS), (40, 60))
    ((small,),) = finder.find([np.asarray(photo)])
    expected = face.landmarks * (side / image.width) + [40, 60]
    assert np.abs(small.landmarks - expected).max() < 0.15 * eye_distance(small)


class Told:
    """A detector that finds what it is told to, look after look, and counts them."""

    minimum_score = 0.9

    def __init__(self, *scores: float) -> None:
        self.scores, self.looks = list(scores), 0

    def find(self, pictures: Any, sizes: Any, score: float) -> list[list[Face]]:
        return [self._one(pixels, score) for pixels in pictures]

    def _one(self, pixels: Any, least: float) -> list[Face]:
        self.looks += 1
        score = self.scores.pop(0) if self.scores else 0.0
        side, middle = len(pixels) / 5, len(pixels) / 2
        points = np.array([[-1, -1], [1, -1], [0, 0], [-1, 1], [1, 1]], np.float32) * side / 2 + middle
        box = np.array([middle - side, middle - side, middle + side, middle + side], np.float32)
        return [Face(box, score, points.astype(np.float32))] if score >= least else []


@pytest.mark.parametrize(
    ("scores", "mode", "looks", "upright"),
    [
        ((1.0,), "turned", 1, True),  # sure: no second look
        ((0.97, 0.97, 0.5, 0.5, 0.98), "turned", 5, True),  # turned no surer than it might be
        ((0.97, 0.97, 0.5, 0.5, 1.0), "turned", 5, False),  # it stands on its head
        ((0.97, 0.97), "tilted", 2, True),
        ((0.97, 0.5), "tilted", 6, None),  # none from near, and none in four more looks
        ((0.97, 0.5, 0.5, 0.5, 0.5), "turned", 12, None),
        ((0.97,), "never", 1, True),
        ((), "turned", 8, None),
    ],
)
def test_doubtful_faces_are_looked_at_from_near(
    scores: tuple[float, ...], mode: str, looks: int, upright: bool | None, tmp_path: Path
) -> None:
    finder = detector(tmp_path, second_pass=mode)
    finder.detector = told = Told(*scores)
    (faces,) = finder.find([np.zeros((200, 200, 3), np.uint8)])
    assert told.looks == looks
    found = [bool(face.landmarks[1, 0] > face.landmarks[0, 0]) for face in faces]
    assert found == ([] if upright is None else [upright])
