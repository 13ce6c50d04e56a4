"""Options of face_detect that belong together, and its model, which is looked for before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from support import onnx as tiny
from support.stages import context_in

from henshin import PipelineError
from henshin.pipeline import load
from henshin.registry import build_registry
from henshin_plugins.face.config import FaceDetectConfig


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"faces": "largest", "maximum_faces": 3}, "maximum_faces needs faces: all; 'largest' is one face"),
        ({"faces": "leftmost", "maximum_faces": 1}, "maximum_faces needs faces: all"),
        ({"model": "yunet"}, "model needs detector: yunet"),
    ],
)
def test_options_that_would_change_nothing_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        FaceDetectConfig.model_validate(options)


def test_each_alone_is_good() -> None:
    assert FaceDetectConfig.model_validate({"maximum_faces": 3}).maximum_faces == 3
    assert FaceDetectConfig.model_validate({"faces": "largest"}).model is None
    assert FaceDetectConfig.model_validate({"detector": "yunet"}).model == "yunet"
    assert FaceDetectConfig.model_validate({"detector": "yunet", "model": "mine.onnx"}).model == "mine.onnx"


def test_a_missing_yunet_is_told_with_its_line_and_exit_code(tmp_path: Path) -> None:
    registry, store = build_registry(), context_in(tmp_path).store
    path = tmp_path / "p.yaml"

    def written(options: str) -> str:
        path.write_text(f"stages:\n  - use: face_detect\n{options}")
        return str(path)

    assert load(written(""), registry, store).stages
    with pytest.raises(PipelineError, match=r"p\.yaml:2: face_detect\.model: no model named 'yunet'") as caught:
        load(written("    detector: yunet\n"), registry, store)
    assert caught.value.exit_code == 3
    mine = written("    detector: yunet\n    model: mine.onnx\n")
    with pytest.raises(PipelineError, match=r"p\.yaml:4: face_detect\.model: there is no model file"):
        load(mine, registry, store)
    tiny.foreign_float(tmp_path / "mine.onnx")
    assert load(mine, registry, store).stages, "a detector needs no contract"
