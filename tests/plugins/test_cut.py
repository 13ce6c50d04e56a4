"""The losses of `cut` beyond its paper's: each is logged, counts by its weight, and survives a break."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
from support.train import curves, different, domains, last_state, run_yaml, trained  # noqa: E402

from henshin.errors import HenshinError, PipelineError  # noqa: E402
from henshin.registry import build_registry  # noqa: E402
from henshin.train.config.run_config import load_run  # noqa: E402
from henshin.train.networks import DiscriminatorSet, MultiScaleDiscriminator, make_generator  # noqa: E402
from henshin_plugins.cut.beginning import begin  # noqa: E402
from henshin_plugins.cut.config import CutConfig  # noqa: E402
from henshin_plugins.cut.recipe import Heads, variety  # noqa: E402
from henshin_plugins.cyclegan.network import ResNetGenerator  # noqa: E402

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


def test_taps_beyond_the_encoder_are_told_and_refused_where_no_other_is_left(place, tmp_path):
    wanted = "taps: generator 'resnet' has no layer 7, 9; its last is 3"
    with pytest.raises(HenshinError, match=wanted):
        trained(written(place, tmp_path, steps=1, taps=[9, 7]), tmp_path / "run")
    said = trained(written(place, tmp_path, steps=1, taps=[9, 1, 7]), tmp_path / "some")
    assert f"{wanted}, and only the others are compared" in said
    said = trained(written(place, tmp_path, steps=1, taps=[3, 0, 3]), tmp_path / "all")
    assert not [line for line in said if line.startswith("taps:")]


@pytest.mark.parametrize(("betas", "wanted"), [([1, 0.9], "1 is too large"), ([0.5], "betas"), ([0.5, 0.9, 0.9], "2")])
def test_wrong_betas_are_refused_once(place, tmp_path, betas, wanted):
    with pytest.raises(PipelineError, match=wanted) as said:
        load_run(written(place, tmp_path, betas=betas), build_registry())
    assert len(said.value.problems) == 1


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


WIDE, NARROW = (
    {"width": 8, "blocks": 1, "downs": 1, "upsample": "resize"},
    {"width": 4, "blocks": 1, "downs": 2, "upsample": "resize"},
)


def begun(place: Path, folder: Path, generator: dict[str, object], size: int, **options: object) -> Path:
    """A run's YAML with a generator and size of its own."""
    path = written(place, folder, **options)
    words = ", ".join(f"{name}: {value}" for name, value in generator.items())
    text = path.read_text().replace("{use: resnet, width: 8, blocks: 1, upsample: resize}", f"{{use: resnet, {words}}}")
    path.write_text(text.replace("size: 32", f"size: {size}"))
    return path


@pytest.fixture(scope="module")
def small_run(place, tmp_path_factory) -> Path:
    """A finished run of the smaller network, two scales of discriminators."""
    folder = tmp_path_factory.mktemp("small")
    trained(begun(place, folder, WIDE, 32, steps=2, scales=2, discriminator_layers=1, taps=[1]), folder / "run")
    return folder / "run"


def test_a_run_begins_with_the_average_the_heads_and_the_discriminators_of_another(place, tmp_path, small_run):
    path = begun(place, tmp_path, WIDE, 32, steps=1, scales=2, discriminator_layers=1, taps=[1], start=str(small_run),
                 learning_rate="1e-12", ema=0)  # fmt: skip
    said = trained(path, tmp_path / "run")
    before, after = last_state(small_run), last_state(tmp_path / "run")
    assert not [line for line in said if "new ones learn" in line]
    for name, tensor in before["ema"].items():
        if name.startswith("network."):
            assert torch.allclose(after["generator"][name.removeprefix("network.")], tensor, atol=1e-6)
    for part in ("heads", "discriminators"):
        weights = [name for name in before[part] if name.endswith(("weight", "bias", "original"))]
        assert weights
        assert all(torch.allclose(after[part][name], before[part][name], atol=1e-6) for name in weights)


def test_weights_of_another_network_are_refused_by_name(place, tmp_path, small_run):
    other = {"width": 8, "blocks": 2, "downs": 1, "upsample": "resize"}
    with pytest.raises(HenshinError, match=r"resnet {.*blocks: 1.*} is not the generator here, and does not grow"):
        trained(begun(place, tmp_path, other, 32, steps=1, start=str(small_run)), tmp_path / "run")
    with pytest.raises(PipelineError, match="nowhere"):
        load_run(begun(place, tmp_path, WIDE, 32, start="nowhere"), build_registry())


def test_a_grown_network_learns_its_outer_layers_alone_and_then_all(place, tmp_path, small_run):
    options = {"scales": 2, "discriminator_layers": 1, "taps": [2], "start": str(small_run), "growth_steps": 60}
    said = trained(begun(place, tmp_path, NARROW, 64, steps=61, **options), tmp_path / "run", max_steps=60)
    assert not [line for line in said if "new ones learn" in line]
    growth = curves(tmp_path / "run")["growth"]
    assert len(growth) == 60
    assert sum(growth[-10:]) < 0.8 * sum(growth[:10])
    inner = {name.removeprefix("network."): value for name, value in last_state(small_run)["ema"].items()}
    grown = last_state(tmp_path / "run")["generator"]
    parts = {name: name.split(".", 2) for name in inner if name.startswith("encoder.")}
    compared = [
        (f"encoder.{int(number) + 1}.{rest}", name) for name, (_, number, rest) in parts.items() if number != "0"
    ]
    assert compared
    assert all(torch.equal(grown[mine], inner[theirs]) for mine, theirs in compared)
    trained(tmp_path / "cut.yaml", tmp_path / "run", resume=True)
    after = last_state(tmp_path / "run")["generator"]
    assert any(not torch.equal(after[mine], inner[theirs]) for mine, theirs in compared)


def test_a_break_in_the_growth_changes_nothing(place, tmp_path, small_run):
    options = {"scales": 2, "discriminator_layers": 1, "taps": [2], "start": str(small_run), "growth_steps": 3}
    path = begun(place, tmp_path, NARROW, 64, steps=5, pretrain=1, **options)
    trained(path, tmp_path / "whole")
    trained(path, tmp_path / "parts", max_steps=2)
    trained(path, tmp_path / "parts", resume=True)
    assert different(last_state(tmp_path / "whole"), last_state(tmp_path / "parts")) == []


def test_before_the_game_the_discriminators_learn_alone(place, tmp_path, small_run):
    path = begun(place, tmp_path, WIDE, 32, steps=3, pretrain=2, start=str(small_run), taps=[1])
    said = trained(path, tmp_path / "run", max_steps=2)
    assert [line for line in said if "brings no discriminators (patch) that fit: new ones learn" in line]
    for name, tensor in last_state(small_run)["ema"].items():
        if name.startswith("network."):
            assert torch.equal(last_state(tmp_path / "run")["generator"][name.removeprefix("network.")], tensor)
    assert "adversarial" not in curves(tmp_path / "run")
    trained(path, tmp_path / "run", resume=True)
    assert len(curves(tmp_path / "run")["adversarial"]) == 1


def test_discriminators_that_fit_are_loaded_whole_and_others_not_at_all(place, tmp_path, small_run):
    run = Said()
    network, heads = ResNetGenerator(8, 1, 1, "resize"), Heads([16])
    old, other = patches(2), patches(2, width=16)
    untouched = {name: tensor.clone() for name, tensor in other.state_dict().items()}
    assert begin(run, str(small_run), network, heads, DiscriminatorSet({"projected": other, "patch": old})) is None
    assert run.lines == [f"{small_run} brings no discriminators (projected) that fit: new ones learn"]
    before = last_state(small_run)["discriminators"]
    assert all(torch.equal(tensor, before[f"patch.{name}"]) for name, tensor in old.state_dict().items())
    run = Said()
    begin(run, str(small_run), network, heads, DiscriminatorSet({"patch": other}))
    assert run.lines == [f"{small_run} brings no discriminators (patch) that fit: new ones learn"]
    assert all(torch.equal(tensor, untouched[name]) for name, tensor in other.state_dict().items())


def test_the_optimiser_of_a_growth_is_prepared_for_several_processes(place, tmp_path, small_run):
    run = Said()
    growth = begin(run, str(small_run), ResNetGenerator(4, 1, 2, "resize"), Heads([16]), DiscriminatorSet({}))
    assert growth is not None
    assert run.prepared == [growth.optimizer]


class Said:
    """What the beginning of a run needs of it; it keeps what is said and prepared."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        self.registry, self.lines, self.prepared = build_registry(), [], []

    def place(self, name):
        return Path(name)

    def say(self, line):
        self.lines.append(line)

    def generator(self, choice):
        return make_generator(self.registry, choice.use, choice.options).build()

    def prepare(self, thing):
        self.prepared.append(thing)
        return thing


def patches(scales, width=8):
    return MultiScaleDiscriminator(scales, width, 1, "spectral", 10.0)


def test_layers_are_shared_only_with_a_network_of_one_halving_less():
    larger = ResNetGenerator(4, 1, 2, "resize")
    smaller = ResNetGenerator(8, 1, 1, "resize")
    shared = larger.inner_layers(smaller.state_dict())
    assert shared is not None
    assert {*shared} < {*larger.state_dict()}
    code = torch.rand(1, 8, 16, 16)
    with torch.no_grad():
        larger.load_state_dict({**larger.state_dict(), **shared})
        assert torch.equal(larger.encoder[2:](code), smaller.encoder[1:](code))
    for other in (
        ResNetGenerator(8, 2, 1, "resize"),
        ResNetGenerator(6, 1, 1, "resize"),
        ResNetGenerator(4, 1, 2, "resize"),
    ):
        assert larger.inner_layers(other.state_dict()) is None
