"""`henshin import`: published weights become models that draw what their authors' networks draw."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
from safetensors.torch import save_file  # noqa: E402
from support.cartoongan import draw, published  # noqa: E402

from henshin import Generator, GeneratorConfig  # noqa: E402
from henshin.cli import main, run_pipeline  # noqa: E402
from henshin.errors import HenshinError, MissingError  # noqa: E402
from henshin.models import METADATA_KEY, Contract  # noqa: E402
from henshin.registry import Registry, build_registry  # noqa: E402
from henshin.testing import picture  # noqa: E402
from henshin.train.export.artificial_photos import photo_like  # noqa: E402
from henshin.train.weights.from_published import ImportOptions, from_published, importable  # noqa: E402
from henshin.train.weights.weight_files import read_groups  # noqa: E402
from henshin_plugins.cartoongan import Cartoon  # noqa: E402
from henshin_plugins.cartoongan.config import CartoonConfig  # noqa: E402

REGISTRY = build_registry()
WEIGHTS = published()


def halves() -> dict[str, np.ndarray]:
    return {name: value.numpy().astype(np.float16) for name, value in WEIGHTS.items()}


def imported(path: Path, **wanted: object):
    return from_published(path, REGISTRY, ImportOptions(**wanted))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HENSHIN_MODELS", str(tmp_path / "models"))
    return tmp_path


def test_from_a_published_file_to_a_model_that_a_pipeline_runs(home, capsys):
    np.savez(home / "style.npz", **halves())
    words = ["import", "style.npz", "--licence", "MIT", "--description", "Flat and bright.", "--keep-weights"]
    assert main(words) == 0, capsys.readouterr().err
    assert "imported (cartoongan, width: 8, blocks: 2, borders: zeros, epsilon: 1e-09)" in capsys.readouterr().out
    assert {path.name for path in (home / "models").iterdir()} == {"style.onnx", "style.safetensors"}
    assert main(["models", "list", "--json"]) == 0
    (listed,) = [one for one in json.loads(capsys.readouterr().out) if one["name"] == "style"]
    assert listed["contract"]["licence"] == "MIT"
    assert listed["contract"]["origin"].startswith("weights of style.npz, sha256 ")

    (home / "photos").mkdir()
    photo = picture(52, 40)
    Image.fromarray(photo).save(home / "photos" / "a.png")
    (home / "draw.yaml").write_text("name: draw\nstages:\n  - use: generator\n    model: style\n")
    assert run_pipeline(["draw.yaml", "-i", "photos", "-o", "out", "--device", "cpu"]) == 0, capsys.readouterr().err
    drawn = np.asarray(Image.open(home / "out" / "a.png")).astype(float)
    widened = {name: torch.from_numpy(value.astype(np.float32)) for name, value in halves().items()}
    expected = draw(widened, photo[None])[0]
    assert expected.std() > 20
    assert np.abs(drawn - expected.clip(0, 255)).max() <= 1

    assert main(["import", "style.npz"]) == 2  # before any work
    assert "models/style.onnx: a model of this name is there already" in capsys.readouterr().err
    # what --keep-weights wrote says itself what it is
    again = imported(home / "models" / "style.safetensors")
    assert (again.generator.config, again.licence) == (Cartoon.Config(**listed["contract"]["config"]), "MIT")
    assert again.description == "Flat and bright."


@pytest.mark.parametrize("kind", ["npz", "folder", "safetensors", "pth", "nested", "parallel", "whole state"])
def test_every_kind_of_file_gives_the_same_network(tmp_path, kind):
    path = tmp_path / {"npz": "w.npz", "folder": "w", "safetensors": "w.safetensors"}.get(kind, "w.pth")
    if kind == "npz":
        np.savez(path, **{name: value.numpy() for name, value in WEIGHTS.items()})
    elif kind == "folder":
        path.mkdir()
        for name, value in WEIGHTS.items():
            np.save(path / f"{name}.npy", value.numpy())
    elif kind == "safetensors":
        save_file(WEIGHTS, path)
    else:
        parallel = {f"module.{name}": value.double() for name, value in WEIGHTS.items()}
        discriminator = {f"discriminator.{i}.weight": torch.zeros(2, 2) for i in range(2)}
        whole = {**{f"generator.{name}": value for name, value in parallel.items()}, **discriminator}
        saved = {
            "pth": WEIGHTS,
            "nested": {"epoch": 3, "state_dict": WEIGHTS, "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}}},
            "parallel": parallel,
            "whole state": {"epoch": 3, "state_dict": whole},
        }[kind]
        torch.save(saved, path)
    source = imported(path)
    assert source.generator.config == CartoonConfig(width=8, blocks=2, borders="zeros", epsilon=1e-9)
    found = source.network.state_dict()
    expected = Cartoon.recognise(WEIGHTS)[1]
    assert found.keys() == expected.keys()
    assert all(value.dtype == torch.float32 and torch.equal(value, expected[name]) for name, value in found.items())


def test_of_several_networks_one_is_chosen(tmp_path):
    torch.save({"netG_A": WEIGHTS, "netG_B": published(seed=1)}, tmp_path / "w.pth")
    with pytest.raises(HenshinError, match=r"w\.pth: holds 2 networks .* choose one: --key netG_A or --key netG_B"):
        imported(tmp_path / "w.pth")
    network = imported(tmp_path / "w.pth", key="netG_B").network
    assert torch.equal(network.state_dict()["up.0.0.weight"], published(seed=1)["deconv01_1.weight"])
    with pytest.raises(HenshinError, match=r"has nothing under the key 'netG_C'; there are: netG_A.*netG_B"):
        imported(tmp_path / "w.pth", key="netG_C")


def test_options_of_the_command_line_go_over_what_was_recognised(tmp_path):
    save_file(WEIGHTS, tmp_path / "w.safetensors")
    source = imported(tmp_path / "w.safetensors", options={"borders": "reflect"}, size=256, data="drawn", origin="mine")
    assert (source.generator.config.borders, source.generator.config.epsilon) == ("reflect", 1e-9)
    assert (source.preferred_size, source.data, source.origin, source.licence) == (256, "drawn", "mine", "not stated")


def test_an_unknown_layout_is_told_with_what_was_found_and_what_is_known(tmp_path):
    save_file({"a.weight": torch.zeros(2, 3), "b": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(HenshinError) as caught:
        imported(tmp_path / "w.safetensors")
    told = str(caught.value)
    assert "no generator knows these 2 tensors: a.weight (2x3), b (1)" in told
    assert "known layouts: carn, cartoongan" in told
    assert "\n" not in told
    with pytest.raises(HenshinError, match="no generator named 'cartoongna'; did you mean 'cartoongan'"):
        imported(tmp_path / "w.safetensors", generator="cartoongna")


def test_weights_under_our_own_names_want_the_generators_name(tmp_path):
    options = {"width": 8, "blocks": 2}
    tensors = Cartoon(CartoonConfig(**options)).build().state_dict()
    save_file(tensors, tmp_path / "w.safetensors")
    network = imported(tmp_path / "w.safetensors", generator="cartoongan", options=options).network
    assert torch.equal(network.state_dict()["first.0.weight"], tensors["first.0.weight"])
    with pytest.raises(HenshinError, match=r"w\.safetensors: tensor 'down.* generator 'cartoongan' wants"):
        imported(tmp_path / "w.safetensors", generator="cartoongan", options={"width": 16, "blocks": 2})


class OtherConfig(GeneratorConfig):
    """No options."""


class Other(Generator[OtherConfig]):
    """Says yes to everything."""

    name = "other"
    Config = OtherConfig

    def build(self):
        return torch.nn.Identity()

    @classmethod
    def recognise(cls, tensors):
        if "broken" in tensors:
            raise RuntimeError("no")
        return {}, {}


def test_two_generators_that_say_yes_are_told_apart_by_name(tmp_path):
    registry = Registry()
    registry.generators.update(cartoongan=Cartoon, other=Other)
    assert list(importable(registry)) == ["cartoongan", "other"]
    save_file(WEIGHTS, tmp_path / "w.safetensors")
    with pytest.raises(HenshinError, match="cartoongan and other both know this layout; choose one: --generator"):
        from_published(tmp_path / "w.safetensors", registry, ImportOptions())
    chosen = from_published(tmp_path / "w.safetensors", registry, ImportOptions(generator="cartoongan"))
    assert chosen.generator.name == "cartoongan"
    save_file({"broken": torch.zeros(1)}, tmp_path / "b.safetensors")
    with pytest.raises(HenshinError, match="generator 'other' failed to look at the weights: RuntimeError: no"):
        from_published(tmp_path / "b.safetensors", registry, ImportOptions())


class Trap:
    def __reduce__(self):
        return Path.touch, (Path("touched"),)


class System:
    def __reduce__(self):
        return os.system, ("touch touched",)


def test_a_pickle_that_wants_more_than_tensors_is_refused_and_never_run(home):
    torch.save({"state_dict": WEIGHTS, "network": Trap()}, home / "w.pth")
    with pytest.raises(HenshinError, match=r"w\.pth: wants \w+ besides its tensors, and could run anything"):
        read_groups(home / "w.pth")
    for protocol in (0, 2, 4):
        (home / "raw.pt").write_bytes(pickle.dumps(Trap(), protocol=protocol))
        with pytest.raises(HenshinError, match=r"raw\.pt: wants \S+ besides its tensors") as caught:
            read_groups(home / "raw.pt")
        assert "\n" not in str(caught.value)
    torch.save({"network": System()}, home / "w.pth", pickle_protocol=4)
    with pytest.raises(HenshinError, match=r"w\.pth: wants \w+\.system besides its tensors"):
        read_groups(home / "w.pth")
    np.savez(home / "w.npz", a=np.array([Trap()], dtype=object))
    with pytest.raises(HenshinError, match=r"w\.npz: cannot be read as \.npz"):
        read_groups(home / "w.npz")
    assert not (home / "touched").exists()


@pytest.mark.parametrize("name", ["w.npz", "w.safetensors", "w.pth", "w.pt", "deep/w.npy"])
def test_damaged_files_are_told_in_one_line(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    for content in (b"", b"nothing of the kind", b"PK\x03\x04 half of it"):
        path.write_bytes(content)
        with pytest.raises(HenshinError, match="cannot be read") as caught:
            read_groups(path.parent if path.suffix == ".npy" else path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "it is empty, or cut off"), (b"hello", "it is no pickle, or a damaged one")]
)
def test_what_is_wrong_with_a_pickle_is_told_in_words(tmp_path, content, reason):
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(HenshinError) as caught:
        read_groups(tmp_path / "w.pth")
    assert str(caught.value) == f"{tmp_path / 'w.pth'}: cannot be read as weights of PyTorch ({reason})"


def test_weights_of_a_training_that_diverged_are_refused(tmp_path):
    tensors = Cartoon(CartoonConfig(width=8, blocks=1)).build().state_dict()
    first, second = sorted(name for name, tensor in tensors.items() if tensor.is_floating_point())[:2]
    contract = Contract(name="mine", generator="cartoongan", config={"width": 8, "blocks": 1})
    for value, names, more in ((float("nan"), [first], ""), (float("inf"), [first, second], ", and so do 1 more")):
        broken = {name: torch.full_like(tensor, value) if name in names else tensor for name, tensor in tensors.items()}
        save_file(broken, tmp_path / "w.safetensors", {METADATA_KEY: contract.to_json()})
        with pytest.raises(HenshinError) as caught:
            imported(tmp_path / "w.safetensors")
        assert str(caught.value).endswith(f"w.safetensors: tensor '{first}' holds values that are not finite{more}")


def test_files_that_need_something_else_say_what(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"")
    with pytest.raises(HenshinError, match=r"needs no import: put a net\.onnx\.henshin\.json beside it"):
        read_groups(tmp_path / "net.onnx")
    (tmp_path / "net.h5").write_bytes(b"")
    with pytest.raises(HenshinError, match=r"\.h5 files are not read"):
        read_groups(tmp_path / "net.h5")
    for name in ("run.yaml", "picture.png"):
        (tmp_path / name).write_bytes(b"recipe: cut\n" if name == "run.yaml" else b"\x89PNG\r\n\x1a\n\0\0\0")
        with pytest.raises(HenshinError) as caught:
            read_groups(tmp_path / name)
        assert str(caught.value) == (
            f"{tmp_path / name}: not a file of weights; .npz, .safetensors, .pth, .pt or a folder of .npy"
        )
    with pytest.raises(MissingError, match="no such file of weights"):
        read_groups(tmp_path / "none.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(HenshinError, match="holds a list, not tensors by name"):
        read_groups(tmp_path / "list.pth")
    torch.save({"epoch": 1}, tmp_path / "empty.pth")
    with pytest.raises(HenshinError, match="holds no tensors by name"):
        read_groups(tmp_path / "empty.pth")


def test_the_command_says_what_is_wrong(home, capsys):
    assert main(["import", "none.pth", "--name", "x"]) == 3
    assert "none.pth: no such file of weights" in capsys.readouterr().err
    assert main(["import", "none.pth", "--name", "a/b"]) == 2
    assert "cannot name a file" in capsys.readouterr().err
    assert not (home / "models").exists()


def test_a_contract_in_the_file_is_believed(tmp_path):
    tensors = Cartoon(CartoonConfig(width=8, blocks=1)).build().state_dict()
    contract = Contract(name="mine", generator="cartoongan", config={"width": 8, "blocks": 1}, preferred_size=96)
    save_file(tensors, tmp_path / "w.safetensors", {METADATA_KEY: contract.to_json()})
    source = imported(tmp_path / "w.safetensors", licence="CC0-1.0")
    assert (source.preferred_size, source.licence, source.generator.config.blocks) == (96, "CC0-1.0", 1)


def test_pictures_that_are_made_are_always_the_same_and_full_of_everything():
    one = photo_like(96, 64, 3)
    assert one.shape == (64, 96, 3)
    assert one.dtype == np.uint8
    assert np.array_equal(one, photo_like(96, 64, 3))
    assert not np.array_equal(one, photo_like(96, 64, 4))
    assert one.std() > 25
    assert one.min() < 40
    assert one.max() > 215
