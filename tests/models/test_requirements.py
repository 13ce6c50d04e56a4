"""What a pipeline names must be what its stages want: told beforehand, with what would be right."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from PIL import Image
from support import onnx as tiny
from support.stages import opened

from henshin.errors import HenshinError, PipelineError
from henshin.models import ModelStore
from henshin.pipeline import load
from henshin.registry import build_registry
from henshin_plugins.face import FaceDetect

Check = Callable[[str], PipelineError]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    """Check stages (YAML, from the third line on) with a translator, an enlarger, a sampler and a detector at hand."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "exported"
    folder.mkdir()
    tiny.invert(folder / "draws.onnx")
    tiny.enlarge(folder / "larger.onnx")
    tiny.invert(folder / "dreams.onnx", kind="sampler", latent_shape=(4,))
    data = (folder / "draws.onnx").read_bytes()
    entry = {"name": "finder", "file": "finder.onnx", "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    url = "https://example.org/finder.onnx"
    (folder / "models.yaml").write_text(yaml.safe_dump({"models": [{**entry, "kind": "detector", "url": url}]}))
    store, registry = ModelStore(user=tmp_path / "user", packaged=tmp_path / "packaged"), build_registry()
    Image.new("RGB", (8, 8)).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:40])
    (tmp_path / "text.jpg").write_text("no picture")

    def problems(stages: str) -> PipelineError:
        Path("p.yaml").write_text(f"name: p\nstages:\n{stages}")
        with pytest.raises(PipelineError) as caught:
            load("p.yaml", registry, store)
        return caught.value

    return problems


@pytest.mark.parametrize(
    ("stage", "says"),
    [
        ("generator, model: finder", ("generator.model: 'finder' is a detector, and a translator is wanted; "
         "there are: draws, larger")),
        ("generator, model: dreams", ("generator.model: 'dreams' is a sampler, and a translator is wanted; "
         "there are: draws, larger")),
        ("super_resolution, model: draws", ("super_resolution.model: 'draws' keeps the size of pictures, and a model "
         "that enlarges them is wanted; there are: larger")),
        ("super_resolution, model: finder", ("super_resolution.model: 'finder' is a detector, and a translator is "
         "wanted; there are: larger")),
        ("face_detect, detector: yunet, model: draws", ("face_detect.model: 'draws' is a translator, and a detector is "
         "wanted; there are: finder")),
        ("face_detect, detector: yunet, model: exported/draws.onnx", ("face_detect.model: 'exported/draws.onnx' is a "
         "translator, and a detector is wanted; there are: finder")),
        ("postprocess, match: gone.jpg", "postprocess.match: there is no file 'gone.jpg'"),
        ("postprocess, match: exported", "postprocess.match: 'exported' is a folder"),
        ("postprocess, match: text.jpg", "postprocess.match: 'text.jpg': not the JPEG picture"),
        ("postprocess, match: cut.png", "postprocess.match: 'cut.png': "),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_at_its_line(check: Check, stage: str, says: str) -> None:
    wrong = check(f"  - use: resize\n    size: 8\n  - {{use: {stage}}}\n")
    (problem,) = wrong.problems
    assert str(problem).startswith(f"p.yaml:5: {says}")
    assert wrong.exit_code == 2


def test_only_models_that_fit_are_named_and_all_is_told_at_once(check: Check) -> None:
    wrong = check("  - {use: generator, model: nothing}\n  - {use: postprocess, match: gone.jpg, sise: 3}\n"
                  "  - {use: postprocess, match: gone.jpg}\n")  # fmt: skip
    assert next(str(problem) for problem in wrong.problems) == (
        "p.yaml:3: generator.model: no model named 'nothing'; there are: draws, larger"
    )
    assert [problem.line for problem in wrong.problems] == [3, 4, 5]


def test_what_fits_is_taken(check: Check, tmp_path: Path) -> None:
    wrong = check(
        "  - {use: generator, model: draws}\n  - {use: super_resolution, model: larger}\n"
        "  - {use: super_resolution, model: lanczos}\n  - {use: postprocess, match: whole.png}\n"
        "  - {use: face_detect, detector: yunet, model: finder}\n"
    )
    (problem,) = wrong.problems
    assert "get it with: henshin models pull finder" in problem.message
    assert wrong.exit_code == 3


def test_a_network_that_is_no_detector_does_not_open_as_one(tmp_path: Path) -> None:
    tiny.invert(tmp_path / "other.onnx")
    with pytest.raises(HenshinError, match=r"^face_detect\.model: '\S+' is no YuNet detector"):
        opened(FaceDetect, tmp_path, detector="yunet", model=str(tmp_path / "other.onnx"))
