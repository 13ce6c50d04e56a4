"""`henshin models pull` of weights for PyTorch: fetched by their address, checked, imported, not kept."""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import yaml

torch = pytest.importorskip("torch")
from support import onnx as tiny  # noqa: E402
from support.carn import published  # noqa: E402

from henshin.cli import main  # noqa: E402
from henshin.config.options import ModelOption  # noqa: E402
from henshin.errors import MissingError  # noqa: E402
from henshin.models import ModelStore  # noqa: E402
from henshin.models.catalogue import list_models  # noqa: E402
from henshin.models.requirements import suitable_models  # noqa: E402
from henshin.testing import picture  # noqa: E402
from henshin.train.export import exporter as exporting  # noqa: E402


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


class Place:
    """The user's folder with its list, a folder that a local server shows, and a folder for what is temporary."""

    def __init__(self, folder: Path, address: str) -> None:
        self.models, self.web, self.address = folder / "models", folder / "web", address
        self.temporary = folder / "tmp"
        for one in (self.models, self.web, self.temporary):
            one.mkdir(exist_ok=True)

    def listed(self, **more: object) -> None:
        data = (self.web / "w.pth").read_bytes()
        entry = {
            "name": "sharp",
            "file": "w.pth",
            "sha256": hashlib.sha256(data).hexdigest(),
            "size": len(data),
            "url": f"{self.address}/w.pth",
            "scales": [2, 3],
            "run": "Weights by nobody:",
            "licence": "MIT",
            **more,
        }
        (self.models / "models.yaml").write_text(yaml.safe_dump({"weights": [entry]}))

    def left(self) -> set[str]:
        """What is in the user's folder besides its list, and in the temporary one."""
        found = {path.name for folder in (self.models, self.temporary) for path in folder.iterdir()}
        return {name for name in found - {"models.yaml"} if not name.startswith("torchinductor")}  # PyTorch's own


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "web")))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    place = Place(tmp_path, f"http://127.0.0.1:{server.server_port}")
    torch.save(published(8, scales=(2, 3)), place.web / "w.pth")
    place.listed()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HENSHIN_MODELS", str(place.models))
    monkeypatch.setattr(tempfile, "tempdir", str(place.temporary))
    yield place
    server.shutdown()
    server.server_close()
    thread.join()


def test_listed_weights_become_models(place, carn_models, monkeypatch, capsys):
    traced = tiny.traced_before(lambda contract: carn_models / f"tiny-x{contract.scale}.onnx")
    monkeypatch.setattr(exporting, "write_graph", traced)
    assert main(["models", "pull", "sharp"]) == 0, capsys.readouterr().err
    said = capsys.readouterr().out.splitlines()
    for scale, line in zip((2, 3), said, strict=False):
        assert line.startswith(f"{place.models}/sharp-x{scale}.onnx: imported (carn, width: 8")
    assert place.left() == {"sharp-x2.onnx", "sharp-x3.onnx"}
    store = ModelStore()
    found = store.find("sharp", scale=3)
    data = (place.web / "w.pth").read_bytes()
    assert found.contract.origin == (
        f"Weights by nobody: {place.address}/w.pth, sha256 {hashlib.sha256(data).hexdigest()}"
    )
    assert (found.contract.licence, found.contract.scale) == ("MIT", 3)
    assert [(one.name, one.source) for one in list_models(store) if one.name.startswith("sharp")] == [
        ("sharp-x2", "user"),
        ("sharp-x3", "user"),
    ]
    from henshin.runtime import Device, Model, OnnxSession

    (result,) = Model(found.contract, OnnxSession(found.path, Device("cpu"))).translate([picture(9, 7)])
    assert result.shape == (21, 27, 3)
    assert np.ptp(result) > 0
    # they are there: nothing is fetched again, whatever the server says
    (place.web / "w.pth").unlink()
    stamps = {path: path.stat().st_mtime_ns for path in place.models.iterdir()}
    assert main(["models", "pull", "sharp", "sharp-x2"]) == 0, capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in place.models.iterdir()} == stamps


def test_before_they_are_pulled_everything_says_how_they_are_had(place, capsys):
    how = "get it with: henshin models pull sharp (it needs henshin[train]); or from the file: henshin import w.pth "
    assert main(["models"]) == 0
    assert any(
        line.split()[0] == "sharp" and "(henshin models pull sharp; needs henshin[train])" in line and "MIT" in line
        for line in capsys.readouterr().out.splitlines()
    )
    (listed,) = [one for one in list_models(ModelStore()) if one.name == "sharp"]
    assert (listed.source, listed.path, listed.needs) == ("download", None, "train")
    for name in ("sharp", "sharp-x3"):
        assert main(["models", "show", name]) == 3
        assert how in capsys.readouterr().err
    (place.models.parent / "p.yaml").write_text("name: p\nstages:\n  - use: super_resolution\n    model: sharp\n")
    assert main(["check", "p.yaml"]) == 3
    said = capsys.readouterr().err
    assert "p.yaml:4: super_resolution.model: model 'sharp' is not on this machine; " in said
    assert how in said
    assert main(["models", "show", "sharp-x4"]) == 3
    assert "no model named 'sharp-x4'; there are: sharp-x2, sharp-x3" in capsys.readouterr().err
    assert "sharp" in suitable_models(ModelStore(), ModelOption(kind="translator", enlarges=True))
    assert "sharp" not in suitable_models(ModelStore(), ModelOption(kind="detector"))


def test_one_scales_name_pulls_all(place, unmade, capsys):
    assert main(["models", "pull", "sharp-x3", "-o", "elsewhere"]) == 0, capsys.readouterr().err
    assert {path.name for path in Path("elsewhere").iterdir()} == {"sharp-x2.onnx", "sharp-x3.onnx"}
    assert place.left() == set()


def test_other_models_of_these_names_stay(place, unmade, capsys):
    mine = tiny.invert(place.models / "sharp-x2.onnx").read_bytes()
    assert main(["models", "pull", "sharp"]) == 2
    assert "sharp-x2.onnx: another file has this name; --force replaces it" in capsys.readouterr().err
    assert place.left() == {"sharp-x2.onnx"}
    assert (place.models / "sharp-x2.onnx").read_bytes() == mine
    assert main(["models", "pull", "sharp", "--force"]) == 0, capsys.readouterr().err
    assert place.left() == {"sharp-x2.onnx", "sharp-x3.onnx"}
    (place.models / "sharp-x3.onnx").unlink()  # one of our own is gone: made again without a word
    with pytest.raises(MissingError, match="model 'sharp-x3' is not on this machine"):
        ModelStore().find("sharp", scale=3)
    assert main(["models", "pull", "sharp"]) == 0, capsys.readouterr().err
    assert place.left() == {"sharp-x2.onnx", "sharp-x3.onnx"}


@pytest.mark.parametrize("came", ["other", "half", "longer", "gone"])
def test_nothing_is_left_of_what_is_not_what_is_listed(place, unmade, capsys, came):
    file = place.web / "w.pth"
    data = file.read_bytes()
    if came == "gone":
        file.unlink()
    else:
        file.write_bytes({"other": data[:-1] + b"x", "half": data[: len(data) // 2], "longer": data + b"x"}[came])
    assert main(["models", "pull", "sharp"]) == (3 if came == "gone" else 2)
    said = capsys.readouterr().err
    assert ("answers 404" if came == "gone" else "nothing was kept") in said
    assert said.count("\n") == 1
    assert place.left() == set()


def test_nothing_is_left_of_what_is_interrupted(place, monkeypatch, capsys):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for step in ("henshin.models.download._receive", "henshin.train.export.exporter.write_graph"):
        with monkeypatch.context() as patch:
            patch.setattr(step, interrupted)
            assert main(["models", "pull", "sharp"]) == 130
        assert place.left() == set()
    assert "interrupted" in capsys.readouterr().err


def test_a_list_that_promises_other_scales_is_told(place, unmade, capsys):
    place.listed(scales=[2, 4])
    assert main(["models", "pull", "sharp"]) == 2
    assert "w.pth gives sharp-x2, sharp-x3, not what its list says" in capsys.readouterr().err
    assert place.left() == set()


def test_without_torch_the_command_to_install_it_is_told(place, monkeypatch, capsys):
    monkeypatch.setattr("henshin.cli.training_packages.find_spec", lambda name: None if name == "torch" else name)
    assert main(["models", "pull", "sharp"]) == 3
    assert capsys.readouterr().err == (
        "henshin: 'sharp' is made from weights for PyTorch by henshin import, which needs torch: "
        "pip install 'henshin[train]'\n"
    )
    assert place.left() == set()


def test_a_multi_scale_model_whose_scales_are_files_is_pulled_whole(place, tmp_path, capsys):
    entries = []
    for scale in (2, 4):
        data = tiny.enlarge(place.web / f"big-x{scale}.onnx", scale).read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        url = f"{place.address}/big-x{scale}.onnx"
        entries.append(
            {"name": f"big-x{scale}", "file": f"big-x{scale}.onnx", "sha256": digest, "size": len(data), "url": url}
        )
    (place.models / "models.yaml").write_text(yaml.safe_dump({"models": entries}))
    assert main(["models", "pull", "big"]) == 0, capsys.readouterr().err
    assert place.left() == {"big-x2.onnx", "big-x4.onnx"}
    assert main(["models", "verify", "big"]) == 0
    assert capsys.readouterr().out.count("whole") == 2
