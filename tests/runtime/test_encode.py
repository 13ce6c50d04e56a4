"""Encoders: pictures in, latents out; how they are exported, run and refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from henshin import Generator, GeneratorConfig, PictureError
from henshin.config.options import ModelOption
from henshin.errors import HenshinError
from henshin.models import ModelStore
from henshin.models.requirements import model_problem
from henshin.runtime import Device, Model, OnnxSession
from henshin.testing import check_generator
from henshin.train.export import export
from henshin.train.weights.trained_network import TrainedNetwork

nn: Any = pytest.importorskip("torch").nn
SIDE = 8


class Columns(Generator[GeneratorConfig]):
    """Means of columns, in the network's own range, as a latent (2, 4)."""

    name = "columns"
    kind = "encoder"
    value_range: ClassVar = (0.0, 2.0)
    channel_order: ClassVar = "BGR"
    maximum_size: ClassVar = SIDE
    latent_shape: ClassVar = (2, 4)

    def build(self) -> Any:
        class Means(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.gain = nn.Parameter(nn.init.ones_(nn.Linear(1, 1, bias=False).weight.detach())[0])

            def forward(self, x: Any) -> Any:
                return (x[:, 0].mean(1) * self.gain).reshape(-1, 2, 4)

        return Means()


def source(generator: Generator[Any]) -> TrainedNetwork:
    return TrainedNetwork(generator, generator.build(), None, "a test", "none", "CC0-1.0")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = tmp_path_factory.mktemp("exported") / "columns.onnx"
    contract = export(source(Columns(GeneratorConfig())), path, [])
    assert (contract.kind, contract.latent_shape, contract.preferred_size) == ("encoder", (2, 4), SIDE)
    return Model(contract, OnnxSession(path, Device("cpu")))


def pictures(count: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (count, SIDE, SIDE, 3), np.uint8))


def test_an_encoder_gives_what_its_network_gives(model: Model) -> None:
    given = pictures(5)
    found = model.encode(given)
    for picture, latent in zip(given, found, strict=True):
        # the network sees BGR in [0, 2]
        wanted = (picture[:, :, 2].astype(np.float64) * 2 / 255).mean(0).reshape(2, 4)
        assert isinstance(latent, np.ndarray)
        assert latent.dtype == np.float32
        np.testing.assert_allclose(latent, wanted, rtol=1e-5)
    assert model.encode([]) == []
    assert f"brought to {SIDE} pixels square" in model.describe()


def test_any_size_is_brought_to_the_square_and_one_failure_is_one_failure(model: Model) -> None:
    flat = np.full((30, 17, 3), 51, np.uint8)
    wrong, right = model.encode([np.zeros((4, 4), np.uint8), flat])
    assert isinstance(wrong, PictureError)
    assert "a picture is (height, width, 3) of uint8" in wrong.reason
    np.testing.assert_allclose(right, np.full((2, 4), 0.4), rtol=1e-5)


def test_batches_change_nothing(model: Model) -> None:
    one = Model(model.contract, model.network, batch_size=2)
    np.testing.assert_allclose(np.stack(one.encode(pictures(5))), np.stack(model.encode(pictures(5))), rtol=1e-6)


def test_a_picture_on_which_it_fails_fails_alone(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    from henshin.runtime import NetworkError

    given = pictures(4)
    run = OnnxSession.run

    def picky(self: OnnxSession, feed: Any) -> Any:
        (batch,) = feed.values()
        if any((one == given[2]).all() for one in batch):
            raise NetworkError("it does not like that")
        result = run(self, feed)
        for index, one in enumerate(batch):
            if (one == given[1]).all():
                result["styles"][index] = np.nan
        return result

    monkeypatch.setattr(OnnxSession, "run", picky)
    first, second, third, fourth = model.encode(given)
    assert isinstance(first, np.ndarray)
    assert isinstance(fourth, np.ndarray)
    assert isinstance(second, PictureError)
    assert second.reason == "model 'columns' gives values that are not finite"
    assert isinstance(third, PictureError)
    assert "failed on a picture: it does not like that" in third.reason


def test_an_encoder_is_refused_where_something_else_is_wanted(model: Model) -> None:
    with pytest.raises(HenshinError, match=r"^model 'columns' is an encoder: it makes latents of pictures, not pict"):
        model.translate(pictures(1))
    with pytest.raises(HenshinError, match=r"^model 'columns' is an encoder: it draws nothing from noise$"):
        model.sample(np.zeros((1, 2, 4), np.float32))


def test_options_that_want_another_kind_say_so(
    model: Model, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from henshin.cli import main

    monkeypatch.setenv("HENSHIN_MODELS", str(model.network.path.parent))
    store = ModelStore()
    assert model_problem(store, "columns", None, ModelOption(kind="encoder")) is None
    wrong = model_problem(store, "columns", None, ModelOption(kind="translator"))
    assert str(wrong).startswith("'columns' is an encoder, and a translator is wanted")
    wrong = model_problem(store, "nothing", None, ModelOption(kind="encoder"))
    assert "columns" in str(wrong)
    assert main(["models", "list"]) == 0
    assert any(line.split()[:2] == ["columns", "encoder"] for line in capsys.readouterr().out.splitlines())
    assert main(["models", "show", "columns"]) == 0
    shown = capsys.readouterr().out
    assert "[2, 4]" in shown
    assert "reach" not in shown


def test_the_kit_knows_encoders() -> None:
    check_generator(Columns)

    class Silent(Columns):
        latent_shape: ClassVar = None

    class Other(Columns):
        latent_shape: ClassVar = (4, 2)

    class Leaking(Columns):
        def build(self) -> Any:
            network = super().build()
            network.register_forward_hook(lambda _, __, found: found - found.mean(0))
            return network

    with pytest.raises(AssertionError, match="an encoder must say its latent_shape"):
        check_generator(Silent)
    with pytest.raises(AssertionError, match=r"two pictures become \(2, 2, 4\); its latent_shape is \(4, 2\)"):
        check_generator(Other)
    with pytest.raises(AssertionError, match="depends on the others in its batch"):
        check_generator(Leaking)


def test_what_cannot_be_exported_says_why(tmp_path: Path) -> None:
    class Vague(Columns):
        maximum_size: ClassVar = None

    class Other(Columns):
        latent_shape: ClassVar = (4, 2)

    with pytest.raises(HenshinError, match="is an encoder, and nothing says of which size its pictures are"):
        export(source(Vague(GeneratorConfig())), tmp_path / "a.onnx", [])
    with pytest.raises(HenshinError, match=r"turns two pictures into \(2, 2, 4\), and its latent_shape is \(4, 2\)"):
        export(source(Other(GeneratorConfig())), tmp_path / "a.onnx", [])
    assert not list(tmp_path.iterdir())
