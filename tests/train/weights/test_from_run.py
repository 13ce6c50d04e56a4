"""What an exported model says of the run that it comes from, and what it is checked on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
from PIL import Image
from support.strokes import STRANGER

from henshin.cli import main
from henshin.errors import HenshinError
from henshin.models import read_contract
from henshin.registry import build_registry
from henshin.train.config.run_config import load_run
from henshin.train.export.parity_pictures import held_out_pictures
from henshin.train.networks import make_generator
from henshin.train.weights import checkpoint
from henshin.train.weights.from_run import from_run

NETWORK = {"width": 4, "blocks": 1}


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    path = tmp_path_factory.mktemp("plugin") / "strokes.py"
    path.write_text(STRANGER)
    return path


@pytest.fixture(scope="module")
def registry(plugin):
    return build_registry([plugin])


@pytest.fixture
def place(tmp_path):
    """Folders of pictures: those of a are dark, of b light; of all the shade says the number."""
    for name, shade in (("a", 0), ("b", 200)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(5):
            Image.new("RGB", (40, 40), (shade + i,) * 3).save(tmp_path / "photos" / name / f"{i}.png")
    return tmp_path


def ended(place, registry, text, size=None):
    """A run as it is when it has ended after 7 steps, with the weights of a fresh network."""
    (place / "run.yaml").write_text(text)
    run = {**load_run(place / "run.yaml", registry).description, "base": str(place), "publish": {}}
    run["publish"][""] = {"generator": "resnet", "config": NETWORK, "state": "network", "prefix": "", "size": size}
    (place / "run").mkdir()
    (place / "run/run.json").write_text(json.dumps(run))
    network = make_generator(registry, "resnet", NETWORK).build()
    checkpoint.save(place / "run/checkpoints", 7, {"network": network.state_dict(), "run": {"steps": 7}})
    return place / "run"


def strokes(place):
    return f"""\
recipe: strokes
generator: {{use: hayao}}
inner: {{strokes: {place}/photos/a, more: [photos/b, "{place}/photos/a"]}}
weights: {place}/photos
data: {{a: {place}/photos/a, b: photos/b, size: 32, hold_out: 2}}
"""


def settings(source):
    return json.loads(source.origin.partition("; ")[2])


def test_a_model_says_the_settings_of_any_recipe_and_not_where_its_folders_lie(place, registry):
    source = from_run(ended(place, registry, strokes(place)), registry)
    assert source.origin.startswith("trained by henshin: recipe strokes, 7 steps; ")
    assert str(place) not in source.origin
    told = settings(source)
    assert told["inner"]["strokes"] == "a"
    assert told["inner"]["more"] == ["b", "a"]
    assert told["weights"] == "photos"
    assert (told["data"]["a"], told["data"]["b"], told["data"]["hold_out"]) == ("a", "b", 2)
    assert told["a"] == "x/y"  # no folder: not cut, whatever it is called


def test_an_absolute_path_is_cut_also_in_an_option_that_is_not_marked(place, registry):
    source = from_run(ended(place, registry, strokes(place) + "a: /home/me/secret\n"), registry)
    assert settings(source)["a"] == "secret"


def test_of_a_recipe_that_is_gone_every_path_is_cut_and_the_run_is_still_exported(place, registry):
    run = ended(place, registry, strokes(place))
    left = build_registry()
    source = from_run(run, left)
    assert str(place) not in source.origin
    told = settings(source)
    assert (told["inner"]["more"], told["a"], told["data"]["b"]) == (["b", "a"], "y", "b")
    assert source.preferred_size == 32
    assert {int(picture[0, 0, 0]) // 100 for picture in held_out_pictures(run, left)} == {0}


def test_settings_that_are_no_longer_valid_are_told_as_they_are(place, registry):
    run = ended(place, registry, strokes(place))
    described = json.loads((run / "run.json").read_text())
    described["config"] |= {"old": 3, "weights": ["wrong"], "generator": {"use": "gone"}}
    described["config"]["data"].pop("flip")
    (run / "run.json").write_text(json.dumps(described))
    told = settings(from_run(run, registry))
    assert (told["old"], told["weights"], told["data"]["a"]) == (3, ["wrong"], "a")
    assert str(place) not in json.dumps(told)


@pytest.mark.parametrize(("published", "asked", "size"), [(None, None, 32), (64, None, 64), (64, 96, 96)])
def test_the_preferred_size_is_what_is_asked_or_published_or_that_of_the_pictures(
    place, registry, published, asked, size
):
    run = ended(place, registry, strokes(place), published)
    assert from_run(run, registry, size=asked).preferred_size == size


def test_a_run_without_pictures_has_no_preferred_size(place, registry):
    text = "recipe: strokes\ngenerator: {use: hayao}\ninner: {strokes: photos/a}\n"
    assert from_run(ended(place, registry, text), registry).preferred_size is None


@pytest.mark.parametrize(("hold_out", "count"), [(2, 2), (4, 3), (0, 3)])
def test_parity_is_checked_on_what_was_held_out_of_the_first_folder_of_pictures(place, registry, hold_out, count):
    text = f"recipe: dcgan\ndata: {{pictures: [photos/b], size: 64, hold_out: {hold_out}}}\n"
    run = ended(place, registry, text)
    shown = held_out_pictures(run, registry)
    assert len(shown) == count
    assert all(picture.shape == (40, 40, 3) and picture.min() >= 200 for picture in shown)
    if hold_out:
        from henshin.train.data.folders import list_pictures, split_files

        held = split_files(list_pictures([place / "photos/b"]), hold_out)[1]
        wanted = [np.asarray(Image.open(file)) for file in held[:count]]
        assert all(np.array_equal(one, other) for one, other in zip(shown, wanted, strict=True))


def test_pictures_of_options_within_others_come_first_where_they_stand_first(place, registry):
    run = ended(place, registry, strokes(place).replace("strokes: " + str(place) + "/photos/a", "strokes: photos/b"))
    assert all(picture.min() >= 200 for picture in held_out_pictures(run, registry))


def test_without_its_pictures_a_run_is_checked_on_none(place, registry):
    run = ended(place, registry, strokes(place))
    (place / "photos").rename(place / "away")
    assert held_out_pictures(run, registry) == []


def test_a_run_is_exported_at_the_size_that_is_asked_for(unmade, place, registry, plugin, monkeypatch, capsys):
    run = ended(place, registry, strokes(place))
    monkeypatch.chdir(place)
    words = ["export", str(run), "--name", "mine", "-o", "out", "--size", "48", "--plugin", str(plugin)]
    assert main(words) == 0, capsys.readouterr().err
    contract = read_contract(Path("out/mine.onnx"))
    assert contract.preferred_size == 48
    assert str(place) not in contract.to_json()
    assert main([*words, "--generator", "resnet"]) == 2
    assert "--generator: only for weights from elsewhere" in capsys.readouterr().err


def test_a_damaged_run_is_told(place, registry):
    run = ended(place, registry, strokes(place))
    (run / "run.json").write_text("{")
    with pytest.raises(HenshinError, match=r"run\.json: is damaged"):
        held_out_pictures(run, registry)
