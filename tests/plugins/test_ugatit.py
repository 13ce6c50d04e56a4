"""U-GAT-IT: its networks against a second statement of them, its recipe on a tiny run, its export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from support.train import domains  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from henshin.errors import PipelineError  # noqa: E402
from henshin.models.trained_weights import last_checkpoint  # noqa: E402
from henshin.registry import build_registry  # noqa: E402
from henshin.train.config.run_config import TrainOptions, load_run  # noqa: E402
from henshin.train.export import export  # noqa: E402
from henshin.train.loop.launch import train  # noqa: E402
from henshin.train.weights import checkpoint  # noqa: E402
from henshin.train.weights.trained_network import TrainedNetwork  # noqa: E402
from henshin_plugins.ugatit import UGatIt  # noqa: E402
from henshin_plugins.ugatit.config import UGatItConfig  # noqa: E402
from henshin_plugins.ugatit.network import AttentiveDiscriminator, UGatItGenerator  # noqa: E402
from henshin_plugins.ugatit.recipe import attention_loss  # noqa: E402

REGISTRY = build_registry()
WIDTH, BLOCKS = 4, 2


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def published(size: int | None) -> dict[str, torch.Tensor]:
    """Random weights in the layout of the authors' code; `size` None is their light network."""
    rng = torch.Generator().manual_seed(1)
    wide = 4 * WIDTH

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=rng) * 0.2

    found = {
        "DownBlock.1.weight": draw(WIDTH, 3, 7, 7),
        "DownBlock.5.weight": draw(2 * WIDTH, WIDTH, 3, 3),
        "DownBlock.9.weight": draw(wide, 2 * WIDTH, 3, 3),
        "gap_fc.weight": draw(1, wide),
        "gmp_fc.weight": draw(1, wide),
        "conv1x1.weight": draw(wide, 2 * wide, 1, 1),
        "conv1x1.bias": draw(wide),
        "FC.0.weight": draw(wide, wide * (1 if size is None else (size // 4) ** 2)),
        "FC.2.weight": draw(wide, wide),
        "gamma.weight": draw(wide, wide),
        "beta.weight": draw(wide, wide),
    }
    found["UpBlock2.11.weight"] = draw(3, WIDTH, 7, 7)
    for place, (before, after) in ((2, (wide, 2 * WIDTH)), (7, (2 * WIDTH, WIDTH))):
        found[f"UpBlock2.{place}.weight"] = draw(after, before, 3, 3)
        found[f"UpBlock2.{place + 1}.rho"] = draw(1, after, 1, 1).abs()
        found[f"UpBlock2.{place + 1}.gamma"] = draw(1, after, 1, 1) + 1
        found[f"UpBlock2.{place + 1}.beta"] = draw(1, after, 1, 1)
    for i in range(BLOCKS):
        for layer in (1, 5):
            found[f"DownBlock.{12 + i}.conv_block.{layer}.weight"] = draw(wide, wide, 3, 3)
        for layer in (1, 2):
            found[f"UpBlock1_{i + 1}.conv{layer}.weight"] = draw(wide, wide, 3, 3)
            found[f"UpBlock1_{i + 1}.norm{layer}.rho"] = draw(1, wide, 1, 1).abs()
    return found


def conv(x: torch.Tensor, weight: torch.Tensor, stride: int = 1) -> torch.Tensor:
    reach = weight.shape[2] // 2
    return F.conv2d(F.pad(x, (reach,) * 4, mode="reflect"), weight, stride=stride)


def mixed(x: torch.Tensor, rho: torch.Tensor, nested: bool) -> torch.Tensor:
    n, c, h, w = x.shape
    rows = x.reshape(n, c, h * w)
    mean = rows.mean(2)[:, :, None, None]
    whole_mean = x.reshape(n, -1).mean(1)[:, None, None, None]
    if nested:
        variance = torch.stack([torch.stack([x[i, k].var(0).var() for k in range(c)]) for i in range(n)])
        whole = torch.stack([x[i].var(0).var(0).var() for i in range(n)])
    else:
        variance = rows.var(2)
        whole = x.reshape(n, -1).var(1)
    by_channel = (x - mean) / (variance[:, :, None, None] + 1e-5).sqrt()
    by_picture = (x - whole_mean) / (whole[:, None, None, None] + 1e-5).sqrt()
    return rho * by_channel + (1 - rho) * by_picture


def restated(w: dict[str, torch.Tensor], x: torch.Tensor, light: bool, nested: bool) -> tuple[torch.Tensor, ...]:
    """The paper's generator, written down once more over the authors' names."""
    for place, stride in ((1, 1), (5, 2), (9, 2)):
        x = F.relu(F.instance_norm(conv(x, w[f"DownBlock.{place}.weight"], stride)))
    for i in range(BLOCKS):
        first, second = (w[f"DownBlock.{12 + i}.conv_block.{layer}.weight"] for layer in (1, 5))
        x = x + F.instance_norm(conv(F.relu(F.instance_norm(conv(x, first))), second))
    mean, peak = F.adaptive_avg_pool2d(x, 1).flatten(1), F.adaptive_max_pool2d(x, 1).flatten(1)
    logits = torch.cat([mean @ w["gap_fc.weight"].T, peak @ w["gmp_fc.weight"].T], 1)
    weighed = [x * w[f"{name}.weight"][:, :, None, None] for name in ("gap_fc", "gmp_fc")]
    x = F.relu(F.conv2d(torch.cat(weighed, 1), w["conv1x1.weight"], w["conv1x1.bias"]))
    seen = F.adaptive_avg_pool2d(x, 1).flatten(1) if light else x.flatten(1)
    for name in ("FC.0", "FC.2"):
        seen = F.relu(seen @ w[f"{name}.weight"].T)
    gamma, beta = ((seen @ w[f"{name}.weight"].T)[:, :, None, None] for name in ("gamma", "beta"))
    for i in range(BLOCKS):
        y = x
        for layer in (1, 2):
            rho = w[f"UpBlock1_{i + 1}.norm{layer}.rho"]
            y = mixed(conv(y, w[f"UpBlock1_{i + 1}.conv{layer}.weight"]), rho, nested) * gamma + beta
            y = F.relu(y) if layer == 1 else y
        x = x + y
    for place in (2, 7):
        x = conv(F.interpolate(x, scale_factor=2), w[f"UpBlock2.{place}.weight"])
        x = mixed(x, w[f"UpBlock2.{place + 1}.rho"], nested)
        x = F.relu(x * w[f"UpBlock2.{place + 1}.gamma"] + w[f"UpBlock2.{place + 1}.beta"])
    return torch.tanh(conv(x, w["UpBlock2.11.weight"])), logits


@pytest.mark.parametrize("light", [True, False])
@pytest.mark.parametrize("nested", [True, False])
def test_the_generator_is_the_paper_s(light: bool, nested: bool) -> None:
    tensors = published(None if light else 32)
    found = UGatIt.recognise(tensors)
    assert found is not None
    options, ours = found
    assert options == {"width": WIDTH, "blocks": BLOCKS, "nested_variance": True} | (
        {} if light else {"light": False, "size": 32}
    )
    network = UGatIt(UGatItConfig(**{**options, "nested_variance": nested})).build()
    network.load_state_dict(ours)
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(2)) * 2 - 1
    drawn, logits, looked = network.attend(x)
    expected, expected_logits = restated(tensors, x, light, nested)
    torch.testing.assert_close(drawn, expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(logits, expected_logits, atol=1e-4, rtol=1e-4)
    assert looked.shape == (2, 1, 8, 8)
    assert network(x).equal(drawn)


def test_other_weights_are_not_taken_for_ours() -> None:
    assert UGatIt.recognise({"model.1.weight": torch.zeros(64, 3, 7, 7)}) is None


def test_sizes_of_the_networks() -> None:
    """The light generator by its table: encoder, attention, scales, AdaLIN blocks, decoder; and the discriminator."""
    w, wide = 64, 256
    encoder = 3 * w * 49 + w * 2 * w * 9 + 2 * w * wide * 9 + 4 * 2 * wide * wide * 9
    attention = 2 * wide + 2 * wide * wide + wide
    scales = 4 * wide * wide
    blocks = 4 * 2 * (wide * wide * 9 + wide)
    decoder = wide * 2 * w * 9 + 2 * w * w * 9 + 3 * (2 * w + w) + w * 3 * 49
    with torch.device("meta"):
        light, large = UGatItGenerator(), UGatItGenerator(grid_of=256)
        discriminator = AttentiveDiscriminator(64, 5)
    assert count(light) == encoder + attention + scales + blocks + decoder
    assert count(large) - count(light) == wide * wide * (64 * 64 - 1)
    convolutions = [(3, 64), (64, 128), (128, 256), (256, 512)]
    assert count(discriminator) == (
        sum(a * b * 16 + b for a, b in convolutions) + 2 * 512 + 2 * 512 * 512 + 512 + 512 * 16
    )


def test_a_large_generator_draws_other_sizes_too() -> None:
    network = UGatItGenerator(WIDTH, 1, grid_of=32)
    assert network(torch.zeros(1, 3, 48, 40)).shape == (1, 3, 48, 40)


def test_clip_brings_the_mixtures_back() -> None:
    network = UGatItGenerator(WIDTH, 1)
    for name, parameter in network.named_parameters():
        if name.endswith("rho"):
            parameter.data.add_(torch.linspace(-3, 3, parameter.numel()).view_as(parameter))
    network.clip()
    mixtures = torch.cat([p.flatten() for name, p in network.named_parameters() if name.endswith("rho")])
    assert mixtures.min() == 0
    assert mixtures.max() == 1


def test_attention_loss_in_closed_form() -> None:
    undecided = attention_loss(torch.zeros(2, 2), torch.zeros(2, 2))
    assert undecided.item() == pytest.approx(2 * np.log(2))
    assert attention_loss(torch.full((2, 2), 30.0), torch.full((2, 2), -30.0)).item() < 1e-9


RUN = """\
recipe: ugatit
generator: {use: ugatit, width: 4, blocks: 1}
data: {a: a, b: b, size: 32, hold_out: 1}
discriminator_width: 4
discriminator_layers: [5, 4]
learning_rate: 1e-3
"""


def start(path: Path, folder: Path, **options: object) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        chosen = TrainOptions(device="cpu", precision="fp32", log_every=1, **options)
        train(load_run(path, REGISTRY), folder, REGISTRY, chosen, lambda line: None)
    finally:
        torch.set_num_threads(threads)


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    checkpoint.pack(checkpoint.load(last_checkpoint(folder)), "state", found)
    return found


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of twelve steps, and one that was stopped after five and went on."""
    folder = tmp_path_factory.mktemp("ugatit")
    domains(folder)
    (folder / "run.yaml").write_text(RUN)
    start(folder / "run.yaml", folder / "whole", max_steps=12)
    start(folder / "run.yaml", folder / "broken", max_steps=5)
    start(folder / "run.yaml", folder / "broken", max_steps=12, resume=True)
    return folder


def test_a_resumed_run_ends_with_the_same_weights(runs: Path) -> None:
    whole, broken = tensors(runs / "whole"), tensors(runs / "broken")
    assert whole.keys() == broken.keys()
    assert [name for name in whole if not whole[name].equal(broken[name])] == []


def test_the_cycle_comes_closer(runs: Path) -> None:
    import json

    cycle = [json.loads(line)["cycle"] for line in (runs / "whole" / "log.jsonl").read_text().splitlines()]
    assert np.mean(cycle[-3:]) < np.mean(cycle[:3])


def test_discriminators_that_are_too_deep_for_the_pictures(tmp_path: Path) -> None:
    domains(tmp_path)
    (tmp_path / "run.yaml").write_text(RUN.replace("[5, 4]", "[7]"))
    with pytest.raises(PipelineError, match="7 layers needs pictures of 96 px at least, not 32"):
        load_run(tmp_path / "run.yaml", REGISTRY)


@pytest.mark.parametrize("light", [True, False])
def test_export_draws_as_pytorch_does(tmp_path: Path, light: bool) -> None:
    generator = UGatIt(UGatItConfig(width=WIDTH, blocks=1, light=light, size=32))
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (64, 80, 3), np.uint8) for _ in range(2)]
    source = TrainedNetwork(generator, generator.build(), 32, "test", "noise", "none")
    contract = export(source, tmp_path / "drawn.onnx", pictures)
    assert (contract.size_multiple, contract.reach) == (4, "global")
