"""Entering a model into a folder's models.yaml: the rest of the file stays as its writer left it."""

from __future__ import annotations

from pathlib import Path

import pytest

from henshin.errors import HenshinError
from henshin.models import IndexEntry, add_to_index
from henshin.models.index import read_index

A, B = "a" * 64, "b" * 64


def entry(name: str, size: int = 5, description: str = "") -> IndexEntry:
    return IndexEntry(name=name, file=f"{name}.onnx", sha256=B, size=size, description=description)


def listing(folder: Path, text: str) -> Path:
    path = folder / "models.yaml"
    path.write_text(text)
    return path


COMMENTED = f"""\
# kept
models:
  # above one
  - name: one
    file: one.onnx  # beside
    sha256: {A}
    size: 1
    description: |
      Two lines

      with a gap.
    # within one

  # above two
  - name: two
    file: two.onnx
    sha256: {A}
    size: 2
  # below all
"""


def test_comments_around_a_replaced_entry_stay(tmp_path: Path) -> None:
    path = listing(tmp_path, COMMENTED)
    add_to_index(tmp_path, [entry("one", 9)])
    own = COMMENTED[COMMENTED.index("  - name: one") : COMMENTED.index("\n  # above two")]
    mine = f"  - name: one\n    file: one.onnx\n    sha256: {B}\n    size: 9\n"
    assert path.read_text() == COMMENTED.replace(own, mine)


def test_an_entry_is_added_and_replaced(tmp_path: Path) -> None:
    path = listing(tmp_path, COMMENTED)
    for size in (5, 6):
        add_to_index(tmp_path, [entry("new", size, "x: 'y' #z")])
    assert [(one.name, one.size) for one in read_index(tmp_path).models] == [("one", 1), ("two", 2), ("new", 6)]
    assert read_index(tmp_path).models[2].description == "x: 'y' #z"
    assert path.read_text().startswith(COMMENTED)
    assert [file.name for file in tmp_path.iterdir()] == ["models.yaml"]


@pytest.mark.parametrize("dash", [0, 2, 4])
@pytest.mark.parametrize("name", ["one", "new"])
def test_the_files_own_indentation_is_kept(tmp_path: Path, dash: int, name: str) -> None:
    lines = ["- name: one", "  file: one.onnx", f"  sha256: {A}", "  size: 1"]
    path = listing(tmp_path, "models:\n" + "".join(f"{' ' * dash}{line}\n" for line in lines))
    add_to_index(tmp_path, [entry(name)])
    assert (name, 5) in [(one.name, one.size) for one in read_index(tmp_path).models]
    assert {len(line) - len(line.lstrip()) for line in path.read_text().splitlines() if "- name" in line} == {dash}


@pytest.mark.parametrize("text", [None, "models:\n", "# none so far\nmodels:\n"])
def test_the_first_entry(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        listing(tmp_path, text)
    add_to_index(tmp_path, [entry("new")])
    assert [one.name for one in read_index(tmp_path).models] == ["new"]
    assert (tmp_path / "models.yaml").read_text().startswith(text or "models:\n")


@pytest.mark.parametrize(
    "text",
    [
        f"models: [{{name: one, file: one.onnx, sha256: {A}, size: 1}}]\n",
        f"models:\n  -\n    name: one\n    file: one.onnx\n    sha256: {A}\n    size: 1\n",
        "models: []\n",
    ],
)
@pytest.mark.parametrize("name", ["one", "new"])
def test_a_list_in_another_style_is_refused_and_left_alone(tmp_path: Path, text: str, name: str) -> None:
    path = listing(tmp_path, text)
    with pytest.raises(HenshinError, match=rf"models\.yaml: '{name}' cannot be entered"):
        add_to_index(tmp_path, [entry(name)])
    assert path.read_text() == text
    assert [file.name for file in tmp_path.iterdir()] == ["models.yaml"]


def test_a_wrong_list_is_told_with_its_line(tmp_path: Path) -> None:
    listing(tmp_path, COMMENTED.replace("    size: 2\n", "    size: 2\n    size: 3\n"))
    with pytest.raises(HenshinError, match=r"models\.yaml:19: the key 'size' is here twice"):
        read_index(tmp_path)


@pytest.mark.parametrize("place", ["before", "after", "alone"])
@pytest.mark.parametrize("name", ["one", "new"])
def test_a_list_of_weights_beside_the_models_stays(tmp_path: Path, place: str, name: str) -> None:
    models = f"models:\n  - name: one\n    file: one.onnx\n    sha256: {A}\n    size: 1\n"
    weights = f"weights:\n  - name: w\n    file: w.pth\n    sha256: {A}\n    size: 1\n    scales: [2]\n    url: http://x/w.pth\n"
    text = {"before": weights + models, "after": models + weights, "alone": weights}[place]
    path = listing(tmp_path, text)
    add_to_index(tmp_path, [entry(name), entry("last")])
    index = read_index(tmp_path)
    assert [one.models for one in index.weights] == [("w-x2",)]
    assert [one.name for one in index.models] == list(
        dict.fromkeys(["one", name, "last"] if place != "alone" else [name, "last"])
    )
    assert weights in path.read_text()


def test_of_several_entries_all_are_entered_or_none(tmp_path: Path) -> None:
    rest = f"file: x.onnx\n    sha256: {A}\n    size: 1\n"
    text = f"models:\n  - name: one\n    {rest}  -\n    name: two\n    {rest}"
    path = listing(tmp_path, text)
    with pytest.raises(HenshinError, match="'two' cannot be entered"):
        add_to_index(tmp_path, [entry("one"), entry("two")])
    assert path.read_text() == text
    assert [file.name for file in tmp_path.iterdir()] == ["models.yaml"]
