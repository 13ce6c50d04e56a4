"""compare with branches: a page of the source and the result of each list of stages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import onnx as tiny

from henshin import PipelineError
from henshin.cli import run_pipeline
from henshin.cli.base import load_registry
from henshin.engine.preparation.fingerprint import fingerprint
from henshin.images import WriteOptions
from henshin.images.sheets.table import FONT_SIZE, LINE
from henshin.models import ModelStore
from henshin.pipeline import Pipeline, load

PLUGIN = '''
from dataclasses import replace
import numpy as np
from henshin import Dropped, Face, Stage, StageConfig, hookimpl

class Faces(Stage[StageConfig]):
    """Two faces, in pictures that are not black."""
    name = "two_faces"
    works_on = "frames"
    gives = frozenset({"faces"})
    concurrent = True
    def run(self, frames):
        for frame in frames:
            if frame.picture.any():
                frame.faces = [Face(np.array([i, 0, i + 4, 4], np.float32), 1.0) for i in (0, 8)]
            else:
                frame.dropped = Dropped("no face", "no face found")
        return frames

class Split(Stage[StageConfig]):
    """A frame for each face."""
    name = "split"
    works_on = "frames"
    renames = True
    def run(self, frames):
        return [
            replace(frame, name=f"{frame.name}-{n}", picture=frame.picture[0:4, 8 * n : 8 * n + 4], faces=[])
            for frame in frames for n in range(len(frame.faces))
        ]

class Fail(Stage[StageConfig]):
    """Fail where red is strong."""
    name = "fail"
    def run(self, pictures):
        if any(picture[0, 0, 0] > 200 for picture in pictures):
            raise ValueError("too red")
        return pictures

class Count(Stage[StageConfig]):
    """Add the number of pictures so far: one at a time, in order."""
    name = "count"
    def open(self, context):
        self.seen = 0
    def run(self, pictures):
        self.seen += len(pictures)
        return [np.full_like(picture, self.seen) for picture in pictures]

@hookimpl
def henshin_stages():
    return [Faces, Split, Fail, Count]
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plugin.py").write_text(PLUGIN)
    tiny.invert(tmp_path / "turned.onnx")
    (tmp_path / "in").mkdir()
    return tmp_path


def photo(name: str, colour: tuple[int, ...], size: tuple[int, int] = (64, 40)) -> None:
    Image.new("RGB" if len(colour) == 3 else "RGBA", size, colour).save(f"in/{name}.png")


def run(text: str, *words: str, code: int = 0) -> dict[str, np.ndarray]:
    Path("p.yaml").write_text(text)
    arguments = ["p.yaml", "-i", "in", "-o", "out", "--plugin", "plugin.py", "--device", "cpu", "-q", *words]
    assert run_pipeline(arguments) == code
    return {path.stem: np.asarray(Image.open(path)) for path in sorted(Path("out").glob("*.png"))}


def cells(page: np.ndarray, columns: int, cell: int, gap: int = 8) -> list[np.ndarray]:
    """Return what stands in each column of a page, without its heading."""
    top = round(max(FONT_SIZE, cell // 24) * LINE / FONT_SIZE)
    wide = (page.shape[1] - gap) // columns - gap
    return [page[top:, gap + n * (wide + gap) : gap + n * (wide + gap) + cell] for n in range(columns)]


def page_of(branches: str) -> str:
    return f"stages:\n  - use: compare\n    cell: 64\n    branches: [{branches}]\n"


TWO = """\
stages:
  - use: compare
    cell: {cell}
    branches:
      - [{{use: generator, model: turned.onnx}}]
      - [{{use: resize, width: 32, height: 20}}]
      - []
"""


def test_each_branch_gets_the_photo_and_a_column(folder: Path) -> None:
    photo("a", (10, 20, 30))
    page = run(TWO.format(cell=64))["a"]
    source, turned, small, same = cells(page, 4, 64)
    for cell, colour in (
        (source, (10, 20, 30)),
        (turned, (245, 235, 225)),
        (small, (10, 20, 30)),
        (same, (10, 20, 30)),
    ):
        assert (cell[:40, :64] == colour).all()
    top = page[:20]
    assert (top < 128).any(), "headings"
    below = [cell[40:].min() < 128 for cell in (source, turned, small, same)]
    assert below == [False, False, False, True], "only the last is called unchanged"


def test_the_cell_suits_the_largest_result(folder: Path) -> None:
    photo("a", (10, 20, 30))
    page = run(TWO.format(cell="null").replace("width: 32, height: 20", "width: 96, height: 60"))["a"]
    assert (cells(page, 4, 96)[0][:60, :96] == (10, 20, 30)).all()


def test_a_branch_without_a_result_says_why_and_the_others_stay(folder: Path) -> None:
    photo("a", (250, 20, 30))
    photo("b", (100, 20, 30))
    photo("black", (0, 0, 0))
    text = page_of("[{use: fail}], [{use: two_faces}, {use: split}], []")
    pages = run(text)
    assert set(pages) == {"a", "b", "black"}
    failed, split = cells(pages["a"], 4, 64)[1:3]
    assert set(map(tuple, failed.reshape(-1, 3).tolist())) > {(255, 255, 255)}
    assert not (failed == (250, 20, 30)).all(axis=2).any()
    for left in (0, 56):
        off = np.abs(split[:16, left : left + 8].astype(int) - (250, 20, 30))
        assert off.max() < 20, "two faces beside each other"
    assert split[:16, 28:36].min() > 240
    assert (cells(pages["b"], 4, 64)[1][:40, :64] == (100, 20, 30)).all()
    assert (cells(pages["black"], 4, 64)[2][:8] == 255).all(), "no picture, only words in the middle"


def test_where_no_branch_has_a_result_the_photo_fails_or_is_left_out(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo("black", (0, 0, 0))
    photo("red", (250, 0, 0))
    text = "stages:\n  - use: compare\n    branches: [[{use: two_faces}, {use: fail}]]\n"
    assert run(text, code=1) == {}
    told = capsys.readouterr().err
    assert "red.png: compare: no branch has a result: fail: failed at fail: ValueError: too red" in told
    assert "black.png" not in told


def test_results_are_the_same_for_any_number_of_workers(folder: Path) -> None:
    for number in range(6):
        photo(f"{number}", (10 * number, 20, 30))
    text = page_of("[{use: count}], [{use: generator, model: turned.onnx}]")
    one = run(text, "--workers", "1")
    four = run(text, "--workers", "4", "--on-existing", "overwrite", "-o", "out2")
    assert [int(page[30, 90, 0]) for page in one.values()] == [1, 2, 3, 4, 5, 6]
    for name, page in one.items():
        assert np.array_equal(page, np.asarray(Image.open(f"out2/{name}.png")))
    assert four == {} or four.keys() == one.keys()


def test_transparent_photos_lie_on_white(folder: Path) -> None:
    photo("a", (10, 20, 30, 0))
    page = run(TWO.format(cell=64))["a"]
    assert (cells(page, 4, 64)[0][:40, :64] == 255).all()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("labels: [one]\n    branches: [[], []]", "p.yaml:3: compare.labels: 1 labels for 2 branches"),
        ("layout: column\n    branches: [[]]", "p.yaml:3: compare.layout: column is not for branches"),
        ("labels: ['']\n    branches: [[]]", "p.yaml:3: compare.labels[1]: "),
    ],
)
def test_wrong_options_are_told(folder: Path, options: str, told: str) -> None:
    Path("p.yaml").write_text(f"stages:\n  - use: compare\n    {options}\n")
    with pytest.raises(PipelineError) as caught:
        load("p.yaml", load_registry(()), ModelStore())
    assert str(caught.value).startswith(told)


def test_the_fingerprint_follows_models_and_options_of_branches(folder: Path) -> None:
    registry, store = load_registry(()), ModelStore()

    def printed(text: str) -> str:
        Path("p.yaml").write_text(text)
        pipeline: Pipeline = load("p.yaml", registry, store)
        return fingerprint(pipeline, WriteOptions.model_validate({}), store, registry)

    first = printed(TWO.format(cell=64))
    assert printed(TWO.format(cell=64)) == first
    assert printed(TWO.format(cell=64).replace("width: 32", "width: 33")) != first
    tiny.invert(folder / "turned.onnx", description="another")
    assert printed(TWO.format(cell=64)) != first


def test_the_plan_names_the_models_of_branches(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo("a", (10, 20, 30))
    Path("p.yaml").write_text(TWO.format(cell=64))
    assert run_pipeline(["p.yaml", "-i", "in", "-o", "out", "--dry-run", "--device", "cpu"]) == 0
    assert "turned.onnx" in capsys.readouterr().out


def names(*branches: Any) -> list[str]:
    Path("p.yaml").write_text("stages:\n  - use: compare\n    branches: " + str(list(branches)).replace("'", "") + "\n")
    from henshin_plugins.compare.branches import names_of

    return names_of(load("p.yaml", load_registry(()), ModelStore()).stages[0].branches)


def test_branches_are_called_by_their_models_or_stages(folder: Path) -> None:
    model, edge = "{use: generator, model: turned.onnx}", "{use: edge_promote}"
    wanted = ["as it is", "edge_promote #1", "turned #1", "turned #2", "edge_promote #2"]
    assert names([], [edge], [model], [model, edge], [edge]) == wanted
