"""Folders that nobody may look into: told in one line, and nothing else suffers."""

from __future__ import annotations

import builtins
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.engine import Bench, Same

from henshin.cli import main
from henshin.engine.preparation.input_files import list_inputs
from henshin.errors import HenshinError
from henshin.models import ModelStore
from henshin.models.catalogue import list_models
from henshin.pipeline import find


@pytest.fixture
def locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a picture and a model; whatever looks at something in it, or lists it, is refused.

    Root may look anywhere, so the permissions of a real folder would not do.
    """
    folder = tmp_path / "photos" / "locked"
    folder.mkdir(parents=True)
    for name in ("x.jpg", "x.onnx", "x.yaml"):
        (folder / name).touch()

    def refusing(real: Callable[..., Any], itself: bool) -> Callable[..., Any]:
        def guarded(path: Any = ".", *rest: Any, **options: Any) -> Any:
            place = Path(os.fsdecode(path)) if isinstance(path, str | bytes | os.PathLike) else Path()
            if folder in place.parents or (itself and place == folder):
                raise PermissionError(13, "Permission denied", str(path))
            return real(path, *rest, **options)

        return guarded

    for module, name, itself in [
        (os, "stat", False), (os, "lstat", False), (os, "scandir", True), (os, "listdir", True), (os, "mkdir", False),
        (io, "open", False), (builtins, "open", False),
    ]:  # fmt: skip
        monkeypatch.setattr(module, name, refusing(getattr(module, name), itself))
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != folder and access(path, mode))
    return folder


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_locked_folder_among_the_inputs_is_listed_and_the_others_are_done(bench: Bench, locked: Path) -> None:
    bench.photo("a.png")
    bench.photo("sub/b.png")
    summary = bench.run(Same)
    assert (summary.done, summary.exit_code) == (2, 1)
    (failure,) = summary.failures
    assert failure.source == str(locked)
    assert failure.reason.endswith("Permission denied")


@pytest.mark.parametrize("text", ["x.jpg", "*.jpg", "deep/x.jpg", "gone.jpg"])
def test_an_input_in_a_locked_folder_is_told(locked: Path, text: str) -> None:
    with pytest.raises(HenshinError, match=r"^'\S+' cannot be read: Permission denied$") as caught:
        list_inputs([f"{locked}/{text}"], None)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("output", ["locked/out", "locked/a.png", "locked/deep/a.png"])
def test_an_output_in_a_locked_folder_is_told_before_anything_is_read(bench: Bench, locked: Path, output: str) -> None:
    photo = bench.photo("a.png")
    with pytest.raises(HenshinError, match=r"^cannot write to the output folder '\S+': Permission denied$") as caught:
        bench.run(Same, inputs=[photo], output=locked.parent / output)
    assert caught.value.exit_code == 2


def test_a_picture_to_be_written_where_nothing_may_be_is_refused_beforehand(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = bench.photo("a.png")
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    with pytest.raises(HenshinError, match="cannot write to the output folder"):
        bench.run(Same, inputs=[photo], output=bench.folder / "ro" / "a.png")
    monkeypatch.undo()
    with pytest.raises(HenshinError, match=r"cannot write to the output folder '.*a.png': Not a directory"):
        bench.run(Same, inputs=[photo], output=photo / "b.png")


def test_a_model_or_pipeline_in_a_locked_folder_is_told(locked: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "models"
    store = ModelStore(local=elsewhere, user=elsewhere, packaged=elsewhere)
    with pytest.raises(HenshinError, match=r"'\S+x.onnx' cannot be read: Permission denied") as caught:
        store.find(str(locked / "x.onnx"))
    assert caught.value.exit_code == 2
    with pytest.raises(HenshinError, match=r"'\S+x.yaml' cannot be read: Permission denied"):
        find(str(locked / "x.yaml"))


@pytest.mark.parametrize("below", ["", "deep"])
def test_locked_folders_of_models_hold_nothing_and_that_is_told(locked: Path, tmp_path: Path, below: str) -> None:
    store = ModelStore(local=locked / below, user=locked / below, packaged=tmp_path / "models")
    assert list_models(store) == []
    with pytest.raises(HenshinError, match=r"no model named 'x'.*cannot be read: Permission denied"):
        store.find("x")


def test_a_locked_model_of_a_pipeline_is_wrong_use_and_not_missing(
    locked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline = tmp_path / "p.yaml"
    pipeline.write_text(f"stages:\n  - use: generator\n    model: {locked}/x.onnx\n")
    assert main(["check", str(pipeline)]) == 2
    assert "cannot be read: Permission denied" in capsys.readouterr().err
