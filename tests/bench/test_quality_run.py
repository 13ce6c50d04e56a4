"""The whole command on photos of people, with made-up models; the judge; the cache; what is missing, in one line."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from quality import measure, report
from quality.command import main, trainings, unique
from quality.judges import Judge
from support.paths import ROOT

from henshin.metrics.kernel_distance import kid
from henshin.models import Contract
from henshin.train.metrics import TorchFeatures

pytest.importorskip("torch")
from support import onnx as onnx_models


def stub(letter: str, network: str) -> Judge:
    """Means and deviations of 4 x 4 areas. The real networks take half a second for each picture."""

    def load() -> Callable[[Any], Any]:
        def pooled(pictures: Any) -> Any:
            areas = pictures.reshape(len(pictures), 3, 4, 56, 4, 56)
            return areas.mean((3, 5)).flatten(1)

        return pooled

    return Judge(letter, network, TorchFeatures(network, network, f"stub-{network}", letter == "V", load))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of one face and of none, a few drawings, and two models: one blurs, the other gives the negative."""
    place = tmp_path_factory.mktemp("quality")
    (place / "photos").mkdir()
    for name in ("astronaut", "coffee"):
        with Image.open(ROOT / "examples" / f"{name}.jpg") as photo:
            photo.thumbnail((240, 240))
            photo.save(place / "photos" / f"{name}.png")
    with Image.open(place / "photos" / "astronaut.png") as photo:
        photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(place / "photos" / "mirrored.png")
        for i, strength in enumerate((0.7, 0.85, 1.15, 1.3)):
            ImageEnhance.Brightness(photo).enhance(strength).save(place / "photos" / f"tone{i}.png")
    (place / "drawings").mkdir()
    for i in range(8):
        pixels = np.random.default_rng(i).integers(0, 256, (6, 6, 3)).astype(np.uint8)
        Image.fromarray(pixels).resize((64, 64)).save(place / "drawings" / f"{i}.png")
    onnx_models.box(place / "soft.onnx", preferred_size=64)
    onnx_models.invert(place / "negative.onnx", preferred_size=64)
    words = "women: {x: [astronaut, mirrored]}\nmirrors: {x: [mirrored]}\nnobody: {x: [none]}\n"
    (place / "groups.yaml").write_text(words, encoding="utf-8")
    return place


@pytest.fixture
def stubbed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Stubbed networks, KIDs of six photos, and how many pictures features were made of at each call."""
    made: list[int] = []
    original = TorchFeatures.features

    def counted(self: TorchFeatures, pictures: Sequence[Any]) -> Any:
        made.append(len(pictures))
        return original(self, pictures)

    monkeypatch.setattr(TorchFeatures, "features", counted)
    monkeypatch.setattr(measure, "NETWORKS", (stub("R", "efficientnet"), stub("V", "vgg")))
    monkeypatch.setattr(measure, "LEAST_FOR_KID", 6)
    return made


def by_hand(out: Path, drawings: Path, title: str) -> float:
    """V from the pictures that were written."""
    sets = []
    for folder in (out / "photos" / "photos", out / "drawn" / title / "photos", drawings):
        rows = []
        for file in sorted(folder.glob("*.png")):
            with Image.open(file) as picture:
                pixels = np.asarray(picture.resize((224, 224), Image.Resampling.BICUBIC), float)
            rows.append((pixels / 127.5 - 1).reshape(4, 56, 4, 56, 3).mean((1, 3)).transpose(2, 0, 1).ravel())
        sets.append(np.array(rows))
    scale = np.linalg.norm(sets[2], axis=1).mean() / 48**0.5
    photos, drawn, drawings_ = (one / scale for one in sets)
    return kid(drawn, drawings_) / kid(photos, drawings_)


def words(world: Path, *more: str) -> list[str]:
    models = [f"--model={world / 'soft.onnx'}", f"--model={world / 'negative.onnx'}"]
    folders = [f"--photos={world / 'photos'}", f"--drawings={world / 'drawings'}", "-o", str(world / "out")]
    return [*models, *folders, f"--groups={world / 'groups.yaml'}", *more]


def test_the_whole_command(world: Path, stubbed: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    main(words(world))
    out = capsys.readouterr().out
    found = json.loads((world / "out" / "figures.json").read_text())
    assert found["judge"] == "V"
    assert list(found["models"]) == ["soft", "negative"]
    assert list(found["without_portrait"]) == ["photos/coffee.png"]
    assert [*found["numbers"]] == ["1", "2", "3", "4", "5", "6"]
    assert found["numbers"]["2"] == "photos/mirrored.png"
    soft, negative = found["models"]["soft"], found["models"]["negative"]
    assert list(soft) == ["all", "women", "mirrors"]
    assert (soft["mirrors"]["n"], "V" in soft["mirrors"]) == (1, False)
    assert soft["all"]["kept"] > 0.95
    assert negative["all"]["kept"] < -0.95
    assert soft["all"]["skin"]["distance"] < 10 < negative["all"]["skin"]["distance"]
    assert soft["all"]["V"]["value"] == pytest.approx(by_hand(world / "out", world / "drawings", "soft"), rel=1e-4)
    assert soft["all"]["V"]["low"] < soft["all"]["V"]["value"] < soft["all"]["V"]["high"]
    assert found["references"]["photos"]["landmarks_found"] == 1
    assert found["references"]["photos"]["landmark_distance"] < 0.05
    assert "skin kept best by soft: all" in out
    assert "skin kept best by negative: no group" in out
    assert "without portrait: 1 of 7 photos (face_detect 1)" in out
    for model in ("soft", "negative"):
        with Image.open(world / "out" / f"sheet-{model}.png") as sheet:
            assert sheet.size == (6 * 130, 16 + 2 * 128 + 6)
    # what was made before is not made again, and gives the same
    before = len(stubbed)
    assert before == 8
    main(words(world))
    assert len(stubbed) == before
    assert capsys.readouterr().out == out


def test_photos_are_the_crops_of_the_pipeline(world: Path, stubbed: list[int]) -> None:
    main(words(world))
    (crop,) = (world / "out" / "photos" / "photos").glob("astronaut*.png")
    (drawn,) = (world / "out" / "drawn" / "negative" / "photos").glob("astronaut*.png")
    with Image.open(crop) as one, Image.open(drawn) as other:
        small = np.asarray(one.resize((64, 64), Image.Resampling.LANCZOS), int)
        assert np.abs(255 - np.asarray(other, int) - small).mean() < 3


def test_held_out_pictures_alone_are_measured(world: Path, stubbed: list[int], tmp_path: Path) -> None:
    from quality.hold_out import pictures_of, split

    kept = [file.name for file in split(pictures_of(world / "photos"), 2)[0]]
    main([*words(world, "--hold-out=2"), "-o", str(tmp_path)])
    found = json.loads((tmp_path / "figures.json").read_text())
    named = [*found["numbers"].values(), *found["without_portrait"]]
    assert sorted(named) == [f"photos/{name}" for name in kept]


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        (["--model=selfie2anme"], "selfie2anime"),
        (["--cascade=no.xml"], r"no\.xml"),
        (["--yunet=no.onnx"], r"no\.onnx"),
        (["--drawings=nowhere"], "nowhere: is no folder"),
        (["--groups=nowhere.yaml"], r"nowhere\.yaml: No such file"),
        (["--trained-with=soft=resnet"], "'soft=resnet': must be NETWORK or MODEL=NETWORK"),
        (["--trained-with=sharp=vgg"], "'sharp=vgg': there is no model sharp; there are: soft, negative"),
    ],
)
def test_what_is_missing_is_said_in_one_line(world: Path, more: list[str], wanted: str) -> None:
    with pytest.raises(SystemExit, match=wanted) as said:
        main(words(world, *more))
    assert "\n" not in str(said.value)


def test_the_output_must_be_a_folder(world: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(SystemExit, match="is a file; must be a folder"):
        main([*words(world), "-o", str(tmp_path / "out")])
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize("option", ["--hold-out=0", "--hold-out=-2", "--threads=0", "--threads=x"])
def test_counts_are_whole_numbers_from_1_on(world: Path, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(words(world, option))
    assert "must be a whole number, at least 1" in capsys.readouterr().err


def test_few_drawings_give_no_kid(
    world: Path, stubbed: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "drawings").mkdir()
    (tmp_path / "drawings" / "0.png").write_bytes((world / "drawings" / "0.png").read_bytes())
    main([*words(world), f"--drawings={tmp_path / 'drawings'}"])
    found = json.loads((world / "out" / "figures.json").read_text())
    assert "V" not in found["models"]["soft"]["all"]
    assert "V: too few photos or drawings" in capsys.readouterr().out


# -- The verdict


@pytest.mark.parametrize(
    ("used", "letter"), [([], "V"), (["efficientnet"], "V"), (["vgg"], "R"), (["efficientnet", "vgg"], None)]
)
def test_a_network_that_trained_any_of_the_models_judges_none(used: list[str], letter: str | None) -> None:
    assert report.judge({"a": frozenset(used), "b": frozenset()})[0] == letter
    assert report.judge({"a": frozenset(used[:1]), "b": frozenset(used[1:])})[0] == letter


def test_the_origin_says_what_trained_a_model() -> None:
    origin = 'trained by henshin: recipe cut, 9 steps; {"discriminator": ["patch", "projected"]}'
    assert report.trained_by(Contract(origin=origin)) == {"efficientnet"}
    assert report.trained_by(Contract(origin="trained by henshin: recipe cartoongan, 9 steps; {}")) == {"vgg"}
    assert report.trained_by(Contract(origin="weights of x.safetensors")) == frozenset()


def scope(value: float, width: float, skin: float) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    values = {"value": value, "low": value - width, "high": value + width, "variety": value + 0.1}
    region = {"distance": skin, "lightness": skin, "chroma": 0.0, "lighter": skin}
    of_v = {**values, "resamples": value + width / 2 * rng.normal(size=99)}
    return {"n": 30, "V": of_v, "skin": region, "hair": region, "drawn_face_found": value}


def test_the_verdict_names_the_better_by_ratio_variety_and_group() -> None:
    figures = {
        "old": {"all": scope(0.6, 0.1, 20), "men": scope(0.6, 0.1, 9)},
        "new": {"all": scope(0.3, 0.1, 10), "men": scope(0.3, 0.1, 12)},
    }
    lines = list(report.verdict(figures, dict.fromkeys(figures, frozenset())))
    assert "V: new 0.300 is better than old 0.600: intervals apart, better in 100.0% of the resamples" in lines
    assert "variety by V: old 0.70 > new 0.40" in lines
    assert "drawn faces found most by old: all 0.60 (against 0.30); men 0.60 (against 0.30)" in lines
    assert "skin kept best by new: all 10.0 (against 20.0)" in lines
    assert "skin kept best by old: men 9.0 (against 12.0)" in lines
    figures["new"]["all"] = scope(0.5, 0.1, 10)
    assert any("intervals overlap" in line for line in report.verdict(figures, dict.fromkeys(figures, frozenset())))


def test_what_trained_a_model_can_be_said() -> None:
    found = {"a": frozenset({"vgg"}), "b": frozenset[str]()}
    assert trainings(found, None) == found
    assert trainings(found, ["b=efficientnet"]) == {"a": {"vgg"}, "b": {"efficientnet"}}
    assert trainings(found, ["none", "b=efficientnet", "b=vgg"]) == {"a": set(), "b": {"efficientnet", "vgg"}}


def test_names_of_models_are_told_apart() -> None:
    assert unique(["a", "b", "a", "a"]) == ["a", "b", "a-2", "a-3"]
    assert unique(["a", "a", "a-2"]) == ["a", "a-3", "a-2"]
