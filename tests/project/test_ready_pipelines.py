"""Each ready pipeline is run, from its file to the pictures it writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from support.paths import ROOT

from henshin import Stage
from henshin.cli import run_pipeline
from henshin.cli.base import load_registry
from henshin.files import data_folder
from henshin.pipeline import checks
from henshin.pipeline.steps import labels

FILES = sorted(data_folder("pipelines").glob("*.yaml"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A photo with one face, a drawing with what passes for one (`stand_in`), and a picture without any."""
    return written_photos(tmp_path / "photos", 512)


@pytest.fixture
def small_photos(tmp_path: Path) -> Path:
    """The same, but the photo is a fourth of it."""
    return written_photos(tmp_path / "photos", 256)


def written_photos(folder: Path, side: int) -> Path:
    data = pytest.importorskip("skimage.data")
    folder.mkdir()
    Image.fromarray(data.astronaut()).resize((side, side)).save(folder / "face.jpg", quality=95)
    drawing = Image.fromarray(np.random.default_rng(0).integers(30, 60, (120, 160, 3), np.uint8))
    drawing.paste((250, 230, 220), (56, 40, 96, 80))
    drawing.save(folder / "drawing.png")
    ramp = np.linspace(0, 255, 64 * 48 * 3).reshape(48, 64, 3).astype(np.uint8)
    Image.fromarray(ramp).save(folder / "none.png")
    return folder


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The models that the pipelines ask for, in the user's folder: one turns light to dark, one finds light spots."""
    pytest.importorskip("onnx")
    from support.anime import spot_cascade
    from support.onnx import invert

    folder = tmp_path / "models"
    folder.mkdir()
    invert(folder / "selfie2anime.onnx")
    spot_cascade(folder / "lbpcascade_animeface.xml")
    monkeypatch.setenv("HENSHIN_MODELS", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def run(name: str, photos: Path | None, out: Path, *words: str) -> int:
    inputs = [] if photos is None else ["-i", str(photos)]
    return run_pipeline([name, *inputs, "-o", str(out), "--device", "cpu", *words])


def stages(file: Path) -> list[type[Stage[Any]]]:
    """The stages of a pipeline, also of one that cannot be loaded here."""
    registry = load_registry(())
    return [registry.stage(step["use"]) for step in yaml.safe_load(file.read_text())["stages"]]


def takes_input(file: Path) -> bool:
    """Whether a pipeline is given photos: one that begins with a source makes its own pictures."""
    return stages(file)[0].works_on != "source"


def wants_pytorch(file: Path) -> bool:
    return any(stage.extra == "train" for stage in stages(file))


def briefly(file: Path) -> list[str]:
    """What is set for stages that optimise, so that they take a few steps: how good they are is not asked here."""
    made = stages(file)
    named = zip(labels([stage.name for stage in made]), made, strict=True)
    return [f"--set={label}.steps=2" for label, stage in named if stage.name == "inversion"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_ready_pipeline_runs_by_name_and_by_file(
    file: Path, small_photos: Path, stand_in: Path, tmp_path: Path
) -> None:
    if wants_pytorch(file):
        pytest.importorskip("torch")
    given = small_photos if takes_input(file) else None
    assert run(file.stem, given, tmp_path / "one", *briefly(file)) == 0
    assert run(str(file), given, tmp_path / "two", "--batch-size", "1", *briefly(file)) == 0
    one = {path.name: pixels(path) for path in (tmp_path / "one").glob("[!.]*.*")}
    two = {path.name: pixels(path) for path in (tmp_path / "two").glob("[!.]*.*")}
    assert one
    assert one.keys() == two.keys()
    for name, picture in one.items():
        assert np.abs(picture.astype(int) - two[name]).max() <= 1


@pytest.mark.parametrize("file", [file for file in FILES if wants_pytorch(file)], ids=lambda file: file.stem)
def test_what_wants_pytorch_says_how_to_install_it(
    file: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checks, "find_spec", lambda _: None)
    assert run(file.stem, photos, tmp_path / "out") == 3
    lines = [line for line in capsys.readouterr().err.splitlines() if "pip install" in line]
    assert lines
    assert all("needs torch, which is not installed; run: pip install 'henshin[train]'" in line for line in lines)


def test_results_depend_neither_on_the_batch_nor_on_the_order(
    stand_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From files to files: photos of equal size with several faces each, a model that looks at whole crops."""
    from support.onnx import centred

    from henshin.runtime import OnnxSession

    centred(stand_in / "selfie2anime.onnx", preferred_size=64)
    photos = tmp_path / "photos"
    photos.mkdir()
    group = Image.open(ROOT / "examples" / "group.jpg").convert("RGB").reduce(2)
    portrait = Image.open(ROOT / "examples" / "astronaut.jpg").convert("RGB").reduce(2)
    turns = [None, Image.Transpose.FLIP_LEFT_RIGHT]
    for number, turn in enumerate(turns):
        for name, photo in (("group", group), ("portrait", portrait)):
            (photo if turn is None else photo.transpose(turn)).save(photos / f"{name}-{number}.png")
    batches: list[int] = []
    once = OnnxSession.run

    def counted(self: OnnxSession, feed: Any) -> Any:
        if self.path.stem == "selfie2anime":
            batches.append(max(len(array) for array in feed.values()))
        return once(self, feed)

    monkeypatch.setattr(OnnxSession, "run", counted)
    assert run("selfie2anime", photos, tmp_path / "alone", "--batch-size", "1") == 0
    faces = len(batches)
    assert set(batches) == {1}
    assert faces >= 8
    batches.clear()
    assert run("selfie2anime", photos, tmp_path / "together", "--batch-size", "4") == 0
    assert sum(batches) == faces
    assert max(batches) == 4
    turned = [str(path) for path in sorted(photos.iterdir(), reverse=True)]
    assert run("selfie2anime", Path(turned[0]), tmp_path / "turned", "--batch-size", "3", "-i", *turned[1:]) == 0
    for path in photos.iterdir():
        alone = pixels(tmp_path / "alone" / path.name).astype(int)
        assert np.abs(alone - pixels(path)).max() > 50, "the faces are redrawn"
        for other in ("together", "turned"):
            assert np.abs(alone - pixels(tmp_path / other / path.name)).max() <= 1


def test_selfie2anime_redraws_the_face_and_leaves_the_rest(photos: Path, stand_in: Path, tmp_path: Path) -> None:
    assert run("selfie2anime", photos, tmp_path / "out", "--format", "png") == 0
    before = pixels(photos / "face.jpg")
    after = pixels(tmp_path / "out" / "face.png")
    assert after.shape == before.shape
    # The face of this photo is around (220, 115); its corners are far from every face.
    face = (slice(95, 140), slice(200, 245))
    alike = np.corrcoef(before[face].mean(axis=-1).ravel(), after[face].mean(axis=-1).ravel())[0, 1]
    assert alike < -0.8, "light has become dark there, whatever the colours were fitted to"
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
    assert run("selfie2anime", photos, tmp_path / "out", "--format", "png") == 0
    change = np.abs(pixels(photos / "face.jpg").astype(int) - pixels(tmp_path / "out" / "face.png")).mean(axis=2)
    assert change[95:140, 200:245].mean() > 10, "a drawn face is not the photo's"
    assert change[400:, :].max() == 0
