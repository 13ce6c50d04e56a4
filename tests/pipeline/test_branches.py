"""Lists of stages in an option: made, checked and placed as the pipeline's own."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from pydantic import Field
from support.pipeline import STAGES, Loader, Work, wrong

from henshin.api.stage import Stage, StageConfig
from henshin.config.options import StageList
from henshin.pipeline.schema import schema
from henshin.registry import Registry


class ForkConfig(StageConfig):
    ways: tuple[StageList, ...] = Field((), description="Lists of stages.")


class Fork(Work):
    """Run several ways."""

    name = "fork"
    Config = ForkConfig
    works_on = "frames"

    @property
    def ends(self) -> Any:
        return frozenset({"crops"} if self.branches else ())


@pytest.fixture(autouse=True)
def with_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("support.pipeline.STAGES", [*STAGES, Fork])


GOOD = """\
stages:
  - use: face_detect
  - use: face_align
  - use: fork
    ways:
      - - use: paint
          model: anime
        - use: paste_back
      - - use: split_faces
      - - use: paste_back
        - use: fork
          ways: [[{use: paint, model: anime, label: deep}]]
"""


def test_stages_in_options_are_made(read: Loader) -> None:
    fork: Stage[Any] = read(GOOD).stages[2]
    assert [[stage.name for stage in branch] for branch in fork.branches] == [
        ["paint", "paste_back"],
        ["split_faces"],
        ["paste_back", "fork"],
    ]
    assert fork.branches[0][0].config.model == "anime"
    assert fork.branches[2][1].branches[0][0].config.label == "deep"
    assert [stage.zone for stage in fork.branches[0]] == ["crops", "crops"]
    assert fork.branches[2][1].branches[0][0].zone == "photos"


PASTED = "          model: anime\n        - use: paste_back\n"
SPLIT = "- - use: split_faces"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (PASTED, PASTED.replace("anime", "anme"), "7: fork.ways[1].paint.model: no model named 'anme'"),
        (SPLIT, SPLIT[:-1], "9: no stage named 'split_face'; did you mean 'split_faces'?"),
        ("label: deep", "label: bad", "12: fork.ways[3].fork.ways[1].paint.label: 'bad' is a bad label"),
        (PASTED, PASTED[:23], "3: the crops of face_align are never put back or written; end with "),
        (SPLIT, "- - use: sample\n        - use: paste_back", "9: fork.ways[2].sample makes pictures from nothing"),
        ("  - use: face_align\n", "", "7: fork.ways[1].paste_back needs crops, and no stage before it gives any"),
        (SPLIT, "- - {}\n        - use: paste_back", "9: fork.ways[2].stage 1 does not say which stage it is"),
        (SPLIT, SPLIT[2:], "9: fork.ways[2]: "),
    ],
)
def test_what_is_wrong_in_a_branch_is_told_with_its_place(read: Loader, old: str, new: str, told: str) -> None:
    assert old in GOOD
    lines = wrong(read, GOOD.replace(old, new, 1))
    assert any(line.startswith(f"p.yaml:{told}") for line in lines), lines


def test_branches_leave_nothing_to_each_other(read: Loader) -> None:
    ways = "      - [{use: face_detect}]\n      - [{use: face_align}, {use: paste_back}]\n"
    text = f"stages:\n  - use: fork\n    ways:\n{ways}"
    assert wrong(read, text)[0].startswith(
        "p.yaml:5: fork.ways[2].face_align needs faces, and no stage before it gives"
    )


def test_the_schema_knows_stages_in_options(registry: Registry) -> None:
    whole = schema(registry)
    jsonschema.validators.validator_for(whole).check_schema(whole)
    check = jsonschema.validators.validator_for(whole)(whole)
    good: dict[str, Any] = {"stages": [{"use": "fork", "ways": [[{"use": "paint", "model": "anime"}]]}]}
    assert check.is_valid(good)
    good["stages"][0]["ways"][0][0]["colour"] = "red"
    assert not check.is_valid(good)
