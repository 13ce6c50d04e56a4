"""Inversion that begins where an encoder guesses: from there, not at all, and what does not go with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
from pydantic import ValidationError  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from support.inversion import QUICK, WEIGHTS, source  # noqa: E402
from support.onnx import encoder  # noqa: E402
from support.stylegan2 import drawn, styles  # noqa: E402

from henshin import Frame, HenshinError  # noqa: E402
from henshin.models import METADATA_KEY  # noqa: E402
from henshin.testing import context  # noqa: E402
from henshin.train.export.exporter import describe  # noqa: E402
from henshin_plugins.inversion import Inversion  # noqa: E402
from henshin_plugins.inversion.config import InversionConfig  # noqa: E402
from henshin_plugins.inversion.optimise.inverter import Inverter  # noqa: E402


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """face.safetensors, right.onnx that guesses `wanted()`, wrong.onnx and small.onnx."""
    folder = tmp_path_factory.mktemp("models")
    one = source()
    tensors = {name: tensor.contiguous() for name, tensor in one.network.state_dict().items()}
    save_file(tensors, folder / "face.safetensors", {METADATA_KEY: describe(one, "face", one.network, 16).to_json()})
    for name, guess in (("right", wanted()), ("wrong", torch.zeros(6, 6)), ("small", torch.zeros(6, 5))):
        encoder(folder / f"{name}.onnx", guess.numpy(), 16)
    return folder


def wanted() -> torch.Tensor:
    """A style for each layer, unlike the mean."""
    z = torch.randn(6, 6, generator=torch.Generator().manual_seed(8))
    return styles(WEIGHTS, z).float()


def picture() -> np.ndarray:
    shown = drawn(WEIGHTS, wanted()[None])[0]
    return np.ascontiguousarray(((shown + 1) * 127.5).clamp(0, 255).round().byte().permute(1, 2, 0).numpy())


def stage(place: Path, cache: Path, encoder: str | None = "right", **options: object) -> Inversion:
    named = None if encoder is None else str(place / f"{encoder}.onnx")
    given = {**QUICK, "steps": 0, **options}
    made = Inversion(InversionConfig(model=str(place / "face.safetensors"), encoder=named, **given))
    made.open(context(cache))
    return made


def inverted(stage: Inversion, *pictures: np.ndarray) -> list[Frame]:
    return stage.run([Frame(f"p{i}", f"p{i}", one) for i, one in enumerate(pictures)])


def test_the_guess_alone(place, tmp_path):
    other = np.full((40, 30, 3), 200, np.uint8)
    done = inverted(stage(place, tmp_path), picture(), other)
    assert np.abs(done[0].latents["latent"][0] - wanted().numpy()).max() < 2e-3
    assert np.abs(done[0].picture.astype(int) - picture()).max() <= 4
    assert done[1].latents["latent"].shape == (1, 6, 6)
    assert done[1].picture.shape == (16, 16, 3)
    (again,) = inverted(stage(place, tmp_path), other)
    assert np.array_equal(again.latents["latent"], done[1].latents["latent"])


def test_the_guess_of_one_style_for_all_layers_is_the_mean_of_theirs(place, tmp_path):
    (done,) = inverted(stage(place, tmp_path, space="w"), picture())
    latent = done.latents["latent"][0]
    assert np.ptp(latent, axis=0).max() == 0
    assert np.abs(latent[0] - wanted().mean(0).numpy()).max() < 2e-3


def test_steps_begin_at_the_guess_and_only_those_of_the_first_start(place, tmp_path, monkeypatch):
    begun = []
    begin = Inverter._begin
    monkeypatch.setattr(Inverter, "_begin", lambda *given: begun.append(begin(*given)) or begun[-1])
    one = stage(place, tmp_path, steps=3, starts=2)
    inverted(one, picture())
    base = begun[0][0].base
    assert float((base[0] - wanted()).abs().max()) < 2e-3
    assert float((base[1] - wanted()).abs().max()) > 0.1
    target = torch.from_numpy(picture() / 127.5 - 1).permute(2, 0, 1)

    def apart(steps: int, encoder: str | None) -> float:
        (end,) = inverted(stage(place, tmp_path, encoder, steps=steps, learning_rate=0.02), picture())
        return float((drawn(WEIGHTS, torch.from_numpy(end.latents["latent"]))[0] - target).square().mean())

    assert apart(8, "right") < 0.8 * apart(0, "right")
    assert apart(8, "right") < 0.5 * apart(8, None)


def test_what_was_kept_of_another_encoder_is_not_taken(place, tmp_path):
    (right,) = inverted(stage(place, tmp_path), picture())
    (wrong,) = inverted(stage(place, tmp_path, "wrong"), picture())
    assert np.abs(right.latents["latent"] - wrong.latents["latent"]).max() > 0.1
    assert len(list(tmp_path.rglob("*.npz"))) == 2


def test_a_guess_that_fails_fails_its_picture_alone(place, tmp_path, monkeypatch):
    from henshin import PictureError
    from henshin.runtime import Model

    encode = Model.encode
    failing = [PictureError("no guess")]
    monkeypatch.setattr(Model, "encode", lambda self, given: failing if given[0][0, 0, 0] == 7 else encode(self, given))
    done = inverted(stage(place, tmp_path, steps=2), np.full((16, 16, 3), 7, np.uint8), picture())
    assert "no guess" in str(done[0].error)
    assert done[1].error is None
    assert len(list(tmp_path.rglob("*.npz"))) == 1


# ---- what is refused


def test_an_encoder_of_another_model_is_told(place, tmp_path):
    with pytest.raises(HenshinError, match=r"guesses latents \(6, 5\), and .* takes \(6, 6\); wanted: an encoder"):
        stage(place, tmp_path, "small")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"steps": 0}, "steps: 0 is the guess of an encoder alone, and there is none"),
        ({"encoder": "x", "space": "z"}, "space: z does not go with an encoder"),
        ({"encoder": "x", "start": "random"}, "start: random does not go with an encoder"),
        ({"encoder": "x", "noise": "optimised"}, "noise: optimised does not go with an encoder"),
    ],
)
def test_what_does_not_go_together_is_refused(wrong, said):
    with pytest.raises(ValidationError, match=said):
        InversionConfig(model="face", **wrong)
