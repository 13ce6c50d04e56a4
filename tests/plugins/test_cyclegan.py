"""The recipe of CycleGAN: its losses, its schedule, its discriminators, and that a break changes nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from PIL import Image  # noqa: E402
from support.train import curves, different, domains, last_state, trained  # noqa: E402
from torch import nn  # noqa: E402

from henshin.errors import PipelineError  # noqa: E402
from henshin.registry import build_registry  # noqa: E402
from henshin.train.config.run_config import load_run  # noqa: E402
from henshin.train.weights.from_run import from_run  # noqa: E402
from henshin_plugins.cyclegan.config import CycleGanConfig  # noqa: E402
from henshin_plugins.cyclegan.network import ResNetGenerator  # noqa: E402
from henshin_plugins.cyclegan.recipe import mixes, translated  # noqa: E402

RESNET = "{use: resnet, width: 4, blocks: 1}"
UNET = "{use: unet, width: 4, downs: 5, dropout: 0.5}"
VARIANTS = {
    "the paper's": f"generator: {RESNET}\npool: 2\n",
    "a U-Net and plain discriminators": f"generator: {UNET}\ndiscriminator: plain\npretrain: 2\npool: 2\n",
    "batch norm, an average": "generator: {use: unet, width: 4, downs: 4, norm: batch}\nbatch: 2\nema: 0.9\n"
    "augment: [cutout]\n",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with two domains of pictures."""
    folder = tmp_path_factory.mktemp("cyclegan")
    domains(folder)
    return folder


def written(place: Path, folder: Path, options: str) -> Path:
    """A run's YAML: these options, and small networks where they say nothing else."""
    lines = {
        "recipe": "cyclegan",
        "generator": RESNET,
        "discriminator_width": "4",
        "discriminator_layers": "2",
        "data": f"{{a: {place}/a, b: {place}/b, size: 32, hold_out: 2}}",
    }
    lines |= dict(line.split(": ", 1) for line in options.splitlines())
    path = folder / "run.yaml"
    path.write_text("".join(f"{name}: {value}\n" for name, value in lines.items()))
    return path


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_break_changes_nothing(place, tmp_path, variant):
    path = written(place, tmp_path, f"{VARIANTS[variant]}steps: 5\nsheet_every: 2\n")
    trained(path, tmp_path / "whole")
    trained(path, tmp_path / "parts", max_steps=1)
    trained(path, tmp_path / "parts", max_steps=4, resume=True)
    trained(path, tmp_path / "parts", resume=True)
    assert different(last_state(tmp_path / "whole"), last_state(tmp_path / "parts")) == []


@pytest.fixture(scope="module")
def learned(place, tmp_path_factory) -> Path:
    """A run of the paper's losses, weighed differently for each direction."""
    folder = tmp_path_factory.mktemp("learned")
    options = (
        "generator: {use: resnet, width: 8, blocks: 1}\nsteps: 40\nlearning_rate: 1e-3\ndecay: 1.0\nsheet_every: 20\n"
    )
    trained(written(place, folder, options), folder / "run")
    return folder / "run"


def test_cycle_and_identity_fall_and_all_that_one_watches_is_logged(learned):
    log = curves(learned)
    for name in ("cycle", "identity", "total"):
        assert sum(log[name][-5:]) < 0.8 * sum(log[name][:5]), name
    watched = {"adversarial", "adversarial_ab", "adversarial_ba", "cycle", "identity", "total"}
    assert watched | {"discriminator_a", "discriminator_b", "real_score", "fake_score"} <= log.keys()
    for i, total in enumerate(log["total"]):
        parts = log["adversarial"][i] + 10 * log["cycle"][i] + 5 * log["identity"][i]
        assert total == pytest.approx(parts, rel=1e-5)
        assert log["adversarial"][i] == pytest.approx(log["adversarial_ab"][i] + log["adversarial_ba"][i], rel=1e-5)


def test_a_sheet_shows_source_translation_and_reconstruction_of_both_directions(learned):
    with Image.open(max((learned / "samples").glob("*.png"))) as page:
        assert page.size[1] == 6 * 34, "both ways, there and back"
        names = np.asarray(page.convert("L"))[:, :30]
    assert all((names[34 * row : 34 * row + 32] < 128).any() for row in range(6)), "every row is named"


def test_both_generators_share_an_optimiser_and_each_discriminator_has_its_own(learned):
    state = last_state(learned)
    assert len(state["generator_optimizer"]["param_groups"][0]["params"]) == len(state["a_to_b"]) + len(state["b_to_a"])
    assert len(state["discriminator_a_optimizer"]["param_groups"][0]["params"]) == len(state["discriminator_a"])
    for name in ("generator_optimizer", "discriminator_a_optimizer", "discriminator_b_optimizer"):
        group = state[name]["param_groups"][0]
        assert group["lr"] == pytest.approx(1e-3 / 40), "the last of 40 steps that fall to zero"
        assert tuple(group["betas"]) == (0.5, 0.999)


def test_what_is_published_is_the_way_from_a_to_b(learned):
    state, network = last_state(learned), from_run(learned, build_registry()).network
    assert all(torch.equal(value, state["a_to_b"][name]) for name, value in network.state_dict().items())


def test_weights_of_a_direction_no_identity_and_sheets_after_every_epoch(place, tmp_path):
    options = (
        "epochs: 2\ncycle_weight: 3\ncycle_weight_b: 0\nidentity_weight: 0\nbetas: [0.0, 0.9]\nlandmark_weight: 2\n"
    )
    trained(written(place, tmp_path, options), tmp_path / "run")
    log = curves(tmp_path / "run")
    assert "identity" not in log
    assert len(log["total"]) == 8, "two epochs of four pictures"
    assert {"0000000.png", "0000004.png"} <= {path.name for path in (tmp_path / "run/samples").iterdir()}
    for total, adversarial, cycle, landmarks in zip(
        *(log[name] for name in ("total", "adversarial", "cycle", "landmarks")), strict=True
    ):
        rest = total - adversarial - 2 * landmarks
        assert landmarks > 0
        assert 0 < rest < 3 * cycle - 0.01, "only the half of the cycle that begins with a counts"
    assert tuple(last_state(tmp_path / "run")["discriminator_a_optimizer"]["param_groups"][0]["betas"]) == (0.0, 0.9)


@pytest.mark.parametrize("discriminator", ["patch", "plain"])
def test_before_the_game_the_discriminators_learn_a_fixed_batch_and_the_generators_stand_still(tmp_path, discriminator):
    domains(tmp_path, count=1)
    data = "data: {a: a, b: b, size: 32, flip: false, hold_out: 0}"
    path = written(
        tmp_path,
        tmp_path,
        f"discriminator: {discriminator}\ndiscriminator_width: 8\n"
        f"pretrain: 30\nsteps: 1\nlearning_rate: 1e-3\n{data}\n",
    )
    assert "30 steps of the discriminators alone, then 1 of the game" in trained(path, tmp_path / "run", max_steps=1)
    assert [file.name for file in (tmp_path / "run" / "samples").iterdir()] == ["0000000.png"]
    before = last_state(tmp_path / "run")
    trained(path, tmp_path / "run", max_steps=30, resume=True)
    after, log = last_state(tmp_path / "run"), curves(tmp_path / "run")
    assert different([before["a_to_b"], before["b_to_a"]], [after["a_to_b"], after["b_to_a"]]) == []
    for name in ("discriminator_a", "discriminator_b"):
        assert log[name][-1] < 0.5 * log[name][0]
    assert log["real_score"][-1] > log["fake_score"][-1] + 0.1
    assert "cycle" not in log
    assert after["pool_a"]["pictures"] == []
    trained(path, tmp_path / "run", resume=True)
    assert different(after["a_to_b"], last_state(tmp_path / "run")["a_to_b"]) != []
    assert len(curves(tmp_path / "run")["cycle"]) == 1


def test_two_domains_go_through_a_network_together_unless_it_mixes_them():
    torch.manual_seed(0)
    network, one, two = ResNetGenerator(4, 1, 2, "transposed"), torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        for found in (translated(network, one, two, together=True), translated(network, one, two, together=False)):
            assert torch.allclose(found[0], network(one), atol=1e-5)
            assert torch.allclose(found[1], network(two), atol=1e-5)
    assert not mixes(network)
    assert mixes(nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)))


DATA = {"data": {"a": "a", "b": "b"}}


def test_defaults_are_the_papers():
    config = CycleGanConfig.model_validate(DATA)
    assert (config.epochs, config.steps, config.batch, config.learning_rate) == (200, None, 1, 2e-4)
    assert (config.cycle_weights, config.identity_weights, config.pool) == ((10, 10), (5, 5), 100)
    assert (config.discriminator, config.discriminator_width, config.discriminator_layers, config.pretrain) == (
        "patch",
        64,
        3,
        0,
    )
    assert config.length(1000) == 200_000
    rates = [config.rate(epoch * 1000, 1000) for epoch in (0, 100, 150, 199)]
    assert rates == pytest.approx([2e-4, 2e-4, 1e-4, 2e-6])


def test_the_rate_can_drop_in_one_step():
    config = CycleGanConfig.model_validate({**DATA, "learning_rate": 3e-4, "decay": 0, "drops": {120: 0.1}})
    rates = [config.rate(step, 1000) for step in (0, 119_999, 120_000, 199_999)]
    assert rates == pytest.approx([3e-4, 3e-4, 3e-5, 3e-5])


def test_the_discriminators_may_learn_at_a_rate_of_their_own(place, tmp_path):
    path = written(
        place, tmp_path, "steps: 4\ndiscriminator_rate: 0.25\nlearning_rate: 4e-4\ndecay: 0\nsheet_every: 9\n"
    )
    trained(path, tmp_path / "run", max_steps=1)
    state = last_state(tmp_path / "run")
    rates = [
        state[f"{name}_optimizer"]["param_groups"][0]["lr"]
        for name in ("generator", "discriminator_a", "discriminator_b")
    ]
    assert rates == pytest.approx([4e-4, 1e-4, 1e-4])


def test_discriminators_that_pictures_are_too_small_for_are_told_before_the_run(place, tmp_path):
    with pytest.raises(PipelineError, match="4 strided layers need pictures of 48 px at least, not 32"):
        load_run(written(place, tmp_path, "discriminator_layers: 4\n"), build_registry())
    load_run(written(place, tmp_path, "discriminator_layers: 4\ndiscriminator: plain\n"), build_registry())
