"""A network of several scales becomes a model for each: export and import write all of them, or none."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from safetensors.torch import save_file  # noqa: E402
from support.carn import drawn, imported, model, published  # noqa: E402
from support.onnx import traced_before  # noqa: E402

from henshin.cli import main  # noqa: E402
from henshin.errors import HenshinError  # noqa: E402
from henshin.models import ModelStore  # noqa: E402
from henshin.models.index import read_index  # noqa: E402
from henshin.testing import picture  # noqa: E402
from henshin.train.export import export_and_install, export_targets  # noqa: E402
from henshin.train.export import exporter as exporting  # noqa: E402
from henshin.train.export.models import free_paths  # noqa: E402
from henshin.train.weights.trained_network import TrainedNetwork  # noqa: E402
from henshin_plugins.carn import Carn  # noqa: E402
from henshin_plugins.carn.config import CarnConfig  # noqa: E402

TINY = {"width": 8, "scales": (2, 3)}


@pytest.fixture(scope="module")
def family(carn_models) -> Path:
    """A folder with the models of a tiny network of two scales, made by `henshin import`; its weights beside them."""
    return carn_models


def test_each_scale_is_a_model_of_its_own(family, monkeypatch):
    found = {path.name for path in family.iterdir()} - {"w.pth"}
    assert found == {f"tiny-x{scale}.{kind}" for scale in (2, 3) for kind in ("onnx", "safetensors")}
    monkeypatch.chdir(family)
    store = ModelStore(user=family)
    assert store.scales("tiny") == {2: "tiny-x2", 3: "tiny-x3"}
    code = str(Path(exporting.__file__).parents[2]).encode()
    hashes = set()
    for scale in (2, 3):
        contract = store.find("tiny", scale=scale).contract
        assert (contract.name, contract.scale, contract.reach) == (f"tiny-x{scale}", scale, 21)
        assert (contract.value_range, contract.licence, contract.description) == ((0.0, 1.0), "MIT", "Sharp.")
        assert contract.config == {"width": 8, "group": 4, "recursive": True, "scales": [scale]}
        hashes.add(contract.weights_sha256)
        assert code not in (family / f"tiny-x{scale}.onnx").read_bytes()  # where it was made is nobody's business
        again = imported(family / f"tiny-x{scale}.safetensors")  # it has its own tensors and no other
        assert list(export_targets(again)) == [f"-x{scale}"]
        assert again.network.state_dict().keys() == Carn(CarnConfig(**contract.config)).build().state_dict().keys()
    assert len(hashes) == 2
    with pytest.raises(HenshinError, match="no model named 'tiny-x5'; there are: tiny-x2, tiny-x3"):
        store.find("tiny-x5")


@pytest.mark.parametrize("scale", [2, 3])
@pytest.mark.parametrize("size", [(1, 1), (1, 37), (53, 1), (2, 3), (31, 17)])
def test_pictures_of_any_size_are_drawn_as_by_the_paper(family, scale, size):
    one = picture(size[1], size[0])
    assert one.shape == (*size, 3)
    (result,) = model(family / f"tiny-x{scale}.onnx").translate([one])
    expected = drawn(published(**TINY), one, scale)
    assert result.shape == expected.shape == (size[0] * scale, size[1] * scale, 3)
    assert np.abs(result - expected).max() <= 0.51


def test_export_gives_the_same_family(family, tmp_path, monkeypatch, capsys):
    """From safetensors of ours, with fp16, into a folder with a list; names that are taken are refused before work.

    The graphs are those of the family, with the contracts and the halved weights of this export.
    """
    monkeypatch.setattr(exporting, "write_graph", traced_before(lambda it: family / f"tiny-x{it.scale}.onnx"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HENSHIN_MODELS", str(tmp_path / "models"))
    save_file(imported(family / "w.pth").network.state_dict(), tmp_path / "w.safetensors")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "models.yaml").write_text("# mine\nmodels:\n")
    words = ["export", "--generator", "carn", "--weights", "w.safetensors", "--set", "width=8", "--set", "scales=[2,3]"]
    assert main([*words, "--name", "mine", "--fp16", "--description", "Half."]) == 0, capsys.readouterr().err
    said = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in said[:2]] == [
        f"{tmp_path}/models/mine-x{scale}.onnx" for scale in (2, 3)
    ]
    assert all("exported, and draws as PyTorch does: " in line for line in said[:2])
    assert said[2] == "model: mine takes of these 2 the smallest scale that suffices"
    listed = read_index(tmp_path / "models").models
    assert [(one.name, one.description) for one in listed] == [("mine-x2", "Half."), ("mine-x3", "Half.")]
    assert main(["models", "verify", "mine"]) == 0
    assert capsys.readouterr().out.count("whole") == 2
    one = picture(20, 30)
    (result,) = model(tmp_path / "models" / "mine-x3.onnx").translate([one])
    assert np.abs(result - drawn(published(**TINY), one, 3)).max() < 6
    assert main(["models", "show", "mine"]) == 0
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines() if line.startswith("mine")] == [
        "mine-x2",
        "mine-x3",
    ]

    (tmp_path / "models" / "mine-x2.onnx").unlink()
    before = (tmp_path / "models" / "mine-x3.onnx").read_bytes()
    assert main([*words, "--name", "mine"]) == 2
    assert "mine-x3.onnx: a model of this name is there already; give another --name, or --force" in (
        capsys.readouterr().err
    )
    assert not (tmp_path / "models" / "mine-x2.onnx").exists()
    assert (tmp_path / "models" / "mine-x3.onnx").read_bytes() == before
    (tmp_path / "models" / "other.onnx").write_bytes(b"")
    assert main([*words, "--name", "other", "--force"]) == 2
    assert "'other' would go on to mean it and not other-x2.onnx" in capsys.readouterr().err


def test_a_network_of_one_scale_is_named_by_it(tmp_path):
    (suffix,) = Carn(CarnConfig(scales=(3,))).family()
    assert free_paths("one", [suffix], tmp_path, False) == [tmp_path / "one-x3.onnx"]
    assert free_paths("one-x3", [suffix], tmp_path, False) == [tmp_path / "one-x3.onnx"]
    both = [tmp_path / "one-x2.onnx", tmp_path / "one-x3.onnx"]
    assert free_paths("one", list(Carn(CarnConfig(scales=(2, 3))).family()), tmp_path, False) == both
    both[1].mkdir()
    with pytest.raises(HenshinError, match="is there already"):  # a folder, which nothing can replace
        free_paths("one", ["-x2", "-x3"], tmp_path, True)


def sources(folder: Path, family: Path):
    found = export_targets(imported(family / "w.pth"))
    return {folder / f"tiny{suffix}.onnx": source for suffix, source in found.items()}


def test_all_of_a_family_are_written_or_none(family, tmp_path, monkeypatch):
    folder = tmp_path / "models"
    calls = []

    def failing(*args):
        calls.append(args)
        if len(calls) == 2:
            raise HenshinError("differs")

    monkeypatch.setattr(exporting, "write_graph", lambda _, path, *__: path.write_bytes(b"made"))
    with monkeypatch.context() as patch:
        patch.setattr(exporting, "check_parity", failing)
        with pytest.raises(HenshinError, match="differs"):
            export_and_install(sources(folder, family), [])
    assert len(calls) == 2
    assert not folder.exists()

    monkeypatch.setattr(exporting, "check_parity", lambda *_: None)
    copied = []

    def full(source, target):
        copied.append(Path(target).write_bytes(b"half"))
        if len(copied) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))

    with monkeypatch.context() as patch:
        patch.setattr(exporting.shutil, "copyfile", full)
        with pytest.raises(HenshinError, match=r"tiny-x3\.onnx: cannot be written: No space left on device"):
            export_and_install(sources(folder, family), [], weights=True)
    assert list(folder.iterdir()) == []
    (folder / "models.yaml").write_text("models: []\n")  # written so that nothing can be entered
    with pytest.raises(HenshinError, match="'tiny-x2' cannot be entered"):
        export_and_install(sources(folder, family), [])
    assert [path.name for path in folder.iterdir()] == ["models.yaml"]


def test_a_family_that_does_not_fit_its_network_is_told(family):
    class Odd(Carn):
        """Promises a scale that its network has not."""

        def family(self):
            return {"-x4": {"scales": (4,)}}

    class Empty(Carn):
        """Gives nothing."""

        def family(self):
            return {}

    config, network = CarnConfig(**TINY), Carn(CarnConfig(**TINY)).build()
    with pytest.raises(HenshinError, match=r"'-x4': lacks tensor 'enlarge\.x4\.0\.bias'"):
        export_targets(TrainedNetwork(Odd(config), network, None, "", "", ""))
    with pytest.raises(HenshinError, match="names no model"):
        export_targets(TrainedNetwork(Empty(config), network, None, "", "", ""))
