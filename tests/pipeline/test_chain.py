"""Pipelines: what each stage needs and gives, and options that are set for one run."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from support.pipeline import WHOLE, AlignConfig, Box, Loader, Work, wrong

from henshin.api.hookspecs import hookimpl
from henshin.registry import Registry

# The chain


@pytest.mark.parametrize(
    ("uses", "said"),
    [
        ("paste_back", ["2: paste_back needs crops, and no stage before it gives any"]),
        ("face_align paste_back", ["2: face_align needs faces, and no stage before it gives any"]),
        (
            "face_detect face_align split_faces paste_back",
            ["5: paste_back needs crops, and split_faces before it has ended them"],
        ),
        (
            "face_detect face_align",
            ["3: the crops of face_align are never put back or written; end with paste_back or split_faces"],
        ),
        (
            "face_detect face_align face_align paste_back",
            ["4: face_align#2 gives crops while those of face_align#1 are still open"],
        ),
    ],
)
def test_needs_and_gives_are_checked(read: Loader, uses: str, said: list[str]) -> None:
    text = "stages:\n" + "".join(f"- use: {use}\n" for use in uses.split())
    assert wrong(read, text) == [f"p.yaml:{line}" for line in said]


def test_two_crop_zones_may_follow_each_other(read: Loader) -> None:
    uses = ["face_detect", "face_align", "paste_back", "face_align", "split_faces"]
    assert len(read("stages:\n" + "".join(f"- use: {use}\n" for use in uses)).stages) == 5


@pytest.mark.parametrize("broken", ["mystery", "chosen\n  size: 0"])
@pytest.mark.parametrize("place", range(4))
def test_a_broken_stage_makes_no_false_errors_after_it(read: Loader, broken: str, place: int) -> None:
    uses = ["face_detect", "face_align", "paste_back"]
    if place < 3:
        uses[place] = broken
    else:
        uses = [broken, "paste_back", "face_detect", "face_align", broken]
    lines = wrong(read, "stages:\n" + "".join(f"- use: {use}\n" for use in uses))
    assert len(lines) == (1 if place < 3 else 2)
    assert all("mystery" in line or "size" in line for line in lines)


def test_wrong_options_do_not_hide_what_a_stage_gives(read: Loader) -> None:
    text = "stages:\n- use: face_detect\n- use: face_align\n  size: 0\n"
    assert [line.split(" ")[0] for line in wrong(read, text)] == ["p.yaml:3:", "p.yaml:4:"]


def test_traits_are_read_from_the_made_stage(read: Loader) -> None:
    assert read("stages: [{use: chosen}]").stages
    assert "the crops of chosen" in wrong(read, "stages: [{use: chosen, faces: largest}]")[0]


class Choosy(Work):
    """Cannot stand among crops; of a size of 17 it cannot even tell."""

    name = "choosy"
    Config = AlignConfig

    def misplaced(self) -> str | None:
        if self.config.size == 17:
            raise KeyError("oh")
        return "put it before face_align" if self.zone == "crops" else None


def test_a_stage_says_itself_where_it_cannot_stand(read: Loader, registry: Registry) -> None:
    registry.register(SimpleNamespace(henshin_stages=hookimpl(lambda: [Choosy])), "more")
    text = "stages: [{use: face_detect}, {use: choosy}, {use: face_align},\n{use: choosy}, {use: paste_back}]"
    assert wrong(read, text) == ["p.yaml:2: choosy#2: put it before face_align"]
    assert len(read("stages: [{use: choosy}, {use: face_detect}, {use: face_align}, {use: paste_back}]").stages) == 4
    (line,) = wrong(read, "stages: [{use: choosy, size: 17}]")
    assert line == "p.yaml:1: choosy: the plugin's 'misplaced' cannot be told: KeyError: 'oh'"
    lines = wrong(read, "stages: [{use: mystery}, {use: choosy}]")
    assert len(lines) == 1, "after an unknown stage nobody knows whether there are crops"


# --set


def test_overrides_replace_and_add_options(read: Loader) -> None:
    pipeline = read(WHOLE, "face_align.size=32", "face_align.faces=largest", "2.limit=7", "paint.boxes=[{width: 3}]")
    assert pipeline.stages[1].config == AlignConfig(size=32, feather=0.1, sides=(3, 4), faces="largest", limit=7)
    assert pipeline.stages[2].config.boxes == [Box(width=3)]


def test_the_last_override_counts(read: Loader) -> None:
    assert read(WHOLE, "face_align.size=32", "face_align.size=48").stages[1].config.size == 48


def test_repeated_stages_are_told_apart(read: Loader) -> None:
    text = "stages: [{use: paint, model: anime}, {use: paint, model: anime}]"
    pipeline = read(text, "paint#2.label=two", "1.label=one")
    assert [stage.config.label for stage in pipeline.stages] == ["one", "two"]
    (line,) = wrong(read, text, "paint.label=x")
    assert line == "--set: there is more than one stage 'paint'; say 'paint#1' or 'paint#2'"


def test_an_override_does_not_leak_through_an_alias(read: Loader) -> None:
    text = "stages:\n- &a {use: paint, model: anime}\n- *a\n"
    assert [stage.config.label for stage in read(text, "paint#1.label=one").stages] == ["one", ""]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("face_align.sise=3", "face_align.sise: no such option; did you mean 'size'?"),
        ("face_align.size=0", "face_align.size: 0 is too small; at least 16"),
        ("paint.model=nobody", "paint.model: no model named 'nobody'; did you mean 'anime'?"),
        ("face_algin.size=32", "this pipeline has no stage 'face_algin'; did you mean 'face_align'?"),
        ("9.size=32", "this pipeline has no stage '9'; there are: face_align, face_detect, paint, paste_back"),
        ("size=32", "'size=32' is not of the form stage.option=value"),
        ("face_align.size", "'face_align.size' is not of the form name.option=value"),
        ("face_align.=3", "'face_align.=3' is not of the form name.option=value"),
        ("paint.use=paste_back", "'paint.use=paste_back' would make another stage of it; change the file instead"),
    ],
)
def test_a_wrong_override_is_told_as_such(read: Loader, override: str, said: str) -> None:
    assert wrong(read, WHOLE, override) == [f"--set: {said}"]


def test_an_override_that_is_no_yaml_is_told(read: Loader) -> None:
    (line,) = wrong(read, WHOLE, "paint.label=[1")
    assert line.startswith("--set: paint.label: not valid YAML: ")
    (line,) = wrong(read, WHOLE, "paint.label=!!python/name:os.system x")
    assert "is not allowed" in line
