"""Ready pipelines that prepare pictures to train on: what they keep, what they leave out, and why."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image, ImageFilter, ImageOps
from support.paths import ROOT

from henshin.cli import run_pipeline
from henshin.files import data_folder
from henshin.registry import build_registry
from henshin_plugins.filters.borders import margins
from henshin_plugins.filters.config import BordersConfig

PAGE = ROOT / "docs" / "preparing.md"


def prepare(capsys: pytest.CaptureFixture[str], name: str, given: Path, out: Path, *words: str) -> dict[str, Any]:
    """Run a pipeline with a resampler in the place of its network, and return its summary."""
    quick = ("--set", "super_resolution.model=lanczos", "--device", "cpu")
    assert run_pipeline([name, "-i", str(given), "-o", str(out), "--format", "PNG", "--json", *quick, *words]) == 0
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    return said


@pytest.fixture(scope="module")
def portrait() -> Image.Image:
    with Image.open(ROOT / "examples" / "astronaut.jpg") as photo:
        return photo.convert("RGB").crop((60, 0, 390, 330))


@pytest.fixture(scope="module")
def selfies(portrait: Image.Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One person again and again, as folders of photos from everywhere hold them."""
    folder = tmp_path_factory.mktemp("selfies")
    portrait.save(folder / "a-portrait.png")
    portrait.resize((300, 300)).save(folder / "b-copy.jpg", quality=80)
    framed(ImageOps.mirror(portrait)).save(folder / "c-framed.png")
    portrait.filter(ImageFilter.GaussianBlur(5)).save(folder / "d-blurred.png")
    portrait.resize((100, 100)).save(folder / "e-tiny.png")
    portrait.crop((100, 85, 200, 240)).resize((400, 620)).save(folder / "f-close.png")
    with Image.open(ROOT / "examples" / "coffee.jpg") as photo:
        photo.convert("RGB").resize((150, 100)).save(folder / "g-coffee.png")
    return folder


def framed(picture: Image.Image) -> Image.Image:
    """In a white frame, and made smaller with it, so that frame and picture blend."""
    return ImageOps.expand(picture, 103, "white").resize((400, 400), Image.Resampling.BILINEAR)


def test_selfies_are_left_out_for_what_is_wrong_with_them(
    selfies: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = prepare(capsys, "prepare-selfies", selfies, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").glob("*.png")] == ["a-portrait-1.png"]
    assert {stage: sum(kinds.values()) for stage, kinds in said["dropped"].items()} == {
        "drop_duplicates": 2,
        "drop_blurred": 1,
        "drop_tiny": 1,
        "face_align": 1,
        "face_detect": 1,
    }
    report = tmp_path / "out" / ".henshin" / "report"
    assert {path.stem for path in report.glob("*.png")} == {"kept"} | {f"dropped-{stage}" for stage in said["dropped"]}


def test_selfies_have_one_size_no_frame_and_little_that_is_mirrored(
    portrait: Image.Image, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"whole": portrait, "framed": framed(portrait), "near": portrait.crop((30, 30, 300, 300))}
    made = {}
    for name, picture in given.items():  # each for itself, or they would be near-duplicates
        (tmp_path / name).mkdir()
        picture.save(tmp_path / name / f"{name}.png")
        prepare(capsys, "prepare-selfies", tmp_path / name, tmp_path / "out" / name)
        made[f"{name}-1"] = np.asarray(Image.open(tmp_path / "out" / name / f"{name}-1.png")).astype(int)
    assert {picture.shape for picture in made.values()} == {(256, 256, 3)}
    assert np.abs(made["framed-1"] - made["whole-1"]).mean() < 12, "the same face at the same place"
    assert (made["framed-1"].min(axis=2) > 250).mean() < (made["whole-1"].min(axis=2) > 250).mean() + 0.005


def test_nothing_of_a_frame_stays_not_even_what_blends_with_it(portrait: Image.Image) -> None:
    config = BordersConfig(action="trim", colour="any")
    for wide in (50, 51.5, 53.25):
        # the frame ends within a pixel of the smaller picture
        large = ImageOps.expand(portrait, round(wide * 4), "white")
        side = large.width // 4
        small = np.asarray(large.resize((side, side), Image.Resampling.BOX))
        found = margins(small, None, config)
        assert found is not None
        exactly = round(wide * 4) * side / large.width
        assert all(exactly - 0.1 <= one <= exactly + 2.01 for one in found)
    crisp = margins(np.asarray(ImageOps.expand(portrait, 40, "black")), None, config)
    assert crisp == (40, 40, 40, 40)


def test_the_page_names_pipelines_and_runs_that_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = PAGE.read_text(encoding="utf-8")
    named = set(re.findall(r"run-pipeline ([a-z0-9-]+) ", text))
    assert {"prepare-selfies", "edge-promote", "selfie2anime"} <= named
    assert [name for name in named if not (data_folder("pipelines") / f"{name}.yaml").exists()] == []
    for block in re.findall(r"```yaml\n(.*?)```", text, re.S):
        content = yaml.safe_load(block)
        if "stages" in content:
            registry = build_registry()
            for step in content["stages"]:
                registry.stage(step.pop("use")).Config(**step)


def test_its_example_runs_are_runs(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from henshin.train.config.run_config import load_run

    for name in ("photos", "drawings", "smooth"):
        (tmp_path / name).mkdir()
        for i in range(102):
            (tmp_path / name / f"{i}.png").touch()
    blocks = [
        block
        for block in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
        if "recipe:" in block
    ]
    assert len(blocks) >= 2
    for i, block in enumerate(blocks):
        path = tmp_path / f"{i}.yaml"
        path.write_text(block)
        assert load_run(path, build_registry()).recipe.config.data.size == 256
