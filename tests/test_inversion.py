"""From pictures back to latents: what a tiny StyleGAN2 drew is found again, each face for itself."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from pydantic import ValidationError  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from support_stylegan2 import TINY, drawn, published, styles  # noqa: E402

from henshin import Face, Frame, HenshinError, PictureError  # noqa: E402
from henshin.registry import build_registry  # noqa: E402
from henshin.testing import context  # noqa: E402
from henshin.train.export import Source  # noqa: E402
from henshin.train.rows import normalise, structure  # noqa: E402
from henshin_plugins.inversion import Inversion, InversionConfig  # noqa: E402
from henshin_plugins.inversion.kept import Kept  # noqa: E402
from henshin_plugins.inversion.optimise import Inverter, rates  # noqa: E402
from henshin_plugins.stylegan2 import StyleGan2, StyleGan2Config  # noqa: E402

WEIGHTS = published(**TINY, seed=3)
LOG = logging.getLogger("henshin.testing")
QUICK = {"alpha": 0, "patience": None}


def source() -> Source:
    options, ours = StyleGan2.recognise(WEIGHTS)
    generator = StyleGan2(StyleGan2Config(**options))
    network = generator.build().eval()
    network.load_state_dict(ours)
    return Source(generator, network, 16, "", "", "")


def inverter(**options: object) -> Inverter:
    return Inverter(InversionConfig(model="face", **{**QUICK, **options}), source(), "cpu", LOG)


def targets(count: int, seed: int = 0) -> torch.Tensor:
    """Pictures that the second implementation draws of known noise, not rounded; (N, 3, 16, 16)."""
    z = torch.randn(count, TINY["latent"], generator=torch.Generator().manual_seed(seed))
    return drawn(WEIGHTS, styles(WEIGHTS, z)[:, None].repeat(1, 6, 1)).float()


def pictures(count: int, seed: int = 0) -> list[np.ndarray]:
    shown = ((targets(count, seed) + 1) * 127.5).clamp(0, 255).round().to(torch.uint8)
    return [np.ascontiguousarray(one) for one in shown.permute(0, 2, 3, 1).numpy()]


# ---- what is found


@pytest.mark.parametrize("space", ["z", "w", "w+"])
def test_a_picture_drawn_from_a_known_latent_is_found_again(space):
    wanted = targets(3)
    found = inverter(space=space, steps=300, starts=4 if space == "z" else 1).inverted(wanted)
    for one, target in zip(found, wanted, strict=True):
        again = drawn(WEIGHTS, torch.from_numpy(one.latent)[None])[0]
        assert one.latent.shape == (6, 6)
        assert float((again - target).square().mean()) == pytest.approx(one.mse, abs=1e-5)
        assert one.mse <= 0.005
        grey = ((again + 1) * 127.5).clamp(0, 255).permute(1, 2, 0).numpy()
        assert np.abs(one.picture - grey).max() <= 0.51
        assert space == "w+" or np.ptp(one.latent, axis=0).max() == 0
