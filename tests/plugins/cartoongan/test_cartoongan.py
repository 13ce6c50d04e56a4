"""CartoonGAN: its networks against the paper's table, its published layout, and what its recipe learns."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from support.cartoongan import draw, published  # noqa: E402
from support.train import domains  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from henshin.errors import PipelineError  # noqa: E402
from henshin.models.trained_weights import last_checkpoint  # noqa: E402
from henshin.registry import build_registry  # noqa: E402
from henshin.runtime import Device, Model, OnnxSession  # noqa: E402
from henshin.testing import check_generator, picture  # noqa: E402
from henshin.train.config.run_config import TrainOptions, load_run  # noqa: E402
from henshin.train.export import export  # noqa: E402
from henshin.train.loop.launch import train  # noqa: E402
from henshin.train.losses import adversarial_loss, content_loss, gram, style_loss  # noqa: E402
from henshin.train.weights import checkpoint  # noqa: E402
from henshin.train.weights.trained_network import TrainedNetwork  # noqa: E402
from henshin_plugins.cartoongan import Cartoon  # noqa: E402
from henshin_plugins.cartoongan.config import CartoonConfig, CartoonGanConfig  # noqa: E402
from henshin_plugins.cartoongan.network import CartoonDiscriminator, CartoonGenerator  # noqa: E402

REGISTRY = build_registry()


def count(network) -> int:
    return sum(p.numel() for p in network.parameters())


def conv(before: int, after: int, kernel: int = 3) -> int:
    """Parameters of a convolution with its bias."""
    return before * after * kernel**2 + after


def test_the_generator_has_the_parameters_and_shapes_of_the_papers_figure():
    network = CartoonGenerator()
    halvings = conv(64, 128) + conv(128, 128) + conv(128, 256) + conv(256, 256)
    doublings = conv(256, 128) + conv(128, 128) + conv(128, 64) + conv(64, 64)
    norms = 2 * (64 + 128 + 256 + 16 * 256 + 128 + 64)
    wanted = conv(3, 64, 7) + halvings + 16 * conv(256, 256) + doublings + conv(64, 3, 7) + norms
    assert count(network) == wanted == 11_129_667
    shapes = []
    for child in (network.first, *network.down, *network.residual, *network.up, network.last):
        child.register_forward_hook(lambda _m, _i, out: shapes.append(tuple(out.shape[1:])))
    with torch.inference_mode():
        network(torch.zeros(1, 3, 32, 64))  # an eighth and a quarter of the paper's 256
    down = [(64, 32, 64), (128, 16, 32), (256, 8, 16)]
    assert shapes == [*down, *[(256, 8, 16)] * 8, (128, 16, 32), (64, 32, 64), (3, 32, 64)]


def test_the_discriminator_is_the_papers_table():
    discriminator = CartoonDiscriminator()
    table = [(3, 32), (32, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 1)]
    assert count(discriminator) == sum(conv(before, after) for before, after in table)
    strides = (1, 2, 1, 2, 1, 1, 1)
    torch.manual_seed(0)
    x = torch.rand(2, 3, 48, 32) * 2 - 1
    weights = [m for m in discriminator.modules() if isinstance(m, torch.nn.Conv2d)]
    with torch.no_grad():
        for layer in weights:
            layer.weight.mul_(5)
            layer.bias.normal_(0, 0.1)
        y = x
        for i, (layer, stride) in enumerate(zip(weights, strides, strict=True)):
            y = F.conv2d(y, layer.weight, layer.bias, stride, 1)
            if i in (2, 4, 5):
                y = (y - y.mean((2, 3), True)) / (y.var((2, 3), keepdim=True, correction=0) + 1e-5).sqrt()
            y = y if i == 6 else F.leaky_relu(y, 0.2)
        assert y.shape == (2, 1, 12, 8)
        assert y.std() > 0.1
        assert torch.allclose(discriminator(x), y, atol=1e-4)


def test_a_score_sees_37_by_37_pixels():
    discriminator = CartoonDiscriminator(8, "none")
    x = torch.rand(1, 3, 64, 64, requires_grad=True)
    discriminator(x)[0, 0, 8, 8].backward()
    seen = x.grad.abs().sum((0, 1)).nonzero()
    assert (seen.max(0).values - seen.min(0).values + 1).tolist() == [37, 37]


def test_a_discriminator_learns_a_fixed_batch_whose_drawings_do_not_change():
    torch.manual_seed(1)
    discriminator = CartoonDiscriminator(8)
    steps = torch.optim.Adam(discriminator.parameters(), 2e-3, (0.5, 0.999))
    drawn = torch.rand(2, 3, 32, 32) * 2 - 1
    cartoon = F.interpolate(torch.rand(2, 3, 4, 4) * 2 - 1, scale_factor=8)
    smooth = F.avg_pool2d(cartoon, 5, 1, 2)
    curve = []
    for _ in range(25):
        loss = adversarial_loss("vanilla", [discriminator(cartoon)], True)
        loss = (
            loss
            + adversarial_loss("vanilla", [discriminator(drawn)], False)
            + adversarial_loss("vanilla", [discriminator(smooth)], False)
        )
        steps.zero_grad()
        loss.backward()
        steps.step()
        curve.append(loss.item())
    assert curve[0] == pytest.approx(3 * np.log(2), abs=0.2)
    assert curve[-1] < 0.6 * curve[0]


@pytest.mark.parametrize("options", [{}, {"upsample": "resize", "output": "linear"}, {"borders": "zeros"}])
def test_the_plugin_keeps_the_contract_of_a_generator(options):
    check_generator(Cartoon, {"width": 8, "blocks": 1, **options})


def test_published_weights_draw_what_a_second_statement_of_their_network_draws():
    weights = published(width=8, blocks=3)
    options, ours = Cartoon.recognise(weights)
    assert options == {"width": 8, "blocks": 3, "borders": "zeros", "epsilon": 1e-9}
    network = Cartoon(CartoonConfig(**options)).build().eval()
    network.load_state_dict(ours)
    pictures = np.stack([picture(44, 36, seed) for seed in range(2)])
    with torch.no_grad():
        x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
        drawn = ((network(x) + 1) * 127.5).permute(0, 2, 3, 1).numpy()
    expected = draw(weights, pictures)
    assert expected.std() > 20
    assert np.abs(drawn - expected).max() < 0.05
    assert np.abs(drawn - expected[..., ::-1]).max() > 10  # red and blue are told apart


def test_other_layouts_are_not_taken_for_it():
    weights = published()
    assert Cartoon.recognise({}) is None
    assert Cartoon.recognise({name: value for name, value in weights.items() if name != "in05_2.shift"}) is None
    assert Cartoon.recognise({**weights, "extra.weight": torch.zeros(1)}) is None
    assert Cartoon.recognise({**weights, "deconv03_1.weight": torch.zeros(1, 8, 7, 7)}) is None


@pytest.mark.parametrize(
    "options", [{"borders": "zeros", "epsilon": 1e-9}, {"upsample": "resize", "output": "linear"}], ids=str
)
def test_an_exported_network_draws_what_pytorch_draws_also_where_much_is_flat(tmp_path, options):
    torch.manual_seed(2)
    generator = Cartoon(CartoonConfig(width=8, blocks=1, **options))
    network = generator.build().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(4)
    # half of it flat: of a picture flat from edge to edge rounding alone is left, which 1 / sqrt(1e-9) makes large
    flat = np.full((64, 64, 3), (90, 140, 200), np.uint8)
    half = np.where(np.arange(64)[:, None, None] < 32, flat, 255 - flat).astype(np.uint8)
    pictures = [half, picture(96, 64)]
    contract = export(TrainedNetwork(generator, network, 48, "", "", ""), tmp_path / "tiny.onnx", pictures)
    assert (contract.generator, contract.channel_order, contract.reach) == ("cartoongan", "RGB", "global")
    assert contract.size_multiple == 4
    model = Model(contract, OnnxSession(tmp_path / "tiny.onnx", Device("cpu")))
    for batch in (np.stack([half, half[::-1]]), picture(40, 72)[None]):
        with torch.no_grad():
            x = torch.from_numpy(batch.copy()).permute(0, 3, 1, 2).float() / 127.5 - 1
            expected = ((network(x) + 1) * 127.5).clamp(0, 255).round().permute(0, 2, 3, 1).numpy()
        assert np.abs(model.run(batch).astype(float) - expected).max() <= 1


def test_losses_have_their_closed_forms():
    features = torch.tensor([[[[1.0, 2.0]], [[0.0, 4.0]]]])  # two channels at two places
    assert gram(features).tolist() == [[[5 / 4, 8 / 4], [8 / 4, 16 / 4]]]
    assert float(style_loss([features], [features * 0])) == pytest.approx((5 + 8 + 8 + 16) / 16)
    assert float(content_loss([features, features], [features + 1, features + 3])) == pytest.approx(2)
    scores = torch.tensor([0.5, -1.0])
    assert float(adversarial_loss("lsgan", [scores], True)) == pytest.approx((0.25 + 4) / 2)
    assert float(adversarial_loss("hinge", [scores, scores], False)) == pytest.approx(0.75)
    assert float(adversarial_loss("vanilla", [scores], False)) == pytest.approx(np.log1p(np.exp([0.5, -1])).mean())


def run_file(folder: Path, **options: object) -> Path:
    lines = "".join(f"{key}: {value}\n" for key, value in options.items())
    path = folder / "run.yaml"
    path.write_text(
        "recipe: cartoongan\ngenerator: {use: cartoongan, width: 8, blocks: 1}\ncontent_layer: conv2_2\n"
        f"discriminator_width: 8\ndata: {{a: a, b: b, size: 32, hold_out: 1}}\nbatch: 2\n{lines}"
    )
    return path


def start(path: Path, folder: Path, **options) -> list[str]:
    said: list[str] = []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        asked = TrainOptions(device="cpu", precision="fp32", log_every=1, **options)
        train(load_run(path, REGISTRY), folder, REGISTRY, asked, said.append)
    finally:
        torch.set_num_threads(threads)
    return said


def log(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    checkpoint.pack(checkpoint.load(last_checkpoint(folder)), "state", found)
    return found


def test_the_generator_learns_the_contents_first_and_then_plays(tmp_path):
    domains(tmp_path)
    path = run_file(tmp_path, steps=24, initialise_steps=20, learning_rate=2e-3, style_weight=1, sheet_every=12)
    start(path, tmp_path / "run")
    lines = log(tmp_path / "run")
    content = [line["content"] for line in lines]
    assert sum(content[15:20]) < 0.8 * sum(content[:5])
    assert [("discriminator" in line, "adversarial" in line, "style" in line) for line in lines] == [
        (False,) * 3
    ] * 20 + [(True,) * 3] * 4
    last = lines[-1]
    assert last["total"] == pytest.approx(10 * last["content"] + last["adversarial"] + last["style"], rel=1e-4)
    assert all(0 < last[name] < 1 for name in ("real_score", "fake_score", "smooth_score")), "shares, no logits"
    assert len(list((tmp_path / "run/samples").glob("*.png"))) >= 2


def test_the_style_is_the_mean_over_its_layers_and_colours_have_a_weight(tmp_path):
    domains(tmp_path)
    said = {}
    for layers in ("[conv1_1]", "[conv2_1]", "[conv1_1, conv2_1]"):
        options = {"style_weight": 1e-3, "style_layers": layers, "colour_weight": 7}
        path = run_file(tmp_path, steps=2, initialise_steps=0, sheet_every=9, **options)
        start(path, tmp_path / layers, max_steps=1)
        said[layers] = log(tmp_path / layers)[0]
    one, other, both = (line["style"] for line in said.values())
    assert one != pytest.approx(other, rel=0.1)
    assert both == pytest.approx((one + other) / 2, rel=1e-4)
    last = list(said.values())[-1]
    parts = 10 * last["content"] + last["adversarial"] + 1e-3 * both + 7 * last["colour"]
    assert last["colour"] > 0
    assert last["total"] == pytest.approx(parts, rel=1e-4)


def test_an_interrupted_run_ends_with_the_weights_of_an_uninterrupted_one(tmp_path):
    domains(tmp_path)
    path = run_file(tmp_path, steps=6, initialise_steps=2, augment="[translation]", ema=0.9, pixel_weight=2)
    start(path, tmp_path / "whole")
    start(path, tmp_path / "halves", max_steps=3)
    assert any("resumed at step 3" in line for line in start(path, tmp_path / "halves", resume=True))
    first = log(tmp_path / "whole")[0]
    assert first["total"] == pytest.approx(10 * first["content"] + 2 * first["pixel"], rel=1e-4)
    whole, halves = tensors(tmp_path / "whole"), tensors(tmp_path / "halves")
    assert whole.keys() == halves.keys()
    assert [name for name in whole if not torch.equal(whole[name], halves[name])] == []


def test_what_is_wrong_with_the_smoothing_is_told_before_anything_is_read(tmp_path):
    domains(tmp_path)
    with pytest.raises(PipelineError, match=r"smooth\.kernl: no such option; did you mean 'kernel'"):
        load_run(run_file(tmp_path, smooth="{kernl: 7}"), REGISTRY)


def test_layers_are_named_where_one_is_wrong(tmp_path):
    domains(tmp_path)
    path = run_file(tmp_path)
    path.write_text(path.read_text().replace("conv2_2", "conv9_1"))
    with pytest.raises(PipelineError, match=r"content_layer: 'conv9_1' is not known; 'conv1_1', .* or 'conv5_4'"):
        load_run(path, REGISTRY)
    for name in [f"conv{block}_{i}" for block, most in enumerate((2, 2, 4, 4, 4), 1) for i in range(1, most + 1)]:
        path.write_text(run_file(tmp_path).read_text().replace("conv2_2", name))
        assert load_run(path, REGISTRY).recipe.config.content_layer == name


def test_epochs_and_steps_of_the_beginning():
    data = {"a": "a", "b": "b"}
    assert CartoonGanConfig(data=data, batch=4).initialisation_steps(10) == 30
    assert CartoonGanConfig(data=data, initialise_steps=7).initialisation_steps(10) == 7


@pytest.mark.parametrize("crop", ["middle", "random"])
def test_the_smoothed_set_is_what_the_stage_makes_of_each_training_picture(tmp_path, crop):
    from henshin.api.training_data import UnpairedData
    from henshin.train.data import apply_stage, open_pictures

    domains(tmp_path, size=48)
    run = SimpleNamespace(
        registry=REGISTRY,
        device=torch.device("cpu"),
        folder=tmp_path,
        say=lambda line: None,
        folders=lambda value: [tmp_path / value],
    )
    data = UnpairedData(a="a", b="b", size=32, hold_out=1, crop=crop, flip=False)
    cartoons = open_pictures(run, "b", data)
    smooth = apply_stage(run, cartoons, "edge_promote", {"kernel": 9})
    assert len(smooth) == len(cartoons) == 5
    stage = REGISTRY.stage("edge_promote")
    edges = stage(stage.Config(kernel=9))
    edges.open(None)
    if crop == "middle":
        before = [np.ascontiguousarray(p.permute(1, 2, 0).numpy()) for p in cartoons.training[:]]
        expected = edges.run(before)
        got = [p.permute(1, 2, 0).numpy() for p in smooth.training[:]]
        assert all(np.array_equal(one, other) for one, other in zip(expected, got, strict=True))
        assert any(not np.array_equal(one, other) for one, other in zip(before, got, strict=True))
    drawn = [domain.draw(4, np.random.default_rng(5)) for domain in (cartoons, smooth)]
    apart = (drawn[0] - drawn[1]).abs().mean((1, 2, 3))
    assert 0 < apart.max() < 0.3  # the same pictures from the same places, softer
