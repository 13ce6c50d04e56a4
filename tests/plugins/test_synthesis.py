"""The stage `synthesis`: what is drawn of which latents, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
from pydantic import ValidationError
from support.sampler import sampler
from support.stages import opened
from support.synthesis import LAYERS, LENGTH, MEAN, SIDE, expected, latents, mapping, pair, synthesis

from henshin import Face, Frame, HenshinError, Stage
from henshin.cli.base import load_registry
from henshin.config.block_range import styles_by_block
from henshin.errors import PipelineError
from henshin.models import ModelStore
from henshin.pipeline import load
from henshin_plugins.synthesis import Synthesis
from henshin_plugins.synthesis.config import SynthesisConfig


@pytest.fixture
def place(tmp_path: Path) -> Path:
    pair(tmp_path / "exported")
    return tmp_path


def stage(place: Path, zone: str = "photos", **options: Any) -> Stage[Any]:
    return opened(Synthesis, place, zone, **{"model": "face", **options})


def photo(number: int = 0, **held: np.ndarray) -> Frame:
    picture = np.full((12, 10, 3), number, np.uint8)
    return Frame(f"p{number}", f"p{number}", picture, latents=dict(held))


def crowd(crops: int, **held: np.ndarray) -> Frame:
    """A frame with one face that was not cut out, and then some that were, with 4 x 4 pixels."""
    frame = photo(**held)
    frame.faces = [Face(np.array([0, 0, 9, 9], np.float32), 0.9)]
    for number in range(crops):
        crop, mask = np.full((4, 4, 3), number, np.uint8), np.full((4, 4), 255, np.uint8)
        matrix = np.array([[1, 0, -number], [0, 1, -2]], np.float32)
        frame.faces.append(Face(np.array([1, 1, 9, 9], np.float32), 0.9, matrix=matrix, crop=crop, mask=mask))
    return frame


def drawn(done: Frame) -> list[np.ndarray]:
    return [face.crop for face in done.faces if face.crop is not None] or [done.picture]


def blended(base: np.ndarray, other: np.ndarray, layers: list[int]) -> np.ndarray:
    both = base.copy()
    both[:, layers] = other[:, layers]
    return both


# ---- what is drawn


def test_crops_and_photos_are_drawn_in_their_places(place: Path) -> None:
    first, second = latents(3, 1), latents(1, 2)
    alone = photo(7, latent=second)
    alone.alpha = np.full((12, 10), 255, np.uint8)
    done = stage(place, "crops").run([crowd(3, latent=first), crowd(0), alone])
    assert [frame.error for frame in done] == [None, None, None]
    for crop, row in zip(drawn(done[0]), first, strict=True):
        assert np.array_equal(crop, expected(row))
    assert np.allclose(done[0].faces[3].matrix, [[2, 0, -4], [0, 2, -4]])  # crops are twice as large now
    assert done[0].faces[3].mask.shape == (SIDE, SIDE)
    assert (done[0].picture == 0).all()
    assert np.array_equal(done[2].picture, expected(second[0]))
    assert done[2].alpha.shape == (SIDE, SIDE)
    assert np.array_equal(done[0].latents["latent"], first)


def test_the_synthesis_may_be_named_itself(place: Path) -> None:
    (one,) = stage(place, model="face-synthesis").run([photo(latent=latents(1))])
    assert np.array_equal(one.picture, expected(latents(1)[0]))


# of 6 layers, the first is block 1's, two are block 2's, and three block 3's
@pytest.mark.parametrize(
    ("swap", "layers"),
    [
        ({"from": 1, "to": 1}, [0]),
        ({"from": 2, "to": 2}, [1, 2]),
        ({"from": 3}, [3, 4, 5]),
        ({"last": 2}, [1, 2, 3, 4, 5]),
        ({"to": 2}, [0, 1, 2]),
        ([{"to": 1}, {"last": 1}], [0, 3, 4, 5]),
    ],
)
def test_blocks_draw_from_other_latents(place: Path, swap: Any, layers: list[int]) -> None:
    human, anime = latents(2, 3), latents(2, 4)
    swaps = [{**one, "latents": "anime"} for one in (swap if isinstance(swap, list) else [swap])]
    chosen = {"base": "human", "swap": swaps if isinstance(swap, list) else swaps[0]}
    (done,) = stage(place, "crops", latents=chosen).run([crowd(2, human=human, anime=anime)])
    for crop, row in zip(drawn(done), blended(human, anime, layers), strict=True):
        assert np.array_equal(crop, expected(row))


def test_a_later_swap_goes_before_an_earlier_one(place: Path) -> None:
    held = {name: latents(1, seed) for seed, name in enumerate("abc")}
    chosen = {"base": "a", "swap": [{"last": 2, "latents": "b"}, {"last": 1, "latents": "c"}]}
    (done,) = stage(place, latents=chosen).run([photo(**held)])
    both = blended(blended(held["a"], held["b"], [1, 2]), held["c"], [3, 4, 5])
    assert np.array_equal(done.picture, expected(both[0]))


@pytest.mark.parametrize("form", ["stylegan2", "adain"])
@pytest.mark.parametrize("size", [8, 32])
def test_a_block_has_the_styles_that_its_layers_take(form: Any, size: int) -> None:
    """Looked at in the network itself: which style each layer of a block is given."""
    torch = pytest.importorskip("torch")
    from henshin_plugins.stylegan2.network import SynthesisNetwork

    network = SynthesisNetwork(size, 3, [4] * (size.bit_length() - 2), form)
    styles = torch.arange(network.latent_shape[0]).float()[None, :, None].expand(1, -1, 3)
    seen: list[tuple[int, ...]] = []
    for block in network.blocks:
        taken: list[int] = []
        for layer in block.layers:
            layer.register_forward_hook(lambda _, given, __, taken=taken: taken.append(int(given[1][0, 0])))
        seen.append(taken)
    network(styles)
    if form == "stylegan2":
        seen[-1].append(network.latent_shape[0] - 1)  # that of its colours alone
    assert styles_by_block(network.latent_shape[0], form == "adain") == [tuple(taken) for taken in seen]


def test_the_form_of_the_first_stylegan_has_two_styles_a_block(tmp_path: Path) -> None:
    pair(tmp_path / "exported", config={"form": "adain"})
    human, anime = latents(1, 3), latents(1, 4)
    chosen = {"base": "human", "swap": {"from": 2, "to": 2, "latents": "anime"}}
    (done,) = stage(tmp_path, latents=chosen).run([photo(human=human, anime=anime)])
    assert np.array_equal(done.picture, expected(blended(human, anime, [2, 3])[0]))


@pytest.mark.parametrize("truncation", [0.5, 0.25])
def test_truncation_brings_concatenated_styles_to_the_mean(place: Path, truncation: float) -> None:
    human, anime = latents(2, 3), latents(2, 4)
    chosen = {"base": "human", "swap": {"last": 1, "latents": "anime"}}
    (done,) = stage(place, "crops", latents=chosen, truncation=truncation).run([crowd(2, human=human, anime=anime)])
    nearer = MEAN + truncation * (blended(human, anime, [3, 4, 5]) - MEAN)
    for crop, row in zip(drawn(done), nearer, strict=True):
        assert np.abs(crop.astype(int) - expected(row)).max() <= 1


# ---- what is refused


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (latents(2, layers=7), "latents 'latent' are of another model: (7, 4) each, and 'face' draws from (6, 4)"),
        (latents(3), "latents 'latent' have 3 rows for 2 crops: a stage between changed the faces without frame.keep"),
        (latents(2)[:, 0], "latents 'latent' are float32 (2, 4), and styles are float32 (K, L, D)"),
        (np.zeros((2, LAYERS, LENGTH), int), "latents 'latent' are int64 (2, 6, 4), and styles are float32 (K, L, D)"),
        (latents(2) * np.nan, "latents 'latent' hold values that are not finite"),
        ("a text", "latents 'latent' are <U6 (), and styles are float32 (K, L, D)"),
        (None, "no latents are called 'latent'; there are: w2, z"),
    ],
)
def test_latents_that_are_none_fail_their_frame_alone(place: Path, value: Any, said: str) -> None:
    wrong = crowd(2, w2=latents(1), z=latents(1), **({} if value is None else {"latent": value}))
    done = stage(place, "crops").run([wrong, photo(3, latent=latents(1))])
    assert str(done[0].error) == said
    assert (drawn(done[0])[0] == 0).all()
    assert done[1].error is None
    assert np.array_equal(done[1].picture, expected(latents(1)[0]))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model": "noise"}, "'noise' is no synthesis; its kind is sampler"),
        ({"model": "face-mapping"}, "'face-mapping' is no synthesis; its kind is mapping"),
        ({"model": "face-synthesis", "truncation": 0.5}, "'face-synthesis' has no mapping beside it"),
        ({"model": "silent", "truncation": 0.5}, "does not say its mean style"),
        ({"latents": {"base": "a", "swap": {"from": 2, "to": 4, "latents": "b"}}}, "there are blocks 1 to 3"),
        ({"latents": {"base": "a", "swap": {"last": 4, "latents": "b"}}}, "the last 4 blocks are asked for"),
        (
            {"model": "odd", "latents": {"base": "a", "swap": {"last": 1, "latents": "b"}}},
            "of 5 styles it is not known",
        ),
    ],
)
def test_what_a_model_cannot_do_is_told_when_it_is_opened(place: Path, options: Any, said: str) -> None:
    folder = place / "exported"
    sampler(folder / "noise.onnx")
    mapping(folder / "silent-mapping.onnx", mean=False)
    synthesis(folder / "silent-synthesis.onnx")
    synthesis(folder / "odd.onnx", layers=5)
    with pytest.raises(HenshinError) as caught:
        stage(place, **options)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"latents": ""},
        {"latents": {"base": "a"}},
        {"latents": {"base": "a", "swap": []}},
        {"latents": {"base": "a", "swap": {"latents": "b", "from": 0}}},
        {"latents": {"base": "a", "swap": {"latents": "b", "last": 1, "to": 3}}},
        {"truncation": 0},
        {"truncation": 1.1},
    ],
)
def test_wrong_options_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        SynthesisConfig(model="face", **wrong)


CHAIN = """\
stages:
  - {use: inversion, model: face, name: human, output: picture}
  - {use: inversion, model: face, name: anime}
  - use: synthesis
    model: MODEL
    latents: LATENTS
"""


def problems(place: Path, model: str, chosen: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    pytest.importorskip("torch")
    file = place / "p.yaml"
    file.write_text(CHAIN.replace("MODEL", model).replace("LATENTS", chosen))
    monkeypatch.chdir(place)
    try:
        load("p.yaml", load_registry(()), ModelStore(packaged=place / "packaged", user=place / "user"))
    except PipelineError as error:
        return str(error).split("\n")
    return []


@pytest.mark.parametrize("chosen", ["human", "{base: human, swap: {last: 1, latents: anime}}"])
def test_names_that_inversions_gave_pass_the_check(place: Path, chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert problems(place, "face", chosen, monkeypatch) == []
    assert problems(place, "face-synthesis", chosen, monkeypatch) == []


@pytest.mark.parametrize(
    ("model", "chosen", "said"),
    [
        ("face", "latent", ["4: synthesis needs latents 'latent', and those before it are called: anime, human"]),
        (
            "face",
            "{base: human, swap: [{last: 1, latents: anme}]}",
            ["4: synthesis needs latents 'anme', and those before it are called: anime, human; did you mean 'anime'?"],
        ),
        ("noise", "human", ["5: synthesis.model: 'noise' is a sampler, and a synthesis is wanted; there are: face"]),
        ("faze", "human", ["5: synthesis.model: no model named 'faze'; did you mean 'face'?"]),
    ],
)
def test_what_is_wrong_is_told_before_anything_runs(
    place: Path, model: str, chosen: str, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sampler(place / "exported" / "noise.onnx")
    assert problems(place, model, chosen, monkeypatch) == [f"p.yaml:{line}" for line in said]
