"""The `sample` stage: the same pictures from the same seed, whatever the batch, the count and the run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

pytest.importorskip("onnx")
from support.runtime import model_of
from support.sampler import LENGTH, SIDE, expected, sampler

from henshin.cli import main, run_pipeline
from henshin.errors import HenshinError, PictureError
from henshin.runtime import OnnxSession, OutOfMemoryError
from henshin.testing import check_stage
from henshin_plugins.sample import Sample
from henshin_plugins.sample.config import SampleConfig


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model `noise` in it that is found by its name, and a pipeline that samples it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HENSHIN_MODELS", str(tmp_path / "models"))
    sampler(tmp_path / "models" / "noise.onnx")
    write()
    return tmp_path


def write(*lines: str, options: str = "") -> None:
    stage = "  - use: sample\n    model: noise\n    count: 5\n" + "".join(f"    {line}\n" for line in lines)
    Path("noise.yaml").write_text(f"name: noise\nstages:\n{stage}{options}")


def drawn(folder: Path) -> dict[str, np.ndarray]:
    return {path.name: np.asarray(Image.open(path)) for path in sorted(folder.glob("*.png"))}


def noise(seed: int, number: int) -> np.ndarray:
    return np.random.default_rng([seed, number]).standard_normal(LENGTH)


def run(out: str, *words: str) -> int:
    return run_pipeline(["noise.yaml", "-o", out, "--device", "cpu", *words])


def test_each_picture_is_drawn_from_the_noise_of_its_seed_and_number(place: Path) -> None:
    assert run("out") == 0
    found = drawn(place / "out")
    assert list(found) == [f"sample-{i:06d}.png" for i in range(5)]
    for number, picture in enumerate(found.values()):
        assert np.array_equal(picture, expected(noise(0, number)))


@pytest.mark.parametrize("size", ["1", "2", "3", "64"])
def test_the_batch_size_changes_nothing(place: Path, size: str) -> None:
    batches: list[int] = []
    once = OnnxSession.run

    def counted(self: OnnxSession, feed: Any) -> Any:
        batches.extend(len(array) for array in feed.values())
        return once(self, feed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OnnxSession, "run", counted)
        assert run("out", "--batch-size", size) == 0
    assert sum(batches) == 5
    assert max(batches) == min(int(size), 5)
    for number, picture in enumerate(drawn(place / "out").values()):
        assert np.abs(picture.astype(int) - expected(noise(0, number))).max() <= 1


def test_another_seed_draws_others_and_takes_their_place(place: Path) -> None:
    assert run("out") == 0
    before = drawn(place / "out")
    assert run("out", "--set", "sample.seed=3") == 0
    after = drawn(place / "out")
    assert before.keys() == after.keys()
    assert np.array_equal(after["sample-000002.png"], expected(noise(3, 2)))


def test_more_pictures_leave_the_first_as_they_are(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("out", "--set", "sample.count=2") == 0
    first = place / "out" / "sample-000001.png"
    before = first.stat().st_mtime_ns
    capsys.readouterr()
    assert run("out", "--json", "--set", "sample.count=4") == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["done"], summary["up_to_date"]) == (2, 2)
    assert first.stat().st_mtime_ns == before
    assert len(drawn(place / "out")) == 4


def test_a_second_run_opens_no_model_and_draws_only_what_is_missing(place: Path, monkeypatch: Any) -> None:
    assert run("out") == 0
    (place / "out" / "sample-000003.png").unlink()
    assert run("out") == 0
    assert len(drawn(place / "out")) == 5
    monkeypatch.setattr(Sample, "open", lambda *_: pytest.fail("the model was opened"))
    assert run("out") == 0


def test_the_plan_says_nothing_of_photos(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("out", "--dry-run") == 0
    told = capsys.readouterr().out
    assert "model noise:" in told
    assert "reduced" not in told
    assert not (place / "out").exists()


def test_a_limit_takes_the_first(place: Path) -> None:
    assert run("out", "--limit", "2") == 0
    assert list(drawn(place / "out")) == ["sample-000000.png", "sample-000001.png"]


def test_truncation_brings_pictures_nearer_to_the_mean_one(place: Path) -> None:
    assert run("whole") == 0
    assert run("half", "--set", "sample.truncation=0.5") == 0
    half = drawn(place / "half")["sample-000001.png"]
    assert np.array_equal(half, expected(noise(0, 1) * 0.5))
    assert np.abs(half.astype(int) - 128).mean() < np.abs(drawn(place / "whole")["sample-000001.png"] - 128.0).mean()


def test_what_follows_gets_the_pictures_and_names_are_chosen(place: Path) -> None:
    write("name: face", "seed: 7", options="  - use: resize\n    size: 16\n")
    assert run("out") == 0
    found = drawn(place / "out")
    assert next(iter(found)) == "face-000000.png"
    assert {picture.shape for picture in found.values()} == {(16, 16, 3)}


def test_it_takes_no_input_and_stands_first(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (4, 4)).save("photo.png")
    assert run("out", "-i", "photo.png") == 2
    assert "makes its own pictures ('sample') and takes no input" in capsys.readouterr().err
    Path("noise.yaml").write_text(
        "name: noise\nstages:\n  - use: resize\n    size: 16\n  - use: sample\n    model: noise\n"
    )
    assert run("out") == 2
    assert "noise.yaml:5: sample makes pictures from nothing, so it must be the first stage" in capsys.readouterr().err


def test_models_of_the_wrong_kind_are_told_with_their_line(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from support.onnx import invert

    invert(place / "models" / "inverted.onnx")
    Path("noise.yaml").write_text("name: noise\nstages:\n  - use: sample\n    model: inverted\n")
    assert run("out") == 2
    assert "noise.yaml:4: sample.model: 'inverted' is a translator, and a sampler is wanted" in capsys.readouterr().err
    Path("noise.yaml").write_text("name: noise\nstages:\n  - use: generator\n    model: noise\n")
    assert run("out", "-i", "models") == 2
    error = capsys.readouterr().err
    assert "noise.yaml:4: generator.model: 'noise' is a sampler, and a translator is wanted" in error


@pytest.mark.parametrize(
    "wrong",
    [{"count": 0}, {"seed": -1}, {"truncation": 0}, {"truncation": 1.5}, {"name": "a/b"}, {"name": ""}, {"n": 1}],
)
def test_wrong_options_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SampleConfig.model_validate({"model": "noise"} | wrong)


def test_the_kit_is_content(place: Path) -> None:
    check_stage(Sample, {"model": str(place / "models" / "noise.onnx"), "count": 3})


def test_one_that_fails_is_named_and_the_rest_go_on(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    limit = float(sorted(noise(0, number)[0] for number in range(5))[2]) + 1e-3
    sampler(place / "models" / "noise.onnx", forbidden=limit)
    bad = [number for number in range(5) if noise(0, number)[0] > limit]
    assert len(bad) == 2
    assert run("out") == 1
    said = capsys.readouterr()
    assert len(drawn(place / "out")) == 5 - len(bad)
    for number in bad:
        assert f"sample-{number:06d}" in said.out + said.err


def latents(count: int) -> np.ndarray:
    return np.stack([noise(1, number) for number in range(count)]).astype(np.float32)


def test_a_model_draws_from_many_latents_at_once(tmp_path: Path) -> None:
    model = model_of(sampler(tmp_path / "a.onnx"), 3)
    assert model.samples_at_once == 3
    for one, given in zip(model.sample(latents(7)), latents(7), strict=True):
        assert isinstance(one, np.ndarray)
        assert np.abs(one.astype(int) - expected(given)).max() <= 1
    assert model.sample(latents(1)[:0]) == []


def test_a_network_of_one_batch_size_gets_it_filled_up(tmp_path: Path) -> None:
    model = model_of(sampler(tmp_path / "a.onnx", batch=4))
    assert model.samples_at_once == 4
    found = model.sample(latents(5))
    assert len(found) == 5
    assert isinstance(found[4], np.ndarray)
    assert np.array_equal(found[4], expected(latents(5)[4]))


def test_where_memory_is_short_batches_are_halved(tmp_path: Path) -> None:
    model = model_of(sampler(tmp_path / "a.onnx"), 8)
    once, sizes = model.network.run, []

    def short(feed: Any) -> Any:
        sizes.append(len(feed["latents"]))
        if sizes[-1] > 2:
            raise OutOfMemoryError("a.onnx: out of memory")
        return once(feed)

    model.network.run = short  # type: ignore[method-assign]
    assert len(model.sample(latents(8))) == 8
    assert sizes == [8, 4, 2, 2, 2, 2]

    def never(_: Any) -> Any:
        raise OutOfMemoryError("a.onnx: out of memory")

    model.network.run = never  # type: ignore[method-assign,assignment]
    assert all(isinstance(one, PictureError) for one in model.sample(latents(2)))


def test_latents_of_another_shape_and_other_models_are_refused(tmp_path: Path) -> None:
    from support.onnx import invert

    model = model_of(sampler(tmp_path / "a.onnx"))
    with pytest.raises(HenshinError, match=r"draws from latents \(N, 5\), not \(2, 4\)"):
        model.sample(np.zeros((2, 4), np.float32))
    with pytest.raises(HenshinError, match="is a translator: it draws nothing from noise"):
        model_of(invert(tmp_path / "b.onnx")).sample(latents(1))
    with pytest.raises(HenshinError, match="is a sampler: it takes no pictures"):
        model.translate([np.zeros((SIDE, SIDE, 3), np.uint8)])


def test_the_list_says_what_it_is(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list"]) == 0
    assert any(line.split()[:2] == ["noise", "sampler"] for line in capsys.readouterr().out.splitlines())
