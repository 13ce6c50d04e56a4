"""Small things that several rooms share: what a picture is, what may be a name, which folder is a checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from pydantic import ValidationError
from support import onnx as tiny
from support.engine import Bench
from support.runtime import model_of, translated
from support.stages import context_in

from henshin import PictureError
from henshin.api.placement import checked
from henshin.files import CHECKOUT, user_folder
from henshin.images import WriteOptions, encode
from henshin.images.picture import Metadata, picture_problem
from henshin.models import IndexEntry
from henshin.pipeline.schema import PipelineFile
from henshin.text import name_problem
from henshin.train.export.models import default_folder

NO_PICTURES = [
    (None, "a NoneType; a picture is"),
    ([[1]], "a list; a picture is"),
    (np.zeros((4, 4), np.uint8), r"an array of uint8 \(4, 4\); a picture is"),
    (np.zeros((4, 4, 4), np.uint8), r"an array of uint8 \(4, 4, 4\)"),
    (np.zeros((0, 4, 3), np.uint8), r"an array of uint8 \(0, 4, 3\)"),
    (np.zeros((4, 4, 3), np.float32), r"an array of float32 \(4, 4, 3\)"),
]


@pytest.mark.parametrize(("value", "said"), NO_PICTURES)
def test_all_rooms_say_the_same_of_what_is_no_picture(tmp_path: Path, value: Any, said: str) -> None:
    with pytest.raises(PictureError, match=f"returned {said}"):
        checked(value)
    with pytest.raises(PictureError, match=f"^{said}"):
        encode(value, None, Metadata(), "PNG", WriteOptions.model_validate({}))
    (result,) = translated(model_of(tiny.invert(tmp_path / "m.onnx")), [value])
    assert isinstance(result, PictureError)
    assert str(picture_problem(value)) in result.reason


def test_a_picture_is_one() -> None:
    assert picture_problem(np.zeros((1, 2, 3), np.uint8)) is None


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "a/b", "a\\b", "C:x", "a*", "a?", 'a"', "a<", "a|", "a\n", "\0"]
)
def test_one_rule_for_names_of_pipelines_and_models(name: str) -> None:
    assert name_problem(name)
    with pytest.raises(ValidationError):
        PipelineFile.model_validate({"name": name, "stages": [{}]})
    for values in ({"name": name, "file": "m.onnx"}, {"name": "m", "file": name}):
        with pytest.raises(ValidationError):
            IndexEntry.model_validate({**values, "sha256": "0" * 64, "size": 1})


@pytest.mark.parametrize("name", ["selfie2anime", "carn-m", "a b", "變身", "v1.5"])
def test_good_names(name: str) -> None:
    assert name_problem(name) is None


def test_only_a_checkout_of_the_project_takes_exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "core" / "henshin").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert default_folder() == user_folder(), "another project with folders of these names"
    monkeypatch.chdir(CHECKOUT)
    assert default_folder() == Path("exported")


def test_a_network_is_looked_for_beside_the_pipeline_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside, here = tiny.invert(tmp_path / "beside/net.onnx"), tiny.invert(tmp_path / "here/net.onnx")
    other = tiny.invert(tmp_path / "here/other.onnx")
    monkeypatch.chdir(tmp_path / "here")
    context = context_in(tmp_path / "beside")
    assert context.network("net.onnx").path == beside
    assert context.network("other.onnx").path.resolve() == other
    assert context.network(here).path == here
    assert context.network("net.onnx") is context.network(beside), "opened once"


def test_the_plan_and_the_model_say_the_same_of_large_pictures(tmp_path: Path) -> None:
    from henshin_plugins.generator import GeneratorStage

    bench = Bench(tmp_path)
    bench.photo("a.png")
    path = tiny.centred(tmp_path / "drawn.onnx")
    remark = (
        bench.plan(GeneratorStage(GeneratorStage.Config.model_validate({"model": str(path)})))
        .stages[0]
        .models[0]
        .remark
    )
    assert "1536" in remark
    assert model_of(path).describe().endswith(remark)


def test_the_command_line_knows_no_other_devices() -> None:
    from henshin.cli.commands.run import run

    for wrong in ("gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:²", "cpu:0"):
        result = CliRunner().invoke(run, ["p.yaml", "--device", wrong])
        assert result.exit_code == 2
        assert f"no device '{wrong}': it is auto, cpu, cuda or cuda:N" in result.output
