"""Forms: each option has a control that suits its type, and no file of this machine can be named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support import onnx as tiny

from henshin.cli.base import load_registry
from henshin.errors import HenshinError
from henshin.files import data_folder
from henshin.models import ModelStore
from henshin.pipeline import load
from henshin.ui.forms import Form, form_of, overrides_of


def form(text: str) -> Form:
    Path("p.yaml").write_text(text)
    return form_of(load("p.yaml", load_registry(()), ModelStore()), ModelStore())


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tiny.invert(tmp_path / "turned.onnx", licence="CC0-1.0")


def fields(made: Form, label: str) -> dict[str, Any]:
    return {one.name: one for stage in made.stages if stage.label == label for one in stage.fields}


def test_controls_suit_the_types_of_options() -> None:
    made = form("stages:\n  - use: face_detect\n  - use: face_align\n  - use: paste_back\n    feather: 0.2\n")
    detect, align, paste = (fields(made, one) for one in ("face_detect", "face_align", "paste_back"))
    assert (paste["feather"].kind, paste["feather"].value) == ("range", 0.2)
    assert (paste["feather"].least, paste["feather"].most, paste["feather"].step) == (0, 0.5, None)
    assert (paste["area"].kind, paste["area"].choices) == ("choice", ["crop", "face", "head"])
    assert (align["size"].kind, align["size"].step, align["size"].value) == ("number", 1, 256)
    assert (align["minimum_margin"].optional, align["minimum_margin"].value) == (True, None)
    assert (detect["minimum_score"].kind, detect["minimum_score"].value) == ("yaml", "auto")
    assert all(one.description for one in (*detect.values(), *align.values(), *paste.values()))
    assert made.stages[0].summary.startswith("Find the faces of a photo")


def test_models_are_chosen_among_those_that_fit_and_their_licences_are_named() -> None:
    made = form("stages:\n  - use: generator\n    model: turned.onnx\n")
    model = fields(made, "generator")["model"]
    assert (model.kind, model.value) == ("choice", "turned.onnx")
    assert "selfie2anime" in model.choices
    assert "anime-faces" not in model.choices
    assert made.models == [{"name": "turned", "licence": "CC0-1.0"}]


def test_options_that_name_files_or_hold_stages_are_not_offered() -> None:
    inner = "{use: compare, branches: [[{use: generator, model: turned.onnx}]]}"
    made = form(f"stages:\n  - use: compare\n    branches: [[{inner}]]\n")
    assert "branches" not in fields(made, "compare")
    assert made.models == [{"name": "turned", "licence": "CC0-1.0"}]


@pytest.mark.parametrize("file", sorted(data_folder("pipelines").glob("*.yaml")), ids=lambda file: file.stem)
def test_values_sent_back_unchanged_change_nothing(file: Path) -> None:
    registry, store = load_registry(()), ModelStore()
    try:
        pipeline = load(str(file), registry, store)
    except HenshinError:
        pytest.skip("a model of it is not here")
    made = form_of(pipeline, store)
    # Options of `sample` are for one layout each, and may not be said for another.
    given = {
        stage.label: {one.name: one.value for one in stage.fields} for stage in made.stages if stage.name != "sample"
    }
    again = load(str(file), registry, store, overrides_of(made, given))
    assert [stage.config for stage in again.stages] == [stage.config for stage in pipeline.stages]
