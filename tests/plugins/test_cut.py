"""The losses of `cut` beyond its paper's: each is logged, counts by its weight, and survives a break."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
from support.train import curves, different, domains, last_state, run_yaml, trained  # noqa: E402

from henshin.errors import PipelineError  # noqa: E402
from henshin.registry import build_registry  # noqa: E402
from henshin.train.config.run_config import load_run  # noqa: E402
from henshin_plugins.cut.config import CutConfig  # noqa: E402
from henshin_plugins.cut.recipe import variety  # noqa: E402

SMALL = {"scales": 1, "patches": 16, "taps": [1, 2]}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with two domains of pictures."""
    folder = tmp_path_factory.mktemp("cut")
    domains(folder)
    return folder


def written(place: Path, folder: Path, **options: object) -> Path:
    """A run's YAML on the pictures of `place`."""
    path = run_yaml(folder, "cut", **{**SMALL, **options})
    path.write_text(path.read_text().replace("{a: a, b: b,", f"{{a: {place}/a, b: {place}/b,"))
    return path


def test_pictures_are_compared_by_the_weight_of_it(place, tmp_path):
    trained(written(place, tmp_path, steps=3, batch=3, nce_identity="false", picture_nce_weight=2), tmp_path / "run")
    log = curves(tmp_path / "run")
    for total, adversarial, contrast, pictures in zip(
        *(log[name] for name in ("total", "adversarial", "contrast", "picture_contrast")), strict=True
    ):
        assert pictures > 0
        assert total == pytest.approx(adversarial + contrast + 2 * pictures, rel=1e-4)


def test_both_optimisers_get_the_betas(place, tmp_path):
    trained(written(place, tmp_path, steps=1, batch=2, betas=[0.0, 0.9]), tmp_path / "run")
    state = last_state(tmp_path / "run")
    for name in ("generator_optimizer", "discriminator_optimizer"):
        assert [group["betas"] for group in state[name]["param_groups"]] == [(0.0, 0.9)]


def test_one_picture_cannot_be_compared(place, tmp_path):
    with pytest.raises(PipelineError, match="compares the photos of a batch; raise batch to 2 at least"):
        load_run(written(place, tmp_path, batch=1, picture_nce_weight=1), build_registry())
    load_run(written(place, tmp_path, batch=1), build_registry())


def test_colours_and_identity_count_by_their_weights(place, tmp_path):
    options = {"colour_weight": 5, "colour_tolerance": 0.01, "identity_l1_weight": 2, "identity_share": 0.5}
    trained(written(place, tmp_path, steps=3, batch=4, nce_identity="false", **options), tmp_path / "run")
    log = curves(tmp_path / "run")
    for total, adversarial, contrast, colour, identity in zip(
        *(log[name] for name in ("total", "adversarial", "contrast", "colour", "identity")), strict=True
    ):
        assert min(colour, identity) > 0
        assert total == pytest.approx(adversarial + contrast + 5 * colour + 2 * identity, rel=1e-4)


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({}, 4),
        ({"nce_identity": False}, 0),
        ({"nce_identity": False, "identity_l1_weight": 1}, 4),
        ({"identity_share": 0.5}, 2),
        ({"identity_share": 0.01, "identity_l1_weight": 1}, 1),
    ],
)
def test_the_generator_gets_a_share_of_the_drawings_where_a_loss_needs_them(options, count):
    given = {"generator": {"use": "resnet"}, "data": {"a": "a", "b": "b"}, **options}
    assert CutConfig.model_validate(given).identities == count


def test_without_its_weight_a_loss_is_neither_computed_nor_logged(place, tmp_path):
    trained(written(place, tmp_path, steps=1), tmp_path / "run")
    assert not {"colour", "identity", "picture_contrast"} & curves(tmp_path / "run").keys()


def test_variety_is_the_mean_distance_of_drawings_over_that_of_photos():
    torch.manual_seed(0)
    drawings, photos = torch.rand(4, 3, 64, 48) * 0.5, torch.rand(4, 3, 32, 32) * 2 - 1
    distances = []
    for pictures in (drawings, photos):
        height, width = pictures.shape[2] // 16, pictures.shape[3] // 16
        small = pictures.reshape(4, 3, 16, height, 16, width).mean((3, 5)).double()
        pairs = [(small[i] - small[j]).square().sum().sqrt().item() for i in range(4) for j in range(i)]
        distances.append(sum(pairs) / len(pairs))
    assert variety(drawings, photos).item() == pytest.approx(distances[0] / distances[1], rel=1e-4)
    assert variety(photos, photos).item() == pytest.approx(1, rel=1e-5)
    same = drawings[:1].expand(4, -1, -1, -1)
    assert variety(same, photos).item() == pytest.approx(0, abs=1e-5)
    assert variety(same, same).item() == pytest.approx(0, abs=1e-4), "one photo twice in a batch"


def test_variety_is_in_every_line_of_the_log_where_there_are_two_drawings(place, tmp_path):
    trained(written(place, tmp_path, steps=3), tmp_path / "two")
    assert len(curves(tmp_path / "two")["variety"]) == 3
    assert all(0 < value < 1e3 for value in curves(tmp_path / "two")["variety"])
    trained(written(place, tmp_path, steps=1, batch=1), tmp_path / "one")
    assert "variety" not in curves(tmp_path / "one")


EVERYTHING = {"batch": 3, "picture_nce_weight": 1, "colour_weight": 5, "identity_l1_weight": 2, "identity_share": 0.5}


def test_a_break_changes_nothing(place, tmp_path):
    path = written(place, tmp_path, steps=4, **EVERYTHING)
    trained(path, tmp_path / "whole")
    trained(path, tmp_path / "parts", max_steps=2)
    trained(path, tmp_path / "parts", resume=True)
    assert different(last_state(tmp_path / "whole"), last_state(tmp_path / "parts")) == []
