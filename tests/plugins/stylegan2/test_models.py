"""Weights of StyleGAN2 that others published, and the two models that a network of two parts becomes."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
from support.stylegan2 import MEAN, TINY, WEIGHTS, drawn, published, styles, training_state  # noqa: E402

from henshin.cli import run_pipeline  # noqa: E402
from henshin.config.options import ModelOption  # noqa: E402
from henshin.errors import HenshinError, WrongWeightsError  # noqa: E402
from henshin.models import ModelStore  # noqa: E402
from henshin.models.requirements import model_problem  # noqa: E402
from henshin.registry import build_registry  # noqa: E402
from henshin.testing import context  # noqa: E402
from henshin.train.export import export_targets  # noqa: E402
from henshin.train.export.exporter import export_checked  # noqa: E402
from henshin.train.weights import load_trained_network  # noqa: E402
from henshin.train.weights.from_published import ImportOptions, from_published  # noqa: E402
from henshin.train.weights.trained_network import TrainedNetwork  # noqa: E402
from henshin_plugins.stylegan2 import StyleGan2  # noqa: E402
from henshin_plugins.stylegan2.config import StyleGan2Config  # noqa: E402

NET = {"size": 16, "latent": 6, "mapping_layers": 2, "width": 2, "maximum_width": 8}


def network():
    options, ours = StyleGan2.recognise({**WEIGHTS, "latent_avg": MEAN})
    whole = StyleGan2(StyleGan2Config(**options)).build().eval()
    whole.load_state_dict(ours)
    return whole


def noise(seed: int, count: int) -> np.ndarray:
    return np.stack([np.random.default_rng([seed, i]).standard_normal(TINY["latent"]) for i in range(count)]).astype(
        np.float32
    )


def grey(pictures) -> np.ndarray:
    return ((pictures + 1) * 127.5).clamp(0, 255).permute(0, 2, 3, 1).numpy()


def test_published_weights_tell_size_channels_latent_and_depth():
    tensors = published(size=32, latent=5, layers=3, width=2, maximum=12)
    options, ours = StyleGan2.recognise(tensors)
    assert options == {"size": 32, "latent": 5, "mapping_layers": 3, "width": 2, "maximum_width": 12}
    assert ours.keys() == StyleGan2(StyleGan2Config(**options)).build().state_dict().keys()
    drawn_styles = styles(tensors, torch.randn(10_000, 5))
    assert torch.allclose(ours["mapping.mean"], drawn_styles.mean(0), atol=0.1 * float(drawn_styles.std()))
    assert StyleGan2.recognise({"conv1.weight": torch.zeros(3)}) is None
    silent = {name: value for name, value in tensors.items() if not name.startswith("noises.")}
    first, second = (StyleGan2.recognise(silent)[1] for _ in range(2))
    assert torch.equal(first["synthesis.blocks.3.second.add.noise"], second["synthesis.blocks.3.second.add.noise"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"convs.1.conv.weight": torch.zeros(1, 7, 8, 3, 3)}, r"'convs.1.conv.weight' is \(1, 7, 8, 3, 3\), .* wants"),
        ({"convs.2.activate.bias": None}, "lacks tensor 'convs.2.activate.bias'"),
        ({"style.1.weight": None}, "lacks tensor 'style.1.weight'"),
        ({"convs.9.noise.weight": torch.zeros(1)}, "unknown tensor 'convs.9.noise.weight'"),
        ({"input.input": torch.zeros(1, 7, 4, 4)}, r"'input.input' is \(1, 7, 4, 4\)"),
        ({"convs.3.conv.weight": torch.zeros(1, 9, 8, 3, 3)}, r"'convs.3.conv.weight' is \(1, 9, 8, 3, 3\)"),
        ({"to_rgbs.1.upsample.kernel": torch.ones(4, 4)}, "'to_rgbs.1.upsample.kernel' is another filter"),
        ({"latent_avg": torch.zeros(7)}, r"'latent_avg' is \(7,\), the styles have 6 numbers"),
        ({"to_rgbs.20.bias": torch.zeros(1, 3, 1, 1)}, "21 doublings"),
    ],
)
def test_weights_that_are_almost_right_are_told_by_the_tensor(change, said):
    changed = {name: value for name, value in (WEIGHTS | change).items() if value is not None}
    with pytest.raises(WrongWeightsError, match=said):
        StyleGan2.recognise(changed)


def save(path: Path, **more: object) -> Path:
    torch.save(training_state(**more), path)
    return path


class Trap(argparse.Namespace):
    """Not argparse's own."""


def test_of_a_training_state_the_average_is_taken_with_its_mean_style(tmp_path):
    source = from_published(save(tmp_path / "w.pt"), build_registry(), ImportOptions())
    tensors = source.network.state_dict()
    assert torch.equal(tensors["synthesis.constant"], WEIGHTS["input.input"])
    assert torch.equal(tensors["mapping.mean"], MEAN)
    other = from_published(tmp_path / "w.pt", build_registry(), ImportOptions(key="g")).network.state_dict()
    assert torch.equal(other["synthesis.constant"], published(**TINY, seed=9)["input.input"])
    with pytest.raises(HenshinError, match=r"w\.pt: wants \S*Trap besides its tensors"):
        from_published(save(tmp_path / "w.pt", more=Trap(size=1)), build_registry(), ImportOptions())
    broken = {name: value for name, value in WEIGHTS.items() if name != "conv1.noise.weight"}
    torch.save({"g_ema": broken, "latent_avg": MEAN}, tmp_path / "w.pt")
    with pytest.raises(
        WrongWeightsError, match=r"w\.pt: lacks tensor 'conv1\.noise\.weight' for StyleGAN2 of 16 pixels"
    ):
        from_published(tmp_path / "w.pt", build_registry(), ImportOptions())


@pytest.fixture(scope="module")
def models(face_models, tmp_path_factory) -> Path:
    """A folder with what `henshin import` makes of a published file: face-mapping, face-synthesis, face.safetensors."""
    return shutil.copytree(face_models, tmp_path_factory.mktemp("models"), dirs_exist_ok=True)


def test_two_models_and_their_weights_are_written(models):
    assert {path.name for path in models.iterdir()} == {"face-mapping.onnx", "face-synthesis.onnx", "face.safetensors"}
    store = ModelStore(user=models)
    mapping, synthesis = (store.find(f"face-{half}").contract for half in ("mapping", "synthesis"))
    assert (mapping.kind, mapping.part, mapping.latent_shape) == ("mapping", "mapping", (6,))
    assert (synthesis.kind, synthesis.part, synthesis.latent_shape) == ("synthesis", "synthesis", (6, 6))
    assert (synthesis.preferred_size, synthesis.licence, synthesis.config["size"]) == (16, "CC0", 16)
    whole = store.find("face")
    assert (whole.contract.kind, whole.contract.latent_shape, whole.contract.name) == ("sampler", (6,), "face")
    again = load_trained_network("face", build_registry(), store)
    assert again.generator.config == StyleGan2Config(**NET)
    assert all(torch.equal(again.network.state_dict()[name], value) for name, value in network().state_dict().items())
    assert list(export_targets(again)) == ["-mapping", "-synthesis"]


def test_onnx_draws_what_the_paper_draws(models):
    found = context(models / "cache", models).model(str(models / "face.onnx"))
    z = noise(4, 5)
    w = styles(WEIGHTS, torch.from_numpy(z))
    for share in (1.0, 0.5):
        own = (MEAN + (w - MEAN) * share)[:, None].repeat(1, 6, 1).float()
        expected = grey(drawn(WEIGHTS, own))
        assert np.abs(found.styles(z, share) - own.numpy()).max() < 1e-4
        for batch in (1, 5):
            pictures = np.stack(found.sample(z[:batch], share))
            assert np.abs(pictures - expected[:batch]).max() <= 0.51
    mixed = torch.randn(3, 6, 6)
    pictures = context(models / "cache", models).model(str(models / "face-synthesis.onnx")).sample(mixed.numpy())
    assert np.abs(np.stack(pictures) - grey(drawn(WEIGHTS, mixed))).max() <= 0.51


def test_the_stage_draws_by_both_under_one_name(models, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HENSHIN_MODELS", str(models))
    stage = "  - use: sample\n    model: face\n    count: 3\n    seed: 2\n    truncation: 0.7\n"
    Path("p.yaml").write_text(f"name: p\nstages:\n{stage}")
    assert run_pipeline(["p.yaml", "-o", "out", "--device", "cpu"]) == 0
    own = MEAN + (styles(WEIGHTS, torch.from_numpy(noise(2, 3))) - MEAN) * 0.7
    expected = grey(drawn(WEIGHTS, own[:, None].repeat(1, 6, 1).float()))
    for path, picture in zip(sorted(Path("out").glob("*.png")), expected, strict=True):
        assert np.abs(np.asarray(Image.open(path)) - picture).max() <= 0.51
    Path("p.yaml").write_text("name: p\nstages:\n  - use: sample\n    model: face-mapping\n")
    assert run_pipeline(["p.yaml", "-o", "out"]) == 2


def test_what_is_wrong_with_halves_is_told(models, tmp_path):
    store = ModelStore(user=models)
    wanted = ModelOption(kind="sampler")
    assert model_problem(store, "face", None, wanted) is None
    assert "'face-synthesis' is a synthesis, and a sampler is wanted" in str(
        model_problem(store, "face-synthesis", None, wanted)
    )
    assert "face" in str(model_problem(store, "face-synthesis", None, wanted)).split("there are: ")[1].split(", ")
    (tmp_path / "half-synthesis.onnx").write_bytes((models / "face-synthesis.onnx").read_bytes())
    assert "no model named 'half'" in str(model_problem(ModelStore(user=tmp_path), "half", None, wanted))
    (tmp_path / "half-mapping.onnx").write_bytes((models / "face-synthesis.onnx").read_bytes())
    with pytest.raises(
        HenshinError, match=r"half-mapping\.onnx: is a synthesis, and by its name it would be a mapping"
    ):
        ModelStore(user=tmp_path).find("half")
    with pytest.raises(HenshinError, match="takes styles, which only its mapping can truncate"):
        context(models / "c", models).model(str(models / "face-synthesis.onnx")).sample(np.zeros((1, 6, 6)), 0.5)


def test_the_adain_form_exports_too(tmp_path):
    torch.manual_seed(0)
    generator = StyleGan2(StyleGan2Config(**{**NET, "size": 8, "form": "adain"}))
    source = export_targets(TrainedNetwork(generator, generator.build(), None, "", "", ""))["-synthesis"]
    made = export_checked(source, "adain-synthesis", tmp_path / "a.onnx", [])
    assert (made.contract.latent_shape, made.whole.name, made.whole.kind) == ((4, 6), "adain", "sampler")
    assert made.parity.worst <= 1
