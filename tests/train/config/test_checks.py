"""What is told of a run's YAML before anything runs, also of the recipes and generators of strangers."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
from PIL import Image
from support.strokes import STRANGER

from henshin.cli import main, run_pipeline
from henshin.errors import PipelineError
from henshin.registry import build_registry
from henshin.train.config.run_config import load_run


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    path = tmp_path_factory.mktemp("plugin") / "strokes.py"
    path.write_text(STRANGER)
    return path


@pytest.fixture(scope="module")
def registry(plugin):
    return build_registry([plugin])


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        Path(name).mkdir()
        for i in range(3):
            Image.new("RGB", (36, 36), (40 * i, 90, 20)).save(f"{name}/{i}.png")
    return tmp_path


def told(text, registry, *overrides):
    Path("x.yaml").write_text(text)
    with pytest.raises(PipelineError) as caught:
        load_run(Path("x.yaml"), registry, overrides)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("recipe", "generator", "data", "expected"),
    [
        (
            "cyclegan",
            "{use: resnet, downs: 3}",
            "a: a, b: b, size: 36, hold_out: 1",
            "x.yaml:3: data.size: 36 does not fit generator 'resnet'; a multiple of 8",
        ),
        (
            "cyclegan",
            "{use: hayao}",
            "a: a, b: b, size: 64, hold_out: 1",
            "x.yaml:2: generator: 'hayao' enlarges by 2; cyclegan needs scale 1",
        ),
        (
            "cyclegan",
            "{use: dcgan}",
            "a: a, b: b, size: 64, hold_out: 1",
            "x.yaml:2: generator: 'dcgan' is a sampler; cyclegan needs a translator",
        ),
        (
            "dcgan",
            "{use: resnet}",
            "pictures: a, size: 64, hold_out: 1",
            "x.yaml:2: generator: 'resnet' is a translator; dcgan needs a sampler",
        ),
        (
            "cut\ngrow: {64: 10, 68: 20}",
            "{use: resnet, downs: 3}",
            "a: a, b: b, size: 96, hold_out: 1",
            "x.yaml:2: grow.68: 68 does not fit generator 'resnet'; a multiple of 8",
        ),
        (
            "pix2pix",
            "{use: unet, downs: 8}",
            "a: a, b: b, hold_out: 1, size: 64",
            "x.yaml:3: data.size: 64 does not fit generator 'unet'; a multiple of 256",
        ),
    ],
)
def test_a_generator_that_does_not_fit_its_recipe_or_its_pictures_is_told(
    place, registry, recipe, generator, data, expected
):
    assert told(f"recipe: {recipe}\ngenerator: {generator}\ndata: {{{data}}}\n", registry) == [expected]


def test_a_size_that_was_set_is_told_where_it_was_set(place, registry):
    text = "recipe: cyclegan\ngenerator: {use: resnet}\ndata: {a: a, b: b, size: 64, hold_out: 1}\n"
    lines = told(text, registry, "generator.downs=3", "data.size=36")
    assert lines == ["--set: data.size: 36 does not fit generator 'resnet'; a multiple of 8"]


def test_a_network_of_the_recipe_itself_is_checked_too(place, registry):
    text = "recipe: ugatit\ndata: {a: a, b: b, size: 1028, hold_out: 1}\n"
    assert told(text, registry) == ["x.yaml:2: data.size: 1028 is too large; at most 1024"]
    Path("x.yaml").write_text("recipe: cartoongan\ndata: {a: a, b: b, size: 256, hold_out: 1}\n")
    assert load_run(Path("x.yaml"), registry).recipe.config.generator.use == "cartoongan"


def test_networks_within_options_are_checked_against_their_own_options(place, registry):
    text = """\
recipe: strokes
generator: {use: hayao}
inner:
  strokes: a
  teacher: {use: resnet, bloks: 3}
others:
  - {use: resnet, blocks: 4}
  - {use: resnt}
  - {use: resnet, width: 1}
noise: {use: resnet}
"""
    lines = told(text, registry)
    assert lines[0] == "x.yaml:5: inner.teacher.bloks: no such option; did you mean 'blocks'?"
    assert lines[1].startswith("x.yaml:8: others[2].use: ")
    assert lines[1].endswith("did you mean 'resnet'?")
    assert lines[2] == "x.yaml:9: others[3].width: 1 is too small; at least 4"
    assert lines[3] == "x.yaml:10: noise: 'resnet' is a translator; strokes needs a sampler"
    assert len(lines) == 4


def test_a_recipe_may_want_any_scale_and_says_so_of_each_network(place, registry):
    Path("x.yaml").write_text("recipe: strokes\ngenerator: {use: hayao}\ninner: {strokes: a}\nnoise: {use: dcgan}\n")
    assert load_run(Path("x.yaml"), registry).recipe.config.inner.strokes == "a"
    text = "recipe: strokes\ngenerator: {use: resnet}\ninner: {strokes: a, teacher: {use: hayao}}\n"
    assert told(text, registry) == ["x.yaml:3: inner.teacher: 'hayao' enlarges by 2; strokes needs scale 1"]


def test_pictures_beyond_the_longest_side_of_a_generator_are_told(place, registry):
    text = "recipe: strokes\ngenerator: {use: hayao}\ninner: {strokes: a}\ndata: {a: a, b: b, size: 68, hold_out: 1}\n"
    assert told(text, registry) == ["x.yaml:4: data.size: 68 does not fit generator 'hayao'; at most 64"]


def test_folders_of_any_recipe_are_checked(place, registry):
    Path("empty").mkdir()
    text = (
        "recipe: strokes\ngenerator: {use: hayao}\ninner:\n  strokes: gone\n  more: [a, empty, away]\nweights: none\n"
    )
    assert told(text, registry) == [
        "x.yaml:4: inner.strokes: gone: no such folder",
        "x.yaml:5: inner.more: away: no such folder",
        "x.yaml:6: weights: none: no such folder",
    ]
    text = "recipe: strokes\ngenerator: {use: hayao}\ninner:\n  strokes: empty\n  more: []\nweights: empty\n"
    assert told(text, registry) == ["x.yaml:5: inner.more: [] is not right; a text or at least 1"]
    text = text.replace("more: []", "more: [a, empty]")
    assert told(text, registry) == ["x.yaml:4: inner.strokes: empty: holds no picture; it is empty"]


def test_more_held_out_than_there_are_is_told_at_that_option(place, registry):
    text = "recipe: cut\ngenerator: {use: resnet}\ndata: {a: a, b: [a, b],\n  size: 64, hold_out: 100}\n"
    assert told(text, registry) == [
        "x.yaml:4: data.hold_out: 100 of 3 pictures in a: none left to train on; at most 2",
        "x.yaml:4: data.hold_out: 100 of 6 pictures in a, b: none left to train on; at most 5",
    ]
    Path("a/2.png").rename("a/9.png")
    text = "recipe: pix2pix\ngenerator: {use: unet, downs: 4}\ndata: {a: a, b: b, size: 64, hold_out: 2}\n"
    assert told(text, registry) == ["x.yaml:3: data.hold_out: 2 of 2 pairs in a: none left to train on; at most 1"]


def test_a_network_by_its_bare_name_is_told_how_it_is_written(place, registry):
    text = "recipe: cyclegan\ngenerator: resnet\ndata: {a: a, b: b, size: 64, hold_out: 1}\n"
    expected = "x.yaml:2: generator: 'resnet' is not a mapping of options; write {use: resnet}"
    assert told(text, registry) == [expected]
    text = "recipe: strokes\ngenerator: {use: hayao}\ninner: {strokes: a, teacher: resnet}\n"
    assert told(text, registry) == [
        "x.yaml:3: inner.teacher: 'resnet' is not a mapping of options; write {use: resnet}"
    ]


def test_a_run_is_no_pipeline_and_a_pipeline_no_run(place, capsys):
    text = "# mine\nrecipe: cyclegan\ngenerator: {use: resnet}\ndata: {a: a, b: b}\n"
    Path("x.yaml").write_text(text)
    for words in (["check", "x.yaml"], ["run", "x.yaml", "-i", "a", "-o", "out", "--set", "resize.size=3"]):
        assert main(words) == 2
        assert "x.yaml:2: this is a training run; use henshin train" in capsys.readouterr().err
    assert run_pipeline(["x.yaml", "-i", "a", "-o", "out"]) == 2
    assert "use henshin train" in capsys.readouterr().err
    Path("x.yaml").write_text("name: mine\nstages:\n  - use: resize\n")
    assert main(["train", "x.yaml"]) == 2
    assert "x.yaml:2: this is a pipeline; use henshin run" in capsys.readouterr().err


def test_a_file_in_the_place_of_a_runs_folder_is_told(place, plugin, capsys):
    Path("x.yaml").write_text("recipe: cyclegan\ngenerator: {use: resnet}\ndata: {a: a, b: b, size: 64, hold_out: 1}\n")
    Path("taken").write_text("mine")
    for words in (["-o", "taken"], ["-o", "taken", "--dry-run"]):
        assert main(["train", "x.yaml", "--device", "cpu", *words]) == 2
        assert "taken: is a file; -o names a folder" in capsys.readouterr().err
    assert main(["train", "x.yaml", "--device", "cpu", "-o", "taken/run"]) == 2
    assert "taken/run: cannot be written (Not a directory)" in capsys.readouterr().err
    assert Path("taken").read_text() == "mine"


def test_a_run_of_another_recipe_is_not_gone_on_with(place, capsys):
    Path("x.yaml").write_text("recipe: cyclegan\ngenerator: {use: resnet}\ndata: {a: a, b: b, size: 64, hold_out: 1}\n")
    Path("old").mkdir()
    Path("old/run.json").write_text('{"recipe": "dots", "config": {}, "publish": {}, "base": "."}')
    assert main(["train", "x.yaml", "--device", "cpu", "-o", "old", "--resume"]) == 2
    assert "old: is a run of recipe 'dots', not 'cyclegan'" in capsys.readouterr().err
