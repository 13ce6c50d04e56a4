"""The stage `super_resolution`: which pictures it enlarges, how far, and with what."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError
from support import onnx as tiny
from support.paths import ROOT
from support.runtime import spied
from support.stages import context_in, opened

from henshin import Face, Frame, HenshinError, MissingError, PipelineError
from henshin.api.placement import picture_at, place_result
from henshin.pipeline import load
from henshin.registry import build_registry
from henshin_plugins.super_resolution import SuperResolution


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for scale in (2, 3, 4):
        tiny.enlarge(tmp_path / f"exported/multi-x{scale}.onnx", scale)
    tiny.invert(tmp_path / "exported/same.onnx")
    return tmp_path


def noise(rng: np.random.Generator, height: int, width: int) -> Any:
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("model", ["lanczos", "bicubic", "multi"])
def test_large_enough_pictures_are_the_very_same(folder: Path, rng: np.random.Generator, model: str) -> None:
    stage = opened(SuperResolution, folder, model=model, when_smaller_than=40)
    large, wide, small = noise(rng, 40, 40), noise(rng, 3, 90), noise(rng, 39, 20)
    results = stage.run([large, small, wide])
    assert results[0] is large
    assert results[2] is wide
    assert results[1].shape == (78, 40, 3)


@pytest.mark.parametrize("model", ["lanczos", "multi"])
def test_no_picture_becomes_smaller(folder: Path, rng: np.random.Generator, model: str) -> None:
    picture = noise(rng, 50, 30)
    assert opened(SuperResolution, folder, model=model, size=50).run([picture])[0] is picture
    assert opened(SuperResolution, folder, model=model, size=20).run([picture])[0] is picture


@pytest.mark.parametrize(
    ("filter_", "method"), [("lanczos", Image.Resampling.LANCZOS), ("bicubic", Image.Resampling.BICUBIC)]
)
def test_the_resamplers_are_those_of_pillow(folder: Path, rng: np.random.Generator, filter_: str, method: Any) -> None:
    picture = noise(rng, 20, 31)
    (result,) = opened(SuperResolution, folder, model=filter_, scale=2.5).run([picture])
    assert np.array_equal(result, np.asarray(Image.fromarray(picture).resize((78, 50), method)))


@pytest.mark.parametrize(
    ("options", "given", "wanted"),
    [
        ({}, (20, 10), (40, 20)),
        ({"scale": 3}, (20, 10), (60, 30)),
        ({"scale": 2.5}, (20, 10), (50, 25)),
        ({"scale": 4}, (20, 10), (80, 40)),
        ({"size": 64}, (20, 10), (64, 32)),
        ({"size": 500}, (20, 10), (500, 250)),
        ({"when_smaller_than": 21}, (20, 10), (40, 20)),
        ({"when_smaller_than": 60}, (20, 10), (60, 30)),
        ({"when_smaller_than": 30, "size": 100}, (20, 10), (100, 50)),
        ({"when_smaller_than": 30, "scale": 4}, (20, 10), (80, 40)),
    ],
)
@pytest.mark.parametrize("model", ["lanczos", "multi"])
def test_how_far(folder: Path, rng: np.random.Generator, model: str, options: Any, given: Any, wanted: Any) -> None:
    (result,) = opened(SuperResolution, folder, model=model, **options).run([noise(rng, *given)])
    assert result.shape == (*wanted, 3)


def test_the_smallest_network_that_suffices_does_the_work(folder: Path, rng: np.random.Generator) -> None:
    stage = opened(SuperResolution, folder, model="multi", when_smaller_than=60)
    pictures = [noise(rng, size, size) for size in (59, 30, 29, 15, 5)]
    for picture, result, scale in zip(pictures, stage.run(pictures), (2, 2, 3, 4, 4), strict=True):
        assert np.array_equal(result, picture.repeat(scale, 0).repeat(scale, 1))


def test_a_named_scale_opens_only_what_it_needs(folder: Path) -> None:
    assert set(opened(SuperResolution, folder, model="multi", scale=2.5).models) == {3}  # type: ignore[attr-defined]
    assert set(opened(SuperResolution, folder, model="multi").models) == {2}  # type: ignore[attr-defined]
    assert set(opened(SuperResolution, folder, model="multi-x4", size=99).models) == {4}  # type: ignore[attr-defined]
    assert opened(SuperResolution, folder, model="lanczos").models == {}  # type: ignore[attr-defined]


def test_networks_that_no_picture_needs_stay_closed(folder: Path, rng: np.random.Generator) -> None:
    context = context_in(folder)
    stage = SuperResolution(SuperResolution.Config(model="multi", when_smaller_than=60))
    stage.open(context)
    stage.run([noise(rng, 60, 60)])
    assert context.opened == {}
    assert [model.path.name for model in context.on_demand] == ["multi-x2.onnx", "multi-x3.onnx", "multi-x4.onnx"]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: stage.run([noise(rng, 30, 30)]), range(8)))
    assert [path.name for path in context.opened] == ["multi-x2.onnx"]


def test_a_network_that_every_picture_needs_is_opened_at_once(folder: Path) -> None:
    context = context_in(folder)
    SuperResolution(SuperResolution.Config(model="multi")).open(context)
    assert [path.name for path in context.opened] == ["multi-x2.onnx"]


def test_every_scale_that_may_be_opened_must_be_there(folder: Path) -> None:
    (folder / "exported/multi-x3.onnx").rename(folder / "multi-x3.onnx")
    entry = {
        "name": "multi-x3",
        "file": "multi-x3.onnx",
        "sha256": "0" * 64,
        "size": 1,
        "url": "https://example.invalid/x",
    }
    (folder / "exported/models.yaml").write_text(json.dumps({"models": [entry]}))
    path = folder / "p.yaml"
    path.write_text("stages:\n  - {use: super_resolution, model: multi, when_smaller_than: 60}\n")
    with pytest.raises(
        PipelineError, match=r"p\.yaml:2: super_resolution\.model: model 'multi-x3' is not on this"
    ) as caught:
        load(str(path), build_registry(), context_in(folder).store)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("model", "scale", "told"),
    [
        ("multi", 6, "'multi' enlarges 2, 3 or 4 times, not 6 times"),
        ("multi-x2", 3, "'multi-x2' enlarges 2 times, not 3 times"),
        ("exported/multi-x3.onnx", 3.5, "'exported/multi-x3.onnx' enlarges 3 times, not 3.5 times"),
    ],
)
def test_a_scale_that_the_model_does_not_offer_is_told_with_those_that_it_does(
    folder: Path, model: str, scale: float, told: str
) -> None:
    path = folder / "p.yaml"
    path.write_text(f"stages:\n  - use: super_resolution\n    model: {model}\n    scale: {scale}\n")
    with pytest.raises(PipelineError) as caught:
        load(str(path), build_registry(), context_in(folder).store)
    assert str(caught.value) == f"{path}:4: super_resolution.scale: {told}"
    assert caught.value.exit_code == 2
    with pytest.raises(HenshinError, match=r"super_resolution\.scale: .* times, not"):
        opened(SuperResolution, folder, model=model, scale=scale)


@pytest.mark.parametrize("options", [{"model": "multi"}, {"model": "bicubic"}, {"model": "multi", "size": 500}])
def test_what_would_be_larger_than_pictures_may_be_is_told_before_the_work(
    folder: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, options: Any
) -> None:
    monkeypatch.setattr("henshin.images.picture.MOST_PIXELS", 100_000)
    stage = opened(SuperResolution, folder, **options)
    shapes = [spied(model()) for model in stage.models.values()]  # type: ignore[attr-defined]
    results = stage.run([noise(rng, 250, 240), noise(rng, 20, 2)])
    assert "240 x 250 would become 480 x " in results[0].reason
    assert "above 0 megapixels" in results[0].reason
    assert isinstance(results[1], np.ndarray)
    assert [shape for seen in shapes for shape in seen] in ([], [(1, 36, 18, 3)]), "the large one was not begun"


@pytest.mark.parametrize("size", [(1, 1), (1, 70), (70, 1), (2, 2), (3, 5)])
def test_the_smallest_pictures(folder: Path, rng: np.random.Generator, size: tuple[int, int]) -> None:
    picture = noise(rng, *size)
    for options in ({}, {"scale": 2.5}, {"scale": 4}, {"size": 300}, {"when_smaller_than": 100}):
        (result,) = opened(SuperResolution, folder, model="multi", **options).run([picture])
        assert isinstance(result, np.ndarray)
        assert max(result.shape) >= 2 * max(size) or "when_smaller_than" in options


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (7, 7)])
def test_a_few_pixels_keep_their_colour(size: tuple[int, int]) -> None:
    stage = opened(SuperResolution, ROOT, model=str(ROOT / "exported/carn-m-x3.onnx"), scale=3)
    colour = np.array([61, 1, 68], np.uint8)
    (result,) = stage.run([np.tile(colour, (*size, 1))])
    assert result.shape == (3 * size[0], 3 * size[1], 3)
    assert np.abs(result.astype(int) - colour).max() < 12
    assert result.flags.c_contiguous


def test_tiles_of_the_side_that_is_asked_for(folder: Path, rng: np.random.Generator) -> None:
    stage = opened(SuperResolution, folder, model="multi", tile=64)
    shapes = spied(stage.models[2]())  # type: ignore[attr-defined]
    picture = noise(rng, 100, 300)
    (result,) = stage.run([picture])
    assert np.array_equal(result, picture.repeat(2, 0).repeat(2, 1))
    assert len(shapes) > 1
    assert max(shape[1] * shape[2] for shape in shapes) <= 64 * 64


def test_crops_of_faces_and_alpha_grow_with_their_pictures(folder: Path, rng: np.random.Generator) -> None:
    stage = opened(SuperResolution, folder, model="multi", when_smaller_than=60)
    matrix = np.array([[0.5, 0.1, -3], [-0.1, 0.5, 7]], np.float32)
    face = Face(
        np.zeros(4, np.float32),
        1.0,
        np.zeros((5, 2), np.float32),
        matrix,
        noise(rng, 20, 30),
        noise(rng, 20, 30)[..., 0],
    )
    alpha = np.full((25, 20), 255, np.uint8)
    alpha[:, :10] = 0
    frame = Frame("a.png", "a", noise(rng, 25, 20), alpha)
    given = [(frame, face), (frame, None)]
    for place, result in zip(given, stage.run([picture_at(place) for place in given]), strict=True):
        place_result(place, result)
    assert face.crop is not None
    assert face.mask is not None
    assert face.matrix is not None
    assert face.crop.shape == (40, 60, 3)
    assert face.mask.shape == (40, 60)
    assert np.allclose(face.matrix, np.float32(2) * matrix)
    assert frame.picture.shape == (75, 60, 3)
    assert frame.alpha is not None
    assert frame.alpha.shape == (75, 60)
    assert set(frame.alpha[:, :28].ravel()) == {0}
    assert set(frame.alpha[:, 32:].ravel()) == {255}


def test_what_is_refused(folder: Path) -> None:
    with pytest.raises(HenshinError, match="'same' does not enlarge pictures: it keeps the size"):
        opened(SuperResolution, folder, model="same")
    with pytest.raises(MissingError, match="no model named 'mlti'"):
        opened(SuperResolution, folder, model="mlti", when_smaller_than=50)
    for wrong in ({"scale": 2, "size": 50}, {"scale": 1}, {"scale": 17}, {"size": 1}, {"when_smaller_than": 0}):
        with pytest.raises(ValidationError):
            SuperResolution.Config.model_validate(wrong)


def test_a_pipeline_knows_a_resampler_from_a_missing_model(folder: Path) -> None:
    registry, store = build_registry(), context_in(folder).store
    path = folder / "p.yaml"
    for model in ("lanczos", "multi", "multi-x3"):
        path.write_text(f"name: p\nstages:\n  - {{use: super_resolution, model: {model}}}\n")
        assert [stage.name for stage in load(str(path), registry, store, []).stages] == ["super_resolution"]
    path.write_text("name: p\nstages:\n  - {use: super_resolution, model: mlti}\n")
    with pytest.raises(PipelineError, match=r"p\.yaml:3: super_resolution\.model: no model named 'mlti'"):
        load(str(path), registry, store, [])
