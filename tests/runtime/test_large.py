"""Pictures that are too large, memory that is too small, and networks of other houses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import onnx as tiny
from support.runtime import model_of, pictures_of, spied, translated

from henshin.errors import PictureError
from henshin.models import Contract, read_contract
from henshin.runtime import Device, Model, OnnxSession, OutOfMemoryError
from henshin.runtime.tiling import smallest_side

# -- Large pictures


def test_tiles_give_what_the_whole_picture_gives(tmp_path: Path, rng: np.random.Generator) -> None:
    for path in (tiny.box(tmp_path / "box.onnx", layers=3), tiny.strided(tmp_path / "strided.onnx")):
        contract = read_contract(path)
        assert contract is not None
        pictures = pictures_of(rng, (101, 64), (64, 257), (90, 90))
        whole = translated(model_of(path), pictures)
        small = Model(contract.model_copy(update={"maximum_size": 24}), OnnxSession(path, Device("cpu")), batch_size=3)
        for tiled, wanted in zip(translated(small, pictures), whole, strict=True):
            assert np.array_equal(tiled, wanted)


def test_tiles_that_enlarge(tmp_path: Path, rng: np.random.Generator) -> None:
    path = tiny.enlarge(tmp_path / "triple.onnx", 3, maximum_size=16, reach=2)
    (picture,) = pictures_of(rng, (50, 41))
    assert np.array_equal(translated(model_of(path), [picture])[0], picture.repeat(3, 0).repeat(3, 1))


def test_a_twelve_megapixel_picture_goes_through_in_tiles(tmp_path: Path) -> None:
    model = model_of(tiny.invert(tmp_path / "invert.onnx", reach=8))
    picture = np.zeros((3000, 4000, 3), np.uint8)
    picture[::7, ::5] = 200
    shapes = spied(model)
    assert np.array_equal(translated(model, [picture])[0], 255 - picture)
    assert max(max(shape) for shape in shapes) <= 1024


def test_a_global_network_is_reduced_and_never_tiled(tmp_path: Path) -> None:
    model = model_of(tiny.centred(tmp_path / "centred.onnx", maximum_size=64))
    ramp = np.linspace(0, 255, 200).astype(np.uint8)
    picture = np.repeat(np.broadcast_to(ramp, (100, 200))[..., None], 3, -1).copy()
    shapes = spied(model)
    (result,) = translated(model, [picture])
    assert shapes == [(1, 32, 64, 3)]
    assert isinstance(result, np.ndarray)
    assert result.shape == picture.shape
    wanted = np.clip(picture.astype(float) - picture.mean() + 128, 0, 255)
    assert np.abs(result - wanted)[:, 8:-8].max() < 4
    assert "above 64 pixels are reduced" in model.describe()


@pytest.mark.parametrize("size", [(20, 400), (400, 20), (64, 64), (40, 64), (65, 20)])
def test_a_tiled_network_never_sees_more_than_its_maximum(tmp_path: Path, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    whole, model = (model_of(tiny.box(tmp_path / f"{n}.onnx", maximum_size=n)) for n in (1000, 64))
    picture = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    shapes = spied(model)
    (result,) = translated(model, [picture])
    assert max(max(shape[1:3]) for shape in shapes) <= 64
    assert len(shapes) == 1 or max(size) > 64
    assert np.array_equal(result, translated(whole, [picture])[0])


def test_every_model_says_what_becomes_of_large_pictures(tmp_path: Path) -> None:
    assert "above 1536 pixels are reduced" in model_of(tiny.centred(tmp_path / "a.onnx")).describe()
    assert "in tiles with 2 pixels around" in model_of(tiny.box(tmp_path / "b.onnx")).describe()
    assert model_of(tiny.box(tmp_path / "b.onnx")).describe().startswith("cpu (CPUExecutionProvider)")


# -- Memory


class Cramped(OnnxSession):
    """A network whose device holds only so many pixels at a time."""

    room = 0

    def run(self, feed: Any) -> Any:
        self.seen: list[Any]
        shape = feed["pictures"].shape
        self.__dict__.setdefault("seen", []).append(shape)
        if shape[0] * shape[1] * shape[2] > self.room:
            raise OutOfMemoryError("tiny: out of memory")
        return super().run(feed)


def cramped(path: Path, room: int, batch_size: int) -> Model:
    contract = read_contract(path)
    assert contract is not None
    network = Cramped(path, Device("cpu"))
    network.room = room
    return Model(contract, network, batch_size)


def test_a_batch_that_does_not_fit_is_halved_and_stays_so(tmp_path: Path, rng: np.random.Generator) -> None:
    model = cramped(tiny.centred(tmp_path / "centred.onnx"), 3 * 100, 8)
    pictures = pictures_of(rng, *[(10, 10)] * 9)
    wanted = translated(model_of(model.network.path), pictures)
    assert all(np.array_equal(*pair) for pair in zip(translated(model, pictures), wanted, strict=True))
    assert [shape[0] for shape in model.network.seen][:3] == [8, 4, 2]  # type: ignore[attr-defined]
    assert max(shape[0] for shape in model.network.seen[2:]) == 2  # type: ignore[attr-defined]


def test_tiles_shrink_until_they_fit(tmp_path: Path, rng: np.random.Generator) -> None:
    path = tiny.box(tmp_path / "box.onnx")
    model = cramped(path, 30 * 30, 1)
    pictures = pictures_of(rng, (100, 80), (10, 400), (12, 12))
    wanted = translated(model_of(path), pictures)
    assert all(np.array_equal(*pair) for pair in zip(translated(model, pictures), wanted, strict=True))


@pytest.mark.parametrize("name", ["box", "centred"])
def test_what_fits_in_no_way_fails_alone_with_advice(tmp_path: Path, rng: np.random.Generator, name: str) -> None:
    path = getattr(tiny, name)(tmp_path / f"{name}.onnx")
    model = cramped(path, smallest_side(2, 1) ** 2 - 1, 2)
    small, large = pictures_of(rng, (2, 2), (50, 50))
    results = translated(model, [small, large, small])
    assert isinstance(results[1], PictureError)
    assert "out of memory; a 'resize' stage" in results[1].reason
    assert isinstance(results[0], np.ndarray)
    assert isinstance(results[2], np.ndarray)


# -- Networks of other houses


@pytest.mark.parametrize(
    ("value_range", "order"), [((-1.0, 1.0), "RGB"), ((-1.0, 1.0), "BGR"), ((-127.5, 127.5), "RGB")]
)
def test_a_float_network_runs_by_its_contract(
    tmp_path: Path, rng: np.random.Generator, value_range: tuple[float, float], order: Any
) -> None:
    path = tiny.foreign_float(tmp_path / "negative.onnx")
    contract = Contract(name="negative", layout="nchw_float", value_range=value_range, channel_order=order, reach=0)
    pictures = pictures_of(rng, (6, 9), (6, 9), (3, 3))
    for picture, result in zip(
        pictures, translated(Model(contract, OnnxSession(path, Device("cpu"))), pictures), strict=True
    ):
        assert np.array_equal(result, 255 - picture)


def test_a_network_of_one_size_only(tmp_path: Path) -> None:
    path = tiny.foreign_float(tmp_path / "fixed.onnx", shape=(2, 3, 16, 16))
    model = Model(Contract(name="fixed", layout="nchw_float"), OnnxSession(path, Device("cpu")))
    pictures = [np.full((40, 20, 3), value, np.uint8) for value in (10, 20, 30)]
    for picture, result in zip(pictures, translated(model, pictures), strict=True):
        assert np.array_equal(result, 255 - picture)
    assert "brought to 16 x 16 and back" in model.describe()
