"""bench/compare.py: the contestants do the same work, and the table has the script first."""

from __future__ import annotations

import json
from pathlib import Path

import compare
import numpy as np
import pytest

from henshin.models.store import ModelStore


def test_compare_measures_both_loops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = tmp_path / "figures.json"
    monkeypatch.setattr(
        "sys.argv", ["compare.py", "--only", "tiny", "--count", "1", "--repeats", "1", "--json", str(figures)]
    )
    compare.main()
    script, ours = json.loads(figures.read_text())["tiny"]["rows"]
    assert script["ratio"] == 1
    assert ours["ratio"] == pytest.approx(ours["pictures_per_second"] / script["pictures_per_second"])
    assert ours["peak"] > 10
    assert "4 files" in capsys.readouterr().out


def test_the_tiny_model_changes_pictures(tmp_path: Path) -> None:
    from henshin.runtime import Device, Model, OnnxSession

    found = ModelStore().find(str(compare.tiny_model(tmp_path / "tiny.onnx")))
    picture = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    drawn = Model(found.contract, OnnxSession(found.path, Device())).translate([picture])[0]
    assert drawn.shape == picture.shape
    assert (drawn != picture).any()


def test_portraits_are_of_one_size_and_differ(tmp_path: Path) -> None:
    from PIL import Image

    folder = compare.make_portraits(compare.ROOT / "examples", tmp_path / "portraits", 9)
    pictures = [np.asarray(Image.open(path)) for path in sorted(folder.iterdir())]
    assert {picture.shape for picture in pictures} == {(1024, 1024, 3)}
    assert len({picture.tobytes() for picture in pictures}) == 9


def test_a_failing_command_ends_the_benchmark() -> None:
    import sys

    with pytest.raises(SystemExit, match="ended with 3"):
        compare.measured([sys.executable, "-c", "import sys; sys.exit(3)"])
