"""LPIPS with a made-up AlexNet against its formula, and the distance by VGG-19, which has another name."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch.nn import functional as F

from henshin.errors import PictureError
from henshin.files import hash_file
from henshin.models import ModelStore
from henshin.train.losses.perceptual import Vgg19
from henshin.train.metrics.perceptual_distance import VGG_LAYERS, VggDistance
from henshin.train.metrics.toolbox import perceptual_measure


def noisy(seed: int, side: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3)).astype(np.uint8)


def batch(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 127.5 - 1


@pytest.fixture(scope="module")
def alexnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models with an AlexNet of random weights, under the name that torchvision gives its own."""
    torchvision = pytest.importorskip("torchvision")
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(1)
    file = folder / "alexnet-owt-7be5be79.pth"
    torch.save(torchvision.models.alexnet().state_dict(), file)
    entry = {"name": "alexnet", "kind": "features", "file": file.name, "sha256": hash_file(file),
             "size": file.stat().st_size, "url": "https://example.org/a.pth"}  # fmt: skip
    (folder / "models.yaml").write_text(yaml.safe_dump({"models": [entry]}), encoding="utf-8")
    return folder


def test_lpips_is_its_formula(alexnet: Path, tmp_path: Path) -> None:
    """Zhang et al. 2018, equation 1, with the heads of the authors, which torchmetrics carries."""
    pytest.importorskip("torchmetrics")
    torchvision = pytest.importorskip("torchvision")
    hub = torch.hub.get_dir()
    measure = perceptual_measure(ModelStore(local=tmp_path, user=alexnet, packaged=tmp_path))
    assert (measure.key, torch.hub.get_dir()) == ("lpips", hub)
    one, other = noisy(0), noisy(1)

    layers = torchvision.models.alexnet()
    layers.load_state_dict(torch.load(alexnet / "alexnet-owt-7be5be79.pth", weights_only=True))
    heads = torch.load(str(files("torchmetrics") / "functional/image/lpips_models/alex.pth"), "cpu", weights_only=True)
    shift = torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1)
    scale = torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1)
    x, y = ((batch(picture) - shift) / scale for picture in (one, other))
    total, head = 0.0, 0
    with torch.no_grad():
        for layer in layers.features:
            x, y = layer(x), layer(y)
            if isinstance(layer, torch.nn.ReLU):
                weights = heads[f"lin{head}.model.1.weight"].view(1, -1, 1, 1)
                total += float((weights * (F.normalize(x, dim=1) - F.normalize(y, dim=1)) ** 2).sum(1).mean())
                head += 1
    assert head == 5
    assert measure.measure(one, other) == pytest.approx(total, rel=1e-4)
    assert measure.measure(one, one) == 0


def test_without_alexnet_the_distance_has_another_name(tmp_path: Path) -> None:
    measure = perceptual_measure(ModelStore(local=tmp_path, user=tmp_path, packaged=tmp_path))
    assert (measure.key, "LPIPS" in measure.title) == ("vgg19-distance", False)


def test_the_distance_by_vgg_is_its_formula() -> None:
    one, other = noisy(2), noisy(3)
    measure = VggDistance()
    with torch.no_grad():
        layers = [
            Vgg19((name,), activated=True)(torch.cat([batch(one), batch(other)]))[0].numpy() for name in VGG_LAYERS
        ]
    wanted = 0.0
    for a, b in (layer.astype(float) for layer in layers):
        unit = [of / np.linalg.norm(of, axis=0, keepdims=True).clip(1e-12) for of in (a, b)]
        wanted += float(((unit[0] - unit[1]) ** 2).sum(0).mean())
    assert measure.measure(one, other) == pytest.approx(wanted, rel=1e-5)
    assert measure.measure(one, one) == 0


def test_pictures_that_are_too_small_are_told() -> None:
    with pytest.raises(PictureError, match="20x20 pixels are too few: it takes 32x32"):
        VggDistance().measure(noisy(0, 20), noisy(1, 20))
