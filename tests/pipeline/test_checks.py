"""Pipelines: what is right becomes stages, and everything that is wrong is told at once, with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel
from support.pipeline import WHOLE, AlignConfig, Loader, Store, Work, wrong

from henshin.api.stage import Extra
from henshin.config.validation import validate
from henshin.config.yaml_reader import load_yaml
from henshin.errors import PipelineError

# What is right


def test_a_right_pipeline_becomes_unopened_stages(read: Loader, store: Store) -> None:
    pipeline = read(WHOLE)
    assert (pipeline.name, pipeline.description) == ("whole", "Everything in its place.")
    assert [stage.name for stage in pipeline.stages] == ["face_detect", "face_align", "paint", "paste_back"]
    assert pipeline.stages[1].config == AlignConfig(size=64, faces="all", feather=0.1, sides=(3, 4), limit="auto")
    assert pipeline.path == Path("p.yaml")
    assert pipeline.source is None
    assert store.asked == [("anime", Path())]


def test_the_name_falls_back_to_the_file(read: Loader) -> None:
    assert read("stages: [{use: face_detect}]").name == "p"


def test_repeated_stages_are_numbered(read: Loader) -> None:
    pipeline = read("stages: [{use: paint, model: anime}, {use: face_detect}, {use: paint, model: anime}]")
    assert pipeline.labels == ["paint#1", "face_detect", "paint#2"]


def test_a_source_stands_first(read: Loader) -> None:
    assert read("stages: [{use: sample}, {use: face_detect}]").source is not None
    (line,) = wrong(read, "stages:\n- use: face_detect\n- use: sample\n")
    assert line.startswith("p.yaml:3: sample makes pictures from nothing, so it must be the first stage")
    (line,) = wrong(read, "stages:\n- use: sample\n- use: sample\n")
    assert line.startswith("p.yaml:3: sample#2 ")


# What is wrong


def test_everything_is_told_at_once_with_its_line(read: Loader) -> None:
    text = """\
name: wrong
descripton: x
stages:
  - use: face_detect
  - use: face_align
    sise: 256
    faces: bigest
  - use: pant
  - use: paint
    model: anima
"""
    assert wrong(read, text) == [
        "p.yaml:2: descripton: no such option; did you mean 'description'?",
        "p.yaml:6: face_align.sise: no such option; did you mean 'size'?",
        "p.yaml:7: face_align.faces: 'bigest' is not known; 'all' or 'largest'; did you mean 'largest'?",
        "p.yaml:8: no stage named 'pant'; did you mean 'paint'?",
        "p.yaml:10: paint.model: no model named 'anima'; did you mean 'anime'?",
    ]


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("size: 0", "size: 0 is too small; at least 16"),
        ("size: 1e9", "size: 1000000000 is too large; at most 4096"),
        ("size: big", "size: 'big' is not a whole number"),
        ("size: 2.5", "size: 2.5 is not a whole number"),
        ("size: true", "size: true is too small; at least 16"),
        ("size:", "size: has no value; a whole number is wanted"),
        ("size: [1]", "size: [1] is not a whole number"),
        ("feather: 0", "feather: 0 is too small; more than 0"),
        ("feather: 1", "feather: 1 is too large; less than 1"),
        ("feather: .nan", "feather: nan is not a number"),
        ("feather: nan", "feather: nan is not a number"),
        ("feather: x", "feather: 'x' is not a number"),
        ("sides: 3", "sides: 3 is not a list"),
        ("limit: often", "limit: 'often' is not right; a whole number or 'auto'"),
        ("dot: 3", "dot: no such option; there are: faces, feather, limit, sides, size"),
    ],
)
def test_a_wrong_option_is_told_with_what_would_be_right(read: Loader, option: str, said: str) -> None:
    lines = wrong(read, f"stages:\n- use: face_detect\n- use: face_align\n  {option}\n- use: paste_back\n")
    assert lines == [f"p.yaml:4: face_align.{said}"]


@pytest.mark.parametrize(
    ("option", "line", "said"),
    [
        ("label: 5", 4, "label: 5 is not a text; put it in quotes"),
        ("label: bad", 4, "label: 'bad' is a bad label"),
        ("slow: maybe", 4, "slow: 'maybe' is not true or false"),
        ("boxes: [{width: 1}, {wide: 1,\n    width: 1}]", 4, "boxes[2].wide: no such option; did you mean 'width'?"),
        ("boxes:\n  - height: 2", 5, "boxes[1].width: is missing; it must be given: Width of the box."),
        ("boxes:\n  - width: 1\n    height: x", 6, "boxes[1].height: 'x' is not a whole number"),
        ("boxes: [7]", 4, "boxes[1]: 7 is not a mapping of options"),
        ("second: nobody", 4, "second: no model named 'nobody'; did you mean 'anime'?"),
        ("more:\n  - anime\n  - nobody", 6, "more[2]: no model named 'nobody'; did you mean 'anime'?"),
        ("either: nobody", 4, "either: no model named 'nobody'; did you mean 'anime'?"),
    ],
)
def test_nested_options_have_their_own_lines(read: Loader, option: str, line: int, said: str) -> None:
    lines = wrong(read, f"stages:\n- use: paint\n  model: anime\n  {option}\n")
    assert lines == [f"p.yaml:{line}: paint.{said}"]


def test_a_number_is_not_true(read: Loader) -> None:
    lines = wrong(read, "stages:\n- use: chosen\n  limit: 3\n  feather: 0.5\n  size: 20\n  sides: 4\n")
    assert lines == ["p.yaml:6: chosen.sides: 4 is not a list"]

    class Loose(BaseModel):
        ratio: float = 1

    config, problems = validate(Loose, load_yaml(written("ratio: true\n")), "x")
    assert config is None
    assert [str(problem) for problem in problems] == ["x:1: ratio: true is not a number"]


def written(text: str) -> Path:
    path = Path("written.yaml")
    path.write_text(text)
    return path


def test_a_missing_option_is_told_at_its_stage(read: Loader) -> None:
    lines = wrong(read, "stages:\n- use: face_detect\n- use: paint\n")
    assert lines == ["p.yaml:3: paint.model: is missing; it must be given: Which model paints."]


def test_a_stage_without_options_says_so(read: Loader) -> None:
    assert wrong(read, "stages:\n- use: face_detect\n  size: 3\n") == [
        "p.yaml:3: face_detect.size: no such option; there are no options"
    ]


def test_a_plugin_whose_checks_break_is_blamed_by_name(read: Loader) -> None:
    (line,) = wrong(read, "stages:\n- use: paint\n  model: anime\n  label: broken\n")
    assert line == "p.yaml:2: paint: its checks failed: KeyError: 'oh'"


def test_a_literal_beside_a_model_is_no_model(read: Loader, store: Store) -> None:
    read("stages: [{use: paint, model: anime, either: lanczos, second: null, more: [anime]}]")
    assert [name for name, _ in store.asked] == ["anime", "anime"]


def test_only_missing_models_are_of_the_environment(read: Loader) -> None:
    with pytest.raises(PipelineError) as caught:
        read("stages: [{use: paint, model: nobody}]")
    assert caught.value.exit_code == 3
    with pytest.raises(PipelineError) as caught:
        read("stages: [{use: paint, model: nobody, label: 5}, {use: paint, model: nobody}]")
    assert caught.value.exit_code == 2


def test_a_missing_extra_is_told_with_its_command(read: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("henshin.pipeline.checks.find_spec", lambda name: None if name == "torch" else object())
    with pytest.raises(PipelineError) as caught:
        read("stages: [{use: invert}]")
    assert "run: pip install 'henshin[train]'" in str(caught.value)
    assert caught.value.exit_code == 3
    monkeypatch.setattr("henshin.pipeline.checks.find_spec", lambda name: object())
    assert len(read("stages: [{use: invert}]").stages) == 1


def test_an_extra_of_a_strangers_package_is_told_with_its_command(
    read: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Extra("henshin-hayao[gpu]", "no_such_module")
    monkeypatch.setattr(Work, "extra", own)
    with pytest.raises(PipelineError) as caught:
        read("stages: [{use: paint, model: anime}]")
    assert caught.value.exit_code == 3
    said = "paint needs no_such_module, which is not installed; run: pip install 'henshin-hayao[gpu]'"
    assert said in str(caught.value)
    monkeypatch.setattr(Work, "extra", Extra("henshin-hayao[gpu]", "numpy"))
    assert len(read("stages: [{use: paint, model: anime}]").stages) == 1
