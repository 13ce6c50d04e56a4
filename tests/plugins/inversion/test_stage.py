"""The stage `inversion`: frames, the cache, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from PIL import Image  # noqa: E402
from pydantic import ValidationError  # noqa: E402
from safetensors import safe_open  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from support.inversion import LOG, QUICK, WEIGHTS, pictures, source  # noqa: E402
from support.stylegan2 import drawn  # noqa: E402

from henshin import Face, Frame, HenshinError  # noqa: E402
from henshin.cli import run_pipeline  # noqa: E402
from henshin.models import METADATA_KEY  # noqa: E402
from henshin.testing import context  # noqa: E402
from henshin.train.export.exporter import describe  # noqa: E402
from henshin.train.weights.trained_network import TrainedNetwork  # noqa: E402
from henshin.train.weights.weight_files import hash_of_tensors  # noqa: E402
from henshin_plugins.dcgan import DcganNetwork  # noqa: E402
from henshin_plugins.inversion import Inversion  # noqa: E402
from henshin_plugins.inversion.cache import LatentCache  # noqa: E402
from henshin_plugins.inversion.config import InversionConfig  # noqa: E402
from henshin_plugins.inversion.optimise.inverter import Inverter  # noqa: E402

# ---- the stage


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """face.safetensors, as an export writes it."""

    file = tmp_path_factory.mktemp("weights") / "face.safetensors"
    one = source()
    tensors = {name: tensor.contiguous() for name, tensor in one.network.state_dict().items()}
    save_file(tensors, file, {METADATA_KEY: describe(one, "face", one.network, 16).to_json()})
    return file


def stage(weights: Path, cache: Path, zone: str = "photos", **options: object) -> Inversion:
    made = Inversion(InversionConfig(model=str(weights), **{**QUICK, "steps": 20, **options}))
    made.zone = zone
    made.open(context(cache))
    return made


def photo(number: int, picture: np.ndarray) -> Frame:
    return Frame(f"p{number}", f"p{number}", picture)


def crowd(crops: list[np.ndarray]) -> Frame:
    """A frame with faces, of which the second has a crop of twice the size, and a first one that was not cut out."""
    frame = photo(0, np.zeros((50, 60, 3), np.uint8))
    frame.faces = [Face(np.array([0, 0, 9, 9], np.float32), 0.9)]
    for crop in crops:
        matrix = np.array([[1, 0, -3], [0, 1, -4]], np.float32)
        frame.faces.append(Face(np.array([1, 1, 9, 9], np.float32), 0.9, matrix=matrix, crop=crop))
    return frame


def test_photos_and_crops_become_latents_and_what_is_drawn_from_them(weights, tmp_path):
    first, second = pictures(2)
    large = np.kron(second, np.ones((2, 2, 1), np.uint8))
    frames = [crowd([first, large]), photo(1, first)]
    done = stage(weights, tmp_path, "crops", name="w1").run(frames)
    assert done[0].error is done[1].error is None
    assert done[0].latents["w1"].shape == (2, 6, 6)
    assert done[1].latents["w1"].shape == (1, 6, 6)
    assert done[0].latents["w1"].dtype == np.float32
    assert np.array_equal(done[0].latents["w1"][0], done[1].latents["w1"][0])
    shown = ((drawn(WEIGHTS, torch.from_numpy(done[0].latents["w1"])) + 1) * 127.5).clamp(0, 255)
    for face, expected in zip(done[0].faces[1:], shown.permute(0, 2, 3, 1).numpy(), strict=True):
        assert np.abs(face.crop - expected).max() <= 0.51
    assert np.allclose(done[0].faces[1].matrix, [[1, 0, -3], [0, 1, -4]])
    assert np.allclose(done[0].faces[2].matrix, [[0.5, 0, -1.5], [0, 0.5, -2]])  # it is half as large now
    assert np.array_equal(done[1].picture, done[0].faces[1].crop)


def test_the_picture_itself_may_go_on_and_other_latents_stay(weights, tmp_path):
    (picture,) = pictures(1)
    frame = photo(0, picture)
    frame.latents = {"other": 1}
    (done,) = stage(weights, tmp_path, output="picture").run([frame])
    assert done.picture is picture
    assert list(done.latents) == ["other", "latent"]


def test_a_second_run_optimises_nothing(weights, tmp_path, monkeypatch):
    first = stage(weights, tmp_path).run([photo(i, one) for i, one in enumerate(pictures(2))])
    calls = []
    real = Inverter.inverted
    monkeypatch.setattr(Inverter, "inverted", lambda self, *given: calls.append(len(given[0])) or real(self, *given))
    again = stage(weights, tmp_path, batch=1, output="picture").run([photo(1, pictures(2)[1])])
    assert calls == []
    assert np.array_equal(again[0].latents["latent"], first[1].latents["latent"])
    seen = pictures(2) + pictures(1, seed=9)
    stage(weights, tmp_path).run([photo(i, one) for i, one in enumerate([*seen, seen[2]])])
    assert calls == [1]  # the new one, once
    stage(weights, tmp_path, steps=19).run([photo(0, seen[0])])
    assert calls == [1, 1]
    for file in tmp_path.rglob("*.npz"):
        file.write_bytes(file.read_bytes()[:100])
    stage(weights, tmp_path).run([photo(0, seen[0])])
    assert calls == [1, 1, 1]


def test_other_weights_and_options_that_count_are_other_keys(tmp_path):
    picture = pictures(1)[0]

    def key(model: str = "a", **options: object) -> str:
        return LatentCache(tmp_path, InversionConfig(model="face", **options), model, LOG).key(picture)

    assert key() == key(batch=3) == key(name="other") == key(output="picture")
    keys = [key(), key("b"), key(seed=1), key(alpha=0.3), key(space="w"), key(layers=["conv1_1"]), key(patience=None)]
    assert len(set(keys)) == len(keys)


def test_a_broken_face_fails_its_frame_alone(weights, tmp_path, monkeypatch):
    scaled = Inverter._scaled

    def poisoned(self: Inverter, given: list[np.ndarray]) -> torch.Tensor:
        made = scaled(self, given)
        made[1] *= torch.nan
        return made

    monkeypatch.setattr(Inverter, "_scaled", poisoned)
    frames = [crowd(pictures(2)), photo(1, pictures(1, seed=4)[0])]
    done = stage(weights, tmp_path, "crops").run(frames)
    assert "face 3: the inversion came to values that are not finite" in str(done[0].error)
    assert "latent" not in done[0].latents
    assert done[1].error is None
    assert done[1].latents["latent"].shape == (1, 6, 6)
    assert len(list(tmp_path.rglob("*.npz"))) == 2  # the failed one is not kept


# ---- what is refused


@pytest.mark.parametrize(
    "wrong", [{"alpha": 1.01}, {"alpha": -0.1}, {"space": "x"}, {"starts": 0}, {"layers": []}, {"layers": ["conv9"]}]
)
def test_wrong_options_are_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        InversionConfig(model="face", **wrong)
    with pytest.raises(ValidationError, match="named twice"):
        InversionConfig(model="face", layers=["conv1_1", "conv1_1"])


def test_a_model_that_is_none_is_told(tmp_path):

    with pytest.raises(HenshinError, match=r"no file of weights gone\.safetensors"):
        stage(Path("gone.safetensors"), tmp_path)
    generator = DcganNetwork(DcganNetwork.Config(size=32, width=4))
    network = generator.build()
    said = describe(TrainedNetwork(generator, network, 32, "", "", ""), "noise", network, 32)
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    save_file(tensors, tmp_path / "noise.safetensors", {METADATA_KEY: said.to_json()})
    with pytest.raises(HenshinError, match="no mapping and synthesis; a StyleGAN2 is wanted"):
        stage(tmp_path / "noise.safetensors", tmp_path)


def test_a_model_without_weights_is_told(face_models, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HENSHIN_MODELS", str(tmp_path / "models"))
    shutil.copytree(face_models, tmp_path / "models")
    (tmp_path / "models" / "face.safetensors").unlink()
    Path("in").mkdir()
    Image.fromarray(pictures(1)[0]).save("in/a.png")
    Path("p.yaml").write_text("name: p\nstages:\n  - use: inversion\n    model: face\n    alpha: 0\n")
    capsys.readouterr()
    assert run_pipeline(["p.yaml", "-i", "in", "-o", "out", "--device", "cpu"]) in (1, 2, 3)
    (line,) = [one for one in capsys.readouterr().err.splitlines() if "weights" in one]
    assert "'face' has no weights beside it" in line
    assert "--keep-weights" in line


def test_a_pipeline_by_the_models_name(face_models, tmp_path, monkeypatch, capsys):
    """What the cli writes is drawn by ONNX Runtime's half of the model alike."""

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HENSHIN_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HENSHIN_CACHE", str(tmp_path / "cache"))
    shutil.copytree(face_models, tmp_path / "models")
    Path("in").mkdir()
    Image.fromarray(pictures(1)[0]).save("in/a.png")
    text = "name: p\nstages:\n  - use: inversion\n    model: face\n    alpha: {}\n    steps: 60\n"
    Path("p.yaml").write_text(text.format(0))
    assert run_pipeline(["p.yaml", "-i", "in", "-o", "out", "--device", "cpu"]) == 0
    written = np.asarray(Image.open("out/a.png"))
    (file,) = Path("cache/inversion").rglob("*.npz")
    with np.load(file) as held:
        model = context(tmp_path / "cache", tmp_path).model(str(tmp_path / "models" / "face-synthesis.onnx"))
        (again,) = model.sample(held["latent"][None])
    assert np.abs(written.astype(int) - again).max() <= 1
    Path("p.yaml").write_text(text.format(1.5))
    assert run_pipeline(["p.yaml", "-i", "in", "-o", "out"]) == 2
    assert "p.yaml:5: inversion.alpha" in capsys.readouterr().err
    other = source().network.state_dict() | {"mapping.mean": torch.ones(6)}
    file = tmp_path / "models" / "face.safetensors"

    with safe_open(file, "pt") as held:
        said = held.metadata()
    tensors = {name: tensor.contiguous() for name, tensor in other.items()}
    save_file(tensors, file, said)
    Path("p.yaml").write_text(text.format(0.0))
    assert run_pipeline(["p.yaml", "-i", "in", "-o", "out2"]) == 2
    assert "face.safetensors: holds other weights than were written there" in capsys.readouterr().err
    own = json.loads(said[METADATA_KEY]) | {"weights_sha256": hash_of_tensors(tensors)}
    save_file(tensors, file, {METADATA_KEY: json.dumps(own)})  # a whole file, but of another network than the model
    assert run_pipeline(["p.yaml", "-i", "in", "-o", "out3"]) == 2
    assert "are those of another network" in capsys.readouterr().err
