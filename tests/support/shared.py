"""What takes long to make and several files of tests read: made once in a run, by the worker that wants it first."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from PIL import Image


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return the folder `name` that `make` has filled, the same for all workers of this run. It is read only."""
    from filelock import FileLock

    base = factory.getbasetemp()
    common = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    common.mkdir(exist_ok=True)
    folder = common / name
    with FileLock(common / f"{name}.lock"):
        if not folder.exists():
            part = factory.mktemp(name)
            make(part)
            part.rename(folder)
    return folder


@pytest.fixture(scope="session")
def face_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what `henshin import` makes of a published StyleGAN2, `support.stylegan2.training_state()`.

    It holds face-mapping.onnx, face-synthesis.onnx and face.safetensors.
    """
    return made_once(tmp_path_factory, "face_models", _import_face)


def _import_face(folder: Path) -> None:
    import torch

    from henshin.cli import main
    from support.stylegan2 import training_state

    file = folder / "w.pt"
    torch.save(training_state(), file)
    assert main(["import", str(file), "--name", "face", "--licence", "CC0", "--output", str(folder)]) == 0
    file.unlink()


@pytest.fixture(scope="session")
def carn_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what `henshin import` makes of `support.carn.published(8, scales=(2, 3))`, which is w.pth there.

    It holds tiny-x2 and tiny-x3, .onnx and .safetensors.
    """
    return made_once(tmp_path_factory, "carn_models", _import_carn)


def _import_carn(folder: Path) -> None:
    import torch

    from henshin.cli import main
    from support.carn import published

    torch.save(published(8, scales=(2, 3)), folder / "w.pth")
    words = ["import", str(folder / "w.pth"), "--name", "tiny", "-o", str(folder), "--keep-weights"]
    assert main([*words, "--description", "Sharp.", "--licence", "MIT"]) == 0


@pytest.fixture
def unmade(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is exported in earnest: that is slow, and other tests do it."""
    from henshin.train.export import exporter
    from support.onnx import enlarge

    def written(_: object, path: Path, contract: Any, __: bool) -> None:
        enlarge(path, contract.scale, **contract.model_dump(exclude={"scale"}))

    monkeypatch.setattr(exporter, "check_parity", lambda *_: "unchecked")
    monkeypatch.setattr(exporter, "write_graph", written)


@pytest.fixture(autouse=True)
def _torchlib_read_once() -> None:
    """PyTorch's exporter keeps its table of functions: it parses some 500 for each export, a fifth of its time."""
    module = sys.modules.get("torch.onnx._internal.exporter._registration")
    registry = getattr(module, "ONNXRegistry", None)
    if registry is not None and not hasattr(registry.from_torchlib, "cache_info"):
        registry.from_torchlib = staticmethod(cache(registry.from_torchlib))


@pytest.fixture(scope="module", autouse=True)
def _curves_blank(request: pytest.FixtureRequest) -> Iterator[None]:
    """Runs draw blank curves, for real ones take longer than the steps of a small run; those of loggers are real."""
    with pytest.MonkeyPatch.context() as patch:
        if "torch" in sys.modules and request.path.parent.name != "loggers":
            patch.setattr("henshin.train.loggers.curves._plot_panel", lambda *_: Image.new("RGB", (6, 4)))
        yield
