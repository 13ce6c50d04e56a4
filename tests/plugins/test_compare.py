"""compare: the pair, its sizes, alpha and faces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from henshin import Face, Frame
from henshin.testing import check_plugin
from henshin_plugins.compare import Compare
from henshin_plugins.compare.config import CompareConfig


def compare(frame: Frame, **options: Any) -> Frame:
    config: Any = CompareConfig(**options)
    (result,) = Compare(config).run([frame])
    assert result is frame
    return frame


@pytest.fixture
def source(rng: np.random.Generator, tmp_path: Path) -> tuple[str, np.ndarray]:
    picture = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "a.png")
    return str(tmp_path / "a.png"), picture


@pytest.mark.parametrize("gap", [0, 8])
def test_the_pair_at_equal_size(source: tuple[str, np.ndarray], gap: int) -> None:
    name, picture = source
    result = 255 - picture
    pair = compare(Frame(name, "a", result), gap=gap).picture
    assert pair.shape == (30, 80 + gap, 3)
    assert pair.flags.c_contiguous
    assert np.array_equal(pair[:, :40], picture)
    assert (pair[:, 40 : 40 + gap] == 255).all()
    assert np.array_equal(pair[:, 40 + gap :], result)
    pair = compare(Frame(name, "a", result), gap=gap, layout="column").picture
    assert np.array_equal(pair[:30], picture)
    assert np.array_equal(pair[30 + gap :], result)


def test_the_source_is_scaled_to_the_result(source: tuple[str, np.ndarray]) -> None:
    name, picture = source
    result = np.zeros((60, 25, 3), np.uint8)
    assert compare(Frame(name, "a", result), gap=1).picture.shape == (60, 80 + 1 + 25, 3)
    column = compare(Frame(name, "a", result), gap=1, layout="column").picture
    assert column.shape == (19 + 1 + 60, 25, 3)
    assert abs(column[:19].mean() - picture.mean()) < 4


@pytest.mark.parametrize("layout", ["row", "column"])
def test_the_source_stands_there_once_by_each_filter(source: tuple[str, np.ndarray], layout: str) -> None:
    name, picture = source
    result = np.zeros((60, 80, 3), np.uint8)
    box = np.array([10, 10, 20, 20], np.float32)
    face = Face(box.copy(), 1.0, np.zeros((5, 2), np.float32), np.eye(2, 3, dtype=np.float32))
    frame = Frame(name, "a", result, np.full((60, 80), 9, np.uint8), faces=[face])
    compare(frame, gap=4, layout=layout, source_by=["nearest", "bicubic"])
    axis, side = (1, 80) if layout == "row" else (0, 60)
    parts = np.split(frame.picture, [side, side + 4, 2 * side + 4, 2 * side + 8], axis)
    image = Image.fromarray(picture)
    for part, filter in ((parts[0], Image.Resampling.NEAREST), (parts[2], Image.Resampling.BICUBIC)):
        assert np.array_equal(part, np.asarray(image.resize((80, 60), filter)))
    assert np.array_equal(parts[4], result)
    assert frame.alpha is not None
    assert frame.alpha.shape == frame.picture.shape[:2]
    moved = 2 * (side + 4)
    shift = [moved, 0, moved, 0] if layout == "row" else [0, moved, 0, moved]
    assert face.box.tolist() == (box + shift).tolist()


def test_alpha_of_either_is_kept(source: tuple[str, np.ndarray]) -> None:
    name, picture = source
    frame = compare(Frame(name, "a", picture.copy(), np.full((30, 40), 9, np.uint8)), gap=2)
    assert frame.alpha is not None
    assert frame.alpha.shape == (30, 82)
    assert (frame.alpha[:, :42] == 255).all()
    assert (frame.alpha[:, 42:] == 9).all()
    assert compare(Frame(name, "a", picture.copy())).alpha is None


def test_faces_move_along(source: tuple[str, np.ndarray]) -> None:
    name, picture = source
    matrix = np.array([[2, 0, 1], [0, 2, 5]], np.float32)
    face = Face(np.array([1, 2, 11, 12], np.float32), 1.0, np.full((5, 2), 6, np.float32), matrix)
    compare(Frame(name, "a", picture.copy(), faces=[face]), gap=8)
    assert np.allclose(face.box, [49, 2, 59, 12])
    assert face.matrix is not None
    assert np.allclose(face.matrix @ [54, 6, 1], matrix @ [6, 6, 1])
    assert face.box.dtype == face.matrix.dtype == np.float32


def test_a_frame_without_a_file_fails_alone(source: tuple[str, np.ndarray]) -> None:
    name, picture = source
    lost, good = Frame("sample-000001", "sample-000001", picture), Frame(name, "a", picture)
    config: Any = CompareConfig()
    Compare(config).run([lost, good])
    assert lost.error is not None
    assert "sample-000001" in lost.error.reason
    assert good.error is None
    assert good.picture.shape[1] == 88


def test_plugin_is_light_and_described() -> None:
    check_plugin("henshin_plugins.compare")
