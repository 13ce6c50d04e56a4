"""How large pictures are cut into windows, and how what a network draws of these becomes one picture again."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from onnx import helper
from support import onnx as tiny
from support.runtime import model_of, pictures_of, spied, translated

from henshin.errors import PictureError
from henshin.models import Contract, read_contract
from henshin.runtime import Device, Model, OnnxSession, OutOfMemoryError
from henshin.runtime.tiled_picture import plan_tiles
from henshin.runtime.tiling import FADE, Window, default_side, round_up, smallest_side, windows

SIZES = st.tuples(st.integers(1, 70), st.integers(1, 70))


# -- The windows


@settings(max_examples=300, deadline=None)
@given(SIZES, st.integers(1, 40), st.integers(0, 9), st.sampled_from([1, 2, 4, 8]), st.sampled_from([None, 1, 24, 50]))
@example((1, 70), 1, 9, 8, 1)
def test_windows_cover_a_picture_and_keep_their_distance(
    size: tuple[int, int], side: int, reach: int, multiple: int, longest: int | None
) -> None:
    height, width = (length * multiple for length in size)
    pieces = windows(height, width, side, reach, multiple, longest)
    (shape,) = {piece.shape for piece in pieces}
    least = smallest_side(reach, multiple)
    assert shape[0] * shape[1] <= round_up(max(side, least), multiple) ** 2
    assert longest is None or max(shape) <= round_up(max(longest, least), multiple)
    covered = np.zeros((height, width), int)
    for piece in pieces:
        for span, length in ((piece.rows, height), (piece.columns, width)):
            assert span.start % multiple == 0
            assert span.size % multiple == 0
            assert 0 <= span.start <= span.low < span.high <= span.start + span.size <= length
            assert span.low - span.start >= reach or span.low == span.start == 0
            assert span.start + span.size - span.high >= reach or span.high == length
        covered[piece.rows.low : piece.rows.high, piece.columns.low : piece.columns.high] += 1
    assert (covered >= 1).all()


@pytest.mark.parametrize(
    ("side", "reach", "multiple", "fade"), [(64, 5, 1, 8), (64, 5, 8, 8), (16, 4, 1, 2), (9, 4, 1, 0)]
)
def test_neighbours_share_the_pixels_of_the_fade(side: int, reach: int, multiple: int, fade: int) -> None:
    for span, following in pairwise([piece.rows for piece in windows(400, 8, side, reach, multiple, side)]):
        assert span.high - following.low == following.fade == fade
    assert fade <= FADE


@pytest.mark.parametrize(("scale", "most"), [(2, 1.25), (3, 1.45), (4, 1.55)])
def test_windows_are_spread_evenly_and_cost_little(scale: int, most: float) -> None:
    """A photo of 24 megapixels at the reach of CARN: at x2 a quarter more work than for the whole, at any shape."""
    for height, width in ((4000, 6000), (6000, 4000), (1000, 24000)):
        pieces = windows(height, width, default_side("cpu", scale, 21), 21, 1)
        fed = sum(piece.shape[0] * piece.shape[1] for piece in pieces)
        assert fed < most * height * width
    assert len(windows(300, 870, 512, 21, 1)) == 1
    assert {piece.shape[0] for piece in windows(200, 9000, 512, 21, 1)} == {200}


# -- One picture again


def laid(height: int, width: int, scale: int, draw: Callable[[Window], Any], side: int = 30, reach: int = 4) -> Any:
    """The picture that comes of windows which a network draws like this."""
    work = plan_tiles(0, np.zeros((height, width, 3), np.uint8), Contract(reach=reach, scale=scale), side, None, 1)
    for window in work.windows:
        work.paste(window, draw(window), scale)
    return work.result(scale)


@settings(max_examples=60, deadline=None)
@given(SIZES, st.integers(1, 4), st.integers(9, 30))
def test_what_all_windows_agree_on_stays_as_it_is(size: tuple[int, int], scale: int, side: int) -> None:
    whole = np.random.default_rng(1).integers(0, 256, (size[0] * scale, size[1] * scale, 3), dtype=np.uint8)

    def draw(window: Window) -> Any:
        inside = [slice(span.start * scale, (span.start + span.size) * scale) for span in (window.rows, window.columns)]
        drawn = whole[inside[0], inside[1]].copy()
        for axis, (span, length) in enumerate(zip((window.rows, window.columns), size, strict=True)):
            turned = np.moveaxis(drawn, axis, 0)
            turned[: 4 * scale if span.start else 0] = 0  # nearer to its edge than the reach it knows nothing
            turned[len(turned) - (4 * scale if span.start + span.size < length else 0) :] = 0
        return drawn

    assert np.array_equal(laid(*size, scale, draw, side), whole)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_where_windows_differ_one_turns_into_the_other_without_a_seam(scale: int) -> None:
    grays = iter(np.random.default_rng(2).integers(0, 256, 100))

    def draw(window: Window) -> Any:
        height, width = window.shape
        return np.full((height * scale, width * scale, 3), next(grays), np.uint8)

    drawn = laid(90, 70, scale, draw, side=40).astype(int)
    steepest = 255 / (FADE * scale) + 1
    assert drawn.max() - drawn.min() > 100
    assert np.abs(np.diff(drawn, axis=0)).max() <= steepest
    assert np.abs(np.diff(drawn, axis=1)).max() <= steepest


# -- Networks


def shuffling(path: Path, scale: int) -> Path:
    """Two 3x3 convolutions of random weights around a ReLU, then sub-pixel enlargement: a small network like CARN."""
    rng = np.random.default_rng(scale)
    count = 3 * scale**2
    nodes = [
        *tiny.to_nchw(),
        helper.make_node("Conv", ["x", "first"], ["wide"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["wide"], ["bent"]),
        helper.make_node("Conv", ["bent", "second"], ["deep"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("DepthToSpace", ["deep"], ["y"], blocksize=scale, mode="CRD"),
        *tiny.from_nchw(),
    ]
    constants = [
        tiny.constant("first", rng.normal(0, 0.2, (8, 3, 3, 3))),
        tiny.constant("second", rng.normal(0, 0.2, (count, 8, 3, 3))),
        *tiny.BOUNDS,
    ]
    return tiny.save(path, nodes, constants, Contract(name=path.stem, reach=2, scale=scale))


def tiled(path: Path, tile: int, batch_size: int | None = None) -> Model:
    contract = read_contract(path)
    assert contract is not None
    return Model(contract, OnnxSession(path, Device("cpu")), batch_size, tile)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_tiled_is_what_untiled_is(tmp_path: Path, rng: np.random.Generator, scale: int) -> None:
    path = shuffling(tmp_path / "m.onnx", scale)
    sizes = [(1, 1), (1, 200), (200, 1), (2, 2), (3, 97), (64, 64), (65, 64), (130, 71), (33, 150)]
    pictures = pictures_of(rng, *sizes)
    whole = translated(model_of(path), pictures)
    for tile, batch_size in ((24, 1), (33, 3), (40, None)):
        for result, wanted in zip(translated(tiled(path, tile, batch_size), pictures), whole, strict=True):
            assert np.abs(result.astype(int) - wanted).max() <= 1


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_tiled_carn_is_what_untiled_carn_is(tmp_path: Path, rng: np.random.Generator, scale: int) -> None:
    """With wild weights, so that every pixel sees as far as it can."""
    torch = pytest.importorskip("torch")
    from henshin.train.export.exporter import TranslatorWrapper
    from henshin_plugins.carn import Carn
    from henshin_plugins.carn.config import CarnConfig

    torch.manual_seed(scale)
    generator = Carn(CarnConfig.model_validate({"width": 4, "group": 2, "scales": (scale,)}))
    network = generator.build()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1.5)
    whole = TranslatorWrapper(network, generator.value_range, False).eval()

    class Drawn(OnnxSession):
        def run(self, feed: Any) -> Any:
            with torch.inference_mode():
                return {"pictures_out": whole(torch.from_numpy(feed["pictures"])).numpy()}

    path = tiny.enlarge(tmp_path / "m.onnx", scale, reach=generator.reach)
    contract = read_contract(path)
    assert contract is not None
    models = [Model(contract, Drawn(path, Device("cpu")), tile=tile) for tile in (64, 70, 10_000)]
    pictures = pictures_of(rng, (97, 180), (1, 300), (300, 1), (2, 2), (66, 65))
    tiled_64, tiled_70, untiled = (translated(model, pictures) for model in models)
    assert max(picture.std() for picture in untiled) > 5
    for result, other, wanted in zip(tiled_64, tiled_70, untiled, strict=True):
        assert np.abs(result.astype(int) - wanted).max() <= 1
        assert np.abs(other.astype(int) - wanted).max() <= 1


def test_tiles_of_one_picture_go_in_batches_of_one_shape(tmp_path: Path, rng: np.random.Generator) -> None:
    model = tiled(shuffling(tmp_path / "m.onnx", 2), 32, batch_size=4)
    shapes = spied(model)
    translated(model, pictures_of(rng, (100, 90)))
    assert len({shape[1:] for shape in shapes}) == 1
    assert {shape[0] for shape in shapes[:-1]} == {4}


# -- Limits


class Weary(OnnxSession):
    """Runs out of memory in the middle of its work, again and again, until its windows are small enough."""

    room = 0
    runs = 0

    def run(self, feed: Any) -> Any:
        self.runs += 1
        shape = feed["pictures"].shape
        if self.runs > 2 and shape[0] * shape[1] * shape[2] > self.room:
            raise OutOfMemoryError("m.onnx: out of memory")
        return super().run(feed)


def test_when_memory_ends_within_a_picture_it_goes_on_in_smaller_tiles(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    path = shuffling(tmp_path / "m.onnx", 2)
    contract = read_contract(path)
    assert contract is not None
    network = Weary(path, Device("cpu"))
    network.room = 400
    model = Model(contract, network, tile=64)
    pictures = pictures_of(rng, (150, 150), (60, 60), (10, 10), (90, 20))
    whole = translated(model_of(path), pictures)
    for result, wanted in zip(translated(model, pictures), whole, strict=True):
        assert np.abs(result.astype(int) - wanted).max() <= 1
    before = network.runs
    translated(model, pictures[1:2])
    tiles = windows(60, 60, model._tile_side, 2, 1)
    assert network.runs - before == len(tiles), "the next picture begins with what fits"


def test_what_would_be_too_large_for_a_picture_fails_before_the_work(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("henshin.images.picture.MOST_PIXELS", 10_000)
    model = tiled(tiny.enlarge(tmp_path / "m.onnx", 4), 64)
    shapes = spied(model)
    large, small = pictures_of(rng, (30, 21), (25, 25))
    results = translated(model, [large, small])
    assert isinstance(results[0], PictureError)
    assert "21 x 30 would become 84 x 120" in results[0].reason
    assert results[1].shape == (100, 100, 3)
    assert shapes == [(1, 25, 25, 3)]


def test_a_result_for_which_there_is_no_memory_fails_alone(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiled(tiny.enlarge(tmp_path / "m.onnx", 2), 64)
    make = np.empty

    def empty(shape: Any, dtype: Any = float) -> Any:
        if shape[0] == 160:
            raise MemoryError
        return make(shape, dtype)

    monkeypatch.setattr("henshin.runtime.tiled_picture.np.empty", empty)
    results = translated(model, pictures_of(rng, (80, 70), (20, 30)))
    assert isinstance(results[0], PictureError)
    assert results[0].reason == "there is no memory for a result of 140 x 160 pixels"
    assert results[1].shape == (40, 60, 3)
