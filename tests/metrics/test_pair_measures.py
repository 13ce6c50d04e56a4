"""Measures of pairs against scikit-image, and by hand; landmarks by a made-up detector; identity by a made-up dlib."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from henshin.api.frame import Face, Frame
from henshin.errors import MissingError, PictureError
from henshin.metrics import identity
from henshin.metrics.faces import FaceFinder, LandmarkDistance
from henshin.metrics.identity import IdentityDistance
from henshin.metrics.pair_measures import Kept, PixelMeasure, kept


def noisy(seed: int, height: int = 40, width: int = 56) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def test_psnr_and_ssim_are_those_of_scikit_image() -> None:
    metrics = pytest.importorskip("skimage.metrics")
    one = noisy(0)
    other = (one * 0.8 + noisy(1) * 0.2).astype(np.uint8)
    wanted = metrics.peak_signal_noise_ratio(one, other, data_range=255)
    assert PixelMeasure("psnr").measure(other, one) == pytest.approx(wanted, abs=1e-9)
    _, parts = metrics.structural_similarity(
        one, other, data_range=255, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        full=True,
    )  # fmt: skip
    assert PixelMeasure("ssim").measure(other, one) == pytest.approx(parts[5:-5, 5:-5].mean(), abs=1e-6)


def test_pictures_that_are_too_small_are_told() -> None:
    with pytest.raises(PictureError, match="56x10 pixels are too few for ssim: it takes 11x11"):
        PixelMeasure("ssim").measure(noisy(0, 10), noisy(1, 10))
    with pytest.raises(PictureError, match="56x16 pixels are too few for psnr: it takes 17x17"):
        PixelMeasure("psnr", border=8).measure(noisy(0, 16), noisy(1, 16))


def test_kept_is_1_for_the_photo_minus_1_for_its_negative_and_0_for_nothing() -> None:
    photo = noisy(1, 48, 64)
    darker = (photo // 2 + 20).astype(np.uint8)
    flat = np.full((64, 64, 3), 90, np.uint8)
    assert kept([photo] * 4, [photo, darker, 255 - photo, flat]) == pytest.approx([1, 1, -1, 0], abs=0.01)
    assert Kept().measure(darker, photo) == pytest.approx(1, abs=0.01)


# -- Landmarks

PLACES = np.array([[20, 20], [40, 20], [30, 30], [22, 40], [38, 40]], np.float32)


class Finder:
    """A stage that finds a face where the corner is white, its landmarks shifted by the corner's green."""

    def open(self, context: Any) -> None:
        self.opened = True

    def run(self, frames: list[Frame]) -> list[Frame]:
        for frame in frames:
            red, green = (int(value) for value in frame.picture[0, 0, :2])
            if red == 255:
                size = frame.picture.shape[1] / 60
                large = Face(np.array([0, 0, 50, 50.0]), 0.9, (PLACES + np.array([green, 0])) * size)
                small = Face(np.array([0, 0, 5, 5.0]), 1.0, PLACES * 0)
                frame.faces = [small, large]
        return frames


def corner(red: int, green: int, side: int = 60) -> np.ndarray:
    picture = np.zeros((side, side, 3), np.uint8)
    picture[0, 0] = red, green, 0
    return picture


def test_landmarks_are_measured_in_distances_of_the_eyes() -> None:
    measure = LandmarkDistance(FaceFinder(Finder(), None))  # type: ignore[arg-type]
    assert measure.measure(corner(255, 0), corner(255, 0)) == 0
    assert measure.measure(corner(255, 5), corner(255, 0)) == pytest.approx(5 / 20)
    assert measure.measure(corner(255, 5, 120), corner(255, 0)) == pytest.approx(5 / 20)
    with pytest.raises(PictureError, match="no face is found in the translation"):
        measure.measure(corner(0, 0), corner(255, 0))
    with pytest.raises(PictureError, match="no face is found in the source"):
        measure.measure(corner(255, 0), corner(0, 0))


# -- Identity


def test_identity_names_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(MissingError, match=r"pip install 'henshin\[identity\]'"):
        IdentityDistance()
    monkeypatch.setattr(identity, "PACKAGE", "no-such-package-here")
    with pytest.raises(MissingError, match=r"pip install 'henshin\[identity\]'"):
        identity._model_file("shape_predictor_5_face_landmarks")


def test_identity_is_the_distance_of_the_vectors_of_the_largest_faces(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    def box(area: int) -> Any:
        return SimpleNamespace(area=lambda: area)

    def detect(pixels: np.ndarray, times: int) -> list[Any]:
        return [box(4), box(9)] if pixels[0, 0, 0] else []

    network = SimpleNamespace(compute_face_descriptor=lambda pixels, shape: [float(pixels[0, 0, 1]), float(shape)])
    made = SimpleNamespace(
        get_frontal_face_detector=lambda: detect,
        shape_predictor=lambda path: lambda pixels, box: box.area(),
        face_recognition_model_v1=lambda path: network,
    )
    monkeypatch.setitem(sys.modules, "dlib", made)
    monkeypatch.setattr(identity, "_model_file", lambda stem: tmp_path / stem)
    measure = IdentityDistance()
    assert measure.measure(corner(1, 7), corner(1, 3)) == 4
    with pytest.raises(PictureError, match="dlib finds no face in the source"):
        measure.measure(corner(1, 7), corner(0, 3))


def test_the_real_network_knows_a_person_again() -> None:
    """With the extra `identity`: 100 MB that the development set-up does not ask for."""
    pytest.importorskip("dlib")
    from PIL import Image
    from support.paths import ROOT

    with Image.open(ROOT / "examples" / "astronaut.jpg") as photo:
        person = np.asarray(photo.convert("RGB").resize((256, 256)))
    measure = IdentityDistance()
    assert measure.measure(person, person) == pytest.approx(0, abs=1e-6)
    assert 0.01 < measure.measure(np.ascontiguousarray(person[:, ::-1]), person) < 0.6
