"""From pictures to latents and back: several inversions, and what ONNX Runtime draws of what PyTorch found."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from support.inversion import WEIGHTS, pictures  # noqa: E402
from support.stylegan2 import drawn  # noqa: E402

from henshin import Face, Frame  # noqa: E402
from henshin.testing import context  # noqa: E402
from henshin_plugins.face import SplitFaces  # noqa: E402
from henshin_plugins.inversion import Inversion  # noqa: E402
from henshin_plugins.inversion.config import InversionConfig  # noqa: E402
from henshin_plugins.synthesis import Synthesis  # noqa: E402
from henshin_plugins.synthesis.config import SynthesisConfig  # noqa: E402


@pytest.fixture(scope="module")
def models(face_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shutil.copytree(face_models, tmp_path_factory.mktemp("models"), dirs_exist_ok=True)


def crowd(crops: list[np.ndarray]) -> Frame:
    box, matrix = np.array([1, 1, 9, 9], np.float32), np.array([[1, 0, -3], [0, 1, -4]], np.float32)
    faces = [Face(box, 0.9, matrix=matrix, crop=crop) for crop in crops]
    return Frame("p", "p", np.zeros((50, 60, 3), np.uint8), faces=faces)


def ran(models: Path, frames: list[Frame], stage: Any, config: Any) -> list[Frame]:
    made = stage(config)
    made.zone = "crops"
    made.open(context(models / "cache", models))
    return made.run(frames)


def inverted(models: Path, frames: list[Frame], **options: Any) -> list[Frame]:
    """Found by a few steps, without the perceptual network."""
    common = {"model": str(models / "face.safetensors"), "alpha": 0, "steps": 12, "patience": None}
    return ran(models, frames, Inversion, InversionConfig(**common, **options))


def synthesised(models: Path, frames: list[Frame], **options: Any) -> list[Frame]:
    return ran(models, frames, Synthesis, SynthesisConfig(model=str(models / "face.onnx"), **options))


def grey(latents: np.ndarray) -> np.ndarray:
    """What the second implementation draws of styles (N, L, D)."""
    shown = ((drawn(WEIGHTS, torch.from_numpy(latents)) + 1) * 127.5).clamp(0, 255)
    return shown.permute(0, 2, 3, 1).numpy()


def test_what_inversion_gives_is_what_synthesis_draws_of_its_latents(models: Path) -> None:
    (seen,) = inverted(models, [crowd(pictures(2))])
    (again,) = inverted(models, [crowd(pictures(2))], output="picture")
    (done,) = synthesised(models, [again])
    for one, other in zip(seen.faces, done.faces, strict=True):
        assert np.abs(one.crop.astype(int) - other.crop).max() <= 1


def test_two_inversions_of_one_picture_are_drawn_block_by_block(models: Path) -> None:
    frames = inverted(models, [crowd(pictures(3))], name="first", output="picture")
    (frame,) = inverted(models, frames, name="second", output="picture", start="random", seed=5)
    assert [np.array_equal(face.crop, one) for face, one in zip(frame.faces, pictures(3), strict=True)] == [True] * 3
    first, second = frame.latents["first"].copy(), frame.latents["second"].copy()
    assert np.abs(first - second).max() > 0.1
    (done,) = synthesised(models, [frame], latents={"base": "first", "swap": {"from": 2, "latents": "second"}})
    first[:, 1:] = second[:, 1:]  # of 16 pixels: one style is the block of 4's
    for face, expected in zip(done.faces, grey(first), strict=True):
        assert np.abs(face.crop - expected).max() <= 0.52
    parts = SplitFaces(SplitFaces.Config()).run([done])
    made = Synthesis(SynthesisConfig(model=str(models / "face.onnx"), latents="second"))
    made.open(context(models / "cache", models))
    for part, expected in zip(made.run(parts), grey(second), strict=True):  # as pictures of their own
        assert np.abs(part.picture - expected).max() <= 0.52
