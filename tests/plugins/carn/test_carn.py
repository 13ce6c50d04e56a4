"""Generator `carn`: the networks of the paper, and their authors' weights."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
from safetensors.torch import save_file  # noqa: E402
from support.carn import enlarged, imported, model, published  # noqa: E402

from henshin.cli import main  # noqa: E402
from henshin.errors import HenshinError, WrongWeightsError  # noqa: E402
from henshin.models import ModelStore  # noqa: E402
from henshin.runtime import Model  # noqa: E402
from henshin.train.export import export_and_install, export_targets  # noqa: E402
from henshin_plugins.carn import Carn  # noqa: E402
from henshin_plugins.carn.config import CarnConfig  # noqa: E402


def built(tensors, **options):
    """The network of a file of published weights, in eval mode."""
    told, ours = Carn.recognise(tensors)
    network = Carn(CarnConfig(**{**told, **options})).build()
    network.load_state_dict(ours, strict=True)
    return network.eval()


# -- The networks


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 414_787),
        ({"group": 1, "recursive": False}, 1_591_939),
    ],
)
def test_the_networks_have_the_papers_size(options, expected):
    network = Carn(CarnConfig(**options)).build()
    assert sum(one.numel() for one in network.parameters()) == expected
    buffers = dict(network.named_buffers())
    assert buffers.keys() == {"mean"}  # not trained: the mean colour alone
    assert torch.allclose(buffers["mean"].flatten(), torch.tensor([0.4488, 0.4371, 0.4040]))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_what_passes_through_the_network_has_the_papers_shapes(scale):
    network = Carn(CarnConfig(width=16)).build()
    seen: dict[str, tuple[int, ...]] = {}
    for name, layer in network.named_modules():
        layer.register_forward_hook(lambda _, __, out, name=name: seen.__setitem__(name, tuple(out.shape[1:])))
    with torch.inference_mode():
        assert network(torch.rand(2, 3, 7, 5), scale).shape == (2, 3, 7 * scale, 5 * scale)
    assert {seen[name] for name in ("entry", "body", "body.blocks.0", "body.blocks.2.blocks.0")} == {(16, 7, 5)}
    widths = [network.body.fusions[i][0].in_channels for i in range(3)]
    assert widths == [network.body.blocks[1].fusions[i][0].in_channels for i in range(3)] == [32, 48, 64]
    assert seen[f"enlarge.x{scale}"] == (16, 7 * scale, 5 * scale)
    assert not any(name.startswith("enlarge.x") and name[9] != str(scale) for name in seen)


@pytest.mark.parametrize(
    ("kind", "scales", "single"),
    [
        ({"group": 4, "recursive": True}, (2, 3, 4), False),
        ({"group": 1, "recursive": False}, (2, 3, 4), False),
        ({"group": 1, "recursive": True}, (3,), False),
        ({"group": 2, "recursive": False}, (2,), True),
        ({"group": 4, "recursive": True}, (3,), True),
        ({"group": 4, "recursive": False}, (4,), True),
    ],
)
def test_published_weights_draw_what_the_paper_says(kind, scales, single):
    tensors = published(8, scales=scales, single=single, **kind)
    told, _ = Carn.recognise(tensors)
    assert CarnConfig(**told) == CarnConfig(width=8, scales=scales, **kind)
    network = built(tensors)
    x = torch.rand(2, 3, 11, 9)
    with torch.inference_mode():
        for scale in scales:
            expected = enlarged(tensors, x, scale)
            assert expected.std() > 0.05
            assert torch.allclose(network(x, scale), expected, atol=1e-5)
        assert torch.equal(network(x), network(x, scales[0]))


def test_another_mean_is_kept():
    tensors = published(8)
    for side, sign in (("sub", -1), ("add", 1)):
        tensors[f"{side}_mean.shifter.bias"] = sign * torch.tensor([0.1, 0.2, 0.3])
    x = torch.rand(1, 3, 6, 6)
    with torch.inference_mode():
        assert torch.allclose(built(tensors)(x, 2), enlarged(tensors, x, 2), atol=1e-5)


# -- Other layouts


def changed(**tensors):
    """The authors' weights with some of them changed; None takes one away."""
    whole = {**published(8), **tensors}
    return {name: value for name, value in whole.items() if value is not None}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"b2.c1.body.0.bias": None}, "lacks tensor 'b2.c1.body.0.bias' for CARN"),
        ({"entry.weight": None}, "lacks tensor 'entry.weight' for CARN"),
        ({"sub_mean.shifter.weight": None}, "lacks tensor 'sub_mean.shifter.weight' for CARN"),
        ({"upsample.up4.body.3.weight": None}, "lacks tensor 'upsample.up4.body.3.weight' for CARN"),
        ({"b4.c1.body.0.bias": torch.zeros(8)}, "has an unknown tensor 'b4.c1.body.0.bias' for CARN"),
        (
            {"step": torch.zeros(()), "exit.bias": None},
            "lacks tensor 'exit.bias' for CARN; has an unknown tensor 'step' for CARN",
        ),
        ({"entry.bias": torch.zeros(9)}, "tensor 'entry.bias' is (9,), CARN wants (8,)"),
        ({"entry.bias": torch.zeros(())}, "tensor 'entry.bias' is (), CARN wants (8,)"),
        ({"b1.b1.body.0.weight": torch.zeros(8, 8, 3, 3)}, "is (8, 8, 3, 3), CARN wants (8, 2, 3, 3)"),
        (
            {f"b1.c{i}.body.0.bias": torch.zeros(9) for i in (1, 2, 3)},
            "'b1.c1.body.0.bias' is (9,), CARN wants (8,); so with 'b1.c2.body.0.bias' (and 'b1.c3.body.0.bias')",
        ),
        ({"sub_mean.shifter.weight": torch.ones(3, 3, 1, 1)}, "sub_mean and add_mean mix colours"),
        ({"sub_mean.shifter.bias": torch.zeros(3)}, "sub_mean takes away another colour"),
    ],
)
def test_what_is_almost_carn_is_told_by_its_tensors(change, said, tmp_path):
    tensors = changed(**change)
    with pytest.raises(WrongWeightsError) as caught:
        Carn.recognise(tensors)
    assert said in str(caught.value)
    torch.save({"epoch": 3, "state_dict": tensors}, tmp_path / "w.pth")
    with pytest.raises(HenshinError) as caught:
        imported(tmp_path / "w.pth")
    assert str(caught.value).startswith(f"{tmp_path / 'w.pth'}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_networks_are_not_carn():
    assert Carn.recognise({}) is None
    assert Carn.recognise({"entry.weight": torch.zeros(8, 3, 3, 3), "exit.bias": torch.zeros(3)}) is None
    assert Carn.recognise(Carn(CarnConfig(width=8)).build().state_dict()) is None
    others = {f"layer{i}.weight": torch.zeros(1) for i in range(60)}
    assert Carn.recognise({**published(8), **others}) is None


def test_weights_under_our_own_names_are_told_by_their_tensors_too(tmp_path):
    tensors = Carn(CarnConfig(width=8)).build().state_dict()
    del tensors["exit.bias"], tensors["body.fusions.0.0.bias"]
    save_file({**tensors, "more": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(HenshinError) as caught:
        imported(tmp_path / "w.safetensors", generator="carn", options={"width": 8})
    assert "lacks tensor 'body.fusions.0.0.bias' (and 'exit.bias') for generator 'carn'" in str(caught.value)
    assert "has an unknown tensor 'more' for generator 'carn'" in str(caught.value)


def test_tensors_that_were_saved_on_a_gpu_are_read_without_one(tmp_path):
    torch.save(published(8), tmp_path / "cpu.pth")
    with zipfile.ZipFile(tmp_path / "cpu.pth") as old, zipfile.ZipFile(tmp_path / "gpu.pth", "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith("data.pkl"):
                assert b"X\x03\0\0\0cpu" in data
                data = data.replace(b"X\x03\0\0\0cpu", b"X\x06\0\0\0cuda:0")
            new.writestr(name, data)
    network = imported(tmp_path / "gpu.pth").network
    assert torch.equal(network.exit.weight, published(8)["exit.weight"])
    assert network.exit.weight.device.type == "cpu"


# -- The authors' weights


@pytest.fixture(scope="module")
def authors(shared_data: Path) -> Path:
    path = shared_data.parent / "weights" / "carn_m.pth"
    if not path.is_file():
        pytest.skip("the authors' weights are not at hand")
    return path


def luma(one: np.ndarray) -> np.ndarray:
    return 16 + one.astype(np.float64) @ [65.481, 128.553, 24.966] / 255


def measured(network: Model, folder: Path, scale: int) -> float:
    """Mean PSNR in dB on a test set, as papers have it: of luma, without a border of `scale` pixels."""
    found = []
    for path in sorted(path for path in folder.iterdir() if path.suffix.lower() in (".png", ".bmp", ".jpg")):
        whole = Image.open(path).convert("RGB")
        width, height = (side // scale for side in whole.size)
        whole = whole.crop((0, 0, width * scale, height * scale))
        small = whole.resize((width, height), Image.Resampling.BICUBIC)
        (result,) = network.translate([np.asarray(small)])
        apart = (luma(np.asarray(whole)) - luma(result))[scale:-scale, scale:-scale]
        found.append(10 * np.log10(255**2 / np.mean(apart**2)))
    return float(np.mean(found))


def the_listed_weights_are(path: Path) -> None:
    from henshin.files import hash_file

    listed = ModelStore().weights["carn-m-ahn"]
    assert (hash_file(path), path.stat().st_size) == (listed.sha256, listed.size)
    assert listed.models == ("carn-m-ahn-x2", "carn-m-ahn-x3", "carn-m-ahn-x4")


def test_the_authors_weights_on_set5(authors, shared_data, tmp_path):
    the_listed_weights_are(authors)
    source = imported(authors)
    assert source.generator.config == CarnConfig()
    target = tmp_path / "carn-x2.onnx"
    export_and_install({target: export_targets(source)["-x2"]}, [])
    assert measured(model(target), shared_data / "sr" / "Set5", 2) == pytest.approx(37.68, abs=0.02)


FIGURES = {"Set5": (37.68, 34.07, 31.89), "Set14": (33.32, 30.11, 28.43)}


@pytest.mark.slow
def test_the_authors_weights_give_the_authors_figures(authors, shared_data, tmp_path):
    words = ["import", str(authors), "--name", "carn-m-ahn", "-o", str(tmp_path)]
    assert main(words) == 0
    for name, figures in FIGURES.items():
        for scale, figure in zip((2, 3, 4), figures, strict=True):
            got = measured(model(tmp_path / f"carn-m-ahn-x{scale}.onnx"), shared_data / "sr" / name, scale)
            assert got == pytest.approx(figure, abs=0.02), (name, scale)
