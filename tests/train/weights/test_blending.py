"""`henshin blend`: each block of one network, of another, or in between."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from safetensors.torch import save_file  # noqa: E402
from support.stylegan2 import TINY, published  # noqa: E402

from henshin.cli import main  # noqa: E402
from henshin.errors import HenshinError, MissingError  # noqa: E402
from henshin.models import METADATA_KEY, Contract, ModelStore  # noqa: E402
from henshin.registry import build_registry  # noqa: E402
from henshin.testing import context  # noqa: E402
from henshin.train.weights import load_trained_network  # noqa: E402
from henshin.train.weights.blending import Swap, blend_networks, read_blend  # noqa: E402
from henshin.train.weights.trained_network import TrainedNetwork  # noqa: E402
from henshin_plugins.dcgan import DcganNetwork  # noqa: E402
from henshin_plugins.dcgan.config import DcganNetworkConfig  # noqa: E402
from henshin_plugins.stylegan2 import StyleGan2  # noqa: E402
from henshin_plugins.stylegan2.config import StyleGan2Config  # noqa: E402

BLOCKS = StyleGan2(StyleGan2Config(size=16)).blocks()


def source(seed: int, licence: str = "CC0", **options: int) -> TrainedNetwork:
    chosen, tensors = StyleGan2.recognise(published(**{**TINY, **options}, seed=seed))
    generator = StyleGan2(StyleGan2Config(**chosen))
    network = generator.build().eval()
    network.load_state_dict(tensors)
    return TrainedNetwork(generator, network, None, f"seed {seed}", "drawn", licence)


ONE, OTHER = source(1), source(2, "MIT")


def state(one: TrainedNetwork) -> dict[str, torch.Tensor]:
    return one.network.state_dict()


def whose(mixed: TrainedNetwork) -> list[str]:
    """Of each block, and of the rest, which parent it equals in every tensor."""
    found = []
    rest = tuple(name for names in BLOCKS for name in names)
    for names in (*BLOCKS, None):
        own = {n for n in state(mixed) if (n.startswith(names) if names else not n.startswith(rest))}
        assert own
        parents = [
            label
            for label, parent in (("one", ONE), ("other", OTHER))
            if all(torch.equal(state(mixed)[n], state(parent)[n]) for n in own)
        ]
        found.append(parents[0] if parents else "neither")
    return found


@pytest.mark.parametrize(
    ("swap", "expected"),
    [
        ({"last": 1}, ["one", "one", "other"]),
        ({"last": 3}, ["other", "other", "other"]),
        ({"first": 2, "to": 2}, ["one", "other", "one"]),
        ({"first": 2}, ["one", "other", "other"]),
        ({"to": 1}, ["other", "one", "one"]),
        ({"first": 1, "to": 3, "share": (0, 1, 0)}, ["one", "other", "one"]),
        ({"last": 2, "share": 0.5}, ["one", "neither", "neither"]),
    ],
)
def test_every_block_is_that_of_one_parent(swap, expected):
    mixed = blend_networks(["a", "b"], ONE, [(Swap(model="b", **swap), OTHER)])
    assert whose(mixed) == [*expected, "one"]
    assert (mixed.licence, mixed.data) == ("CC0; MIT", "drawn")


def test_a_swapped_network_draws_as_its_parents_block_by_block():
    mixed = blend_networks(["a", "b"], ONE, [(Swap(model="b", last=2), OTHER)]).network.eval().synthesis
    one, other, w = ONE.network.synthesis, OTHER.network.synthesis, torch.randn(2, 6, 6)
    with torch.no_grad():
        x = one.constant.expand(2, -1, -1, -1)
        drawn = None
        for number, parent in enumerate((one, other, other)):
            block = parent.blocks[number]
            for i, layer in enumerate(block.layers):
                x = layer(x, w[:, max(0, 2 * number - 1) + i], "fixed")
            colours = block.colours(x, w[:, 2 * number + 1])
            drawn = colours if drawn is None else one.upsample(drawn) + colours
        assert torch.equal(mixed(w), drawn)


def test_between_two_networks_weights_move_and_noise_does_not():
    mixed = state(blend_networks(["a", "b"], ONE, [(Swap(model="b", first=2, to=3, share=(0.25, 0.75)), OTHER)]))
    for number, share in ((1, 0.25), (2, 0.75)):
        weight, noise = (f"synthesis.blocks.{number}.second.{name}" for name in ("conv.weight", "add.noise"))
        between = state(ONE)[weight] * (1 - share) + state(OTHER)[weight] * share
        assert torch.allclose(mixed[weight], between, atol=1e-6)
        assert torch.equal(mixed[noise], state(OTHER if share > 0.5 else ONE)[noise])


def test_several_swaps_follow_each_other():
    swaps = [(Swap(model="b", last=2), OTHER), (Swap(model="a", last=1), ONE)]
    mixed = blend_networks(["a", "b", "a"], ONE, swaps)
    assert whose(mixed) == ["one", "other", "one", "one"]
    assert mixed.origin.startswith("a with blocks 2, 3 of b and blocks 3 of a; ")


@pytest.mark.parametrize(
    ("swap", "said"),
    [
        ({"last": 4}, "the last 4 blocks are asked for, and there are 3"),
        ({"first": 2, "to": 9}, "blocks 2 to 9 are asked for, and there are blocks 1 to 3"),
        ({"first": 3, "to": 2}, "blocks 3 to 2 are asked for"),
        ({"share": (0.5, 1)}, r"2 shares for 3 blocks \(1 to 3\)"),
        ({"share": 1.5}, r"share 1\.5: from 0 \(the base\) to 1"),
        ({"share": float("nan")}, "share nan"),
    ],
)
def test_blocks_and_shares_that_cannot_be_are_told(swap, said):
    with pytest.raises(HenshinError, match=said):
        blend_networks(["a", "b"], ONE, [(Swap(model="b", **swap), OTHER)])


def test_networks_that_do_not_fit_are_told_by_the_tensor():
    wide = source(3, maximum=12)
    with pytest.raises(HenshinError, match=r"'b': tensor 'synthesis\.\S+' is .*, block 1 of 'a' wants"):
        blend_networks(["a", "b"], ONE, [(Swap(model="b"), wide)])
    small = source(3, size=8)
    with pytest.raises(HenshinError, match=r"'b': lacks tensor 'synthesis\.blocks\.2\."):
        blend_networks(["a", "b"], ONE, [(Swap(model="b", last=1), small)])
    plain = DcganNetwork(DcganNetworkConfig(size=32, width=4))
    flat = TrainedNetwork(plain, plain.build(), None, "", "", "")
    with pytest.raises(HenshinError, match="'b' is of generator 'dcgan', 'a' of 'stylegan2'"):
        blend_networks(["a", "b"], ONE, [(Swap(model="b"), flat)])
    with pytest.raises(HenshinError, match="'dcgan' does not say what its blocks are"):
        blend_networks(["a", "b"], flat, [(Swap(model="b"), flat)])


def written(path: Path, one: TrainedNetwork) -> Path:
    g = one.generator
    said = Contract(name=path.stem, generator=g.name, config=g.config.model_dump(mode="json"), licence=one.licence)
    save_file(state(one), path, {METADATA_KEY: said.to_json()})
    return path


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HENSHIN_MODELS", str(tmp_path / "models"))
    for name, one in (("g", source(1, size=8)), ("fin", source(2, "MIT", size=8))):
        written(tmp_path / f"{name}.safetensors", one)
    return tmp_path


def test_the_command_writes_a_model_that_draws_so(place, capsys):
    Path("mix.yaml").write_text("blocks:\n  base: g.safetensors\n  swap: {from: 2, to: 2, model: fin.safetensors}\n")
    assert main(["blend", "mix.yaml", "--fp16", "-o", "out"]) == 0, capsys.readouterr().err
    assert {path.name for path in Path("out").iterdir()} == {f"mix{end}" for end in (
        "-mapping.onnx", "-synthesis.onnx", ".safetensors"
    )}  # fmt: skip
    again = load_trained_network("out/mix.safetensors", build_registry(), ModelStore())
    swap = [(Swap(model="fin", last=1), source(2, "MIT", size=8))]
    expected = state(blend_networks(["g", "fin"], source(1, size=8), swap))
    assert all(torch.allclose(state(again)[name], value, rtol=1e-3, atol=1e-4) for name, value in expected.items())
    assert (again.licence, again.origin.split(";")[0]) == ("CC0; MIT", "g with blocks 2 of fin")
    z = np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32)
    with torch.no_grad():
        grey = ((again.network.eval()(torch.from_numpy(z)) + 1) * 127.5).clamp(0, 255).permute(0, 2, 3, 1).numpy()
    assert np.abs(np.stack(context(place / "cache", place).model("out/mix.onnx").sample(z)) - grey).max() <= 1.5


def test_the_command_says_what_is_wrong(place, capsys):
    def told(*words: str) -> str:
        assert main(["blend", *words]) in (2, 3)
        return capsys.readouterr().err

    assert "wants a --name" in told("g.safetensors", "fin.safetensors")
    assert "two networks, BASE and OTHER" in told("g.safetensors", "--name", "m")
    assert "--last M says which blocks" in told(
        "g.safetensors", "fin.safetensors", "--last", "1", "--to", "2", "--name", "m"
    )
    assert "--share x: a number" in told("g.safetensors", "fin.safetensors", "--share", "x", "--name", "m")
    assert "no model named 'gone'" in told("g.safetensors", "gone", "--name", "m")
    assert "no file of weights gone.safetensors" in told("g.safetensors", "gone.safetensors", "--name", "m")
    Path("mix.yaml").write_text("blocks:\n  base: g.safetensors\n  swap:\n    - {from: 3, model: fin, sher: 1}\n")
    with pytest.raises(HenshinError, match=r"mix\.yaml:4: .*sher: no such option; did you mean 'share'\?"):
        read_blend(Path("mix.yaml"))
    assert "mix.yaml itself says which blocks" in told("mix.yaml", "--last", "1")
    with pytest.raises(MissingError, match="has no weights beside it"):
        load_trained_network("anime-faces", build_registry(), ModelStore())
    assert not (place / "models").exists()
