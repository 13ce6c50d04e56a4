"""The recipe of pix2pix: it learns from pairs, discriminators pairs, and a break changes nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from PIL import Image  # noqa: E402
from support.train import curves, different, last_state, trained  # noqa: E402

from henshin.errors import PipelineError  # noqa: E402
from henshin.registry import build_registry  # noqa: E402
from henshin.testing import picture  # noqa: E402
from henshin.train.config.run_config import load_run  # noqa: E402
from henshin.train.export import export, exporter  # noqa: E402
from henshin.train.losses import discriminator_loss  # noqa: E402
from henshin.train.networks import make_discriminator  # noqa: E402
from henshin.train.weights.from_run import from_run  # noqa: E402
from henshin_plugins.pix2pix.config import Pix2PixConfig  # noqa: E402


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Pairs: a dark blob on light ground, and its negative."""
    folder = tmp_path_factory.mktemp("pairs")
    rng = np.random.default_rng(5)
    for name in "ab":
        (folder / name).mkdir()
    for i in range(6):
        source = np.full((40, 40, 3), 220, np.uint8)
        x, y = rng.integers(4, 24, 2)
        source[y : y + 12, x : x + 12] = rng.integers(0, 90, 3)
        Image.fromarray(source).save(folder / "a" / f"{i}.png")
        Image.fromarray(255 - source).save(folder / "b" / f"{i}.png")
    return folder


def written(place: Path, folder: Path, options: str = "") -> Path:
    """A run's YAML with small networks."""
    path = folder / "run.yaml"
    path.write_text(
        "recipe: pix2pix\n"
        "generator: {use: unet, width: 8, downs: 4, dropout: 0.2}\n"
        f"data: {{a: {place}/a, b: {place}/b, size: 32, hold_out: 2}}\n"
        f"discriminator_width: 4\ndiscriminator_layers: 2\n{options}"
    )
    return path


@pytest.fixture(scope="module")
def learned(place, tmp_path_factory) -> Path:
    """A run of forty steps."""
    folder = tmp_path_factory.mktemp("learned")
    trained(written(place, folder, "batch: 2\nsteps: 40\nlearning_rate: 2e-3\n"), folder / "run")
    return folder / "run"


def test_the_distance_to_the_targets_falls_and_all_that_one_watches_is_logged(learned):
    log = curves(learned)
    assert sum(log["pixel"][-5:]) < 0.6 * sum(log["pixel"][:5])
    assert {"adversarial", "pixel", "total", "discriminator", "real_score", "fake_score"} <= log.keys()
    for total, adversarial, pixel in zip(log["total"], log["adversarial"], log["pixel"], strict=True):
        assert total == pytest.approx(adversarial + 100 * pixel, rel=1e-5)
    assert all(0 <= score <= 1 for score in (*log["real_score"], *log["fake_score"]))


def test_a_sheet_shows_held_out_sources_translations_and_targets(learned):
    with Image.open(sorted((learned / "samples").glob("*.png"))[-1]) as page:
        assert page.size[1] == 3 * 34
        shown = np.asarray(page.convert("RGB")).astype(int)[:, -34:-2]
        names = np.asarray(page.convert("L"))[:, :30]
    source, target = shown[:32], shown[68:100]
    assert np.abs(source + target - 255).max() <= 2
    assert all((names[34 * row : 34 * row + 32] < 128).any() for row in range(3)), "every row is named"


def test_the_run_becomes_a_model_without_dropout(learned, unmade, tmp_path, monkeypatch):
    """Its graph is that of a network which draws the same each time; that such graphs are right is tested of `unet`."""
    traced = []
    write = exporter.write_graph
    monkeypatch.setattr(exporter, "write_graph", lambda *given: traced.append(given[0]) or write(*given))
    contract = export(from_run(learned, build_registry()), tmp_path / "pairs.onnx", [])
    shown = torch.from_numpy(picture(64, 48)[None].copy())
    assert any(isinstance(layer, torch.nn.Dropout) for layer in traced[0].modules())
    with torch.no_grad():
        assert torch.equal(traced[0](shown), traced[0](shown))
    assert (contract.generator, contract.size_multiple, contract.preferred_size) == ("unet", 16, 32)


def test_a_break_changes_nothing(place, tmp_path):
    path = written(place, tmp_path, "steps: 4\nsheet_every: 3\nema: 0.9\n")
    trained(path, tmp_path / "whole")
    trained(path, tmp_path / "parts", max_steps=2)
    trained(path, tmp_path / "parts", resume=True)
    assert different(last_state(tmp_path / "whole"), last_state(tmp_path / "parts")) == []


@pytest.mark.parametrize("kind", ["patch", "plain"])
def test_a_discriminator_of_pairs_learns_which_target_belongs_to_which_source(kind):
    torch.manual_seed(0)
    sources, targets = (torch.rand(4, 3, 1, 1).expand(4, 3, 32, 32) * 2 - 1 for _ in "ab")
    real, fake = torch.cat([sources, targets], 1), torch.cat([sources, targets.roll(1, 0)], 1)
    discriminator = make_discriminator(kind, 8, 2, "none", channels=6)
    steps = torch.optim.Adam(discriminator.parameters(), 2e-3)
    losses = []
    for _ in range(120):
        score_real, score_fake = discriminator(torch.cat([real, fake])).chunk(2)
        loss = discriminator_loss("vanilla", [score_real], [score_fake])
        steps.zero_grad()
        loss.backward()
        steps.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(0.6931, abs=0.01)
    assert losses[-1] < 0.35, "the targets alone, which are the same in both, would leave it at ln 2"


def test_defaults_are_the_papers():
    config = Pix2PixConfig.model_validate({"data": {"a": "a", "b": "b"}})
    assert (config.generator.use, config.generator.options) == ("unet", {"dropout": 0.5})
    assert (config.gan, config.pixel_weight, config.betas, config.learning_rate) == ("vanilla", 100, (0.5, 0.999), 2e-4)
    assert (config.epochs, config.batch, config.discriminator, config.discriminator_layers) == (200, 1, "patch", 3)


def test_a_discriminator_that_pictures_are_too_small_for_is_told_before_the_run(place, tmp_path):
    path = written(place, tmp_path)
    path.write_text(path.read_text().replace("discriminator_layers: 2", "discriminator_layers: 4"))
    with pytest.raises(PipelineError, match="4 strided layers needs pictures of 48 px at least, not 32"):
        load_run(path, build_registry())


def test_pictures_that_do_not_fit_the_generator_are_told_before_the_run(place, tmp_path):
    path = written(place, tmp_path)
    path.write_text(path.read_text().replace("size: 32", "size: 40"))
    with pytest.raises(PipelineError, match=r"data\.size: 40 does not fit generator 'unet'; a multiple of 16"):
        load_run(path, build_registry())
    with pytest.raises(PipelineError, match="a multiple of 256"):
        load_run(path, build_registry(), ["generator={use: unet}"])
