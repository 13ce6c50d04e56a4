"""The stage `generator`: sizes, strength, and what it refuses."""

from __future__ import annotations

import io
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packaging.requirements import Requirement
from PIL import Image
from pydantic import ValidationError
from support import onnx as tiny
from support.paths import ROOT
from support.stages import opened

from henshin import HenshinError, MissingError, PictureError
from henshin.images.grey import is_grey
from henshin_plugins.generator import GeneratorStage


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny.invert(tmp_path / "exported/drawn.onnx", preferred_size=32)
    tiny.invert(tmp_path / "exported/free.onnx")
    tiny.picky(tmp_path / "exported/picky.onnx")
    tiny.enlarge(tmp_path / "exported/double.onnx", 2)
    tiny.invert(tmp_path / "exported/noise.onnx", kind="sampler")
    return tmp_path


def gray(height: int, width: int, value: int = 60) -> Any:
    picture = np.full((height, width, 3), value, np.uint8)
    picture.flags.writeable = False
    return picture


@pytest.mark.parametrize(
    ("zone", "size", "given", "wanted"),
    [
        ("crops", "auto", (17, 17), (32, 32)),
        ("crops", "auto", (100, 100), (32, 32)),
        ("crops", "auto", (100, 50), (32, 16)),
        ("crops", "keep", (17, 17), (17, 17)),
        ("crops", 24, (17, 17), (24, 24)),
        ("photos", "auto", (100, 100), (100, 100)),
        ("photos", 24, (100, 50), (24, 12)),
    ],
)
def test_what_the_model_gets(folder: Path, zone: str, size: Any, given: Any, wanted: Any) -> None:
    stage = opened(GeneratorStage, folder, zone, model="drawn", size=size)
    (result,) = stage.run([gray(*given)])
    assert result.shape == (*wanted, 3)
    assert (result == 195).all()


def test_the_zone_may_change_between_two_runs(folder: Path) -> None:
    stage = opened(GeneratorStage, folder, "crops", model="drawn")
    assert stage.run([gray(50, 50)])[0].shape == (32, 32, 3)
    stage.zone = "photos"
    assert stage.run([gray(50, 50)])[0].shape == (50, 50, 3)


def test_a_model_without_a_preferred_size_takes_crops_as_they_are(folder: Path) -> None:
    assert opened(GeneratorStage, folder, "crops", model="free").run([gray(17, 17)])[0].shape == (17, 17, 3)


def test_pictures_of_all_sizes_in_one_call(folder: Path, rng: np.random.Generator) -> None:
    pictures = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in ((1, 1), (8, 8), (33, 9), (8, 8))]
    for picture, result in zip(pictures, opened(GeneratorStage, folder, model="free").run(pictures), strict=True):
        assert np.array_equal(result, 255 - picture)


@pytest.mark.parametrize("strength", [0.25, 0.5, 0.99])
def test_strength_mixes(folder: Path, rng: np.random.Generator, strength: float) -> None:
    picture = rng.integers(0, 256, (40, 30, 3), dtype=np.uint8)
    (result,) = opened(GeneratorStage, folder, model="free", strength=strength).run([picture])
    wanted = picture * (1 - strength) + (255.0 - picture) * strength
    assert np.abs(result - wanted).max() <= 1
    assert result.dtype == np.uint8


def test_numpy_keeps_the_wider_type_when_mixing() -> None:
    """NumPy 1 computes uint8 times a small uint16 in 8 bits: such pixels would be wrong, so it may not be installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (numpy,) = [Requirement(one) for one in project["dependencies"] if one.startswith("numpy")]
    assert "1.26.4" not in numpy.specifier
    assert np.__version__ in numpy.specifier


def test_strength_with_a_model_that_enlarges(folder: Path) -> None:
    (result,) = opened(GeneratorStage, folder, model="double", strength=0.5).run([gray(10, 12)])
    assert result.shape == (20, 24, 3)
    assert (result == 60).all()


def test_a_failing_picture_stays_in_its_place(folder: Path) -> None:
    results = opened(GeneratorStage, folder, model="picky", strength=0.5).run([gray(40, 40), gray(40, 40, 255)])
    assert (results[0] == 60).all()
    assert isinstance(results[1], PictureError)


def toned(rng: np.random.Generator, spread: int, share: float = 1.0) -> Any:
    """Grey noise of 100 x 100 pixels, of which a share has channels that lie so far apart."""
    picture = np.repeat(rng.integers(0, 256 - spread, (100, 100, 1), dtype=np.uint8), 3, axis=2)
    picture.reshape(-1, 3)[: round(share * 10_000), 2] += np.uint8(spread)
    return picture


def test_grey_photos_stay_grey(folder: Path, rng: np.random.Generator) -> None:
    photos = [toned(rng, 0), toned(rng, 13), toned(rng, 200, 0.009), toned(rng, 18), toned(rng, 200, 0.02)]
    stage = opened(GeneratorStage, folder, model="free")
    results = stage.run(photos)
    assert [bool((one == one[..., :1]).all()) for one in results] == [True, True, True, False, False]
    assert np.array_equal(results[0], 255 - photos[0])
    assert np.abs(results[1] - (255 - photos[1] @ [0.299, 0.587, 0.114])[..., None]).max() <= 1
    assert all(np.array_equal(result, stage.run([photo])[0]) for photo, result in zip(photos, results, strict=True))
    (coloured,) = opened(GeneratorStage, folder, model="free", keep_grey=False).run(photos[1:2])
    assert np.array_equal(coloured, 255 - photos[1])


def test_a_grey_photo_is_grey_at_any_strength_and_scale(folder: Path, rng: np.random.Generator) -> None:
    (result,) = opened(GeneratorStage, folder, model="double", strength=0.5).run([toned(rng, 0)])
    assert result.shape == (200, 200, 3)
    assert (result == result[..., :1]).all()


@pytest.mark.parametrize("quality", [30, 75, 95])
def test_a_photo_counts_as_grey_after_any_compression(quality: int) -> None:
    colour = Image.open(ROOT / "examples" / "astronaut.jpg").convert("RGB")
    for image, grey in ((colour.convert("L").convert("RGB"), True), (colour, False)):
        packed = io.BytesIO()
        image.save(packed, "JPEG", quality=quality)
        assert is_grey(np.asarray(Image.open(packed))) == grey


def test_photos_of_people_are_told_apart(shared_data: Path) -> None:
    """By eye: the black-and-white ones among all testA selfies, some slightly toned."""
    files = sorted((shared_data / "selfie2anime" / "testA").iterdir())
    found = {
        path.stem.removeprefix("female_") for path in files if is_grey(np.asarray(Image.open(path).convert("RGB")))
    }
    assert found == {"13455", "21246", "30084", "33071", "8304", "9620"}


def test_what_is_refused(folder: Path) -> None:
    with pytest.raises(HenshinError, match="'noise' is a sampler, and a translator is wanted"):
        opened(GeneratorStage, folder, model="noise")
    with pytest.raises(MissingError, match="did you mean 'drawn'"):
        opened(GeneratorStage, folder, model="dawn")
    for wrong in ({"size": "big"}, {"size": 0}, {"strength": 0}, {"strength": 1.5}, {"sise": 5}):
        with pytest.raises(ValidationError):
            GeneratorStage.Config.model_validate({"model": "drawn", **wrong})
