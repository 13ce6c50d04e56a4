"""Each ready pipeline is run, from its file to the pictures it writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from henshin.cli import run_pipeline
from henshin.packaged import data_folder

FILES = sorted(data_folder("pipelines").glob("*.yaml"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A photo with one face and a picture without any."""
    data = pytest.importorskip("skimage.data")
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(data.astronaut()).save(folder / "face.jpg", quality=95)
    ramp = np.linspace(0, 255, 64 * 48 * 3).reshape(48, 64, 3).astype(np.uint8)
    Image.fromarray(ramp).save(folder / "none.png")
    return folder


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A model of the name that the pipelines ask for, in the user's folder: it turns light to dark."""
    pytest.importorskip("onnx")
    from support_onnx import invert

    folder = tmp_path / "models"
    folder.mkdir()
    invert(folder / "selfie2anime.onnx")
    monkeypatch.setenv("HENSHIN_MODELS", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def run(name: str, photos: Path, out: Path, *words: str) -> int:
    return run_pipeline([name, "-i", str(photos), "-o", str(out), "--device", "cpu", *words])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_ready_pipeline_runs_by_name_and_by_file(file: Path, photos: Path, stand_in: Path, tmp_path: Path) -> None:
    assert run(file.stem, photos, tmp_path / "one") == 0
    assert run(str(file), photos, tmp_path / "two", "--batch-size", "1") == 0
    one = {path.name: pixels(path) for path in (tmp_path / "one").glob("[!.]*.*")}
    two = {path.name: pixels(path) for path in (tmp_path / "two").glob("[!.]*.*")}
    assert one
    assert one.keys() == two.keys()
    for name, picture in one.items():
        assert np.abs(picture.astype(int) - two[name]).max() <= 1


def test_selfie2anime_redraws_the_face_and_leaves_the_rest(photos: Path, stand_in: Path, tmp_path: Path) -> None:
    assert run("selfie2anime", photos, tmp_path / "out", "--format", "png") == 0
    before = pixels(photos / "face.jpg")
    after = pixels(tmp_path / "out" / "face.png")
    assert after.shape == before.shape
    # The face of this photo is around (220, 115); its corners are far from every face.
    face = (slice(95, 140), slice(200, 245))
    assert np.abs((255 - before[face].astype(int)) - after[face]).mean() < 20
    assert np.array_equal(before[400:, :], after[400:, :])
    assert (tmp_path / "out" / "none.png").exists()


def test_a_photo_without_faces_keeps_its_bytes(photos: Path, stand_in: Path, tmp_path: Path) -> None:
    assert run("selfie2anime", photos, tmp_path / "out") == 0
    assert (tmp_path / "out" / "none.png").read_bytes() == (photos / "none.png").read_bytes()


def test_the_portrait_pipeline_writes_one_picture_for_each_face(photos: Path, stand_in: Path, tmp_path: Path) -> None:
    assert run("selfie2anime-portrait", photos, tmp_path / "out") == 0
    (portrait,) = (tmp_path / "out").glob("[!.]*.*")
    assert portrait.stem == "face-1"
    height, width = pixels(portrait).shape[:2]
    assert height == width
    assert height <= 256


def test_the_shipped_model_draws(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HENSHIN_MODELS", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    if not (data_folder("exported") / "selfie2anime.onnx").exists():
        pytest.skip("this checkout carries no trained model")
    assert run("selfie2anime", photos, tmp_path / "out", "--format", "png") == 0
    change = np.abs(pixels(photos / "face.jpg").astype(int) - pixels(tmp_path / "out" / "face.png")).mean(axis=2)
    assert change[95:140, 200:245].mean() > 10, "a drawn face is not the photo's"
    assert change[400:, :].max() == 0
